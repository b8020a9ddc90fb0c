# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of another service account, by the Service Account Credentials API: no key of that account exists anywhere.

https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
"""

from __future__ import annotations

import re
import threading

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import SCOPES, TokenSource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    CredentialsError,
    GoogleApiError,
    GoogleError,
    NotFoundError,
    PermissionDeniedError,
    RefusedError,
    ServiceDisabledError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Clock, Session
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import Transport

# gcloud's (its property auth/impersonate_service_account) and Terraform's.
ENVIRONMENT_VARIABLES = ("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT")
# The longest that Google gives without an organization's policy.
_LIFETIME_SECONDS = 3600
_RENEWED_BEFORE_SECONDS = 300
_ACCOUNT = re.compile(r"[^@,\s/]+@[^@,\s/]+\.gserviceaccount\.com|\d+")


class ImpersonatedToken:
    """A token that the source's account obtains for another one, renewed before it runs out."""

    # The quota is that of the impersonated account's project.
    quota_project: str | None = None

    def __init__(self, account: str, source: TokenSource, session: Session, url: str) -> None:
        self.account = account
        self._source = source
        self._session = session
        self._url = url
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = 0.0

    @property
    def key_id(self) -> str:
        return self._source.key_id

    def token(self) -> str:
        with self._lock:
            if not self._token or self._session.clock.now() >= self._good_until:
                self._mint()
            return self._token

    def renew(self, rejected: str) -> str | None:
        with self._lock:
            if self._token == rejected:
                self._mint()
            return self._token

    def _mint(self) -> None:
        # By the lifetime asked for: to read Google's expireTime, our clock would have to be right.
        asked = self._session.clock.now()
        body = {"scope": SCOPES, "lifetime": f"{_LIFETIME_SECONDS}s"}
        try:
            reply = self._session.request("POST", self._url, None, body, reads=True)
        except CredentialsError:
            raise
        except GoogleError as error:
            raise CredentialsError(f"Google gave no access token for {self.account}: {self._reason(error)}") from error
        if not reply.get("accessToken"):
            raise CredentialsError(f"Google gave no access token for {self.account}: its answer holds none")
        self._token = str(reply["accessToken"])
        self._good_until = asked + _LIFETIME_SECONDS - _RENEWED_BEFORE_SECONDS

    def _reason(self, error: GoogleError) -> str:
        who = self._source.account
        if isinstance(error, ServiceDisabledError):
            said = GoogleApiError.describe(error)
            return f"{said}: enable it with `gcloud services enable iamcredentials.googleapis.com`"
        if isinstance(error, PermissionDeniedError):
            return self._denied(error, who)
        if isinstance(error, NotFoundError):
            return f"the account does not exist: {error}"
        if isinstance(error, GoogleApiError) and "disabled" in error.message:
            return f"{error}: `gcloud iam service-accounts enable {self.account}` enables it again"
        return str(error)

    def _denied(self, error: PermissionDeniedError, who: str) -> str:
        said = GoogleApiError.describe(error)
        if "SCOPE" in error.reason or "authentication scopes" in error.message:
            return (
                f"{said}: the token of {who or 'the caller'} was made for too few scopes; a machine's attached account "
                "needs the scope cloud-platform (`gcloud compute instances set-service-account`)"
            )
        member = f"serviceAccount:{who}" if who else "MEMBER"
        return (
            f"{said}: {who or 'the caller'} lacks roles/iam.serviceAccountTokenCreator on it, or it does not exist; "
            f"`gcloud iam service-accounts add-iam-policy-binding {self.account} --member={member} "
            "--role=roles/iam.serviceAccountTokenCreator` grants it (works within a few minutes)"
        )


def impersonate(
    account: str, source: TokenSource, transport: Transport, endpoint: str, clock: Clock | None = None
) -> ImpersonatedToken:
    """Tokens of ``account``, obtained with those of ``source``. Raises RefusedError for what is no account's name."""
    if not _ACCOUNT.fullmatch(account):
        raise RefusedError(
            f"impersonate_service_account {account!r} is no service account: give one e-mail such as "
            "operator@my-project.iam.gserviceaccount.com (no chain of several)"
        )
    return ImpersonatedToken(account, source, Session(source, transport, clock), _url(endpoint, account))


def acting_as(google: Google, account: str) -> Google:
    """The same project as another service account sees it, whose tokens the caller obtains."""
    session = google.session
    tokens = ImpersonatedToken(account, session.tokens, session, _url(google.endpoints["iamcredentials"], account))
    return Google(session.sending(tokens), google.endpoints, google.project)


def _url(endpoint: str, account: str) -> str:
    return f"{endpoint}v1/projects/-/serviceAccounts/{segment(account)}:generateAccessToken"
