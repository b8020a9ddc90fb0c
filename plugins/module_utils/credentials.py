# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who we are: one access token a process, used as a plain bearer.

google-auth only mints the token. Its own transport is not used, because that starts background calls
(``allowedLocations``) for each credentials object. Its parts are imported when needed: they cost a tenth of a second.
"""

from __future__ import annotations

import importlib
import json
import re
import stat
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import refused_keys, transport
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import CredentialsError

ENVIRONMENT_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"
# Minting a token changes nothing, so a broken connection is tried again.
_MINTING_PAUSES = (0.5, 1.0, 2.0)
# A file of workload identity federation holds none of these.
_HOLDING_SECRETS = {"private_key", "refresh_token", "client_secret", "source_credentials"}
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_WHOLE_FILE = "give the path of a file that Google made, whole and on the host that runs the task"


class TokenSource(Protocol):
    """What the HTTP session needs to know of credentials."""

    def token(self) -> str:
        """A token that is valid now."""

    def renew(self, rejected: str) -> str | None:
        """A new token after Google answered 401 to ``rejected``; None if there can be none."""

    @property
    def quota_project(self) -> str | None:
        """The project to bill quota to (user credentials only)."""

    @property
    def account(self) -> str:
        """The service account's e-mail; empty if it is a user or not known."""

    @property
    def key_id(self) -> str:
        """The id of the key that the tokens are minted with; empty if there is none."""


class FixedToken:
    """An access token that the caller minted; it can't be renewed."""

    quota_project: str | None = None
    account = ""
    key_id = ""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token

    def renew(self, rejected: str) -> str | None:
        """Nothing to renew with."""
        del rejected
        return None


class GoogleAuthToken:
    """A token of google-auth credentials, minted at the first use and again when it runs out.

    :param what: the credentials in an error's words; for a key, the account and the key's id.
    """

    def __init__(self, credentials: Any, what: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._credentials = credentials
        self._what = what
        self._lock = threading.Lock()

    @property
    def quota_project(self) -> str | None:
        project = getattr(self._credentials, "quota_project_id", None)
        return str(project) if project else None

    @property
    def account(self) -> str:
        email = str(getattr(self._credentials, "service_account_email", ""))
        # An attached account is called "default" until its first token.
        return email if "@" in email else ""

    @property
    def key_id(self) -> str:
        return str(getattr(getattr(self._credentials, "signer", None), "key_id", None) or "")

    def token(self) -> str:
        with self._lock:
            if not self._credentials.valid:
                self._mint()
            return str(self._credentials.token)

    def renew(self, rejected: str) -> str | None:
        with self._lock:
            if self._credentials.token == rejected:
                self._mint()
            return str(self._credentials.token)

    def _mint(self) -> None:
        errors = importlib.import_module("google.auth.exceptions")
        requesting = _Requesting()
        for pause in (*_MINTING_PAUSES, None):
            try:
                self._credentials.refresh(requesting)
                return
            except errors.GoogleAuthError as error:
                passing = isinstance(error, errors.TransportError) or getattr(error, "retryable", False)
                if pause is None or not passing:
                    raise CredentialsError(self._refusal(error, requesting)) from error
                self._sleep(pause)

    def _refusal(self, error: Exception, requesting: _Requesting) -> str:
        reason = " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")
        said = f"Google gave no access token for {self._what}: {reason}"
        help_ = refused_keys.way_out(reason, self.account, requesting.ahead)
        return f"{said}: {help_ or 'run again, and if it says the same, have a look at that account'}"


class _Requesting:
    """google-auth's own way to send a request, that remembers how far our clock is ahead of the server's."""

    def __init__(self) -> None:
        self._request = importlib.import_module("google.auth.transport.requests").Request(transport.new_session())
        self.ahead: float | None = None

    def __call__(self, *positional: Any, **named: Any) -> Any:
        reply = self._request(*positional, **named)
        date = {name.lower(): value for name, value in reply.headers.items()}.get("date")
        if date:
            self.ahead = time.time() - parsedate_to_datetime(date).timestamp()
        return reply


def find_credentials(
    params: Mapping[str, Any], environment: Mapping[str, str], warn: Callable[[str], None] | None = None
) -> TokenSource:
    """The credentials that the task's options name, else a token of the environment, else application default ones.

    :param warn: told of a key file that every user of the machine can read.
    """
    if params.get("access_token"):
        return FixedToken(_usable_token(str(params["access_token"]), "access_token"))
    if params.get("credentials_contents"):
        info = _parse_contents(params["credentials_contents"])
        return GoogleAuthToken(_from_info(info, "credentials_contents"), _name(info, "credentials_contents"))
    if params.get("credentials_file"):
        return _from_file(Path(str(params["credentials_file"])), warn)
    if token := environment.get(ENVIRONMENT_VARIABLE):
        # Not by the option's own fallback: it would then exclude credentials that the task names.
        return FixedToken(_usable_token(token, ENVIRONMENT_VARIABLE))
    return _default()


def _usable_token(token: str, what: str) -> str:
    """The token without the line end that a file or command gave it; else it must fit a header (RFC 6750, 2.1)."""
    token = token.strip()
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token):
        raise CredentialsError(
            f"{what} holds what no access token does (blanks, line breaks or signs beyond ASCII): give what "
            "`gcloud auth print-access-token` prints"
        )
    return token


def _parse_contents(contents: object) -> dict[str, Any]:
    if isinstance(contents, dict):
        return contents
    try:
        info = json.loads(str(contents))
    except ValueError as error:
        # The error's own text would quote the key.
        raise CredentialsError("credentials_contents is no JSON; give the whole content of the key file") from error
    if not isinstance(info, dict):
        raise CredentialsError("credentials_contents is no JSON object; give the whole content of the key file")
    return info


def _name(info: Mapping[str, Any], fallback: str) -> str:
    name = str(info.get("client_email") or fallback)
    return f"{name} (key {info['private_key_id']})" if info.get("private_key_id") else name


def _from_info(info: dict[str, Any], what: str) -> Any:
    errors = importlib.import_module("google.auth.exceptions")
    try:
        if info.get("type") == "service_account":
            # The common case without the other kinds' imports.
            service_account = importlib.import_module("google.oauth2.service_account")
            return service_account.Credentials.from_service_account_info(info, scopes=SCOPES)
        return importlib.import_module("google.auth").load_credentials_from_dict(info, scopes=SCOPES)[0]
    except (errors.GoogleAuthError, ValueError, KeyError) as error:
        raise CredentialsError(
            f"{what} holds no usable Google credentials{_whose(info)}: {_reason(error)}; give the whole content of the "
            "file that Google made"
        ) from error


def _whose(info: Mapping[str, Any]) -> str:
    return f" of {info['client_email']}" if info.get("client_email") else ""


def _reason(error: Exception) -> str:
    # Parsers of private keys may quote what they could not read.
    text = " ".join(str(error).split()).rstrip(".")
    return text if "PRIVATE" not in text else type(error).__name__


def _from_file(path: Path, warn: Callable[[str], None] | None) -> TokenSource:
    try:
        path = path.expanduser()
        info = json.loads(path.read_text(encoding="utf-8"))
        mode = path.stat().st_mode
    except OSError as error:
        raise CredentialsError(f"credentials_file {path}: {error.strerror}: {_WHOLE_FILE}") from error
    except RuntimeError as error:
        raise CredentialsError(f"credentials_file {path}: there is no such user here: {_WHOLE_FILE}") from error
    except ValueError as error:
        raise CredentialsError(f"credentials_file {path} is no JSON: {_WHOLE_FILE}") from error
    if not isinstance(info, dict):
        raise CredentialsError(f"credentials_file {path} is no JSON object: {_WHOLE_FILE}")
    if warn and mode & stat.S_IROTH and _HOLDING_SECRETS & info.keys():
        warn(f"credentials_file {path} holds a secret and every user of this machine can read it: chmod 600 {path}")
    return GoogleAuthToken(_from_info(info, f"credentials_file {path}"), _name(info, str(path)))


def _default() -> TokenSource:
    auth = importlib.import_module("google.auth")
    errors = importlib.import_module("google.auth.exceptions")
    try:
        credentials, _project = auth.default(scopes=SCOPES)
    except (errors.GoogleAuthError, OSError) as error:
        raise CredentialsError(
            f"no application default credentials ({_reason(error)}): set credentials_file, credentials_contents or "
            "access_token, or run `gcloud auth application-default login`"
        ) from error
    name = getattr(credentials, "service_account_email", None)
    return GoogleAuthToken(credentials, f"application default credentials{f' of {name}' if name else ''}")
