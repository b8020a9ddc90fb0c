"""What only Docker, a registry or Google can refuse: one line with the way out, and the containers as they were."""

from typing import Any

import pytest

from tests.drift.rounds import Rounds

DEPLOY = "playbooks/deploy.yml"


@pytest.mark.parametrize(
    ("variable", "image", "reason"),
    [
        ("tracking_server_mlflow_image", "ghcr.io/mlflow/mlflow:v9.9.9", "manifest unknown"),
        ("tracking_server_proxy_image", "127.0.0.1:9/cloud-sql-proxy:2.25.3", "connection refused"),
    ],
)
def test_an_image_that_is_not_to_be_had(stage: Any, variable: str, image: str, reason: str) -> None:
    output = stage.refuses("--extra-vars", f"{variable}={image}", playbook=DEPLOY)
    assert f"The image {image} ({variable}) is not to be had on mlflow-vm: " in output
    assert reason in output
    assert f"The containers are as they were. Correct {variable}, or let `docker pull {image}` work there" in output


def test_a_client_that_docker_cannot_run(rounds: Rounds) -> None:
    program, elsewhere = "/usr/bin/docker-init", "/root/docker-init"
    with rounds.stage.changed(f"mv {program} {elsewhere}", f"mv {elsewhere} {program}"):
        run = rounds.stage.plays(DEPLOY)
    assert run.returncode != 0
    assert "as Docker on mlflow-vm could not run a client: " in run.output
    assert "docker-init" in run.output.partition("could not run a client: ")[2]
    assert "check --version` works there, run again" in run.output


def test_a_proxy_that_cannot_start(rounds: Rounds) -> None:
    world = rounds.world
    world.bind_project("roles/cloudsql.client", world.member, bound=False)
    rounds.stage.host.check_output("docker restart mlflow-cloud-sql-proxy-1")
    run = rounds.stage.plays(DEPLOY, "--extra-vars", "tracking_server_start_timeout=5")
    assert run.returncode != 0
    assert f"The Cloud SQL Auth Proxy on mlflow-vm cannot reach {world.project}:" in run.output
    assert "cloudsql.instances." in run.output
    assert (
        "Run playbooks/provision.yml (or site.yml), which grants its service account roles/cloudsql.client"
        in run.output
    )


def test_what_it_says_helps(rounds: Rounds) -> None:
    healed = rounds.plays()
    assert healed.returncode == 0, healed.output
    rounds.finds_nothing()
