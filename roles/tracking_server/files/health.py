"""Look at the tracking server layer by layer, from a client's call to the bucket: what is broken, why, and the fix.

Exit code: 0 all is well, 1 a layer is broken, 2 nothing is known to be broken but not all could be looked at. Without
--read-only an object is written to the bucket, read and deleted, and a run is logged, read back and removed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# What is deployed on this machine; the role fills it in.
DEPLOYED: dict[str, Any] = {}

# In the order of a request, with what each one stands on.
TITLES = {
    "client": "client name",
    "machine": "machine",
    "api": "MLflow API",
    "proxy": "Cloud SQL Auth Proxy",
    "login": "Cloud SQL login",
    "schema": "schema revision",
    "bucket-write": "bucket write",
    "bucket-read": "bucket read",
    "bucket-delete": "bucket delete",
    "run": "MLflow run",
}
NEEDS = {
    "client": ("api",),
    "api": ("machine", "proxy", "login", "schema"),
    "proxy": ("machine",),
    "login": ("proxy",),
    "schema": ("login",),
    "bucket-write": ("machine",),
    "bucket-read": ("machine",),
    "bucket-delete": ("bucket-write",),
    "run": ("client", "api", "bucket-write", "bucket-read", "bucket-delete"),
}
WRITING = ("bucket-write", "bucket-delete", "run")
PASSED_OVER = "it writes, and --read-only was given"

PROJECT = "mlflow"
FRESH_PROXY = "mlflow-connection-test"
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
# Megabytes below which a disk counts as full: an artifact on its way through the server waits there as a whole.
LEAST_FREE = 100
LONGEST_EVIDENCE = 600
PATIENCE = 120
# What Google says of an instance that somebody has stopped.
STOPPED = re.compile("invalidState|not in an appropriate state|instance is not running")


class CannotLookError(Exception):
    """Nothing can be said about the server."""


@dataclass(frozen=True)
class Seen:
    """What was seen of a layer; `ok` is None where it was not looked at.

    `by_itself` says that the reason lies here, whatever else is broken.
    """

    ok: bool | None
    evidence: str
    fix: str = ""
    by_itself: bool = False


@dataclass(frozen=True)
class Finding:
    """A layer's status (ok, broken, affected, not looked at) and, of the last two, the layers that are to blame."""

    layer: str
    status: str
    evidence: str
    fix: str
    because: tuple[str, ...]


def below(layer: str) -> set[str]:
    """Every layer that this one stands on."""
    needs = NEEDS.get(layer, ())
    return set(needs).union(*map(below, needs))


def judge(seen: dict[str, Seen]) -> list[Finding]:
    """The findings in order: a layer that fails only because another one does is affected, not broken."""
    failed = {layer for layer, one in seen.items() if one.ok is False}
    alone = {layer for layer in failed if seen[layer].by_itself or not below(layer) & failed}
    findings = []
    for layer in [layer for layer in TITLES if layer in seen]:
        one = seen[layer]
        innocent = one.ok or layer in alone or one.evidence == PASSED_OVER
        because = () if innocent else tuple(name for name in TITLES if name in below(layer) & alone)
        failure = "broken" if layer in alone else "affected"
        status = {True: "ok", False: failure, None: "not looked at"}[one.ok]
        fix = one.fix if status == "broken" else ""
        findings.append(Finding(layer, status, " ".join(one.evidence.split())[:LONGEST_EVIDENCE], fix, because))
    return findings


def code(findings: Iterable[Finding]) -> int:
    """The exit code."""
    statuses = {one.status for one in findings if one.evidence != PASSED_OVER}
    return 1 if "broken" in statuses else 2 if "not looked at" in statuses else 0


def text(findings: list[Finding]) -> str:
    """For people: a line a layer, and below a broken one the fix."""
    broken = [TITLES[one.layer] for one in findings if one.status == "broken"]
    verdict = {0: "well", 1: f"broken: {', '.join(broken)}", 2: "not all of it could be looked at"}[code(findings)]
    lines = [f"{DEPLOYED['name']}: {verdict}"]
    for one in findings:
        blame = f" (because of {', '.join(TITLES[name] for name in one.because)})" if one.because else ""
        status = one.status.upper() if one.status == "broken" else one.status
        lines.append(f"  {status:<13}  {TITLES[one.layer]:<20}  {one.evidence}{blame}")
        lines += [f"{'':<15}  {'':<20}  Fix: {one.fix}"] if one.fix else []
    return "\n".join(lines)


def document(findings: list[Finding], read_only: bool, seconds: float) -> str:
    """For monitors and playbooks: one line of JSON."""
    layers = [{**vars(one), "title": TITLES[one.layer], "because": list(one.because)} for one in findings]
    broken = [one.layer for one in findings if one.status == "broken"]
    about = {"name": DEPLOYED["name"], "healthy": code(findings) == 0, "broken": broken, "read_only": read_only}
    return json.dumps({**about, "seconds": round(seconds, 1), "layers": layers})


def call(*command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program; one that is not there or does not end has failed."""
    try:
        # Nothing of a caller's standard input, such as the rest of a script, is for `docker compose run`.
        nothing = subprocess.DEVNULL
        return subprocess.run(command, stdin=nothing, capture_output=True, text=True, check=False, timeout=timeout)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"there is no program {command[0]}")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {timeout:.0f} s")


def compose(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Docker Compose, with what is deployed here."""
    return call("docker", "compose", "--file", DEPLOYED["compose"], *arguments, timeout=timeout)


def one_shot(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """A Python program in a new container that is what the server is: image, user, environment, files."""
    return compose("run", "--rm", "--no-TTY", "--no-deps", "check", *arguments, timeout=timeout)


def last_line(output: str) -> str:
    """What a program said last, which is why it failed."""
    return next((line for line in reversed(output.splitlines()) if line.strip()), "it said nothing").strip()


def get(url: str, host: str, timeout: float) -> str:
    """The body of an answer to who asks for the name `host`; raises OSError, with MLflow's words if it has any."""
    request = urllib.request.Request(url, headers={"Host": host})  # noqa: S310 (the role gives the URL)
    try:
        # No HTTP proxy of the environment, between a client and its server.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout) as answer:
            return str(answer.read(100_000).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        body = error.read(100_000).decode(errors="replace")
        raise OSError(f"HTTP {error.code}: {said(body) or error.reason}") from error
    except urllib.error.URLError as error:
        raise OSError(str(getattr(error.reason, "strerror", None) or error.reason)) from error
    except http.client.HTTPException as error:
        raise OSError(repr(error)) from error


def said(body: str) -> str:
    """The reason in an error's body: MLflow's message, or the page's text."""
    try:
        body = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        body = re.sub(r"<[^>]*>", " ", body)
    # SQLAlchemy adds where its own documentation explains the error.
    return " ".join(body.partition("(Background on this error")[0].split())


def container_fault(container: dict[str, Any] | None, service: str) -> str:
    """Why a service's container does not work, as Docker sees it; empty where it runs."""
    if container is None:
        return f"there is no container of {service}"
    state = container["State"]
    if state["Status"] == "running":
        return ""
    memory = ", out of memory" if state["OOMKilled"] else ""
    return f"{container['Name'].lstrip('/')} is {state['Status']} (exit code {state['ExitCode']}{memory})"


def google_says(log: str) -> str:
    """The last error in what the Auth Proxy has logged."""
    errors = [json.loads(line) for line in log.splitlines() if line.startswith("{") and '"severity":"ERROR"' in line]
    return str(errors[-1]["message"]).strip().rstrip(".") if errors else ""


def proxy_fix(reason: str) -> str:
    """The way out where a new Auth Proxy cannot reach the instance."""
    if "cloudsql.instances." in reason:
        return "run site.yml: the service account lacks roles/cloudsql.client, and site.yml grants it again"
    return "put right what the line names; where it is a role, an API or the instance itself, run site.yml"


def login_fix(reason: str) -> str:
    """The way out where PostgreSQL, or what is before it, lets nobody in."""
    if re.search("remaining connection slots|too many clients", reason):
        return "end other users' connections, lower tracking_server_workers, or choose a bigger tier"
    if re.search("closed the connection|starting up|shutting down|timeout|refused|reset by peer", reason):
        instance = DEPLOYED["instance"].rpartition(":")[2]
        return f"PostgreSQL does not answer: `gcloud sql operations list --instance={instance}`, and the instance's log"
    if DEPLOYED["iam"]:
        return "run site.yml: it grants roles/cloudsql.instanceUser again"
    return "run site.yml: it sets the password and the right to log in again"


def login_fault(reason: str) -> Seen:
    """A login that failed."""
    by = " by IAM" if DEPLOYED["iam"] else ""
    who = f"{DEPLOYED['user']} cannot log in to {DEPLOYED['database']} of {DEPLOYED['instance']}{by}"
    return Seen(False, f"{who}: {reason}", login_fix(reason), by_itself=True)


def schema_seen(login: dict[str, Any]) -> Seen:
    """The database's revision beside the image's."""
    if login["schema"] == login["schema_wanted"]:
        return Seen(True, f"{login['schema']}, as the image wants it")
    evidence = f"the schema of {DEPLOYED['database']} is at revision {login['schema']}, and the image wants"
    return Seen(False, f"{evidence} {login['schema_wanted']}", "run site.yml: it migrates the schema", by_itself=True)


def bucket_seen(steps: dict[str, dict[str, Any]]) -> dict[str, Seen]:
    """What came of each step in the bucket."""
    where, seen = DEPLOYED["artifacts"], {}
    verbs = {"write": "writes an object to", "read": "reads in", "delete": "deletes its object in"}
    fix = "run site.yml: it grants roles/storage.objectUser on the bucket again"
    for step, verb in verbs.items():
        if step not in steps:
            continue
        refused = steps[step]["reason"]
        verdict = f"the server cannot {verb.replace('s ', ' ', 1)} {where}: {refused}" if refused else f"{verb} {where}"
        seen[f"bucket-{step}"] = Seen(not refused, verdict, fix, by_itself=True)
    return seen


class Look:
    """One look at the layers that are wanted; `seen` grows with each step."""

    def __init__(self, wanted: list[str], read_only: bool) -> None:
        self.wanted = wanted
        self.read_only = read_only
        self.seen: dict[str, Seen] = {}
        self.containers: dict[str, dict[str, Any]] = {}

    def wants(self, *layers: str) -> bool:
        """Whether any of them is asked for."""
        return any(layer in self.wanted for layer in layers)

    def findings(self) -> list[Finding]:
        """Look at everything, and judge it."""
        docker = self.machine()
        if docker:
            self.find_containers()
            self.api()
            self.chain()
        self.client()
        if self.wants("run") and not self.read_only and docker:
            self.log_a_run()
        for layer in self.wanted:
            reason = PASSED_OVER if self.read_only and layer in WRITING else "what it needs does not work"
            self.seen.setdefault(layer, Seen(None, reason))
        return [one for one in judge(self.seen) if one.layer in self.wanted]

    def machine(self) -> bool:
        """Docker, and the disks of artifacts on their way and of images; whether Docker answers."""
        asked = call("docker", "info", "--format", "{{.ServerVersion}} {{.DockerRootDir}}", timeout=20)
        if "permission denied" in asked.stderr:
            raise CannotLookError("only root and members of the group docker can look: run it with sudo")
        # With the daemon away `docker info` succeeds, and knows nothing of it.
        version, docker_data = [*asked.stdout.split(maxsplit=1), "", ""][:2]
        if asked.returncode != 0 or not docker_data:
            evidence = f"Docker does not answer: {last_line(asked.stderr)}"
            fix = "systemctl start docker, or run site.yml"
            self.seen["machine"] = Seen(False, evidence, fix, by_itself=True)
            return False
        disks = [free_space(path) for path in (DEPLOYED["spool"], docker_data.strip())]
        full = [line for free, line in disks if free < LEAST_FREE]
        if full:
            fix = f"free some space or enlarge that disk: {LEAST_FREE} MB are the least"
            self.seen["machine"] = Seen(False, f"the disk is full: {'; '.join(full)}", fix, by_itself=True)
        else:
            self.seen["machine"] = Seen(True, f"Docker {version}; {'; '.join(line for free, line in disks)}")
        return True

    def find_containers(self) -> None:
        """What Docker knows of each service's container."""
        filters = [f"label=com.docker.compose.{key}" for key in (f"project={PROJECT}", "oneoff=False")]
        listed = call("docker", "ps", "--all", "--quiet", *(word for one in filters for word in ("--filter", one)))
        if ids := listed.stdout.split():
            for one in json.loads(call("docker", "inspect", *ids).stdout or "[]"):
                self.containers[one["Config"]["Labels"]["com.docker.compose.service"]] = one

    def api(self) -> None:
        """A search at the server's own address, as that asks its database; by the name that clients use."""
        if not self.wants("api", "client", "run"):
            return
        container = self.containers.get("mlflow")
        fault = container_fault(container, "mlflow")
        if fault or container is None:
            self.seen["api"] = Seen(False, fault, "run site.yml: it starts the server again", by_itself=True)
            return
        address = next(one["IPAddress"] for one in container["NetworkSettings"]["Networks"].values())
        try:
            get(f"http://{address}:5000{SEARCH}", urllib.parse.urlsplit(DEPLOYED["url"]).netloc, timeout=15)
        except OSError as error:
            evidence = f"a search for experiments fails: {error}"
            self.seen["api"] = Seen(False, evidence, f"docker logs {container['Name'].lstrip('/')} has more")
        else:
            self.seen["api"] = Seen(True, "a search for experiments is answered")

    def client(self) -> None:
        """What a client meets who knows only the name."""
        if not self.wants("client"):
            return
        url, fix = DEPLOYED["url"], "correct tracking_server_url or tracking_server_publish, or what is between"
        parts = urllib.parse.urlsplit(url)
        # The server itself answers: then the reason lies between it and its clients.
        by_itself = "api" in self.seen and self.seen["api"].ok is True
        try:
            socket.getaddrinfo(parts.hostname, None)
        except OSError as error:
            evidence = f"{parts.hostname} ({url}) has no address: {error.strerror}"
            self.seen["client"] = Seen(False, evidence, fix, by_itself=True)
            return
        try:
            version = get(f"{url.rstrip('/')}/version", parts.netloc, timeout=10).strip()
        except OSError as error:
            self.seen["client"] = Seen(False, f"{url} does not answer: {error}", fix, by_itself)
            return
        if re.fullmatch(r"\d+\.\d+\.\S+", version):
            self.seen["client"] = Seen(True, f"{url} answers as MLflow {version}")
        else:
            self.seen["client"] = Seen(False, f"{url} is answered by something else than MLflow", fix, by_itself=True)

    def chain(self) -> None:
        """A new path to PostgreSQL, and a new client of it and of the bucket.

        A running proxy may hold a certificate that is good for an hour after the role that gave it was taken away.
        """
        by_database = self.wants("proxy", "login", "schema")
        steps = [step for step in ("write", "read", "delete") if self.wants(f"bucket-{step}")]
        if not by_database:
            self.look_inside([], steps)
            return
        with fresh_proxy() as reason:
            running = self.running_proxy(reason)
            self.look_inside([] if reason else [FRESH_PROXY, *running], steps)

    def running_proxy(self, reason: str) -> list[str]:
        """Judge the proxy by its container and the new one's words; the running one's name where it can be asked."""
        fault = container_fault(self.containers.get("cloud-sql-proxy"), "cloud-sql-proxy")
        instance = DEPLOYED["instance"]
        if STOPPED.search(reason):
            self.seen["proxy"] = Seen(True, "Google answers it")
            fix = "start it: activation_policy: ALWAYS in backend_store_settings and site.yml, or gcloud"
            self.seen["login"] = Seen(False, f"{instance} does not run: {reason}", fix, by_itself=True)
        elif reason:
            evidence = f"a new one cannot reach {instance}: {reason}"
            self.seen["proxy"] = Seen(False, evidence, proxy_fix(reason), by_itself=True)
        else:
            self.seen["proxy"] = Seen(True, f"a new one reaches {instance}")
        if fault:
            fix = "run site.yml: it starts the proxy again"
            path = self.seen["proxy"].evidence.partition(",")[0]
            self.seen["proxy"] = Seen(False, f"{fault}; {path}", fix, by_itself=True)
        return [] if fault else ["cloud-sql-proxy"]

    def look_inside(self, hosts: list[str], steps: list[str]) -> None:
        """Log in by each of the hosts, and take the steps in the bucket, as the server would."""
        if not hosts and not steps:
            return
        mode = [] if self.read_only or "write" not in steps else ["--write"]
        done = one_shot("/opt/mlflow_ops/check.py", *mode, *hosts, timeout=90)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            reason = f"no container can be started for it: {last_line(done.stderr)}"
            unseen = [*(["login", "schema"] if hosts else []), *(f"bucket-{step}" for step in steps)]
            self.seen |= {layer: Seen(None, reason) for layer in unseen}
            return
        self.seen |= bucket_seen(found["bucket"])
        if hosts:
            self.judge_logins(found["logins"])

    def judge_logins(self, logins: dict[str, dict[str, Any]]) -> None:
        """By the new proxy, which asked for a certificate of its own; and by the one that MLflow uses."""
        fresh, running = logins[FRESH_PROXY], logins.get("cloud-sql-proxy")
        if not fresh["login"]:
            self.seen["login"] = login_fault(fresh["reason"])
            return
        self.seen["login"] = Seen(True, f"{DEPLOYED['user']} logs in to {DEPLOYED['database']}")
        self.seen["schema"] = schema_seen(fresh)
        if running is not None and running["login"]:
            self.seen["proxy"] = Seen(True, f"the running one and a new one reach {DEPLOYED['instance']}")
        elif running is not None:
            evidence = f"the running one lets nobody in, and a new one does: {running['reason']}"
            fix = f"docker restart {self.containers['cloud-sql-proxy']['Name'].lstrip('/')}"
            self.seen["proxy"] = Seen(False, evidence, fix, by_itself=True)

    def log_a_run(self) -> None:
        """What a training job does, and the removal of what it has left."""
        if any(one.ok is False for layer, one in self.seen.items() if layer in below("run")):
            return
        done = one_shot("/opt/mlflow_ops/round_trip.py", timeout=180)
        if done.returncode == 0:
            self.seen["run"] = Seen(True, last_line(done.stdout))
        else:
            evidence = f"no run can be logged, read back and removed: {last_line(done.stderr)}"
            self.seen["run"] = Seen(False, evidence, "put right what the line names; the server's log has more")


def free_space(path: str) -> tuple[int, str]:
    """Free megabytes of a folder's disk, and a line about them."""
    try:
        found = os.statvfs(path)
    except OSError as error:
        return 0, f"{path}: {error.strerror}"
    free = found.f_bavail * found.f_frsize // 1_000_000
    return free, f"{free} MB free in {path}"


@contextlib.contextmanager
def fresh_proxy() -> Iterator[str]:
    """A second Auth Proxy, which has to ask for a certificate of its own; why it could not connect, or nothing."""
    call("docker", "rm", "--force", FRESH_PROXY)  # left by a look that was broken off
    try:
        started = compose("run", "--detach", "--no-deps", "--name", FRESH_PROXY, "connection-test")
        waited = call("docker", "exec", FRESH_PROXY, "/cloud-sql-proxy", "wait", "--max", "20s")
        if waited.returncode == 0:
            yield ""
        else:
            logged = call("docker", "logs", FRESH_PROXY)
            yield google_says(logged.stdout + logged.stderr) or last_line(started.stderr)
    finally:
        call("docker", "rm", "--force", FRESH_PROXY)


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """One look at a time: they share the new proxy's name."""
    deadline = time.monotonic() + PATIENCE
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise CannotLookError(f"{path}: {error.strerror}: run playbooks/deploy.yml") from error
    try:
        while not taken(lock):
            if time.monotonic() > deadline:
                raise CannotLookError(f"another look has been under way for {PATIENCE} s")
            time.sleep(0.2)
        yield
    finally:
        os.close(lock)


def taken(lock: int) -> bool:
    """Whether the lock could be taken."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def deployed(asked: list[str] | None) -> list[str]:
    """The layers to look at: those that are asked for, of those that this deployment has."""
    layers = [layer for layer in DEPLOYED["layers"] if asked is None or layer in asked]
    if not layers:
        raise CannotLookError(f"this server has no {', '.join(TITLES[layer] for layer in asked or [])}")
    return layers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON, for monitors")
    parser.add_argument("--read-only", action="store_true", help=f"leave out what writes: {', '.join(WRITING)}")
    parser.add_argument("--layer", action="append", choices=TITLES, help="only this one; may be repeated")
    given = parser.parse_args()
    started = time.monotonic()
    try:
        with alone(DEPLOYED["compose"]):
            findings = Look(deployed(given.layer), given.read_only).findings()
    except CannotLookError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(document(findings, given.read_only, time.monotonic() - started) if given.json else text(findings))
    return code(findings)


if __name__ == "__main__":
    sys.exit(main())
