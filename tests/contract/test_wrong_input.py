"""What a real team gets wrong, through the real playbook: one line with object, reason and way out, nothing written.

Two emulators work side by side: one whose project is provisioned, one whose project is new.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_instance import SqlInstance
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.contract import playbooks
from tests.contract.bench import PROJECT, Bench

ROOT = playbooks.ROOT
EXAMPLE = ROOT / "inventories" / "example" / "group_vars" / "all" / "mlflow.yml"
# The example's control node; an inventory of one's own names it as inventories/sandbox does.
HOSTS = ROOT / "inventories" / "sandbox" / "hosts.yml"
P = f"/v1/projects/{PROJECT}"
OPERATOR = f"operator@{PROJECT}.iam.gserviceaccount.com"
INSTANCE = "mlflow-metadata"
HYPHENS = "db\N{NON-BREAKING HYPHEN}f1\N{NON-BREAKING HYPHEN}micro"
SETTINGS = {"data_disk_size_gb": 20, "storage_auto_resize": False}

Preparation = Callable[[Bench], AbstractContextManager[dict[str, Any]]]


def as_it_is(_: Bench) -> AbstractContextManager[dict[str, Any]]:
    """Nothing to prepare."""
    return nullcontext({})


@dataclass(frozen=True)
class Case:
    """A mistake. ``line`` holds the three parts of the line, in order: the object, the reason, the way out.

    ``given`` goes into the inventory, over the example's values. ``allowed`` are the writes that Google refuses, or
    takes where the exit code is 0 and the line is a warning: none where the mistake can be seen before.
    """

    name: str
    given: dict[str, Any]
    line: tuple[str, str, str]
    prepare: Preparation = as_it_is
    allowed: tuple[str, ...] = ()
    asks: bool = True
    code: int = 2
    new_project: bool = False
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a user saw, and what Google was asked."""

    code: int
    output: str
    asked: list[dict[str, Any]]

    def lines(self, kind: str) -> list[str]:
        """What Ansible says in lines that begin with ERROR or WARNING."""
        return re.findall(rf"^\[{kind}\]: (.*)$", self.output, re.MULTILINE)


def taken_by_others(names: dict[str, list[str]]) -> Preparation:
    """Names that this project cannot have."""

    @contextmanager
    def prepare(bench: Bench) -> Iterator[dict[str, Any]]:
        requests.post(f"{bench.management_url}elsewhere", json=names, timeout=10).raise_for_status()
        yield {}

    return prepare


def project_policy(bench: Bench) -> list[dict[str, Any]]:
    """The bindings of the project, whose API must be on for that."""
    bench.enable("cloudresourcemanager", "iam")
    bindings: list[dict[str, Any]] = bench.google().query("cloudresourcemanager", f"{P[1:]}:getIamPolicy", {})[
        "bindings"
    ]
    return bindings


def set_project_policy(bench: Bench, bindings: list[dict[str, Any]]) -> None:
    """Put these bindings in place of the project's."""
    bench.google().write("POST", "cloudresourcemanager", f"{P[1:]}:setIamPolicy", {"policy": {"bindings": bindings}})


@contextmanager
def owning(bench: Bench) -> Iterator[None]:
    """The operator may do everything, as whoever spoils a project may."""
    before = project_policy(bench)
    owner = {"role": "roles/owner", "members": [f"serviceAccount:{OPERATOR}"]}
    set_project_policy(bench, [*before, owner])
    yield
    set_project_policy(bench, before)


def without_role(role: str) -> Preparation:
    """The operator lacks one of its roles."""

    @contextmanager
    def prepare(bench: Bench) -> Iterator[dict[str, Any]]:
        before = project_policy(bench)
        left = [binding for binding in before if binding["role"] != role]
        assert left != before, f"the operator does not have {role}"
        set_project_policy(bench, left)
        yield {}
        set_project_policy(bench, before)

    return prepare


@contextmanager
def stopped_instance(bench: Bench) -> Iterator[dict[str, Any]]:
    """Somebody has stopped the instance, to save money."""
    options = {"name": INSTANCE, "state": "present", "allow_restart": True, "timeout": 60}
    converge(SqlInstance({**options, "activation_policy": "NEVER"}, PROJECT), bench.google())
    yield {}
    converge(SqlInstance({**options, "activation_policy": "ALWAYS"}, PROJECT), bench.google())


@contextmanager
def disabled_password(bench: Bench) -> Iterator[dict[str, Any]]:
    """Somebody has disabled the password's newest version."""
    with owning(bench):
        bench.google().write("POST", "secretmanager", f"{P[1:]}/secrets/mlflow-db-password/versions/1:disable", {})
    yield {}


def with_key(bench: Bench, key: dict[str, Any]) -> dict[str, Any]:
    """The inventory's connection, with another key."""
    return {"gcp_connection": {**bench.common, "credentials_contents": json.dumps(key)}}


@contextmanager
def another_key(bench: Bench) -> Iterator[dict[str, Any]]:
    """A well-formed key that Google does not have (any more)."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    yield with_key(bench, {**bench.key, "private_key": text.decode(), "private_key_id": "0" * 40})


@contextmanager
def disabled_key(bench: Bench) -> Iterator[dict[str, Any]]:
    """A key that somebody has disabled."""
    keys = f"{P[1:]}/serviceAccounts/{OPERATOR}/keys"
    with owning(bench):
        made = json.loads(b64decode(bench.google().write("POST", "iam", keys, {})["privateKeyData"]))
        bench.google().write("POST", "iam", f"{keys}/{made['private_key_id']}:disable", {})
    yield with_key(bench, made)


@contextmanager
def without_credentials(bench: Bench) -> Iterator[dict[str, Any]]:
    """The inventory names no credentials, and the control node has none."""
    yield {"gcp_connection": bench.common}


@contextmanager
def foreign_token(bench: Bench) -> Iterator[dict[str, Any]]:
    """An access token that has run out or was never Google's."""
    yield {"gcp_connection": {**bench.common, "access_token": "ya29.nobody-issued-this"}}


CASES = [
    Case(
        "tier with other hyphens",
        {"mlflow_tier": HYPHENS},
        (f"tier '{HYPHENS}' of instance {INSTANCE}", "NON-BREAKING HYPHEN", "type mlflow_tier (option tier) anew"),
        asks=False,
    ),
    Case(
        "unknown tier",
        {"mlflow_instance": "another", "mlflow_tier": "db-f2-micro"},
        ("sql_instance another", "Invalid request: Tier (db-f2-micro)", "set mlflow_tier (option tier) to one that"),
        allowed=(f"POST {P}/instances 400",),
    ),
    Case(
        "unknown version",
        {"mlflow_instance": "another", "backend_store_settings": {"database_version": "POSTGRES_99"}},
        (
            "sql_instance another",
            "Invalid value at 'body.database_version'",
            "set database_version (in backend_store_settings)",
        ),
        allowed=(f"POST {P}/instances 400",),
    ),
    Case(
        "another kind of database",
        {"backend_store_settings": {"database_version": "MYSQL_8_0"}},
        (f"'MYSQL_8_0' of instance {INSTANCE}", "only PostgreSQL is managed here", "correct database_version (in back"),
        asks=False,
    ),
    Case(
        "older version",
        {"backend_store_settings": {**SETTINGS, "database_version": "POSTGRES_13"}},
        (f"sql_instance {INSTANCE}", "'POSTGRES_14' -> 'POSTGRES_13' (is a downgrade)", "back to POSTGRES_14, or"),
    ),
    Case(
        "another region",
        {"backend_store_region": "europe-west1"},
        (
            f"sql_instance {INSTANCE}",
            "Google can't change it in place",
            "set gcp_region (option region) back to europe-w",
        ),
    ),
    Case(
        "smaller disk",
        {"backend_store_settings": {**SETTINGS, "data_disk_size_gb": 10}},
        (f"sql_instance {INSTANCE}", "20 -> 10 (a disk can't shrink in place)", "set data_disk_size_gb (in backend"),
    ),
    Case(
        "a restart without leave",
        {"mlflow_tier": "db-g1-small"},
        (f"sql_instance {INSTANCE}", "this restarts the database", "set backend_store_allow_restart (option allow_re"),
    ),
    Case(
        "stopped instance",
        {},
        (
            "sql_database mlflow",
            "instance is not running (400 invalid)",
            "set activation_policy (in backend_store_settin",
        ),
        stopped_instance,
    ),
    Case(
        "name of an instance deleted this week",
        {"mlflow_instance": "deleted-on-monday"},
        ("sql_instance deleted-on-monday", "can't reuse the name of the deleted instance", "set mlflow_instance (opt"),
        taken_by_others({"instances": ["deleted-on-monday"]}),
        allowed=(f"POST {P}/instances 409",),
    ),
    Case(
        "bucket of another project",
        {"mlflow_bucket": "somebody-elses"},
        (
            "bucket somebody-elses",
            "does not have storage.buckets.get access",
            "set mlflow_bucket (option name) to anot",
        ),
        taken_by_others({"buckets": ["somebody-elses"]}),
    ),
    Case(
        "project that does not exist",
        {"gcp_project": "my-projcet"},
        ("project my-projcet", "Permission denied to get service", "correct gcp_project (option project)"),
    ),
    Case(
        "missing permission",
        {},
        (f"project {PROJECT}: {OPERATOR}", "lacks cloudsql.databases.create", "gcloud projects add-iam-policy-binding"),
        without_role("roles/cloudsql.admin"),
    ),
    Case(
        "password with a single quote",
        {"backend_store_password": "it's"},
        ("password of mlflow_user (backend_store_password)", "a single quote", "Put another one into the vault"),
        asks=False,
        new_project=True,
    ),
    Case(
        "password with a newline",
        {"backend_store_password": "corr3ct-horse\n"},
        ("password of mlflow_user (backend_store_password)", "a newline", "Put another one into the vault"),
        asks=False,
        new_project=True,
    ),
    Case(
        "no password for a user who is there",
        {"mlflow_password_secret": "another-secret"},
        ("database user mlflow_user", "the secret another-secret holds no password", "backend_store_take_over_user"),
    ),
    Case(
        "newest version of the password disabled",
        {},
        ("secret mlflow-db-password", "version 1, the newest, is DISABLED", "whoever used its value needs the new one"),
        disabled_password,
        allowed=(f"POST {P}/secrets/mlflow-db-password:addVersion 200",),
        code=0,
    ),
    Case(
        "an API that is off and not in the list",
        {"identities_services": ["cloudresourcemanager.googleapis.com", "iam.googleapis.com"]},
        (
            "sql_instance",
            "has not been used in project 415104041262 before or it is disabled",
            "add sqladmin.googleapis.com to identiti",
        ),
        new_project=True,
    ),
    Case(
        "an API that is off and no leave to enable it",
        {},
        (f"project {PROJECT}: {OPERATOR}", "lacks serviceusage.", "--role=roles/serviceusage.serviceUsageAdmin"),
        without_role("roles/serviceusage.serviceUsageAdmin"),
        new_project=True,
    ),
    Case(
        "a key that was deleted",
        {},
        (OPERATOR, "Invalid JWT Signature", "gcloud iam service-accounts keys create"),
        another_key,
        new_project=True,
    ),
    Case(
        "a key that was disabled",
        {},
        (OPERATOR, "Invalid JWT Signature", "gcloud iam service-accounts keys create"),
        disabled_key,
        new_project=True,
    ),
    Case(
        "clock two hours behind",
        {},
        (OPERATOR, "Invalid JWT: Token must be a short-lived token", "clock is 2 h behind Google's: set the clock"),
        environment={"PYTHONPATH": str(Path(__file__).parent / "skewed_clock")},
        new_project=True,
    ),
    Case(
        "no credentials",
        {},
        ("no application default credentials", "Your default credentials were not found", "set credentials_file"),
        without_credentials,
        asks=False,
        new_project=True,
    ),
    Case(
        "a token that nobody issued",
        {},
        ("the access token", "Request had invalid authentication credentials", "gcloud auth print-access-token"),
        foreign_token,
        new_project=True,
    ),
]
CASES_BY_NAME = {case.name: case for case in CASES}


def run(bench: Bench, case: Case, folder: Path) -> Outcome:
    """The playbook, with an inventory made of the example and the case."""
    group = folder / "group_vars" / "all"
    group.mkdir(parents=True)
    shutil.copy(HOSTS, folder / "hosts.yml")
    shutil.copy(EXAMPLE, group / "mlflow.yml")
    with case.prepare(bench) as prepared:
        connection = {**bench.common, "project": "{{ gcp_project }}", "credentials_contents": json.dumps(bench.key)}
        given = {"gcp_project": PROJECT, "gcp_connection": connection, "backend_store_settings": SETTINGS}
        given |= {**case.given, **prepared}
        (group / "of_the_case.yml").write_text(yaml.safe_dump(given))
        before = len(bench.requests())
        done = playbooks.provision(folder, **case.environment)
        asked = bench.requests()[before:]
    return Outcome(done.returncode, done.stdout + done.stderr, asked)


def provision(bench: Bench, folder: Path) -> None:
    """The project as the playbook makes it, with a disk that Google does not grow."""
    bench.reset()
    case = Case("provisioned", {}, ("", "", ""), code=0)
    outcome = run(bench, case, folder)
    assert outcome.code == 0, outcome.output


@pytest.fixture(scope="module")
def outcomes(
    emulator: Bench, second_emulator: Bench, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, Outcome]:
    """What came of every case that is asked for: those of a provisioned project beside those of a new one."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    asked_for = {item.callspec.params.get("name") for item in items if hasattr(item, "callspec")}
    cases = [case for case in CASES if case.name in asked_for]

    def play_provisioned() -> dict[str, Outcome]:
        provision(emulator, tmp_path_factory.mktemp("provisioned"))
        return {
            case.name: run(emulator, case, tmp_path_factory.mktemp("inventory"))
            for case in cases
            if not case.new_project
        }

    def play_new() -> dict[str, Outcome]:
        played = {}
        for case in cases:
            if case.new_project:
                second_emulator.reset()
                played[case.name] = run(second_emulator, case, tmp_path_factory.mktemp("inventory"))
        return played

    with ThreadPoolExecutor(2) as pool:
        provisioned, new = pool.submit(play_provisioned), pool.submit(play_new)
        return provisioned.result() | new.result()


@pytest.mark.parametrize("name", CASES_BY_NAME)
def test_one_clear_line_and_nothing_half_written(outcomes: dict[str, Outcome], name: str) -> None:
    case, outcome = CASES_BY_NAME[name], outcomes[name]
    assert outcome.code == case.code, outcome.output
    assert "Traceback" not in outcome.output
    lines = outcome.lines("ERROR" if case.code else "WARNING")
    assert len(lines) == 1, outcome.output
    assert_in_order(lines[0], case.line)
    writes = [f"{r['method']} {r['path']} {r['status']}" for r in outcome.asked if r["mutating"]]
    assert writes == list(case.allowed)
    if not case.asks:
        assert outcome.asked == []


def assert_in_order(line: str, parts: tuple[str, str, str]) -> None:
    """Object, reason and way out stand in the line, each after the one before."""
    position = 0
    for part in parts:
        found = line.find(part, position)
        assert found >= 0, f"{part!r} is not in {line[position:]!r}"
        position = found + len(part)


VAULT = "$ANSIBLE_VAULT;1.1;AES256\n3130\n"


def ansible(program: str, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and what is printed, of one of Ansible's programs in the checkout."""
    command = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("option", ["-i", "--inventory="])
def test_a_vault_without_its_password_is_named_with_the_way_out(tmp_path: Path, option: str) -> None:
    vault = tmp_path / "group_vars" / "all" / "vault.yml"
    vault.parent.mkdir(parents=True)
    vault.write_text(VAULT)
    shutil.copy(HOSTS, tmp_path / "hosts.yml")
    code, printed = ansible("ansible-playbook", f"{option}{tmp_path}", "playbooks/provision.yml")
    assert code == 1
    assert_in_order(
        printed[0], (str(vault), "is encrypted, and its password was not given", "add --vault-id NAME@prompt")
    )
    password = tmp_path / "password"
    password.write_text("mine")
    code, printed = ansible("ansible-inventory", f"{option}{tmp_path}", f"--vault-id=mine@{password}", "--graph")
    assert (code, printed[0]) == (0, "@all:")


@pytest.mark.parametrize("action", ["encrypt", "encrypt_string"])
def test_nobody_locks_a_vault_with_the_sandboxs_password(tmp_path: Path, action: str) -> None:
    path = tmp_path / "vault.yml"
    path.write_text("a: 1\n")
    code, printed = ansible("ansible-vault", action, str(path))
    assert code == 1
    assert printed[0].startswith("The sandbox's password protects nothing")
    assert "--encrypt-vault-id NAME" in printed[0]
    assert path.read_text() == "a: 1\n"
