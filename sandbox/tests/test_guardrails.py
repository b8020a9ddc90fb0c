"""The sandbox refuses to be where others could reach it, real credentials, and two processes on one state."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.core.guardrails import ADVICE, is_near, is_own_address
from sandbox.core.settings import Settings, UnsafeAddressError
from sandbox.core.store import StateInUseError, Store
from sandbox.tests.running import PROJECT, ROOT, Sandbox
from sandbox.tests.untyped import SCOPE, crypt, jwt

EVERYWHERE = ".".join("0000")


@pytest.mark.parametrize("address", [EVERYWHERE, "8.8.8.8", "169.254.169.254", "172.32.0.1", "::", "localhost"])
def test_public_addresses_are_refused(address: str) -> None:
    with pytest.raises(UnsafeAddressError):
        Settings(Path("/nowhere"), address=address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "172.30.1.1", "192.168.0.5"])
def test_private_addresses_are_accepted(address: str) -> None:
    assert Settings(Path("/nowhere"), address=address).url == f"http://{address}:9010"


def test_management_stays_on_loopback() -> None:
    with pytest.raises(UnsafeAddressError, match="loopback"):
        Settings(Path("/nowhere"), loopback="172.30.1.1")


def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "serve", "--state", str(tmp_path), "--address", EVERYWHERE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: refusing to listen on {EVERYWHERE}")
    assert done.stderr.count("\n") == 1


def test_one_state_has_one_process(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StateInUseError):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


@pytest.mark.parametrize("peer", ["8.8.8.8", "172.32.0.1", "169.254.169.254", "2001:db8::1", ""])
def test_strangers_are_not_answered(peer: str) -> None:
    assert not is_near(peer)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.30.1.1", "172.30.7.10", "10.0.0.3", "::1"])
def test_neighbours_are_answered(peer: str) -> None:
    assert is_near(peer)


def test_this_machines_own_addresses_are_told_from_others() -> None:
    assert is_own_address("127.0.0.1")
    assert not is_own_address("203.0.113.254"), "an address for documentation, which nobody has"
    assert not is_own_address("8.8.8.8")


def assertion(email: str) -> str:
    """A JWT as a real key of another project signs it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signer = crypt.RSASigner.from_string(key.private_bytes(*form).decode(), key_id="0123456789abcdef")
    now = int(time.time())
    claims = {"iss": email, "aud": "https://oauth2.googleapis.com/token", "iat": now, "exp": now + 600, "scope": SCOPE}
    return bytes(jwt.encode(signer, claims)).decode()


def test_a_real_key_is_refused_with_the_way_out(sandbox: Sandbox) -> None:
    email = "deployer@a-real-project.iam.gserviceaccount.com"
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    form = {"grant_type": grant, "assertion": assertion(email)}
    reply = requests.post(f"{sandbox.url}/token", data=form, timeout=10)
    said = reply.json()["error_description"]
    assert (reply.status_code, said.startswith(f"{email} is no account of project {PROJECT}. ")) == (400, True)
    assert "never send a real Google credential here" in said
    assert "\n" not in said


def test_a_persons_refresh_token_is_refused_with_the_way_out(sandbox: Sandbox) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "1//secret", "client_id": "i", "client_secret": "s"}
    reply = requests.post(f"{sandbox.url}/token", data=form, timeout=10)
    assert (reply.status_code, ADVICE in reply.json()["error_description"]) == (400, True)
    assert "1//secret" not in sandbox.log.read_text()


def test_a_real_access_token_is_refused_with_the_way_out(sandbox: Sandbox) -> None:
    bearer = "Bearer ya29.a0" + "Af_Bc-9" * 25
    reply = sandbox.operator.call("GET", "instances", Authorization=bearer)
    assert (reply.status, ADVICE in reply.message) == (401, True)
    expired = sandbox.operator.call("GET", "instances", Authorization=sandbox.operator.token[:-1] + "_")
    assert (expired.status, ADVICE in expired.message) == (401, False), "one of the sandbox's own gets Google's words"


def test_a_real_key_that_signs_its_own_access_token_is_refused_with_the_way_out(sandbox: Sandbox) -> None:
    """As google-cloud-storage and others do, without asking for a token first."""
    email = "deployer@a-real-project.iam.gserviceaccount.com"
    reply = sandbox.operator.call("GET", "instances", Authorization=f"Bearer {assertion(email)}")
    assert (reply.status, reply.message) == (401, f"{email} is no account of project {PROJECT}. {ADVICE}")


def test_a_real_api_key_is_refused_and_not_recorded(sandbox: Sandbox) -> None:
    key = "AIza" + "Sy-B3_x" * 5
    given: list[tuple[dict[str, str], dict[str, str]]] = [({"key": key}, {}), ({}, {"X-Goog-Api-Key": key})]
    for query, headers in given:
        url = f"{sandbox.url}/v1/projects/{PROJECT}/instances"
        reply = requests.get(url, params=query, headers=headers, timeout=10)
        assert (reply.status_code, ADVICE in reply.json()["error"]["message"]) == (403, True)
    assert key not in requests.get(f"{sandbox.management}/requests", timeout=10).text


def test_an_unknown_host_is_refused(sandbox: Sandbox) -> None:
    """A web page that has its name resolved to the sandbox (DNS rebinding) gets nothing out of it."""
    for url in (f"{sandbox.url}/computeMetadata/v1/", f"{sandbox.management}/health"):
        for host in ("rebinding.example", "rebinding.example:9010", "googleapis.com.evil.example"):
            reply = requests.get(url, headers={"Host": host, "Metadata-Flavor": "Google"}, timeout=10)
            assert (reply.status_code, "is known by its address only" in reply.text) == (403, True)
        for host in ("localhost", "172.30.1.1:9010", "127.0.0.1"):
            assert requests.get(url, headers={"Host": host, "Metadata-Flavor": "Google"}, timeout=10).ok


def test_it_says_what_it_is(sandbox: Sandbox) -> None:
    health = requests.get(f"{sandbox.management}/health", timeout=10)
    assert (health.json()["name"], health.headers["Server"]) == ("mlflow-sandbox", "mlflow-sandbox")
    assert "nothing here reaches Google" in health.json()["what"]
    assert sandbox.operator.call("GET", "instances").headers["Server"] == "mlflow-sandbox"
