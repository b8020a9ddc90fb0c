"""The machine after site.yml: what the team's tools rely on, and how the containers are locked up."""

import io
import json
import shlex
from typing import Any

import pytest
from dotenv import dotenv_values
from testinfra.host import Host

ENV_FILE = "/opt/mlflow/.env"
KEYS = ["MLFLOW_DB_USER", "MLFLOW_DB_PASSWORD", "MLFLOW_DB_NAME", "MLFLOW_INSTANCE_CONNECTION"]
SERVICES = ["cloud-sql-proxy", "mlflow"]


@pytest.fixture(scope="module")
def containers(host: Host) -> dict[str, dict[str, Any]]:
    """What Docker knows of each container of the project, by service."""
    listing = host.check_output("docker ps --all --quiet --no-trunc --filter label=com.docker.compose.project=mlflow")
    inspected = json.loads(host.check_output(f"docker inspect {' '.join(listing.split())}"))
    return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in inspected}


@pytest.fixture(scope="module")
def values(host: Host) -> dict[str, str | None]:
    """The .env file as python-dotenv reads it."""
    return dotenv_values(stream=io.StringIO(host.file(ENV_FILE).content_string))


def test_env_file_is_for_its_owner_alone(host: Host) -> None:
    file = host.file(ENV_FILE)
    assert (file.mode, file.user, file.group) == (0o600, "root", "root")


def test_env_file_has_exactly_the_four_values(values: dict[str, str | None]) -> None:
    assert list(values) == KEYS
    assert all(values.values())


def test_sh_reads_the_same_values(host: Host, values: dict[str, str | None]) -> None:
    read = host.check_output(f"set -a; . {ENV_FILE}; " + "; ".join(f"printf '%s\\n' \"${key}\"" for key in KEYS))
    assert read.splitlines() == list(values.values())


def test_compose_reads_the_same_values(host: Host, values: dict[str, str | None]) -> None:
    project = {"services": {"x": {"image": "x", "environment": {key: f"${{{key}}}" for key in KEYS}}}}
    command = f"docker compose --project-name x --env-file {ENV_FILE} --file - config --format json"
    read = json.loads(host.check_output(f"echo {shlex.quote(json.dumps(project))} | {command}"))
    assert read["services"]["x"]["environment"] == values


def test_the_four_values_are_enough_to_log_in(host: Host, containers: dict[str, dict[str, Any]]) -> None:
    """On the machine itself, through the proxy's published port; the password travels by environment, not by argv."""
    query = (
        "import psycopg2; c = psycopg2.connect('').cursor(); c.execute('select current_user'); print(c.fetchone()[0])"
    )
    image = containers["mlflow"]["Config"]["Image"]
    output = host.check_output(
        f"set -a; . {ENV_FILE}; PGHOST=127.0.0.1 PGUSER=$MLFLOW_DB_USER PGPASSWORD=$MLFLOW_DB_PASSWORD "
        "PGDATABASE=$MLFLOW_DB_NAME docker run --rm --network host "
        "-e PGHOST -e PGUSER -e PGPASSWORD -e PGDATABASE " + shlex.join([image, "python3", "-c", query])
    )
    assert output == "mlflow_user"


def test_containers_are_up_and_healthy(containers: dict[str, dict[str, Any]]) -> None:
    states = {service: container["State"]["Health"]["Status"] for service, container in containers.items()}
    assert states == dict.fromkeys(SERVICES, "healthy")


@pytest.mark.parametrize("service", SERVICES)
def test_container_is_locked_up(containers: dict[str, dict[str, Any]], service: str) -> None:
    container = containers[service]
    settings = container["HostConfig"]
    assert settings["ReadonlyRootfs"] is True
    assert settings["CapDrop"] == ["ALL"]
    assert settings["CapAdd"] is None
    assert not settings["Privileged"]
    assert "no-new-privileges:true" in settings["SecurityOpt"]
    assert settings["Init"] is True
    assert settings["Memory"] > 0
    assert settings["PidsLimit"] > 0
    assert settings["LogConfig"]["Config"].keys() >= {"max-size", "max-file"}
    assert container["Config"]["User"].split(":")[0] not in ("", "0", "root")


@pytest.mark.parametrize("service", SERVICES)
def test_processes_have_no_privileges(host: Host, containers: dict[str, dict[str, Any]], service: str) -> None:
    """What the kernel says of the processes, not what was asked for."""
    pids = host.check_output(f"docker top {containers[service]['Id']} -eo pid").split()[1:]
    for pid in pids:
        status = host.file(f"/proc/{pid}/status").content_string
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert "0" not in fields["Uid"].split(), f"{fields['Name']} runs as root"
        assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
        assert fields["NoNewPrivs"].strip() == "1"


def test_the_password_is_nowhere_but_in_its_two_files(host: Host, values: dict[str, str | None]) -> None:
    """Not in Docker's settings of containers and images, not in argv or environment of any process, not in a log."""
    password = values["MLFLOW_DB_PASSWORD"]
    assert password
    docker = host.check_output(
        "docker ps -aq | xargs docker inspect; docker image ls -q | xargs docker image history --no-trunc;"
        " docker ps -aq | xargs -n1 docker logs 2>&1"
    )
    assert password not in docker
    processes = host.check_output("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true")
    assert "PGPASSFILE=" in processes
    assert password not in processes
    assert password not in host.check_output("journalctl --no-pager --output cat; true")
    holding = host.run(f"grep -rlsF -- {shlex.quote(password)} /opt /etc /home /root /tmp /var/tmp").stdout.split()
    assert sorted(holding) == [ENV_FILE, "/opt/mlflow/secrets/pg/passfile"]
    passfile = host.file("/opt/mlflow/secrets/pg/passfile")
    assert (passfile.mode, passfile.uid) == (0o600, 10001)


def test_the_proxy_listens_on_the_machine_alone(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:5432").is_listening
    assert not host.socket("tcp://0.0.0.0:5432").is_listening


def test_mlflow_answers_where_it_is_published(host: Host, containers: dict[str, dict[str, Any]]) -> None:
    """A search, since only that asks the database."""
    published = containers["mlflow"]["NetworkSettings"]["Ports"]["5000/tcp"]
    address = f"{published[0]['HostIp']}:{published[0]['HostPort']}"
    url = f"http://{address}/api/2.0/mlflow/experiments/search?max_results=1"
    answer = json.loads(host.check_output(f"curl --fail --silent {shlex.quote(url)}"))
    assert answer["experiments"][0]["name"] == "Default"
    assert host.check_output(f"curl --fail --silent http://{address}/version") == "2.22.0"
