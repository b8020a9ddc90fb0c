"""What somebody breaks behind our back: it is noticed, and site.yml repairs it with no hand work. Then changed=0.

A run takes a while, so several independent things are broken at once, and each repair is looked at by itself.
"""

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

ACCOUNT = "mlflow-server"
ENV_FILE = "/opt/mlflow/.env"
PASSFILE = "/opt/mlflow/secrets/pg/passfile"
COMPOSE_FILE = "/opt/mlflow/compose.yml"
SERVICES = ["mlflow-cloud-sql-proxy-1", "mlflow-mlflow-1"]
RUNNING = "docker ps --filter label=com.docker.compose.project=mlflow --format '{{.Names}}' | sort"
PIDS_LIMIT = "docker inspect --format '{{.HostConfig.PidsLimit}}' mlflow-mlflow-1"
FILES = f"{ENV_FILE} {PASSFILE} {COMPOSE_FILE}"
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
    stage.operator.breaks(
        "bucket_iam_member",
        bucket="df_traffic_cyclist1",
        role="roles/storage.objectUser",
        member=member,
        state="absent",
    )
    stage.as_database_user("ALTER ROLE mlflow_user NOLOGIN")
    stage.host.check_output(f"echo MORE=1 >> {ENV_FILE}; chown debian {ENV_FILE}; chmod 644 {ENV_FILE}; rm {PASSFILE}")
    # Nothing was restarted: the running proxy still has a certificate, and yet verify.yml must notice.
    seen = stage.plays("playbooks/verify.yml")
    assert seen.returncode != 0
    assert "lacks roles/cloudsql.client" in seen.output
    predicted = stage.plays("site.yml", "--check").changed
    repairs = {
        "Grant its project roles",
        "Grant access to its objects",
        "Make a temporary user who may let the database user log in",
        "Write the .env file",
        "Write the passfile",
    }
    assert predicted >= repairs
    assert stage.heals().changed >= repairs | {"Let the database user log in, and drop the temporary one"}


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
    seen = stage.plays("playbooks/verify.yml")
    assert seen.returncode != 0
    assert "mlflow_user cannot log in to mlflow" in seen.output
    assert "password authentication failed" in seen.output
    assert stage.heals().changed >= {
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
    stage.as_database_user("ALTER ROLE mlflow_user NOLOGIN PASSWORD 'another'")
    stage.host.check_output("docker rm --force mlflow-mlflow-1 && docker stop mlflow-cloud-sql-proxy-1")
    stage.host.check_output("docker image rm --force $(docker image ls --quiet mlflow-tracking-server)")
    stage.host.check_output(f"rm {COMPOSE_FILE}")
    predicted = stage.plays("site.yml", "--check").output
    assert "image mlflow-tracking-server:" in predicted
    assert "up cloud-sql-proxy, up mlflow" in predicted
    assert stage.heals().changed >= {
        "Write compose.yml",
        "Start it and wait for its connection test",
        "Build the image",
        "Let the database user log in, and drop the temporary one",
        "Start the containers",
    }


def test_a_reboot_and_docker_stopped(stage: Any, card: dict[str, Any]) -> None:
    """After a reboot the containers are back by themselves."""
    booted = stage.host.check_output("stat --format %Y /proc/1")
    subprocess.run(["docker", "restart", f"{card['id']}-target"], check=True, capture_output=True, timeout=120)
    stage.waits_for_ssh()
    deadline = time.monotonic() + 120
    while stage.host.run(RUNNING).stdout.split() != SERVICES and time.monotonic() < deadline:
        time.sleep(1)
    assert stage.host.check_output("stat --format %Y /proc/1") != booted
    assert stage.host.check_output(RUNNING).split() == SERVICES
    stage.host.check_output("docker stop mlflow-mlflow-1 && systemctl disable --now docker docker.socket 2>&1")
    assert "Would bring about: docker enabled active" in stage.plays("site.yml", "--check").output
    assert stage.heals().changed >= {"Start Docker, now and at every boot", "Start the containers"}
    assert stage.host.service("docker").is_enabled
