"""Rows of service_account_key, and here for all modules those of the options that they have in common."""

from __future__ import annotations

from pathlib import Path

from tests.contract.bad_input import EMAIL, BadInput

KEY = {"service_account": EMAIL, "key_id": "4f1d2c3b5a69788796a5b4c3d2e1f00112233445"}
HERE = Path(__file__)
# A key as it looks when a copy lost its end.
CUT = {
    "type": "service_account",
    "client_email": "deployer@mlflow-sandbox.iam.gserviceaccount.com",
    "private_key_id": "0" * 40,
    "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}
TOKEN = "ya29.nobody-issued-this"
WHOLE = "give the whole content of the key file"

OWN = (
    BadInput(
        "key_id",
        "is no id",
        {**KEY, "key_id": "projects/p/keys/1"},
        ("'projects/p/keys/1' is no key's id", "private_key_id"),
    ),
    BadInput(
        "service_account",
        "is no e-mail",
        {**KEY, "service_account": "mlflow-server"},
        ("'mlflow-server' is no e-mail", "client_email"),
    ),
    BadInput(
        "state",
        "a deleted key never comes back",
        {**KEY, "state": "present"},
        ("a deleted key never comes back", "gcloud iam service-accounts keys create"),
    ),
)

COMMON = (
    BadInput("project", "is missing", {**KEY, "project": None}, ("no project", "gcp_project", "GOOGLE_CLOUD_PROJECT")),
    BadInput("project", "is a name", {**KEY, "project": "My Project"}, ("'My Project' is no project id",)),
    BadInput("project", "is a path", {**KEY, "project": "projects/mine"}, ("'projects/mine' is no project id",)),
    BadInput(
        "project",
        "does not exist",
        {**KEY, "project": "my-projcet"},
        ("iam.serviceAccountKeys.list", "my-projcet", "correct gcp_project (option project)"),
    ),
    BadInput(
        "credentials_file",
        "is missing",
        {**KEY, "credentials_file": "/nonexistent/key.json"},
        ("/nonexistent/key.json: No such file or directory: give the path",),
    ),
    BadInput(
        "credentials_file",
        "is a folder",
        {**KEY, "credentials_file": str(HERE.parent)},
        (f"{HERE.parent}: Is a directory: give the path",),
    ),
    BadInput(
        "credentials_file",
        "is no JSON",
        {**KEY, "credentials_file": str(HERE)},
        (f"{HERE} is no JSON: give the path",),
    ),
    BadInput(
        "credentials_file",
        "is of a user who is not there",
        {**KEY, "credentials_file": "~no-such-user/key.json"},
        ("~no-such-user/key.json: there is no such user",),
    ),
    BadInput("credentials_contents", "are no JSON", {**KEY, "credentials_contents": "a: 1"}, ("is no JSON", WHOLE)),
    BadInput(
        "credentials_contents", "are no object", {**KEY, "credentials_contents": "[1, 2]"}, ("is no JSON object", WHOLE)
    ),
    BadInput(
        "credentials_contents",
        "are of no known kind",
        {**KEY, "credentials_contents": {"type": "key"}},
        ("no usable Google credentials", "valid type", "give the whole content"),
    ),
    BadInput(
        "credentials_contents",
        "hold half a private key",
        {**KEY, "credentials_contents": CUT},
        (f"no usable Google credentials of {CUT['client_email']}", "give the whole content"),
    ),
    BadInput(
        "access_token",
        "is not Google's",
        {**KEY, "access_token": TOKEN},
        ("Google does not accept the access token", "ACCESS_TOKEN_EXPIRED", "gcloud auth print-access-token"),
    ),
    BadInput(
        "access_token",
        "has a line break",
        {**KEY, "access_token": "ya29.nobody\nissued-this"},
        ("holds what no access token does", "gcloud auth print-access-token"),
    ),
    BadInput(
        "access_token",
        "has a sign beyond ASCII",
        {**KEY, "access_token": "ya29.nobody\N{EN DASH}issued-this"},
        ("holds what no access token does", "gcloud auth print-access-token"),
    ),
    BadInput(
        "access_token",
        "of the environment is no token",
        {**KEY, "access_token": None},
        ("GOOGLE_OAUTH_ACCESS_TOKEN holds what no access token does",),
        environment={"GOOGLE_OAUTH_ACCESS_TOKEN": "ERROR: (gcloud.auth) You do not have an active account"},
    ),
    BadInput(
        "credentials_file",
        "or any other credentials are missing",
        {**KEY, "access_token": None},
        ("no application default credentials", "set credentials_file, credentials_contents or access_token"),
    ),
    BadInput(
        "impersonate_service_account",
        "is a chain",
        {**KEY, "impersonate_service_account": f"{EMAIL},{EMAIL}"},
        ("is no service account", "give one e-mail", "no chain"),
    ),
    BadInput(
        "impersonate_service_account",
        "is a user",
        {**KEY, "impersonate_service_account": "me@example.com"},
        ("'me@example.com' is no service account", "give one e-mail"),
    ),
    BadInput(
        "endpoints.iam",
        "has no scheme",
        {**KEY, "endpoints": {"iam": "iam.googleapis.com"}},
        ("'iam.googleapis.com' is no address", "give one such as 'https://iam.googleapis.com/'"),
    ),
    BadInput(
        "endpoints.storage",
        "is no http",
        {**KEY, "endpoints": {"storage": "gs://artifacts"}},
        ("'gs://artifacts' is no address", "give one such as 'https://storage.googleapis.com/storage/v1/'"),
    ),
    BadInput(
        "endpoints.sql",
        "has no such port",
        {**KEY, "endpoints": {"sql": "http://127.0.0.1:99999/"}},
        ("'http://127.0.0.1:99999/' is no address", "give one such as 'https://sqladmin.googleapis.com/'"),
    ),
    BadInput(
        "endpoints.secretmanager",
        "has half an address in brackets",
        {**KEY, "endpoints": {"secretmanager": "http://[::1/"}},
        ("'http://[::1/' is no address", "give one such as 'https://secretmanager.googleapis.com/'"),
    ),
)
ROWS = (*OWN, *COMMON)
