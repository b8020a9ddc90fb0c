"""What somebody breaks behind our back: it is noticed, and site.yml repairs it with no hand work. Then changed=0.

A run takes a while, so several independent things are broken at once, and each repair is looked at by itself.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests as http

from sandbox.machine.images import MLFLOW

ACCOUNT = "mlflow-server"
ENV_FILE = "/opt/mlflow/.env"
PASSFILE = "/opt/mlflow/secrets/pg/passfile"
HEALTH = "/usr/local/bin/mlflow-health"
SPOOL = "/opt/mlflow/spool"
COMPOSE_FILE = "/opt/mlflow/compose.yml"
SERVICES = ["mlflow-cloud-sql-proxy-1", "mlflow-mlflow-1"]
RUNNING = "docker ps --filter label=com.docker.compose.project=mlflow --format '{{.Names}}' | sort"
PIDS_LIMIT = "docker inspect --format '{{.HostConfig.PidsLimit}}' mlflow-mlflow-1"
FILES = f"{ENV_FILE} {PASSFILE} {COMPOSE_FILE} {HEALTH}"
HELD = f"sha256sum {FILES}; stat --format '%n %a %u %g' {FILES} /opt/mlflow/secrets/pg"


@pytest.fixture(scope="module", autouse=True)
def deployed(stage: Any) -> None:
    run = stage.plays("site.yml")
    assert run.returncode == 0, run.output


@pytest.fixture(autouse=True)
def as_before(stage: Any) -> Iterator[None]:
    """Whatever was broken: afterwards the files are what they were, and both containers run."""
    before = stage.host.check_output(HELD)
    yield
    assert stage.host.check_output(HELD) == before
    assert stage.host.check_output(RUNNING).split() == SERVICES
    assert "mlflow_user_login_repair" not in stage.database_users()


def test_grants_taken_away_a_login_disabled_and_secrets_edited(stage: Any) -> None:
    member = f"serviceAccount:{ACCOUNT}@{stage.operator.project}.iam.gserviceaccount.com"
    stage.operator.breaks("project_iam_member", role="roles/cloudsql.client", member=member, state="absent")
    on_bucket = {"bucket": "df_traffic_cyclist1", "member": member}
    stage.operator.breaks("bucket_iam_member", role="roles/storage.objectUser", state="absent", **on_bucket)
    stage.operator.breaks("bucket_iam_member", role="roles/storage.objectViewer", **on_bucket)
    stage.as_database_user("ALTER ROLE mlflow_user NOLOGIN")
    stage.host.check_output(f"echo MORE=1 >> {ENV_FILE}; chown debian {ENV_FILE}; chmod 644 {ENV_FILE}; rm {PASSFILE}")
    # Nothing was restarted: the running proxy still has a certificate, and yet it must be noticed.
    look = stage.is_broken("role roles/cloudsql.client missing, bucket read-only", "proxy", "bucket-write")
    assert "cloudsql.instances." in look.of("proxy")["evidence"]
    assert "lacks roles/cloudsql.client" in look.of("proxy")["fix"]
    assert "storage.objects.create" in look.of("bucket-write")["evidence"]
    assert look.of("bucket-read")["status"] == "ok"
    assert (look.of("login")["status"], look.of("login")["because"]) == ("not looked at", ["proxy"])
    predicted = stage.plays("site.yml", "--check").changed
    repairs = {
        "Grant its project roles",
        "Grant access to its objects",
        "Make a temporary user who may let the database user log in",
        "Write the .env file",
        "Write the passfile",
    }
    assert predicted >= repairs
    healed = stage.heals("role roles/cloudsql.client missing, bucket read-only").changed
    assert healed >= repairs | {"Let the database user log in, and drop the temporary one"}
    stage.operator.breaks("bucket_iam_member", role="roles/storage.objectViewer", state="absent", **on_bucket)


def test_a_password_changed_and_files_edited(stage: Any) -> None:
    """The database refuses the password we know, which only a login finds out; a killed run left its temporary user."""
    for name in ("mlflow_user", "mlflow_user_login_repair"):
        stage.operator.breaks(
            "sql_user",
            instance="mlflow-metadata",
            name=name,
            password="Changed-Behind-Our-Back-0123456789-0123456789",
            update_password="always",
        )
    stage.host.check_output(f"rm {ENV_FILE}; printf x >> {PASSFILE}; chmod 755 /opt/mlflow/secrets/pg")
    stage.host.check_output(f"sed -i 's/pids_limit: 128/pids_limit: 64/' {COMPOSE_FILE} && {stage.COMPOSE} up --detach")
    assert stage.host.check_output(PIDS_LIMIT) == "64"
    assert "password authentication failed" in stage.is_broken("password changed", "login").of("login")["evidence"]
    seen = stage.plays("playbooks/verify.yml")
    assert seen.returncode != 0
    assert "mlflow_user cannot log in to mlflow" in seen.output
    assert "Fix: " not in seen.output
    assert "run site.yml: it sets the password" in seen.output
    assert stage.heals("password changed").changed >= {
        "Set the password of the database user",
        "Let the database user log in, and drop the temporary one",
        "Write the .env file",
        "Write the passfile",
        "Write compose.yml",
        "Create or correct the folders",
        "Start the containers",
    }
    assert stage.host.check_output(PIDS_LIMIT) == "128"


def test_a_user_locked_out_twice_and_what_runs_removed(stage: Any) -> None:
    """Cloud SQL lists only users who may log in, so it cannot set the password of one who may not."""
    stage.host.check_output("docker kill mlflow-cloud-sql-proxy-1")
    assert "is exited (exit code 137)" in stage.is_broken("proxy killed", "proxy").of("proxy")["evidence"]
    stage.host.check_output("docker start mlflow-cloud-sql-proxy-1")
    stage.host.check_output("docker exec mlflow-cloud-sql-proxy-1 /cloud-sql-proxy wait --max 20s")
    stage.as_database_user("ALTER ROLE mlflow_user NOLOGIN PASSWORD 'another'")
    stage.host.check_output("docker rm --force mlflow-mlflow-1 && docker kill mlflow-cloud-sql-proxy-1")
    stage.host.check_output(f"echo 'print(1)' >> {HEALTH}; iptables --table raw --flush MLFLOW-CLIENTS")
    stage.host.check_output("docker image rm --force $(docker image ls --quiet mlflow-tracking-server)")
    stage.host.check_output(f"rm {COMPOSE_FILE}")
    predicted = stage.plays("site.yml", "--check").output
    assert re.search(r"the image mlflow-tracking-server:\w+ is not there", predicted)
    assert "the container cloud-sql-proxy does not run (exited)" in predicted
    assert "the container mlflow is not there" in predicted
    assert "who may reach MLflow is not limited as tracking_server_allowed_networks says" in predicted
    assert f"{COMPOSE_FILE} is not there" in predicted
    assert f"{HEALTH} has another content" in predicted
    assert stage.heals("proxy killed").changed >= {
        "Write compose.yml",
        "Write the command that looks at every layer",
        "Set them now",
        "Start it and wait for its connection test",
        "Build the image",
        "Let the database user log in, and drop the temporary one",
        "Start the containers",
    }


def test_a_stopped_database(stage: Any) -> None:
    """Only what the inventory names is corrected, so site.yml starts it when told to."""
    stage.operator.breaks("sql_instance", name="mlflow-metadata", activation_policy="NEVER", allow_restart="true")
    look = stage.is_broken("database stopped", "login")
    assert "mlflow-metadata does not run: " in look.of("login")["evidence"]
    assert look.of("api")["because"] == ["login"]
    started = json.dumps({"backend_store_settings": {"activation_policy": "ALWAYS"}})
    stage.heals("database stopped", options=("--extra-vars", started))


def test_a_full_disk(stage: Any, card: dict[str, Any]) -> None:
    """Artifacts on their way through the server wait in the spool."""
    server = f"http://{card['target']['host']}:5000"
    upload = f"{server}/api/2.0/mlflow-artifacts/artifacts/0/full/artifacts/big.bin"
    small = f"mount -t tmpfs -o size=110m,mode=700,uid=10001,gid=10001 none {SPOOL}"
    with stage.changed(f"docker stop mlflow-mlflow-1 && {small}", f"umount {SPOOL}"):
        stage.host.check_output("docker start mlflow-mlflow-1")
        stage.waits_for(lambda: http.get(f"{server}/version", timeout=5).ok)
        stage.host.check_output(f"head --bytes=105M /dev/zero > {SPOOL}/left")
        assert http.put(upload, data=bytes(8_000_000), timeout=60).status_code == 500
        assert f"MB free in {SPOOL}" in stage.is_broken("disk full", "machine").of("machine")["evidence"]
        stage.host.check_output(f"rm {SPOOL}/left")
        stage.heals_itself("disk full", "once there is space")
        assert http.put(upload, data=bytes(8_000_000), timeout=60).ok
        stage.host.check_output("docker stop mlflow-mlflow-1")
    stage.host.check_output("docker start mlflow-mlflow-1")
    stage.waits_for(lambda: http.get(f"{server}/version", timeout=5).ok)
    assert http.delete(upload, timeout=30).ok


@pytest.fixture
def reached(card: dict[str, Any]) -> Callable[[], bool]:
    """Whether MLflow answers another machine of the network."""
    url = f"http://{card['target']['host']}:5000/version"
    program = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=4).read().decode())"
    command = ["docker", "run", "--rm", "--network", card["id"], MLFLOW, "python3", "-c", program]
    return lambda: subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0


def test_only_the_allowed_networks_reach_it_and_a_reboot_and_docker_stopped(
    stage: Any, card: dict[str, Any], reached: Callable[[], bool]
) -> None:
    """After a reboot, and after a restart of Docker, the containers are back by themselves, and nobody else gets in."""
    assert reached()
    only_us = json.dumps({"tracking_server_allowed_networks": [card["address"]]})
    narrowed = stage.plays("playbooks/deploy.yml", "--extra-vars", only_us)
    assert narrowed.returncode == 0, narrowed.output
    server = f"http://{card['target']['host']}:5000/version"
    assert http.get(server, timeout=5).ok
    assert not reached()
    booted = stage.host.check_output("stat --format %Y /proc/1")
    subprocess.run(["docker", "restart", f"{card['id']}-target"], check=True, capture_output=True, timeout=120)
    stage.waits_for_ssh()
    stage.named["machine restarted"] = f"{stage.looks().named} (at the first login)"
    stage.heals_itself("machine restarted", "from the first login on")
    assert stage.host.check_output("stat --format %Y /proc/1") != booted
    assert stage.host.check_output(RUNNING).split() == SERVICES
    assert http.get(server, timeout=5).ok
    assert not reached()
    stage.host.check_output("systemctl stop docker docker.socket")
    stage.is_broken("Docker restarted", "machine")
    stage.host.check_output("systemctl start docker")
    stage.heals_itself("Docker restarted", "once Docker runs")
    assert not reached()
    stage.host.check_output("docker stop mlflow-mlflow-1 && systemctl disable --now docker docker.socket 2>&1")
    assert (
        "the unit docker is disabled and inactive instead of enabled and active"
        in stage.plays("site.yml", "--check").output
    )
    assert stage.heals().changed >= {"Start Docker, now and at every boot", "Start the containers", "Set them now"}
    assert stage.host.service("docker").is_enabled
    assert reached()
