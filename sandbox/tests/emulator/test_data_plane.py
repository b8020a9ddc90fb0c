"""connect and port 3307 byte by byte, where no real client shows what the emulator does."""

import contextlib
import datetime as dt
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.cloudsql.certificates import login_principal
from sandbox.core.documents import Json
from sandbox.tests.data_plane import DataPlane
from sandbox.tests.running import PROJECT, Client, Sandbox
from sandbox.tests.test_startup import CANCEL_REQUEST, GSSENC_REQUEST, METADATA_EXCHANGE, SSL_REQUEST, startup_packet

INSTANCE = "metadata"
PATH = f"instances/{INSTANCE}"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)
AS_NOBODY = startup_packet(user="nobody", database="postgres")


@pytest.fixture(scope="module", autouse=True)
def client(sandbox: Sandbox) -> Client:
    """An account that may connect, and two instances."""
    sandbox.create_instance("other")
    sandbox.create_instance(INSTANCE)
    return sandbox.account("connects", "roles/cloudsql.client")


def certificate_of(client: Client, **body: object) -> x509.Certificate:
    """A new ephemeral certificate."""
    reply = client.must("POST", f"{PATH}:generateEphemeralCert", {"public_key": PUBLIC, **body})
    return x509.load_pem_x509_certificate(reply["ephemeralCert"]["cert"].encode())


def life_of(certificate: x509.Certificate) -> float:
    """How many seconds it still lives."""
    return (certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)).total_seconds()


def context_of(sandbox: Sandbox, certificate: x509.Certificate, folder: Path) -> ssl.SSLContext:
    """TLS as a connector sets it up, without looking at the server's name."""
    pem = folder / "client.pem"
    key = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(key + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    ca = sandbox.operator.get(f"{PATH}/connectSettings")["serverCaCert"]["cert"]
    context.load_verify_locations(cadata=ca)
    context.load_cert_chain(pem)
    return context


@contextlib.contextmanager
def session(
    sandbox: Sandbox, certificate: x509.Certificate, folder: Path, sni: str | None = None
) -> Iterator[ssl.SSLSocket]:
    """A connection after the handshake."""
    context = context_of(sandbox, certificate, folder)
    connection = socket.create_connection((sandbox.address, 3307), timeout=10)
    with connection, context.wrap_socket(connection, server_hostname=sni) as tls:
        yield tls


def answer(tls: ssl.SSLSocket) -> bytes:
    """Everything until the other side closes."""
    found = b""
    while block := tls.recv(4096):
        found += block
    return found


def test_connect_settings_have_what_clients_read(sandbox: Sandbox, client: Client) -> None:
    settings = client.get(f"/sql/v1beta4/projects/{PROJECT}/{PATH}/connectSettings")
    assert settings == client.get(f"{PATH}/connectSettings?readTime=2026-11-23T10:00:00Z")
    ca = settings.pop("serverCaCert")
    name = settings.pop("dnsName")
    assert name.endswith(".europe-west3.sql.goog.")
    assert settings == {
        "kind": "sql#connectSettings",
        "backendType": "SECOND_GEN",
        "connectionName": f"{PROJECT}:europe-west3:{INSTANCE}",
        "databaseVersion": "POSTGRES_14",
        "region": "europe-west3",
        "ipAddresses": [{"type": kind, "ipAddress": sandbox.address} for kind in ("PRIMARY", "OUTGOING")],
        "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
        "dnsNames": [{"name": name, "connectionType": "PUBLIC", "dnsScope": "INSTANCE"}],
        "pscEnabled": False,
    }
    assert {"kind", "cert", "certSerialNumber", "commonName", "sha1Fingerprint", "createTime", "expirationTime"} < set(
        ca
    )


def test_old_proxies_name_the_region_too(client: Client) -> None:
    path = f"/sql/v1beta4/projects/{PROJECT}/instances/europe-west3~{INSTANCE}/connectSettings"
    assert client.get(path) == client.get(f"{PATH}/connectSettings")


def test_connect_settings_by_dns_name(client: Client) -> None:
    settings = client.get(f"{PATH}/connectSettings")
    here = f"/v1/locations/europe-west3/dns/{settings['dnsName']}:resolveConnectSettings"
    assert client.get(here) == settings
    elsewhere = client.call("GET", here.replace("europe-west3/dns", "us-central1/dns"))
    assert (elsewhere.status, elsewhere.reason) == (404, "instanceDoesNotExist")


def test_an_instance_that_is_being_created_has_no_address_and_gives_no_certificate(
    sandbox: Sandbox, client: Client
) -> None:
    hold: Json = {"operation": "CREATE", "action": {"hold": True}}
    requests.post(f"{sandbox.management}/faults", json=hold, timeout=10).raise_for_status()
    body: Json = {"name": "young", "region": "europe-west3", "databaseVersion": "POSTGRES_14"}
    body |= {"settings": {"tier": "db-f1-micro", "edition": "ENTERPRISE"}}
    operation = sandbox.operator.must("POST", "instances", body)
    settings = client.get("instances/young/connectSettings")
    refused = client.call("POST", "instances/young:generateEphemeralCert", {"public_key": PUBLIC})
    requests.delete(f"{sandbox.management}/faults", timeout=10).raise_for_status()
    sandbox.operator.wait(operation)
    assert "ipAddresses" not in settings
    assert (refused.status, refused.reason) == (409, "invalidState")
    assert "ipAddresses" in client.get("instances/young/connectSettings")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_missing_instance(client: Client, method: str) -> None:
    path = "instances/nope/connectSettings" if method == "GET" else "instances/nope:generateEphemeralCert"
    missing = client.call(method, path, {"public_key": PUBLIC} if method == "POST" else None)
    assert (missing.status, missing.reason) == (404, "instanceDoesNotExist")
    assert missing.message == "The Cloud SQL instance does not exist."


def test_a_certificate_lives_an_hour_or_as_long_as_asked(client: Client, data_plane: DataPlane) -> None:
    assert 3590 < life_of(certificate_of(client)) <= 3600
    assert 110 < life_of(certificate_of(client, validDuration="120s", readTime="2026-11-23T10:00:00.5Z")) <= 120
    assert 3590 < life_of(certificate_of(client, validDuration="7200s")) <= 3600, "an hour is the most"
    data_plane.certificates(seconds=60)
    assert 50 < life_of(certificate_of(client)) <= 60
    data_plane.certificates()
    assert 3590 < life_of(certificate_of(client)) <= 3600


def test_a_certificate_for_iam_login_lives_no_longer_than_its_token(client: Client) -> None:
    life = life_of(certificate_of(client, access_token=client.token))
    assert life <= 3599
    refused = client.call(
        "POST", f"{PATH}:generateEphemeralCert", {"public_key": PUBLIC, "access_token": "ya29.made-up"}
    )
    assert (refused.status, "access token" in refused.message) == (400, True)


def test_names_in_camel_case_are_taken_too() -> None:
    # In a sandbox that is not observed: Google's schema has the other form alone.
    sandbox = Sandbox(observed=False)
    try:
        sandbox.enable("sqladmin", "iam", "cloudresourcemanager")
        sandbox.create_instance(INSTANCE)
        body = {"publicKey": PUBLIC, "accessToken": sandbox.operator.token}
        reply = sandbox.operator.must("POST", f"{PATH}:generateEphemeralCert", body)
        certificate = x509.load_pem_x509_certificate(reply["ephemeralCert"]["cert"].encode())
        assert login_principal(certificate) == sandbox.operator.email
    finally:
        sandbox.destroy()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "public key is invalid"),
        ({"public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}, "public key is invalid"),
        ({"public_key": PUBLIC, "publickey": PUBLIC}, 'Unknown name "publickey"'),
        (
            {"public_key": PUBLIC, "validDuration": "1h"},
            "'valid_duration' (type.googleapis.com/google.protobuf.Duration)",
        ),
        ({"public_key": PUBLIC, "readTime": "now"}, "'read_time' (type.googleapis.com/google.protobuf.Timestamp)"),
    ],
)
def test_a_request_that_makes_no_sense(client: Client, body: Json, words: str) -> None:
    refused = client.call("POST", f"{PATH}:generateEphemeralCert", body)
    assert refused.status == 400
    assert words in refused.message


def test_a_session_goes_to_the_instance_that_issued_its_certificate(
    sandbox: Sandbox, client: Client, data_plane: DataPlane, tmp_path: Path
) -> None:
    certificate = certificate_of(client)
    with session(sandbox, certificate, tmp_path) as tls:
        tls.sendall(METADATA_EXCHANGE)
        assert tls.recv(14) == b"CSQLMDEX\0\0\0\x02\x08\x01"
        tls.sendall(GSSENC_REQUEST)
        assert tls.recv(1) == b"N"
        tls.sendall(SSL_REQUEST)
        assert tls.recv(1) == b"N"
        tls.sendall(AS_NOBODY)
        # AuthenticationSASL: PostgreSQL itself asks.
        assert tls.recv(4096)[:9] == b"R" + struct.pack("!II", 23, 10)
        (open_session,) = data_plane.sessions()
        expected = {"instance": INSTANCE, "user": "nobody", "certificate": str(certificate.serial_number)}
        assert open_session.items() >= expected.items()
    data_plane.wait_for_sessions(0)


@pytest.mark.parametrize(
    ("sni", "is_alone"),
    # Version 1 of the proxy names an instance as the last but one does.
    [(None, False), ("the DNS name", True), (f"{PROJECT}:{INSTANCE}", True), ("example.com", False)],
)
def test_the_server_shows_the_certificate_of_whom_the_client_names(
    sandbox: Sandbox, client: Client, tmp_path: Path, sni: str | None, is_alone: bool
) -> None:
    settings = [client.get(f"instances/{name}/connectSettings") for name in (INSTANCE, "other")]
    ours, theirs = (one["dnsName"].removesuffix(".") for one in settings)
    with session(sandbox, certificate_of(client), tmp_path, ours if sni == "the DNS name" else sni) as tls:
        shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    extension = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    names = extension.value.get_values_for_type(x509.DNSName)
    assert (ours in names, theirs in names) == (True, not is_alone)
    if is_alone:  # and made by Cloud SQL's own CA
        (subject,) = shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert subject.value == f"{PROJECT}:{INSTANCE}"


def test_what_certificate_authority_service_signs_has_no_common_name(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    sandbox.create_instance("cas", ipConfiguration={"ipv4Enabled": True, "serverCaMode": "GOOGLE_MANAGED_CAS_CA"})
    settings = client.get("instances/cas/connectSettings")
    assert settings["serverCaMode"] == "GOOGLE_MANAGED_CAS_CA"
    name = settings["dnsName"].removesuffix(".")
    with session(sandbox, certificate_of(client), tmp_path, name) as tls:
        shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    assert shown.subject.rdns == []
    extension = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert extension.value.get_values_for_type(x509.DNSName) == [name]


def test_a_cancel_request_gets_no_answer(sandbox: Sandbox, client: Client, tmp_path: Path) -> None:
    with session(sandbox, certificate_of(client), tmp_path) as tls:
        tls.sendall(CANCEL_REQUEST)
        assert answer(tls) == b""


def test_a_client_that_has_stopped_sending_still_hears_the_answer(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context_of(sandbox, certificate_of(client), tmp_path).wrap_bio(incoming, outgoing)
    heard = b""
    with socket.create_connection((sandbox.address, 3307), timeout=10) as connection:

        def until_it_is_done(step: Callable[[], bytes | None]) -> bytes:
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    return step() or b""
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))

        until_it_is_done(tls.do_handshake)
        tls.write(SSL_REQUEST + AS_NOBODY)
        # close_notify: nothing more comes from here.
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while True:
                heard += until_it_is_done(lambda: tls.read(4096))
    assert heard.startswith(b"NR"), "no TLS inside, and PostgreSQL's question for the password"


def test_the_kernel_asks_whether_a_silent_client_is_still_there(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    with session(sandbox, certificate_of(client), tmp_path) as tls:
        tls.sendall(SSL_REQUEST)
        assert tls.recv(1) == b"N"
        time.sleep(0.5)
        here = f"{int.from_bytes(socket.inet_aton(sandbox.address), 'little'):08X}:{3307:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        # Columns of proc(5): local address, state (01 is ESTABLISHED), timer (02 is keepalive) and its expiry.
        assert {line[5].partition(":")[0] for line in lines if line[1] == here and line[3] == "01"} == {"02"}


def test_what_is_no_postgresql_is_hung_up_on(sandbox: Sandbox, client: Client, tmp_path: Path) -> None:
    with session(sandbox, certificate_of(client), tmp_path) as tls:
        tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert answer(tls) == b""


def test_an_expired_certificate_opens_no_session(
    sandbox: Sandbox, client: Client, data_plane: DataPlane, tmp_path: Path
) -> None:
    data_plane.certificates(seconds=1)
    certificate = certificate_of(client)
    # Certificates count whole seconds.
    time.sleep(max(0.0, life_of(certificate)) + 1.1)
    # TLS 1.3: a client learns at its first read that its certificate was refused.
    with pytest.raises(ssl.SSLError, match="certificate expired"), session(sandbox, certificate, tmp_path) as tls:
        tls.sendall(AS_NOBODY)
        tls.recv(1)


def test_a_certificate_of_a_deleted_instance_opens_no_session(sandbox: Sandbox, client: Client, tmp_path: Path) -> None:
    sandbox.create_instance("doomed")
    body = {"public_key": PUBLIC}
    reply = client.must("POST", "instances/doomed:generateEphemeralCert", body)
    certificate = x509.load_pem_x509_certificate(reply["ephemeralCert"]["cert"].encode())
    sandbox.operator.wait(sandbox.operator.must("DELETE", "instances/doomed"))
    with pytest.raises(ssl.SSLError, match="unknown ca"), session(sandbox, certificate, tmp_path) as tls:
        tls.sendall(AS_NOBODY)
        tls.recv(1)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"action": {"explode": True}}, "An action for the data plane has no `explode`"),
        ({"at": "dawn", "action": {"reset": True}}, "`at` 'dawn' must be one of connection, certificate"),
        ({"instance": INSTANCE, "action": {"reset": True}}, "All instances share port 3307"),
        ({"instance": "nope", "at": "handshake", "action": {"reset": True}}, "There is no instance 'nope'"),
        ({"at": "handshake", "action": {"refuse": True}}, "`refuse` closes the port"),
        ({"times": 2, "action": {"refuse": True}}, "`refuse` closes the port"),
        (
            {"at": "handshake", "action": {"certificate": "expired"}},
            "`certificate` is what goes wrong `at` certificate",
        ),
        ({"at": "certificate", "action": {"reset": True}}, "and nothing else does"),
        ({"at": "certificate", "action": {"certificate": "ugly"}}, "must be one of expired, foreign"),
        ({"action": {"delay": -1}}, "`delay` -1 must not be negative"),
        ({"action": {"reset": "yes"}}, "`reset` 'yes' must be bool"),
        ({"action": [{"refuse": True}]}, "`refuse` closes the port"),
        ({"action": {"reset": True}, "times": 0}, "`times` 0 can never match"),
        ({"action": []}, "`action` must be an object, or a list"),
        ({"acton": {}}, "A rule for the data plane has no `acton`"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(data_plane: DataPlane, rule: Json, words: str) -> None:
    assert words in data_plane.refusal(rule)
    assert data_plane.faults() == []


def test_other_refusals(data_plane: DataPlane) -> None:
    assert "a number from 1 to 3600" in data_plane.refusal({"seconds": 0}, "certificates")
    assert "There is no instance 'nope'" in data_plane.refusal({"instance": "nope"}, "kill")


def test_a_reset_of_the_sandbox_forgets_faults_and_opens_the_port(sandbox: Sandbox, data_plane: DataPlane) -> None:
    data_plane.fault({"refuse": True})
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sandbox.address, 3307), timeout=5)
    sandbox.reset()
    assert data_plane.faults() == []
    socket.create_connection((sandbox.address, 3307), timeout=5).close()
