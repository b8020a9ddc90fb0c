"""The audited runs: every playbook that handles a secret, on the way that makes it and on those that go wrong."""

import json
import re
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests as http
from testinfra.host import Host

from tests.audit import sampler
from tests.audit.needles import Matcher
from tests.audit.places import Evidence, Findings, Watch, as_root, findings, here

ROOT = Path(__file__).resolve().parents[3]
PASSFILE = "/opt/mlflow/secrets/pg/passfile"
# Put together here, since this file is searched too.
CANARY = "p@ss/" + "w%rd:#?" + "\\ $é"
REFUSED = "r@fu" + "sed/w%rd" + "\\\\" + "'$é"
SECRET = "mlflow-db-password"
TAKE_OVER = ("--extra-vars", "backend_store_take_over_user=true")
PLANTED = "molecule/secrets/planted.yml"
TEXT, JSON = "default", "ansible.posix.json"
SECONDS = 570


class Operator(Protocol):
    """What the shared fixture of this name offers (molecule/conftest.py)."""

    environment: dict[str, str]

    def breaks(self, module: str, **arguments: str) -> None: ...


class Audit:
    """The scenario's machines, and the secrets that are known by now, by their names."""

    def __init__(self, host: Host, card: dict[str, Any], operator: Operator, folder: Path) -> None:
        self.host, self.card, self.operator, self.folder = host, card, operator, folder
        key = json.loads(Path(card["operator"]["key_file"]).read_text())["private_key"].splitlines()
        self.secrets = {"operator's key": key[len(key) // 2], "canary": CANARY, "refused": REFUSED}
        self.secrets["planted"] = "pl@nt/" + "ed%:#?\\ $é" + secrets.token_hex(8)
        self.output: dict[str, str] = {}
        (folder / "tmp").mkdir()

    def learn(self, name: str) -> None:
        """Remember the password that the machine has now."""
        self.secrets[name] = self.host.file(PASSFILE).content_string.rstrip("\n").split(":", 4)[4]

    def gives(self, password: str) -> list[str]:
        """Options that give a password from an encrypted file of variables."""
        key, variables = self.folder / "vault-password", self.folder / "vault.yml"
        key.write_text(secrets.token_hex())
        variables.write_text(json.dumps({"backend_store_password": password}))
        identity = f"--vault-id=given@{key}"
        command = ["ansible-vault", "encrypt", identity, "--encrypt-vault-id=given", str(variables)]
        subprocess.run(command, env=self.operator.environment, capture_output=True, check=True)
        return [identity, f"--extra-vars=@{variables}"]

    @property
    def plants(self) -> dict[str, str]:
        """What planted.yml needs to leak its secret."""
        repository = self.folder / "repository"
        repository.mkdir(exist_ok=True)
        return {
            "PLANTED": self.secrets["planted"],
            "PLANTED_REPOSITORY": str(repository),
            "PLANTED_FILE": str(self.planted_file),
        }

    @property
    def planted_file(self) -> Path:
        return ROOT / ".sandbox" / f"{self.card['name']}.planted"

    @property
    def environment(self) -> dict[str, str]:
        """Everything that Ansible can keep is kept, in the audit's own folder."""
        return self.operator.environment | {
            "ANSIBLE_LOG_PATH": str(self.folder / "ansible.log"),
            "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.folder / "facts"),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "TMPDIR": str(self.folder / "tmp"),
        }


@dataclass(frozen=True)
class Run:
    """One audited run. `before` prepares it and may give it options; `fails` are words that it must fail with."""

    name: str
    playbook: str
    options: tuple[str, ...] = ()
    callback: str = TEXT
    before: Callable[[Audit], list[str] | None] = lambda _: None
    fails: str = ""


def secret_lost(audit: Audit) -> None:
    audit.learn("generated")
    audit.operator.breaks("secret", name=SECRET, state="absent", confirm_delete=SECRET)


def rotation_to_come(audit: Audit) -> None:
    audit.learn("generated again")


def canary_to_come(audit: Audit) -> list[str]:
    audit.learn("rotated")
    return audit.gives(CANARY)


def no_place_for_env_file(audit: Audit) -> list[str]:
    return [*audit.gives(CANARY), "--extra-vars=tracking_server_env_file=/nowhere/.env"]


def bad_password_given(audit: Audit) -> list[str]:
    return audit.gives(REFUSED)


def canary_given(audit: Audit) -> list[str]:
    return audit.gives(CANARY)


# In this order, on one machine. Another playbook that handles a secret is one more line, before the last two.
RUNS = (
    Run("check of an empty project", "site.yml", ("--check", "--diff")),
    Run("generated", "site.yml", ("--diff",)),
    # PostgreSQL knows the first one, refuses the second and is given it.
    Run("generated again", "site.yml", ("--diff", *TAKE_OVER), JSON, secret_lost),
    Run("rotated", "playbooks/rotate_password.yml", ("--diff",), TEXT, rotation_to_come),
    Run("check of the canary", "site.yml", ("--check", "--diff"), TEXT, canary_to_come),
    Run("cannot be written", "playbooks/deploy.yml", ("--diff",), TEXT, no_place_for_env_file, fails="/nowhere/.env"),
    Run("refused", "playbooks/deploy.yml", (), TEXT, bad_password_given, fails="Choose another password"),
    Run("canary", "site.yml", ("--diff",), JSON, canary_given),
    Run("leaks", PLANTED),
    Run("leaks in JSON", PLANTED, ("--limit=localhost",), JSON),
)


def play(run: Run, audit: Audit) -> None:
    """Run the playbook as chatty as can be, and keep what it prints."""
    options = [*run.options, *(run.before(audit) or [])]
    environment = audit.environment | {"ANSIBLE_STDOUT_CALLBACK": run.callback}
    if run.playbook == PLANTED:
        environment |= audit.plants
    done = subprocess.run(
        ["ansible-playbook", "-vvvvv", run.playbook, *options],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=SECONDS,
    )  # fmt: skip
    output = audit.folder / "output" / run.callback
    output.mkdir(parents=True, exist_ok=True)
    (output / run.name).write_bytes(done.stdout)
    audit.output[run.name] = done.stdout.decode()
    last = audit.output[run.name][-3000:]
    assert (done.returncode != 0) == bool(run.fails), f"{run.name} ended with {done.returncode}: {last}"
    assert run.fails in re.sub(r"\s+", " ", audit.output[run.name]), last


@pytest.fixture(scope="session")
def audit(
    host: Host, card: dict[str, Any], operator: Operator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Audit]:
    made = Audit(host, card, operator, tmp_path_factory.mktemp("audit"))
    yield made
    made.planted_file.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def evidence(audit: Audit) -> Evidence:
    """Of all runs, which are watched from the first to the last."""
    watched = {"machine": Watch(as_root(audit.card, sampler)), "control node": Watch(here(sampler, "own"))}
    with ExitStack() as watching:
        for watch in watched.values():
            watching.enter_context(watch)
        for run in RUNS:
            play(run, audit)
    recorded = http.get(f"{audit.card['management_url']}/requests", timeout=30).content
    repositories = [ROOT, audit.folder / "repository"]
    return Evidence(audit.host, audit.card, audit.folder, ROOT, repositories, watched, recorded, Matcher(audit.secrets))


@pytest.fixture(scope="session")
def found(evidence: Evidence) -> Findings:
    """By secret and by place, where in it the secret was found."""
    return findings(evidence)
