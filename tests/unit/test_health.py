"""The command that looks at every layer: whom it blames, what it says, how it ends. Docker's answers are made up."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "tracking_server" / "files" / "health.py"
LAYERS = ["client", "machine", "api", "proxy", "login", "schema", "bucket-write", "bucket-read", "bucket-delete", "run"]
INSTANCE = "p:europe-west3:mlflow-metadata"
WELL = {"login": True, "refused": False, "disabled": False, "reason": "", "schema": "a1", "schema_wanted": "a1"}
REFUSED = {
    "login": False,
    "refused": True,
    "disabled": False,
    "reason": 'FATAL: password authentication failed for "u"',
}
UNHAPPY = json.dumps({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "no db\n(Background on this error at: x)"})


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The program, told of a deployment in a folder of the test."""
    spec = importlib.util.spec_from_file_location("health", PROGRAM)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "health", module)  # dataclasses look there
    spec.loader.exec_module(module)
    (tmp_path / "compose.yml").touch()
    module.DEPLOYED |= {
        "name": "vm",
        "layers": LAYERS,
        "url": "http://127.0.0.1:5000",
        "compose": str(tmp_path / "compose.yml"),
        "spool": str(tmp_path),
        "instance": INSTANCE,
        "database": "mlflow",
        "user": "u",
        "iam": False,
        "artifacts": "gs://b/a/",
    }
    return module


def container(service: str, status: str = "running", **state: Any) -> dict[str, Any]:
    """As `docker inspect` has it."""
    return {
        "Name": f"/mlflow-{service}-1",
        "Config": {"Labels": {"com.docker.compose.service": service}},
        "State": {"Status": status, "ExitCode": 0, "OOMKilled": False, **state},
        "NetworkSettings": {"Networks": {"mlflow_default": {"IPAddress": "172.18.0.3"}}},
    }


class Machine:
    """A machine whose answers a test changes; remembers what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.docker = (0, f"26.1.5 {folder}\n", "")
        self.containers = [container("cloud-sql-proxy"), container("mlflow")]
        self.connected = True
        self.proxy_log = ""
        self.logins = {"mlflow-connection-test": WELL, "cloud-sql-proxy": WELL}
        self.bucket: dict[str, dict[str, str]] = {
            "write": {"reason": ""},
            "read": {"reason": ""},
            "delete": {"reason": ""},
        }
        self.look: tuple[int, str, str] | None = None
        self.run = (0, "run 1 was logged, read back and removed\n", "")
        self.pages: dict[str, str | OSError] = {"/version": "2.22.0", "/api": "{}"}
        self.asked: list[list[str]] = []

    def call(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        del timeout
        self.asked.append(list(command))
        returncode, stdout, stderr = self.answer([word for word in command if not word.startswith("-")], list(command))
        return subprocess.CompletedProcess(command, returncode, stdout, stderr)

    def answer(self, words: list[str], command: list[str]) -> tuple[int, str, str]:
        answers = {
            "info": self.docker,
            "ps": (0, "1 2\n", ""),
            "inspect": (0, json.dumps(self.containers), ""),
            "exec": (0 if self.connected else 1, "", ""),
            "logs": (0, "", self.proxy_log),
            "/opt/mlflow_ops/round_trip.py": self.run,
        }
        if known := answers.keys() & set(words):
            return answers[known.pop()]
        if "/opt/mlflow_ops/check.py" in words:
            hosts = words[words.index("/opt/mlflow_ops/check.py") + 1 :]
            steps = self.bucket if "--write" in command else {"read": self.bucket["read"]}
            found = {"logins": {host: self.logins[host] for host in hosts}, "bucket": steps}
            return self.look or (0, json.dumps(found), "")
        return 0, "", ""

    def get(self, url: str, host: str, timeout: float) -> str:
        del timeout
        assert host == "127.0.0.1:5000"
        page = self.pages["/version" if url.endswith("/version") else "/api"]
        if isinstance(page, OSError):
            raise page
        return page


@pytest.fixture
def machine(health: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(health, "call", made.call)
    monkeypatch.setattr(health, "get", made.get)
    monkeypatch.setattr(health, "LEAST_FREE", 0)
    return made


def statuses(health: Any, **given: Any) -> dict[str, str]:
    found = health.Look(given.pop("layers", LAYERS), given.pop("read_only", False)).findings()
    return {one.layer: one.status for one in found}


def finding(health: Any, layer: str) -> Any:
    return next(one for one in health.Look(LAYERS, read_only=False).findings() if one.layer == layer)


def ends(health: Any, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mlflow-health", *options])
    return int(health.main())


ALL_WELL = dict.fromkeys(LAYERS, "ok")
UNSEEN = "not looked at"


def test_all_is_well(
    health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(health, monkeypatch, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["healthy"], found["broken"], found["read_only"]) == (True, [], False)
    assert {layer["layer"]: layer["status"] for layer in found["layers"]} == ALL_WELL
    # The new proxy is taken away, before and after.
    assert machine.asked.count(["docker", "rm", "--force", "mlflow-connection-test"]) == 2


def test_read_only_writes_nothing_and_is_well(
    health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(health, monkeypatch, "--read-only") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "vm: well"
    assert [line.split()[3:5] for line in shown if line.startswith("  not looked at")] == [
        ["bucket", "write"],
        ["bucket", "delete"],
        ["MLflow", "run"],
    ]
    flat = [word for command in machine.asked for word in command]
    assert "--write" not in flat
    assert "/opt/mlflow_ops/round_trip.py" not in flat


def google_error(message: str) -> str:
    return "\n".join(json.dumps({"severity": kind, "message": message}, separators=(",", ":")) for kind in ("ERROR",))


# What is broken, by name: how the machine is changed, which layers are broken, which suffer, and words of the evidence.
BROKEN: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "Docker is stopped": (
        {
            "docker": (0, " \n", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n"),
            "pages": {"/version": OSError("Connection refused")},
        },
        {**dict.fromkeys(LAYERS, UNSEEN), "machine": "broken", "client": "affected"},
        "Docker does not answer: Cannot connect to the Docker daemon",
    ),
    "MLflow's container is gone": (
        {"containers": [container("cloud-sql-proxy")], "pages": {"/version": OSError("Connection refused")}},
        {**ALL_WELL, "api": "broken", "client": "affected", "run": UNSEEN},
        "there is no container of mlflow",
    ),
    "MLflow ran out of memory": (
        {
            "containers": [
                container("cloud-sql-proxy"),
                container("mlflow", "restarting", ExitCode=137, OOMKilled=True),
            ],
            "pages": {"/version": OSError("reset")},
        },
        {**ALL_WELL, "api": "broken", "client": "affected", "run": UNSEEN},
        "mlflow-mlflow-1 is restarting (exit code 137, out of memory)",
    ),
    "a firewall is between": (
        {"pages": {"/version": OSError("timed out"), "/api": "{}"}},
        {**ALL_WELL, "client": "broken", "run": UNSEEN},
        "http://127.0.0.1:5000 does not answer: timed out",
    ),
    "another program answers": (
        {"pages": {"/version": "<html>", "/api": "{}"}},
        {**ALL_WELL, "client": "broken", "run": UNSEEN},
        "is answered by something else than MLflow",
    ),
    "the proxy was stopped": (
        {
            "containers": [container("cloud-sql-proxy", "exited", ExitCode=137), container("mlflow")],
            "pages": {"/version": "2.22.0", "/api": OSError("HTTP 503")},
        },
        {**ALL_WELL, "proxy": "broken", "api": "affected", "run": UNSEEN},
        f"mlflow-cloud-sql-proxy-1 is exited (exit code 137); a new one reaches {INSTANCE}",
    ),
    "the role is missing": (
        {"connected": False, "proxy_log": google_error("403: missing permission cloudsql.instances.connect.")},
        {**ALL_WELL, "proxy": "broken", "login": UNSEEN, "schema": UNSEEN, "run": UNSEEN},
        f"a new one cannot reach {INSTANCE}: 403: missing permission cloudsql.instances.connect",
    ),
    "the instance is stopped": (
        {
            "connected": False,
            "proxy_log": google_error("409: not in an appropriate state to handle the request"),
            "pages": {"/version": "2.22.0", "/api": OSError("HTTP 503")},
        },
        {**ALL_WELL, "login": "broken", "schema": UNSEEN, "api": "affected", "run": UNSEEN},
        f"{INSTANCE} does not run: 409",
    ),
    "the password is wrong": (
        {"logins": {"mlflow-connection-test": REFUSED, "cloud-sql-proxy": REFUSED}},
        {**ALL_WELL, "login": "broken", "schema": UNSEEN, "run": UNSEEN},
        f"u cannot log in to mlflow of {INSTANCE}: FATAL: password authentication failed",
    ),
    "the running proxy is stuck": (
        {"logins": {"mlflow-connection-test": WELL, "cloud-sql-proxy": REFUSED}},
        {**ALL_WELL, "proxy": "broken", "run": UNSEEN},
        "the running one lets nobody in, and a new one does: FATAL",
    ),
    "the schema is old": (
        {"logins": {host: {**WELL, "schema": None} for host in ("mlflow-connection-test", "cloud-sql-proxy")}},
        {**ALL_WELL, "schema": "broken", "run": UNSEEN},
        "is at revision None, and the image wants a1",
    ),
    "the bucket is read-only": (
        {"bucket": {"write": {"reason": "403 storage.objects.create"}, "read": {"reason": ""}}},
        {**ALL_WELL, "bucket-write": "broken", "bucket-delete": UNSEEN, "run": UNSEEN},
        "the server cannot write an object to gs://b/a/: 403 storage.objects.create",
    ),
    "the bucket keeps everything": (
        {"bucket": {"write": {"reason": ""}, "read": {"reason": ""}, "delete": {"reason": "403 retention"}}},
        {**ALL_WELL, "bucket-delete": "broken", "run": UNSEEN},
        "the server cannot delete its object in gs://b/a/: 403 retention",
    ),
    "a run fails": (
        {"run": (1, "", "Traceback\nmlflow.exceptions.MlflowException: no\n")},
        {**ALL_WELL, "run": "broken"},
        "MlflowException: no",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_broken_layer_is_named_and_no_other(
    health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    changes, wanted, evidence = BROKEN[case]
    for name, value in changes.items():
        setattr(machine, name, value)
    assert statuses(health) == wanted
    assert ends(health, monkeypatch) == 1
    first, *shown = capsys.readouterr().out.splitlines()
    (broken,) = [layer for layer, status in wanted.items() if status == "broken"]
    assert first == f"vm: broken: {health.TITLES[broken]}"
    (line,) = [line for line in shown if line.startswith("  BROKEN")]
    assert evidence in line
    assert shown[shown.index(line) + 1].split()[0] == "Fix:"
    blamed = [line for line in shown if line.startswith(("  affected", "  not looked at"))]
    assert all(f"(because of {health.TITLES[broken]})" in line for line in blamed)


def test_two_things_broken_at_once_are_both_named(health: Any, machine: Machine) -> None:
    machine.connected, machine.proxy_log = False, google_error("403: cloudsql.instances.connect")
    machine.bucket = {"write": {"reason": "403"}, "read": {"reason": "403"}}
    found = statuses(health)
    assert [layer for layer, status in found.items() if status == "broken"] == ["proxy", "bucket-write", "bucket-read"]


def test_a_full_disk(health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine
    monkeypatch.setattr(health, "LEAST_FREE", 10**9)
    found = finding(health, "machine")
    assert found.status == "broken"
    assert "the disk is full: " in found.evidence
    assert "free some space" in found.fix


def test_a_name_without_an_address(health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine
    monkeypatch.setitem(health.DEPLOYED, "url", "http://mlflow.invalid:5000")
    monkeypatch.setattr(health, "get", lambda *_, **__: "{}")
    found = finding(health, "client")
    assert found.status == "broken"
    assert found.evidence.startswith("mlflow.invalid (http://mlflow.invalid:5000) has no address: ")


def test_what_cannot_be_looked_at_is_not_called_well(
    health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.look = (125, "", "Unable to find image 'mlflow-tracking-server:x' locally\n")
    assert ends(health, monkeypatch) == 2
    shown = capsys.readouterr().out
    assert shown.startswith("vm: not all of it could be looked at\n")
    assert "no container can be started for it: Unable to find image" in shown


def test_who_may_not_ask_docker_is_told_so(
    health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.docker = (1, "", "permission denied while trying to connect to the Docker daemon socket\n")
    assert ends(health, monkeypatch) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "run it with sudo" in printed.err


def test_nothing_deployed(
    health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(health.DEPLOYED["compose"]).unlink()
    assert ends(health, monkeypatch) == 2
    assert "compose.yml: No such file or directory: run playbooks/deploy.yml" in capsys.readouterr().err
    assert machine.asked == []


def test_one_look_at_a_time(health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine
    monkeypatch.setattr(health, "PATIENCE", 0.1)
    with health.alone(health.DEPLOYED["compose"]):
        assert ends(health, monkeypatch) == 2
    assert ends(health, monkeypatch) == 0


@pytest.mark.parametrize(
    ("layer", "programs"), [("proxy", {"logs", "rm", "exec"}), ("bucket-read", {"check.py"}), ("machine", set())]
)
def test_one_layer_alone(health: Any, machine: Machine, layer: str, programs: set[str]) -> None:
    machine.connected = layer != "proxy"
    assert statuses(health, layers=[layer], read_only=True) == {layer: "broken" if layer == "proxy" else "ok"}
    ran = {Path(word).name for command in machine.asked for word in command}
    assert ran & {"logs", "rm", "exec", "check.py"} == (programs | {"check.py"} if layer == "bucket-read" else programs)


def test_a_deployment_without_cloud_sql_has_fewer_layers(
    health: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with another store leaves out what it has not."""
    left = [layer for layer in LAYERS if layer not in ("proxy", "login", "schema")]
    machine.containers = [container("mlflow")]
    machine.connected = False
    monkeypatch.setitem(health.DEPLOYED, "layers", left)
    assert statuses(health, layers=health.deployed(None)) == dict.fromkeys(left, "ok")
    assert not any("connection-test" in command for command in machine.asked)
    assert health.deployed(["proxy", "bucket-read"]) == ["bucket-read"]
    with pytest.raises(health.CannotLookError, match="this server has no Cloud SQL login"):
        health.deployed(["login"])


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ('FATAL: password authentication failed for user "u"', "sets the password"),
        ("fe_sendauth: no password supplied", "sets the password"),
        ('FATAL: role "u" is not permitted to log in', "the right to log in"),
        ("server closed the connection unexpectedly", "operations list --instance=mlflow-metadata"),
        ("FATAL: the database system is starting up", "does not answer"),
        ("FATAL: remaining connection slots are reserved", "tracking_server_workers"),
    ],
)
def test_the_way_out_fits_the_reason(health: Any, reason: str, fix: str) -> None:
    assert fix in health.login_fix(reason)


def test_by_iam_the_role_is_the_way_out(health: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.DEPLOYED, "iam", True)
    seen = health.login_fault("FATAL: authentication failed")
    assert seen.evidence == f"u cannot log in to mlflow of {INSTANCE} by IAM: FATAL: authentication failed"
    assert "roles/cloudsql.instanceUser" in seen.fix


@pytest.mark.parametrize(
    ("body", "reason"),
    [(UNHAPPY, "no db"), ("<h1>Bad  Gateway</h1>", "Bad Gateway"), ('["x"]', '["x"]'), ("", "")],
)
def test_the_reason_in_an_errors_body(health: Any, body: str, reason: str) -> None:
    assert health.said(body) == reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (urllib.error.HTTPError("u", 503, "Unavailable", Message(), io.BytesIO(UNHAPPY.encode())), "HTTP 503: no db"),
        (urllib.error.HTTPError("u", 502, "Bad Gateway", Message(), io.BytesIO(b"")), "HTTP 502: Bad Gateway"),
        (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_why_a_call_fails(health: Any, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str) -> None:
    class Opener:
        def open(self, *_: Any, **__: Any) -> None:
            raise error

    monkeypatch.setattr(health.urllib.request, "build_opener", lambda *_: Opener())
    with pytest.raises(OSError, match=words):
        health.get("http://127.0.0.1:5000", "127.0.0.1:5000", timeout=1)


def test_the_last_error_of_the_proxy(health: Any) -> None:
    noise = (
        "panic: x\n" + google_error("first") + "\n" + google_error("403: last.") + '\n{"severity":"INFO","message":"x"}'
    )
    assert health.google_says(noise) == "403: last"
    assert health.google_says("docker: no such image") == ""


def test_a_program_that_is_not_there_or_does_not_end(health: Any) -> None:
    assert health.call("/nowhere/docker", "info").returncode == 127
    assert "no answer within" in health.call("sleep", "5", timeout=0.05).stderr
