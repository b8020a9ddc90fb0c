"""What breaks: mlflow-health names the layer, and it heals by itself or by site.yml, with no hand work.

A run takes a while, so what can be seen by itself and repaired together is.
"""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import requests as http

from sandbox.machine.images import MLFLOW
from tests.drift.rounds import Rounds
from tests.drift.tamperings import COMPOSE_FILE, USER, VIEWER

HEALTH = "/usr/local/bin/mlflow-health"
SPOOL = "/opt/mlflow/spool"
PROXY, SERVER = "mlflow-cloud-sql-proxy-1", "mlflow-mlflow-1"
REPAIRER = "mlflow_user_login_repair"
ANOTHER = "Known-To-Nobody-Else-0123456789-0123456789"


@pytest.fixture
def server(card: dict[str, Any]) -> str:
    """Its address."""
    return f"http://{card['target']['host']}:5000"


@pytest.fixture
def answers(server: str) -> Callable[[], bool]:
    """Whether MLflow answers us."""
    return lambda: http.get(f"{server}/version", timeout=5).ok


@pytest.mark.usefixtures("another")
def test_a_password_changed_and_grants_taken_away(rounds: Rounds, patient: Any) -> None:
    """Nothing is restarted, so MLflow and its proxy still run. A killed run has left its temporary user."""
    world = rounds.world
    world.set_password(ANOTHER)
    world.call("POST", f"{world.instance}/users", {"name": REPAIRER, "password": ANOTHER})
    assert REPAIRER in world.state()["users"]
    refused = patient.is_broken("password changed", "login").of("login")["evidence"]
    assert "password authentication failed" in refused
    seen = rounds.stage.plays("playbooks/verify.yml")
    assert seen.returncode != 0
    assert "mlflow_user cannot log in to mlflow" in seen.output
    assert "Fix: " not in seen.output
    assert "run site.yml: it sets the password" in seen.output
    world.bind_project("roles/cloudsql.client", world.member, bound=False)
    world.bind_bucket(USER, world.member, bound=False)
    world.bind_bucket(VIEWER, world.member, bound=True)
    look = patient.is_broken("role roles/cloudsql.client missing, bucket read-only", "proxy", "bucket-write")
    assert "cloudsql.instances." in look.of("proxy")["evidence"]
    assert "lacks roles/cloudsql.client" in look.of("proxy")["fix"]
    assert "storage.objects.create" in look.of("bucket-write")["evidence"]
    assert look.of("bucket-read")["status"] == "ok"
    assert (look.of("login")["status"], look.of("login")["because"]) == ("not looked at", ["proxy"])
    assert patient.is_healed_by_site_yml(
        "password changed", "role roles/cloudsql.client missing, bucket read-only"
    ) >= {
        "Grant its project roles",
        "Grant access to its objects",
        "Set the password of the database user",
        "Let the database user log in, and drop the temporary one",
    }
    world.bind_bucket(VIEWER, world.member, bound=False)


@pytest.mark.usefixtures("another")
def test_a_proxy_killed(rounds: Rounds, patient: Any) -> None:
    """Long enough for Docker to call the server unhealthy, which Compose takes for the end of it."""
    host = rounds.stage.host
    host.check_output(f"docker kill {PROXY}")
    assert "is exited (exit code 137)" in patient.is_broken("proxy killed", "proxy").of("proxy")["evidence"]
    health = f"docker inspect --format '{{{{.State.Health.Status}}}}' {SERVER}"
    patient.waits_for(lambda: host.check_output(health) == "unhealthy")
    assert "Start it and wait for its connection test" in patient.is_healed_by_site_yml("proxy killed")


def test_a_user_locked_out_twice_and_what_runs_removed(rounds: Rounds, patient: Any, another: set[str]) -> None:
    """Cloud SQL lists only users who may log in, so it cannot set the password of one who may not."""
    another |= {part for part in rounds.world.state() if "mlflow-tracking-server" in part}
    another.add(f"container /{SERVER}")
    host = rounds.stage.host
    rounds.stage.as_database_user("ALTER ROLE mlflow_user NOLOGIN PASSWORD 'another'")
    host.check_output(f"docker rm --force {SERVER} && docker kill {PROXY}")
    host.check_output("docker image rm --force $(docker image ls --quiet mlflow-tracking-server)")
    host.check_output(f"rm {COMPOSE_FILE} {HEALTH}")
    predicted = rounds.plays("--check").output
    assert re.search(r"the image mlflow-tracking-server:\w+ is not there", predicted)
    assert "the container cloud-sql-proxy does not run (exited)" in predicted
    assert "the container mlflow is not there" in predicted
    assert f"{COMPOSE_FILE} is not there" in predicted
    assert f"{HEALTH} is not there" in predicted
    assert patient.is_healed_by_site_yml() >= {
        "Write compose.yml",
        "Write the command that looks at every layer",
        "Start it and wait for its connection test",
        "Build the image",
        "Let the database user log in, and drop the temporary one",
        "Start the containers",
    }


@pytest.mark.usefixtures("another")
def test_a_stopped_database(rounds: Rounds, patient: Any) -> None:
    """Only what the inventory names is corrected, so site.yml starts it when told to."""
    rounds.world.set_instance(activationPolicy="NEVER")
    look = patient.is_broken("database stopped", "login")
    assert "mlflow-metadata does not run: " in look.of("login")["evidence"]
    assert look.of("api")["because"] == ["login"]
    started = json.dumps({"backend_store_settings": {"activation_policy": "ALWAYS"}})
    patient.is_healed_by_site_yml("database stopped", options=("--extra-vars", started))


@pytest.mark.usefixtures("another")
def test_a_full_disk(rounds: Rounds, patient: Any, server: str, answers: Callable[[], bool]) -> None:
    """Artifacts on their way through the server wait in the spool."""
    host = rounds.stage.host
    upload = f"{server}/api/2.0/mlflow-artifacts/artifacts/0/full/artifacts/big.bin"
    small = f"mount -t tmpfs -o size=110m,mode=700,uid=10001,gid=10001 none {SPOOL}"
    with rounds.stage.changed(f"docker stop {SERVER} && {small}", f"umount {SPOOL}"):
        host.check_output(f"docker start {SERVER}")
        patient.waits_for(answers)
        host.check_output(f"head --bytes=105M /dev/zero > {SPOOL}/left")
        assert http.put(upload, data=bytes(8_000_000), timeout=60).status_code == 500
        assert f"MB free in {SPOOL}" in patient.is_broken("disk full", "machine").of("machine")["evidence"]
        host.check_output(f"rm {SPOOL}/left")
        patient.heals_itself("disk full", "once there is space")
        assert http.put(upload, data=bytes(8_000_000), timeout=60).ok
        host.check_output(f"docker stop {SERVER}")
    host.check_output(f"docker start {SERVER}")
    patient.waits_for(answers)
    assert http.delete(upload, timeout=30).ok


@pytest.fixture
def reached(card: dict[str, Any], server: str) -> Callable[[], bool]:
    """Whether MLflow answers another machine of the network."""
    program = f"import urllib.request as u; print(u.urlopen({server + '/version'!r}, timeout=4).read().decode())"
    command = ["docker", "run", "--rm", "--network", card["id"], MLFLOW, "python3", "-c", program]
    return lambda: subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0


@pytest.mark.usefixtures("another")
def test_a_reboot_and_docker_restarted_let_nobody_else_in(
    rounds: Rounds, patient: Any, card: dict[str, Any], answers: Callable[[], bool], reached: Callable[[], bool]
) -> None:
    """All is back by itself; and whom tracking_server_allowed_networks names, nobody else, reaches it all the while."""
    assert reached()
    only_us = json.dumps({"tracking_server_allowed_networks": [card["address"]]})
    narrowed = rounds.stage.plays("playbooks/deploy.yml", "--extra-vars", only_us)
    assert narrowed.returncode == 0, narrowed.output
    assert answers()
    assert not reached()
    before, booted = rounds.world.state(), rounds.stage.host.check_output("stat --format %Y /proc/1")
    subprocess.run(["docker", "restart", rounds.world.machine], check=True, capture_output=True, timeout=120)
    patient.waits_for(rounds.world.is_reachable)
    patient.is_heard("machine restarted", "at the first login")
    patient.heals_itself("machine restarted", "from the first login on")
    assert rounds.stage.host.check_output("stat --format %Y /proc/1") != booted
    rounds.becomes(before)
    assert answers()
    assert not reached()
    rounds.stage.host.check_output("systemctl stop docker docker.socket")
    patient.is_broken("Docker restarted", "machine")
    rounds.stage.host.check_output("systemctl start docker")
    patient.heals_itself("Docker restarted", "once Docker runs")
    assert answers()
    assert not reached()
    assert "Set them now" in patient.is_healed_by_site_yml()
    assert reached()
