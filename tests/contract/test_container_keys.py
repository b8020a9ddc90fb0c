"""What the role tracking_server makes of keys: one line that quotes none of them, or the options of the containers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.test_playbook import PROGRAMS, environment
from tests.unit.keys import EMAIL, KEY_ID, service_account_key

TARGET = "mlflow@p.iam.gserviceaccount.com"
KEY = service_account_key()
VALUES = {
    "gcp_project": "p",
    "gcp_region": "europe-west3",
    "mlflow_instance": "db",
    "mlflow_database": "mlflow",
    "mlflow_database_user": "mlflow_user",
    "mlflow_tier": "db-f1-micro",
    "mlflow_bucket": "b",
    "mlflow_artifact_prefix": "a/",
    "tracking_server__image": "image",
}
SHOW = "{{ tracking_server__compose | to_json }}"


def play(folder: Path, *arguments: str, **variables: Any) -> tuple[int, str]:
    """The role's look at the keys, then the containers; with all the output that Ansible can give."""
    compose = {"content": SHOW, "dest": str(folder / "compose.json"), "mode": "0600"}
    return run(
        folder, [part("tracking_server", "keys.yml"), {"ansible.builtin.copy": compose}], *arguments, **variables
    )


def part(role: str, tasks: str) -> dict[str, Any]:
    """A task that runs one task file of a role."""
    return {"ansible.builtin.include_role": {"name": f"mlflow_ops.gcp.{role}", "tasks_from": tasks, "public": True}}


def run(folder: Path, tasks: list[dict[str, Any]], *arguments: str, **variables: Any) -> tuple[int, str]:
    """A play with an inventory's values: its exit code, and its output on one line."""
    play = {"hosts": "localhost", "gather_facts": False, "vars": VALUES | variables, "tasks": tasks}
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump([play]))
    command = [str(PROGRAMS / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(path), "--diff", *arguments]
    done = subprocess.run(command, env=environment(folder), text=True, capture_output=True, check=False, timeout=60)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def containers(folder: Path, **variables: Any) -> dict[str, Any]:
    returncode, output = play(folder, "-vvv", **variables)
    assert returncode == 0, output
    assert KEY["private_key"].splitlines()[1] not in output
    composed: dict[str, Any] = json.loads((folder / "compose.json").read_text())["services"]
    return composed


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"tracking_server_credentials": "s3cr3t"},
            "tracking_server_credentials: it is no JSON: give the whole content",
        ),
        (
            {
                "tracking_server_credentials": KEY,
                "tracking_server_proxy_credentials": {"type": "x", "private_key": "s3cr3t"},
            },
            "tracking_server_proxy_credentials: it is of type 'x', not the key of a service account",
        ),
        (
            {"tracking_server_credentials": KEY | {"private_key": "-----BEGIN PRIVATE KEY-----\ns3cr3t"}},
            f"the private key of key {KEY_ID} of {EMAIL} cannot be read",
        ),
        ({"tracking_server_proxy_impersonate": f"{EMAIL},{TARGET}"}, "is no e-mail of a service account"),
        ({"tracking_server_impersonate": TARGET}, "tracking_server_impersonate needs tracking_server_credentials"),
    ],
)
def test_what_cannot_work_is_one_line_that_quotes_no_key(tmp_path: Path, variables: dict[str, Any], line: str) -> None:
    returncode, output = play(tmp_path, **variables)
    assert returncode != 0
    assert line in output
    assert "Nothing was changed" in output
    assert "s3cr3t" not in output.replace(str(tmp_path), "").replace('"', "").split("fatal:")[1]
    assert KEY["private_key"].splitlines()[1] not in output


def test_without_keys_both_containers_use_the_attached_account(tmp_path: Path) -> None:
    made = containers(tmp_path, tracking_server_proxy_impersonate=TARGET)
    assert [word for word in made["cloud-sql-proxy"]["command"] if "credentials" in word] == []
    assert f"--impersonate-service-account={TARGET}" in made["cloud-sql-proxy"]["command"]
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in made["mlflow"]["environment"]
    assert "/run/gcp" not in json.dumps(made)


def test_one_key_for_both_and_an_account_to_act_as(tmp_path: Path) -> None:
    made = containers(tmp_path, tracking_server_credentials=json.dumps(KEY), tracking_server_impersonate=TARGET)
    proxy, server = made["cloud-sql-proxy"], made["mlflow"]
    assert {f"--credentials-file=/run/gcp/{KEY_ID}.json", f"--impersonate-service-account={TARGET}"} <= set(
        proxy["command"]
    )
    assert server["environment"]["GOOGLE_APPLICATION_CREDENTIALS"] == f"/run/gcp/{KEY_ID}-as-{TARGET}.json"
    for service, folder in (
        (proxy, "proxy"),
        (server, "server"),
        (made["connection-test"], "proxy"),
        (made["check"], "server"),
    ):
        (mount,) = [volume for volume in service["volumes"] if volume["target"] == "/run/gcp"]
        assert (mount["source"], mount["read_only"]) == (f"/opt/mlflow/secrets/{folder}", True)
    assert "PRIVATE" not in json.dumps(made)


def test_a_key_of_another_project_is_pointed_out(tmp_path: Path) -> None:
    returncode, output = play(tmp_path, tracking_server_credentials=KEY | {"project_id": "elsewhere"})
    assert returncode == 0
    assert f"The key {KEY_ID} belongs to {EMAIL} of the project elsewhere, not p." in output


@pytest.mark.parametrize(
    ("limit", "content", "line"),
    [
        ("one", json.dumps(KEY), "two had no part in this run and may still use the old key, so it stays enabled"),
        ("one,two", "s3cr3t", "holds no service account's key, so there is nothing to disable"),
    ],
)
def test_a_key_that_may_be_in_use_is_not_retired(tmp_path: Path, limit: str, content: str, line: str) -> None:
    old = tmp_path / "mlflow" / "secrets" / "server" / "old.json"
    old.parent.mkdir(parents=True)
    old.write_text(content)
    role = {"name": "mlflow_ops.gcp.tracking_server", "public": True}
    tasks = [{"ansible.builtin.include_role": role | {"tasks_from": part}} for part in ("keys.yml", "retire_keys.yml")]
    variables = VALUES | {"tracking_server_directory": str(tmp_path / "mlflow"), "ansible_connection": "local"}
    path = tmp_path / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}]))
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"tracking_servers": {"hosts": {"one": {}, "two": {}}}}))
    command = [str(PROGRAMS / "ansible-playbook"), "-i", str(inventory), "--limit", limit, str(path)]
    done = subprocess.run(command, env=environment(tmp_path), text=True, capture_output=True, check=False, timeout=60)
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert line in output
    assert "s3cr3t" not in output
    assert old.exists()
