"""google-auth: application default credentials from a key file and from the metadata server."""

import subprocess
import sys

import pytest

from sandbox.tests.running import Sandbox

WHO = """
import google.auth, google.auth.transport.requests as transport
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
session = transport.AuthorizedSession(credentials)
print(type(credentials).__module__, project, session.get("{url}/v1/projects/" + project).status_code)
"""


def run(sandbox: Sandbox, **environment: str) -> str:
    """What a fresh process finds (google-auth remembers its metadata server a process long)."""
    program = WHO.format(url=sandbox.url)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"HOME": str(sandbox.state), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_key_file(sandbox: Sandbox) -> None:
    found = run(sandbox, GOOGLE_APPLICATION_CREDENTIALS=str(sandbox.key_file))
    assert found == "google.oauth2.service_account mlflow-sandbox 200"


@pytest.mark.parametrize("variable", ["GCE_METADATA_HOST"])
def test_the_metadata_server(sandbox: Sandbox, variable: str) -> None:
    where = sandbox.url.removeprefix("http://")
    found = run(sandbox, **{variable: where, "GCE_METADATA_IP": where})
    assert found == "google.auth.compute_engine.credentials mlflow-sandbox 200"
    principals = {request["principal"] for request in sandbox.requests() if request["path"].endswith("/token")}
    assert principals == {sandbox.operator.email}
