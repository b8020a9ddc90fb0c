# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a Google API, as types, so that callers decide by class and never by text.

Google answers errors in two shapes: the classic one with ``errors[].reason`` and the newer one with ``status`` and
``details[]`` (``google.rpc.ErrorInfo``). Either list may be missing, so both are read and neither is required.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

_MAX_BODY = 300
# Three words, and not a part of a host's name: those end in com, also in e-mail addresses.
_PERMISSION = re.compile(r"\b[a-z][a-zA-Z]+\.[a-zA-Z]+\.(?!com\b)[a-zA-Z]+\b(?!\.\w)")


class GoogleError(Exception):
    """Base of everything this collection raises; ``str()`` is one line that names the object and the way out."""

    def say_more(self, text: str) -> None:
        """Add to the line."""
        self.args = (f"{self}; {text}",)


class CredentialsError(GoogleError):
    """No usable credentials, or Google refused to mint a token for them."""


class NetworkError(GoogleError):
    """The request got no (complete) answer.

    ``sent`` is false if the connection never came to be, ``lasting`` is true if trying again can't help (TLS).
    """

    def __init__(self, message: str, *, sent: bool = True, lasting: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.lasting = lasting


class OutcomeUnknownError(GoogleError):
    """A write got no clear answer: the server may or may not have done it. Read again before doing anything."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class OperationFailedError(GoogleError):
    """A long-running operation ended with an error inside."""


class OperationTimeoutError(GoogleError):
    """A long-running operation outlived the time that the user gave it. It goes on at Google's side."""


class StateChangedError(GoogleError):
    """Somebody else's operation ran meanwhile: what was read is stale, plan again."""


class RefusedError(GoogleError):
    """We refuse by our own rules, before anything is sent."""


class MissingPrerequisiteError(RefusedError):
    """Something else must be there first; in check mode an earlier task may be about to make it."""


class MissingSecretError(MissingPrerequisiteError):
    """A secret is needed that nobody has given."""


class GoogleApiError(GoogleError):
    """An HTTP error answer. ``reason`` is Google's machine-readable word, ``message`` its sentence."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        method: str,
        url: str,
        info: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.message = message
        self.method = method
        self.url = url
        self.info = dict(info or {})
        self.retry_after = 0.0
        super().__init__(self.describe())

    def describe(self) -> str:
        """One line: Google's sentence, its reason, and the request that got it."""
        reason = f"{self.status} {self.reason}".strip()
        return f"{self.message.rstrip('.')} ({reason}, {self.method} {self.url})"


class NotFoundError(GoogleApiError):
    """404, the only answer that means absent."""


class WrongAddressError(GoogleApiError):
    """404 without an error object: a web page of what is no Google API, so it says nothing about the object."""

    def describe(self) -> str:
        return (
            f"what answers at {self.url} is no Google API (404 with a text of its own): correct the option endpoints, "
            "or what stands between here and Google"
        )


class InvalidRequestError(GoogleApiError):
    """400."""


class InstanceNotRunningError(InvalidRequestError):
    """400 of Cloud SQL for users and databases of a stopped instance."""

    def describe(self) -> str:
        # The same for all that the instance holds, so it does not say what was asked.
        return f"{self.message.rstrip('.')} ({self.status} {self.reason})"


class PrincipalNotFoundError(InvalidRequestError):
    """400 of a policy write that names a service account Google does not see (yet)."""


class UnauthenticatedError(GoogleApiError):
    """401."""

    def describe(self) -> str:
        return (
            f"Google does not accept the access token: {super().describe()}: it may have run out; get a new one "
            "(`gcloud auth print-access-token`), or use a key or an attached account instead"
        )


class PermissionDeniedError(GoogleApiError):
    """403 without further meaning. Historically also Google's answer for things that do not exist."""

    @property
    def permission(self) -> str:
        """The missing permission if Google names it, else an empty string."""
        named = self.info.get("permission") or ""
        match = _PERMISSION.search(self.message)
        return named or (match.group(0) if match else "")

    def describe(self) -> str:
        permission = self.permission
        missing = f"the caller lacks the permission {permission}" if permission else "the caller lacks a permission"
        return f"{super().describe()}: {missing}, or the project or the object does not exist"


class ServiceDisabledError(GoogleApiError):
    """403 because the API is not enabled in the project."""

    @property
    def service(self) -> str:
        """The disabled API, such as ``sqladmin.googleapis.com``; empty if Google does not name it."""
        match = re.search(r"[a-z]+\.googleapis\.com", self.message)
        return self.info.get("service") or (match.group(0) if match else "")

    def describe(self) -> str:
        service = self.service or "the API"
        # What follows is a link and advice.
        sentence = self.message.partition(". ")[0].rstrip(".")
        return (
            f"{sentence} ({self.status} {self.reason}): enable it with mlflow_ops.gcp.project_service (add {service} "
            f"to identities_services), or with `gcloud services enable {service}`"
        )


class AlreadyExistsError(GoogleApiError):
    """409 of a creation."""


class BusyError(GoogleApiError):
    """409: another operation is running on the instance."""


class StaleVersionError(GoogleApiError):
    """409 or 412: somebody else changed the object after we read it."""


class RateLimitedError(GoogleApiError):
    """429, or a 403 that says that a quota is used up for this minute: the request was not executed."""


class QuotaExceededError(GoogleApiError):
    """403: a quota is used up that does not come back within minutes."""


class ServerError(GoogleApiError):
    """5xx. For a write it says nothing about whether the write happened."""


def error_from_reply(status: int, body: bytes, method: str, url: str) -> GoogleApiError:
    """Read an error answer of any Google API; an unreadable body still gives a typed error."""
    error = _error_object(body)
    message = _one_line(str(error.get("message") or "")) or _one_line(body[:_MAX_BODY].decode("utf-8", "replace"))
    info = _error_info(error)
    reason = info.get("reason") or _classic_reason(error) or str(error.get("status") or "")
    kind = WrongAddressError if status == HTTPStatus.NOT_FOUND and not error else _kind(status, reason, message)
    return kind(status, reason, message or "no message", method=method, url=url, info=info)


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if isinstance(error, dict):
        return error
    # OAuth answers {"error": "invalid_grant", "error_description": "..."}.
    return {"message": str(parsed.get("error_description") or error)} if error else {}


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _error_info(error: Mapping[str, Any]) -> dict[str, str]:
    for detail in _dicts(error.get("details")):
        if str(detail.get("@type", "")).endswith("google.rpc.ErrorInfo"):
            metadata = detail.get("metadata")
            known = {str(k): str(v) for k, v in metadata.items()} if isinstance(metadata, dict) else {}
            return known | {"reason": str(detail.get("reason") or "")}
    return {}


def _classic_reason(error: Mapping[str, Any]) -> str:
    return next((str(item["reason"]) for item in _dicts(error.get("errors")) if item.get("reason")), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _forbidden(reason: str, message: str) -> type[GoogleApiError]:
    if reason in {"accessNotConfigured", "SERVICE_DISABLED"}:
        return ServiceDisabledError
    if reason in {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"} or (
        "Quota exceeded" in message and "per minute" in message
    ):
        return RateLimitedError
    # https://cloud.google.com/storage/docs/json_api/v1/status-codes#403-forbidden
    if reason in {"dailyLimitExceeded", "quotaExceeded"}:
        return QuotaExceededError
    return PermissionDeniedError


def _conflict(reason: str, message: str) -> type[GoogleApiError]:
    if reason == "operationInProgress" or "another operation was already in progress" in message:
        return BusyError
    if reason == "ABORTED" or "concurrent policy changes" in message:
        return StaleVersionError
    return AlreadyExistsError


def _bad_request(message: str) -> type[GoogleApiError]:
    if "instance is not running" in message:
        return InstanceNotRunningError
    if "does not exist" in message and re.search(r"(?i)service ?account|user|member|principal", message):
        return PrincipalNotFoundError
    return InvalidRequestError


def _kind(status: int, reason: str, message: str) -> type[GoogleApiError]:
    if status == HTTPStatus.BAD_REQUEST:
        return _bad_request(message)
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(reason, message)
    if status == HTTPStatus.CONFLICT:
        return _conflict(reason, message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerError
    return {
        int(HTTPStatus.UNAUTHORIZED): UnauthenticatedError,
        int(HTTPStatus.NOT_FOUND): NotFoundError,
        int(HTTPStatus.PRECONDITION_FAILED): StaleVersionError,
        int(HTTPStatus.TOO_MANY_REQUESTS): RateLimitedError,
        int(HTTPStatus.REQUEST_TIMEOUT): ServerError,
    }.get(status, GoogleApiError)
