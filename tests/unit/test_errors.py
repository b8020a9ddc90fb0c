"""Google's error answers become types, and one line for the user."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import errors

URL = "https://sqladmin.googleapis.com/v1/projects/p/instances/i"


def parse(status: int, error: dict[str, Any] | None = None, raw: bytes | None = None) -> errors.GoogleApiError:
    body = raw if raw is not None else json.dumps({"error": error}).encode()
    return errors.error_from_reply(status, body, "GET", URL)


def classic(reason: str, message: str = "said Google") -> dict[str, Any]:
    return {"message": message, "errors": [{"domain": "global", "reason": reason, "message": message}]}


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (404, classic("instanceDoesNotExist"), errors.NotFoundError),
        (404, {"message": "no", "status": "NOT_FOUND"}, errors.NotFoundError),
        (403, classic("notAuthorized"), errors.PermissionDeniedError),
        (403, classic("accessNotConfigured"), errors.ServiceDisabledError),
        (403, classic("rateLimitExceeded"), errors.RateLimitedError),
        (
            403,
            {"message": "Quota exceeded for quota metric 'Q' and limit 'Queries per minute'"},
            errors.RateLimitedError,
        ),
        (409, classic("operationInProgress"), errors.BusyError),
        (409, classic("instanceAlreadyExists"), errors.AlreadyExistsError),
        (409, {"message": "There were concurrent policy changes.", "status": "ABORTED"}, errors.StaleVersionError),
        (412, classic("staleData", "Condition does not match."), errors.StaleVersionError),
        (400, classic("invalid", "Invalid request since instance is not running."), errors.InstanceNotRunningError),
        (
            400,
            {"message": "Service account x@p.iam.gserviceaccount.com does not exist."},
            errors.PrincipalNotFoundError,
        ),
        (400, classic("invalid", "Invalid request: Tier"), errors.InvalidRequestError),
        (400, {"message": "The network does not exist."}, errors.InvalidRequestError),
        (400, {"message": "Invalid member list"}, errors.InvalidRequestError),
        (401, {"message": "no", "status": "UNAUTHENTICATED"}, errors.UnauthenticatedError),
        (429, {"message": "slow down"}, errors.RateLimitedError),
        (500, classic("backendError"), errors.ServerError),
        (503, None, errors.ServerError),
    ],
)
def test_status_and_reason_decide_the_type(
    status: int, error: dict[str, Any] | None, kind: type[errors.GoogleApiError]
) -> None:
    assert type(parse(status, error)) is kind


def test_googles_sentence_comes_first() -> None:
    text = str(parse(400, classic("invalid", "Tier  is\nwrong.")))
    assert text == f"Tier is wrong (400 invalid, GET {URL})"


def test_error_info_wins_over_status_and_names_the_service() -> None:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "metadata": {"service": "sqladmin.googleapis.com"},
    }
    error = parse(403, {"message": "m", "status": "PERMISSION_DENIED", "details": [info]})
    assert isinstance(error, errors.ServiceDisabledError)
    assert error.service == "sqladmin.googleapis.com"
    assert "gcloud services enable sqladmin.googleapis.com" in str(error)


def test_service_is_found_in_the_sentence_of_an_old_answer() -> None:
    error = parse(
        403, classic("accessNotConfigured", "Enable it by visiting https://x/apis/api/iam.googleapis.com/overview")
    )
    assert isinstance(error, errors.ServiceDisabledError)
    assert error.service == "iam.googleapis.com"


def test_a_refused_permission_is_named_and_both_causes_are_said() -> None:
    error = parse(403, {"message": "Permission 'secretmanager.secrets.get' denied on resource (or it may not exist)."})
    assert isinstance(error, errors.PermissionDeniedError)
    assert error.permission == "secretmanager.secrets.get"
    assert "secretmanager.secrets.get" in str(error)
    assert "or the project or the object does not exist" in str(error)


def test_a_services_name_is_no_permission() -> None:
    error = parse(403, {"message": "Not found or permission denied for service(s): run.googleapis.com"})
    assert isinstance(error, errors.PermissionDeniedError)
    assert error.permission == ""


@pytest.mark.parametrize(
    "raw", [b"", b"<html>\nBad\n gateway</html>", b"[1]", b'{"error": 5}', b'{"error": {"errors": "x"}}']
)
def test_any_body_gives_a_typed_error_of_one_line(raw: bytes) -> None:
    error = parse(502, raw=raw)
    assert isinstance(error, errors.ServerError)
    assert "\n" not in str(error)
    assert "502" in str(error)
    assert URL in str(error)


@pytest.mark.parametrize(
    "sentence",
    [
        "operator@my-project.iam.gserviceaccount.com does not have storage.buckets.get access to the bucket.",
        "Permission 'storage.buckets.get' denied on resource (or it may not exist).",
        "x@project.iam.gserviceaccount.com: missing permission storage.buckets.get.",
    ],
)
def test_the_account_in_the_sentence_is_not_taken_for_the_permission(sentence: str) -> None:
    error = parse(403, classic("forbidden", sentence))
    assert isinstance(error, errors.PermissionDeniedError)
    assert error.permission == "storage.buckets.get"


def test_a_web_page_for_404_says_nothing_about_the_object() -> None:
    """Else a wrong endpoint, or a proxy in between, would make all that is there look absent."""
    page = parse(404, None, raw=b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>")
    assert type(page) is errors.WrongAddressError
    assert str(page) == (
        f"what answers at {URL} is no Google API (404 with a text of its own): correct the option endpoints, "
        "or what stands between here and Google"
    )
