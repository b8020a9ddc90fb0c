"""A project made by hand, and keys from the vault and their rotation: in order, each test on what the last one left."""

import base64
import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests as http
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from testinfra.host import Host

SECRETS = "/opt/mlflow/secrets"
FOLDERS = {"proxy": 65532, "server": 10001}
MADE_BY_HAND = "molecule/keys/made_by_hand.yml"
THEIRS = "Chosen-by-hand-0123456789"
ROTATE = "playbooks/rotate_keys.yml"
THEIR_INSTANCE = ("--extra-vars", json.dumps({"backend_store_settings": {}}))
STEPS = [
    "Write MLflow's key",
    "Write compose.yml",
    "Start it and wait for its connection test",
    "Let Google refuse the old keys",
]


class Account:
    """The tracking server's service account, and its keys as the vault gives them."""

    def __init__(self, card: dict[str, Any], operator: Any, folder: Path) -> None:
        self.operator, self.folder = operator, folder
        self.email = f"mlflow-server@{card['project']}.iam.gserviceaccount.com"
        self.url = f"{card['url']}/v1/projects/{card['project']}/serviceAccounts/{self.email}/keys"
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        path = card["operator"]["key_file"]
        self.credentials = service_account.Credentials.from_service_account_file(path, scopes=scopes)
        self.keys: dict[str, dict[str, str]] = {}
        (folder / "password").write_text(secrets.token_hex())
        self.vault = ("--vault-id", f"keys@{folder / 'password'}")

    def asks(self, method: str, path: str = "") -> dict[str, Any]:
        if not self.credentials.valid:
            self.credentials.refresh(Request())
        headers = {"Authorization": f"Bearer {self.credentials.token}"}
        reply = http.request(method, self.url + path, headers=headers, timeout=30)
        reply.raise_for_status()
        parsed: dict[str, Any] = reply.json()
        return parsed

    def makes(self, name: str) -> None:
        self.keys[name] = json.loads(base64.b64decode(self.asks("POST")["privateKeyData"]))
        path = self.folder / f"{name}.yml"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"tracking_server_credentials": json.dumps(self.keys[name])}))
        encrypt = ("ansible-vault", "encrypt", *self.vault, "--encrypt-vault-id", "keys", str(path))
        returncode, output = self.operator.run(*encrypt)
        assert returncode == 0, output

    def gives(self, name: str) -> tuple[str, ...]:
        """Options that give a key from an encrypted file of variables, and leave the instance as the team has it."""
        quickly = ("--extra-vars", "tracking_server_round_trip=false")
        return *self.vault, "--extra-vars", f"@{self.folder / name}.yml", *THEIR_INSTANCE, *quickly

    def key_id(self, name: str) -> str:
        return self.keys[name]["private_key_id"]

    def disabled(self) -> set[str]:
        """Names of the keys that Google refuses."""
        known = {self.key_id(name): name for name in self.keys}
        return {known[key["name"].rpartition("/")[2]] for key in self.asks("GET")["keys"] if key.get("disabled")}


@pytest.fixture(scope="module")
def account(card: dict[str, Any], operator: Any, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The account of a project that was made by hand."""
    returncode, output = operator.plays(MADE_BY_HAND, "--extra-vars", f"their_password={THEIRS}")
    assert returncode == 0, output
    made = Account(card, operator, tmp_path_factory.mktemp("vault"))
    for name in ("first", "refused", "second", "forgotten"):
        made.makes(name)
    return made


@pytest.fixture
def answers(card: dict[str, Any]) -> Callable[[], bool]:
    """Whether MLflow finds its experiments, which takes the proxy and the database."""
    address = f"http://{card['target']['host']}:5000/api/2.0/mlflow/experiments/search?max_results=1"
    return lambda: http.get(address, timeout=10).ok


def key_files(host: Host, folder: str) -> list[str]:
    return list(host.file(f"{SECRETS}/{folder}").listdir())


def containers(host: Host) -> list[str]:
    return sorted(host.check_output("docker ps --quiet --no-trunc").split())


def recorded(card: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(f"{card['management_url']}/requests", timeout=30).json()
    return found


def is_administration(request: dict[str, Any]) -> bool:
    """Not an artifact on its way."""
    return not re.search(r"/b/[^/]+/o(/|$)|^/upload/", request["path"])


def test_site_with_a_key_in_place_of_the_attached_account_in_a_project_made_by_hand(
    card: dict[str, Any], host: Host, operator: Any, account: Account
) -> None:
    before = len(recorded(card))
    returncode, output = operator.plays("site.yml", "--diff", *account.gives("first"))
    assert returncode == 0, output
    # Nothing of theirs is touched: only the binding on the bucket was missing.
    written = [f"{r['method']} {r['path']}" for r in recorded(card)[before:] if r["mutating"] and is_administration(r)]
    assert written == ["PUT /storage/v1/b/df_traffic_cyclist1/iam"]
    assert host.file(f"{SECRETS}/pg/passfile").content_string.rstrip("\n").endswith(f":{THEIRS}")
    assert account.keys["first"]["private_key"].splitlines()[1] not in output
    asked = recorded(card)
    assert {r["principal"] for r in asked if r["path"].endswith("/connectSettings")} == {account.email}
    objects = re.compile(r"/storage/v1/b/[^/]+/o(/|$)")
    assert {r["principal"] for r in asked if objects.match(r["path"])} == {account.email}
    attached = [r for r in asked if r["path"].startswith("/computeMetadata") and r["path"].endswith("/token")]
    assert attached == []


@pytest.mark.parametrize(("folder", "uid"), FOLDERS.items())
def test_a_key_is_for_its_container_alone(host: Host, account: Account, folder: str, uid: int) -> None:
    assert key_files(host, folder) == [f"{account.key_id('first')}.json"]
    closed, file = host.file(f"{SECRETS}/{folder}"), host.file(f"{SECRETS}/{folder}/{account.key_id('first')}.json")
    assert (closed.mode, closed.uid) == (0o700, uid)
    assert (file.mode, file.uid, file.gid) == (0o600, uid, uid)
    assert json.loads(file.content_string) == account.keys["first"]


def test_the_key_is_nowhere_else(host: Host, account: Account) -> None:
    line = account.keys["first"]["private_key"].splitlines()[1]
    inspect, logs = "docker inspect $(docker ps --quiet)", "docker compose --file /opt/mlflow/compose.yml logs"
    for command in ("cat /opt/mlflow/compose.yml", inspect, "ps axww -o args", logs):
        shown = host.run(command)
        assert shown.succeeded
        assert line not in shown.stdout + shown.stderr
    assert account.key_id("first") in host.check_output("docker inspect $(docker ps --quiet)")


def test_a_new_key_that_google_refuses_interrupts_nothing(
    host: Host, operator: Any, account: Account, answers: Callable[[], bool]
) -> None:
    account.asks("POST", f"/{account.key_id('refused')}:disable")
    before = containers(host)
    returncode, output = operator.plays(ROTATE, *account.gives("refused"))
    assert returncode != 0
    said = f"The key {account.key_id('refused')} that the vault gives for {account.email} does not work, and what runs"
    assert said in output
    assert "Invalid JWT Signature" in output
    assert containers(host) == before
    assert answers()
    assert account.disabled() == {"refused"}


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_killed(operator: Any, account: Account, answers: Callable[[], bool], step: str) -> None:
    operator.killed_after(step, ROTATE, *account.gives("second"))
    assert answers()
    assert account.disabled() == ({"first", "refused"} if step == STEPS[-1] else {"refused"})


def test_the_same_command_finishes_it(host: Host, operator: Any, account: Account, answers: Callable[[], bool]) -> None:
    returncode, output = operator.plays(ROTATE, *account.gives("second"))
    assert returncode == 0, output
    assert f"{account.email} is used by its key {account.key_id('second')} now" in output
    assert f"{account.email} also has the key {account.key_id('forgotten')}, 0 days old" in output
    assert [key_files(host, folder) for folder in FOLDERS] == [[f"{account.key_id('second')}.json"]] * 2
    assert account.disabled() == {"first", "refused"}
    assert answers()


def test_then_there_is_nothing_to_rotate(card: dict[str, Any], host: Host, operator: Any, account: Account) -> None:
    before, running = len(recorded(card)), containers(host)
    returncode, output = operator.plays(ROTATE, *account.gives("second"))
    assert returncode == 0, output
    assert "Nothing to rotate" in output
    assert "changed=0" in output
    assert [r for r in recorded(card)[before:] if r["mutating"]] == []
    assert containers(host) == running


def test_without_the_variables_the_keys_are_gone(
    host: Host, stage: Any, operator: Any, account: Account, answers: Callable[[], bool]
) -> None:
    returncode, output = operator.plays("playbooks/deploy.yml")
    assert returncode == 0, output
    assert "gcloud iam service-accounts keys disable" in output
    assert not any(host.file(f"{SECRETS}/{folder}").exists for folder in FOLDERS)
    assert account.key_id("second") not in host.check_output("docker inspect $(docker ps --quiet)")
    assert answers()
    stage.finds_nothing(*THEIR_INSTANCE)
