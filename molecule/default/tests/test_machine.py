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


# Tries to make a file in every folder that a container sees, as its user. The proxy's image has no program to do that
# with, so a Python of the machine steps into the container's file system.
WRITES = """
import json, os, sys
pid, uid = int(sys.argv[1]), int(sys.argv[2])
os.setns(os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), os.CLONE_NEWNS)
os.setgroups([]), os.setgid(uid), os.setuid(uid)
written = []
for folder, inner, _ in os.walk("/"):
    inner[:] = [] if folder in ("/proc", "/sys") else inner
    try:
        os.close(os.open(f"{folder}/tried", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except OSError:
        continue
    os.unlink(f"{folder}/tried")
    written.append(folder)
print(json.dumps(written))
"""
# The spool is MLflow's only volume to write to; the others are in memory, and end with the container.
WRITABLE = {"cloud-sql-proxy": ["/dev/mqueue", "/dev/shm"], "mlflow": ["/dev/mqueue", "/dev/shm", "/spool", "/tmp"]}


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_is_writable_but_volumes(host: Host, containers: dict[str, dict[str, Any]], service: str) -> None:
    uid = containers[service]["Config"]["User"].split(":")[0]
    pid = containers[service]["State"]["Pid"]
    written = json.loads(host.check_output(f"python3 -c {shlex.quote(WRITES)} {pid} {uid}"))
    assert sorted(folder for folder in written if not folder.startswith(("/tmp/", "/spool/"))) == WRITABLE[service]


def test_mlflow_itself_cannot_write_either(host: Host) -> None:
    """By its own shell, as its own user."""
    for path in ("/opt/mlflow_ops/x", "/run/mlflow/pg/x", "/etc/x", "/x"):
        done = host.run(f"docker exec mlflow-mlflow-1 sh -c {shlex.quote(f'echo > {path}')}")
        assert done.rc != 0
        assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr
    assert host.run("docker exec mlflow-mlflow-1 sh -c 'echo > /spool/x && rm /spool/x'").rc == 0


@pytest.mark.parametrize("service", SERVICES)
def test_the_kernel_knows_the_limits(host: Host, containers: dict[str, dict[str, Any]], service: str) -> None:
    """What the cgroup says, not what was asked for."""
    settings = containers[service]["HostConfig"]
    path = host.check_output(f"cat /proc/{containers[service]['State']['Pid']}/cgroup").splitlines()
    memory = cgroup(host, path, "memory", "memory.max", "memory.limit_in_bytes")
    assert (memory, cgroup(host, path, "pids", "pids.max", "pids.max")) == (settings["Memory"], settings["PidsLimit"])


def cgroup(host: Host, lines: list[str], controller: str, unified: str, legacy: str) -> int:
    """A limit, from version 2 of cgroups or from version 1."""
    paths = {name: where for _, names, where in (line.split(":", 2) for line in lines) for name in names.split(",")}
    file = f"{controller}{paths[controller]}/{legacy}" if controller in paths else f"{paths['']}/{unified}"
    return int(host.check_output(f"cat /sys/fs/cgroup/{file}"))


def test_more_processes_than_the_limit_are_refused(host: Host, containers: dict[str, dict[str, Any]]) -> None:
    limit = containers["mlflow"]["HostConfig"]["PidsLimit"]
    program = (
        "import os, signal\nmade = []\n"
        f"try:\n    while len(made) < {2 * limit}:\n        pid = os.fork()\n"
        "        if pid == 0:\n            signal.pause()\n        made.append(pid)\n"
        "except BlockingIOError as error:\n    print(error.strerror)\n"
        "for pid in made:\n    os.kill(pid, signal.SIGKILL)\nprint(len(made))"
    )
    said, made = host.check_output(f"docker exec mlflow-mlflow-1 python3 -c {shlex.quote(program)}").splitlines()
    assert said == "Resource temporarily unavailable"
    assert 0 < int(made) < limit


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
