"""The examples of every module's documentation do what they say, in order, in one run of ansible-playbook.

What an example takes for granted is made first, by tasks that are written down here; everything else is as documented,
but for the project's name.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.bench import PROJECT, Bench
from tests.contract.test_playbook import environment
from tests.house.modules import MODULES
from tests.house.test_modules import READING, documents

ACCOUNTS = f"v1/projects/{PROJECT}/serviceAccounts"
EMAIL = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"
DOCUMENTED_PROJECT = "my-project"
DOCUMENTED_KEY = "4f1d2c3b5a69788796a5b4c3d2e1f00112233445"
INSTANCE = {**Bench.INSTANCE, "name": "mlflow-metadata", "database_flags": {"cloudsql.iam_authentication": "on"}}
# In this order, since one's examples leave what the next ones need. Each with what it takes for granted, as our own
# modules and their options.
PREPARED: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "project_service": [("project_service", {"name": "bigquery.googleapis.com"})],
    "service_account": [("service_account", {"account_id": "mlflow-old"})],
    "service_account_key": [],
    "project_iam_member": [],
    "secret": [],
    "secret_iam_member": [],
    "bucket": [("bucket", {"name": "my-old-artifacts", "location": "europe-west3"})],
    "bucket_iam_member": [],
    # So that there is something to do.
    "plan": [
        (
            "bucket_iam_member",
            {
                "bucket": "my-artifacts",
                "role": "roles/storage.objectUser",
                "member": f"serviceAccount:{EMAIL}",
                "state": "absent",
            },
        )
    ],
    "sql_instance": [],
    "sql_database": [("sql_instance", INSTANCE), ("sql_database", {"instance": "mlflow-metadata", "name": "scratch"})],
    "sql_user": [],
    "sql_backup": [],
    "sql_backup_info": [("sql_backup", {"instance": "mlflow-metadata"})],
    "sql_instance_info": [],
}
# What examples name and leave to the inventory.
GIVEN = {
    "gcp_project": PROJECT,
    "gcp_region": "europe-west3",
    "mlflow_bucket": "my-artifacts",
    "mlflow_artifact_prefix": "mlflow-artifacts/",
    "mlflow_server_account": "mlflow-server",
    "mlflow_password": "corr3ct-horse",
    "vault_mlflow_password": "corr3ct-horse",
}
# The example before it has made the first version.
IDLE = {"Leave only the newest version usable"}
# What Ansible and its JSON report add, or put in the place of ours (action: the module's name).
OF_ANSIBLE = {"action", "changed", "diff", "failed", "invocation", "name", "warnings", "_ansible_no_log"}
Results = list[dict[str, Any]]


def plays(bench: Bench, key_id: str) -> list[dict[str, Any]]:
    """A play for each module: what it needs, and its examples."""
    written = []
    connection = {**bench.common, "credentials_contents": bench.key}
    for module, needed in PREPARED.items():
        text = yaml.safe_dump(documents(module)["EXAMPLES"], sort_keys=False)
        examples = yaml.safe_load(text.replace(DOCUMENTED_PROJECT, PROJECT).replace(DOCUMENTED_KEY, key_id))
        tasks = [{"name": f"Prepare {other}", f"mlflow_ops.gcp.{other}": options} for other, options in needed]
        play = {"name": module, "hosts": "localhost", "gather_facts": False, "vars": GIVEN}
        defaults = {"group/mlflow_ops.gcp.all": connection}
        # So that each module's examples run, whatever came of the others'.
        written.append({**play, "module_defaults": defaults, "ignore_errors": True, "tasks": [*tasks, *examples]})
    return written


def run(folder: Path, written: list[dict[str, Any]]) -> dict[str, Results]:
    """What each task came to, by module, as Ansible reports it."""
    (folder / "examples.yml").write_text(yaml.safe_dump(written, sort_keys=False))
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, "-i", "localhost,", "-c", "local", str(folder / "examples.yml")]
    settings = environment(folder) | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_PIPELINING": "true"}
    done = subprocess.run(command, env=settings, text=True, capture_output=True, check=False, timeout=400)
    report = json.loads(done.stdout[done.stdout.index("{") :])
    return {
        play["play"]["name"]: [
            {"name": task["task"]["name"], **task["hosts"]["localhost"]} for task in play["tasks"] if task["hosts"]
        ]
        for play in report["plays"]
    }


@pytest.fixture(scope="module")
def results(emulator: Bench, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """All examples, run in an empty project whose APIs are on but Cloud SQL's, with an account and a key of it."""
    emulator.reset()
    emulator.enable("cloudresourcemanager", "iam", "secretmanager")
    operator = f"serviceAccount:{emulator.key['client_email']}"
    for role in ("roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountKeyAdmin"):
        emulator.run("project_iam_member", role=role, member=operator)
    emulator.run("service_account", account_id="mlflow-server")
    made = emulator.google().write("POST", "iam", f"{ACCOUNTS}/{EMAIL}/keys", {})
    key_id = json.loads(base64.b64decode(made["privateKeyData"]))["private_key_id"]
    return run(tmp_path_factory.mktemp("examples"), plays(emulator, key_id))


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_work(results: dict[str, Results], module: str) -> None:
    done = {result["name"]: result for result in results[module]}
    failed = {name: result.get("msg") for name, result in done.items() if result.get("failed")}
    assert failed == {}
    documented = [example["name"] for example in documents(module)["EXAMPLES"]]
    assert documented
    assert [name for name in documented if name not in done] == [], "not run"
    assert [name for name in documented if done[name].get("skipped")] == []


@pytest.mark.parametrize("module", sorted({*MODULES} - READING))
def test_an_example_changes_what_it_says(results: dict[str, Results], module: str) -> None:
    """Else its preparation would have done its work."""
    changed = {result["name"]: result.get("changed") for result in results[module]}
    idle = {example["name"] for example in documents(module)["EXAMPLES"] if not changed.get(example["name"])}
    assert idle <= IDLE


@pytest.mark.parametrize("module", MODULES)
def test_what_comes_back_is_documented(results: dict[str, Results], module: str) -> None:
    """Every value that a module returns is described, and what it always returns is there."""
    found = documents(module)
    described = {example["name"]: example for example in found["EXAMPLES"] if f"mlflow_ops.gcp.{module}" in example}
    always = {name for name, about in found["RETURN"].items() if about["returned"] in ("always", "success")}
    for result in results[module]:
        # A hidden one has nothing to compare.
        if result["name"] in described and not described[result["name"]].get("no_log"):
            assert set(result) - OF_ANSIBLE <= set(found["RETURN"]), result["name"]
            assert always - OF_ANSIBLE <= set(result), result["name"]


def test_they_are_all_prepared(results: dict[str, Results]) -> None:
    assert sorted(PREPARED) == sorted(results) == MODULES
