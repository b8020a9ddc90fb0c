"""The card, the vault and the shell lines say where the sandbox is, and only to whom they should."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from sandbox.https_proxy.certificates import CA_FILE
from sandbox.machine import card, environment, ssh_keys
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox
from sandbox.machine.network import Addresses

Choice = Callable[[dict[str, Any]], dict[str, str]]
KEY = '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nabc\\n"}'


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    place = Sandbox("default", tmp_path / "checkout", tmp_path / "state $HOME 'quoted'", tmp_path / "cache")
    place.private.mkdir(parents=True)
    card.operator_key(place).write_text(KEY)
    return place


@pytest.fixture
def keys(sandbox: Sandbox) -> ssh_keys.Keys:
    return ssh_keys.ensure(sandbox.private / "ssh", "172.30.7.10")


def test_card_is_private_and_complete(sandbox: Sandbox, keys: ssh_keys.Keys) -> None:
    card.write(sandbox, card.content(sandbox, Addresses(7), keys))
    assert sandbox.card.stat().st_mode & 0o777 == 0o600
    read = card.read(sandbox)
    assert read["endpoints"]["storage"] == "http://172.30.7.1:9010/storage/v1/"
    assert read["management_url"] == "http://127.30.7.1:9011"
    assert read["target"]["host"] == "172.30.7.10"
    for path in (read["operator"]["key_file"], read["target"]["private_key_file"], read["target"]["known_hosts_file"]):
        assert Path(path).exists()
    assert "PRIVATE" not in sandbox.card.read_text()


def test_without_a_machine_there_is_none_on_the_card(sandbox: Sandbox, keys: ssh_keys.Keys) -> None:
    bare = card.content(sandbox, Addresses(7), None)
    assert (bare["target"], bare["trainer"]) == (None, None)
    assert card.content(sandbox, Addresses(7), keys)["trainer"] is None
    assert card.content(sandbox, Addresses(7), keys, keys)["trainer"]["host"] == "172.30.7.11"


def test_a_sandbox_that_is_not_up(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="No sandbox 'default' is up"):
        card.read(Sandbox("default", tmp_path, tmp_path, tmp_path))


def test_vault_is_ansibles_own_and_stays_while_its_content_does(sandbox: Sandbox) -> None:
    content = card.content(sandbox, Addresses(7), None)
    card.write(sandbox, content)
    first = sandbox.vault.read_bytes()
    assert first.startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
    assert sandbox.vault_password.stat().st_mode & 0o777 == 0o600
    program = str(Path(sys.executable).parent / "ansible-vault")
    view = [program, "view", "--vault-password-file", str(sandbox.vault_password), str(sandbox.vault)]
    shown = subprocess.run(view, capture_output=True, text=True, check=True, cwd=sandbox.state).stdout
    assert yaml.safe_load(shown) == {"vault_gcp_credentials": KEY}
    card.write(sandbox, content)
    assert sandbox.vault.read_bytes() == first
    card.operator_key(sandbox).write_text("{}")
    card.write(sandbox, content)
    assert sandbox.vault.read_bytes() != first


def test_removing_leaves_nothing_but_another_sandbox(sandbox: Sandbox, tmp_path: Path) -> None:
    other = Sandbox("molecule", sandbox.checkout, sandbox.state_home, tmp_path / "cache")
    other.state.mkdir()
    card.operator_key(other).write_text(KEY)
    for place in (sandbox, other):
        card.write(place, card.content(place, Addresses(7), None))
    card.remove(sandbox)
    assert {path.name for path in other.card.parent.iterdir()} == {
        "molecule.json",
        "molecule.vault.yml",
        "vault-password",
    }
    card.remove(other)
    assert not other.card.parent.exists()
    card.remove(other)


def test_sandboxes_that_come_and_go_side_by_side_keep_a_password_that_fits(sandbox: Sandbox) -> None:
    """It is one for all: the last to go takes it along, while the next comes."""

    def come_and_go(place: Sandbox) -> None:
        for _ in range(20):
            card.write(place, card.content(place, Addresses(7), None))
            secret = VaultSecret(place.vault_password.read_bytes().strip())
            assert KEY in yaml.safe_load(VaultLib([("default", secret)]).decrypt(place.vault.read_bytes())).values()
            card.remove(place)

    others = [replace(sandbox, name=f"beside-{number}") for number in range(3)]
    for other in others:
        other.state.mkdir()
        card.operator_key(other).write_text(KEY)
    with ThreadPoolExecutor() as pool:
        list(pool.map(come_and_go, [sandbox, *others]))
    assert not sandbox.card.parent.exists()


@pytest.mark.parametrize("choose", [environment.by_endpoints, environment.by_proxy])
def test_a_shell_reads_what_was_meant(sandbox: Sandbox, keys: ssh_keys.Keys, choose: Choice) -> None:
    connection = card.content(sandbox, Addresses(7), keys)
    values = environment.common(sandbox, connection) | choose(connection)
    lines = environment.exports({**values, "AWKWARD": "a 'b' \"c\" $d `e`\nf"})
    program = f"{lines}\nexec python3 -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    seen = json.loads(subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True).stdout)
    for name, value in values.items():
        assert seen[name] == value
    assert seen["AWKWARD"] == "a 'b' \"c\" $d `e`\nf"


@pytest.mark.parametrize("hint", [environment.PROXY_HINT, environment.PROXY_WARNING])
def test_a_shell_takes_the_hints_for_comments(hint: str) -> None:
    done = subprocess.run(["sh", "-ec", f"{hint}\necho fine"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_every_api_and_the_operator_are_named(sandbox: Sandbox, keys: ssh_keys.Keys) -> None:
    connection = card.content(sandbox, Addresses(7), keys)
    values = environment.common(sandbox, connection) | environment.by_endpoints(connection)
    for api in ("SQL", "CLOUDRESOURCEMANAGER", "SECRETMANAGER", "IAM", "SERVICEUSAGE", "STORAGE"):
        assert values[f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"].startswith("http://172.30.7.1:9010/")
    assert values["GOOGLE_APPLICATION_CREDENTIALS"] == str(sandbox.state / "operator.json")
    assert values["CLOUDSDK_CONFIG"].startswith(str(sandbox.state))
    assert values["SANDBOX_MANAGEMENT_URL"] == "http://127.30.7.1:9011"
    assert "HTTPS_PROXY" not in {name.upper() for name in values}, "a shell in which pip fails is nobody's wish"


def test_by_the_proxy_no_client_is_told_another_address(sandbox: Sandbox, keys: ssh_keys.Keys) -> None:
    connection = card.content(sandbox, Addresses(7), keys)
    values = environment.common(sandbox, connection) | environment.by_proxy(connection)
    assert values["HTTPS_PROXY"] == values["https_proxy"] == "http://172.30.7.1:9443"
    assert values["no_proxy"] == "localhost,127.0.0.0/8,172.30.7.0/24"
    bundles = {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"}
    assert {values[name] for name in bundles} == {str(sandbox.state / CA_FILE)}
    assert not [name for name in values if "OVERRIDES" in name or name.startswith("API_ENDPOINT")]


def test_ssh_keys_are_made_once(sandbox: Sandbox, keys: ssh_keys.Keys) -> None:
    before = keys.login.read_bytes(), keys.known_hosts.read_text()
    again = ssh_keys.ensure(sandbox.private / "ssh", "172.30.7.10")
    assert (again.login.read_bytes(), again.known_hosts.read_text()) == before
    assert keys.known_hosts.read_text().startswith("172.30.7.10 ssh-ed25519 ")
    assert keys.login.stat().st_mode & 0o777 == 0o600
