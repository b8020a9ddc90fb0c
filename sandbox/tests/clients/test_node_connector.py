"""Google's Node connector with node-postgres against the sandbox, with its packages from npm (once, into the cache).

Its google-auth-library asks Google for tokens whatever a key file says: it runs as on Google Cloud, with the account of
the metadata server, and with a key file through the HTTPS proxy. To renew the packages: edit node/package.json, then in
that folder `npm install --package-lock-only --omit-lockfile-registry-resolved`.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.documents import Json
from sandbox.machine import files
from sandbox.tests.clients.database import (
    CONNECTION_NAME,
    DATABASE,
    INSTANCE,
    PASSWORD,
    USER,
    Prepared,
    prepare,
    write_key,
)
from sandbox.tests.clients.fixed_addresses import through_the_proxy
from sandbox.tests.data_plane import DataPlane
from sandbox.tests.running import CACHE, PROJECT, Sandbox

NODE, NPM = shutil.which("node"), shutil.which("npm")
HERE = Path(__file__).parent / "node"
RECIPE = (HERE / "package.json", HERE / "package-lock.json")
NETWORK = f"projects/{PROJECT}/global/networks/default"

pytestmark = pytest.mark.skipif(
    NODE is None or NPM is None,
    reason="NOT TESTED: node or npm is not installed here, so nobody has seen the Node connector accept the sandbox",
)


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder with the locked packages, named by the lock's content."""
    final = CACHE / f"node-clients-{files.fingerprint(RECIPE)}"
    with files.lock(CACHE / "locks" / f"{final.name}.lock"):
        if not final.exists():
            with files.folder(final) as partial:
                _install(partial)
    return final / "node_modules"


def _install(folder: Path) -> None:
    for path in RECIPE:
        shutil.copy(path, folder)
    command = [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"npm could not install the locked packages: {done.stderr[-1000:]}"


@pytest.fixture(scope="module")
def prepared(sandbox: Sandbox) -> Prepared:
    """The instance; this host's metadata server gives tokens of the operator, who may log in to the database here."""
    found = prepare(sandbox)
    operator = sandbox.operator
    operator.bind("roles/cloudsql.client", operator.email)
    operator.bind("roles/cloudsql.instanceUser", operator.email)
    body = {"name": _iam_user(sandbox), "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    operator.must("POST", f"instances/{INSTANCE}/users", body)
    return found


class Node:
    """Runs query.cjs, with the sandbox's address for the Cloud SQL Admin API or (None) with Google's."""

    def __init__(self, packages: Path, home: Path, endpoint: str | None, environment: dict[str, str]) -> None:
        self._endpoint = endpoint
        # Neither a file of this user's gcloud nor a proxy of this machine may stand in.
        self._environment = {"PATH": os.environ["PATH"], "NODE_PATH": str(packages), "HOME": str(home), **environment}

    def __call__(self, *queries: str, name: str = CONNECTION_NAME, **options: Any) -> Json:
        """{"rows": rows of each query} or {"error": {"message", "code"}}."""
        login = {"user": USER, "password": PASSWORD, "database": DATABASE} | options.pop("login", {})
        given = {"name": name, "endpoint": self._endpoint, "authType": "PASSWORD", "ipType": "PUBLIC", **options}
        done = subprocess.run(
            [str(NODE), str(HERE / "query.cjs")],
            input=json.dumps(given | {"login": login, "queries": queries}),
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        outcome: Json = json.loads(done.stdout)
        return outcome


@pytest.fixture
def node(sandbox: Sandbox, prepared: Prepared, packages: Path, tmp_path: Path) -> Node:
    """The connector, as the account of the metadata server."""
    assert prepared.iam_user
    return Node(packages, tmp_path, f"{sandbox.url}/", {"GCE_METADATA_HOST": sandbox.url.removeprefix("http://")})


def _iam_user(sandbox: Sandbox) -> str:
    email: str = sandbox.operator.email
    return email.removesuffix(".gserviceaccount.com")


def test_a_login_with_a_password(node: Node) -> None:
    outcome = node("SELECT current_user::text, current_database()::text", "SELECT generate_series(1, 3)")
    assert outcome == {"rows": [[[USER, DATABASE]], [[1], [2], [3]]]}


def test_a_wrong_password_is_postgresqls_own_refusal(node: Node) -> None:
    error = node("SELECT 1", login={"password": "wrong"})["error"]
    assert error == {"message": f'password authentication failed for user "{USER}"', "code": "28P01"}


def test_iam_login(sandbox: Sandbox, node: Node) -> None:
    as_itself = {"user": _iam_user(sandbox), "password": None}
    assert node("SELECT current_user::text", authType="IAM", login=as_itself) == {"rows": [[[_iam_user(sandbox)]]]}
    refused = node("SELECT 1", login=as_itself | {"password": "guess"})["error"]
    assert refused["message"] == f'Cloud SQL IAM service account authentication failed for user "{_iam_user(sandbox)}"'


def test_a_key_file_through_the_https_proxy(
    sandbox: Sandbox, prepared: Prepared, packages: Path, tmp_path: Path
) -> None:
    proxied = through_the_proxy(sandbox.management)
    key = {"GOOGLE_APPLICATION_CREDENTIALS": str(write_key(tmp_path, prepared.key))}
    node = Node(packages, tmp_path, None, proxied | key)
    assert node("SELECT current_user::text") == {"rows": [[[USER]]]}
    as_itself = {"user": prepared.iam_user, "password": None}
    assert node("SELECT current_user::text", authType="IAM", login=as_itself) == {"rows": [[[prepared.iam_user]]]}


def test_a_private_address_is_for_clients_that_ask_for_it(sandbox: Sandbox, node: Node) -> None:
    sandbox.create_instance("private", ipConfiguration={"ipv4Enabled": False, "privateNetwork": NETWORK})
    sandbox.operator.must("POST", "instances/private/users", {"name": USER, "password": PASSWORD})
    private: dict[str, Any] = {"name": CONNECTION_NAME.replace(INSTANCE, "private"), "login": {"database": "postgres"}}
    assert node("SELECT 1", ipType="PRIVATE", **private) == {"rows": [[[1]]]}
    assert "public Ip address" in node("SELECT 1", **private)["error"]["message"]
    assert "private Ip address" in node("SELECT 1", ipType="PRIVATE")["error"]["message"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (CONNECTION_NAME.replace(INSTANCE, "nope"), "The Cloud SQL instance does not exist."),
        (CONNECTION_NAME.replace("europe-west3", "us-central1"), "Provided region was mismatched"),
    ],
)
def test_a_wrong_name_is_explained(node: Node, name: str, words: str) -> None:
    assert words in node("SELECT 1", name=name)["error"]["message"]


@pytest.mark.parametrize(
    ("action", "where", "code"),
    [
        ({"refuse": True}, {}, "ECONNREFUSED"),
        ({"reset": True}, {"at": "connection"}, "ECONNRESET"),
        ({"certificate": "expired"}, {"at": "certificate"}, "CERT_HAS_EXPIRED"),
        ({"certificate": "foreign"}, {"at": "certificate"}, "SELF_SIGNED_CERT_IN_CHAIN"),
    ],
    ids=str,
)
def test_a_fault_ends_the_login_and_the_next_one_passes(
    node: Node, data_plane: DataPlane, action: Json, where: Json, code: str
) -> None:
    data_plane.fault(action, **where)
    assert node("SELECT 1")["error"]["code"] == code
    data_plane.clear()
    assert node("SELECT 1") == {"rows": [[[1]]]}
