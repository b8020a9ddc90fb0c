"""The checker itself: what it lets pass, and that it sees each kind of deviation."""

from typing import Any

import pytest

from sandbox.core.documents import Json
from sandbox.core.routing import collect
from sandbox.tests.conformance.exchanges import findings
from sandbox.tests.conformance.observed import Exchange

ROUTES = collect("sandbox.apis")
INSTANCE = "/v1/projects/p/instances/metadata"
GOOD: Json = {
    "kind": "sql#instance",
    "state": "RUNNABLE",
    "settings": {"settingsVersion": "3", "deletionProtectionEnabled": False, "userLabels": {"team": "a"}},
    "createTime": "2026-11-23T10:00:00.123Z",
    "ipAddresses": [{"type": "PRIMARY", "ipAddress": "10.0.0.1"}],
}


def get(**changes: Any) -> list[str]:
    """What is found in a reply that differs from the good one."""
    return findings([Exchange("GET", INSTANCE, "", None, 200, GOOD | changes)], ROUTES)


def test_a_reply_that_fits_passes() -> None:
    assert get() == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"stat": "RUNNABLE"}, "/stat: the schema has no such field"),
        ({"state": "READY"}, "/state: 'READY' is none of"),
        ({"settings": {"settingsVersion": 3}}, "/settings/settingsVersion: 3 is no 64-bit number as a string"),
        ({"settings": {"deletionProtectionEnabled": "false"}}, "/settings/deletionProtectionEnabled: 'false'"),
        ({"settings": {"userLabels": {"team": 1}}}, "/settings/userLabels/team: 1 is no string"),
        ({"settings": {"backupConfiguration": {"transactionLogRetentionDays": "7"}}}, "'7' is no 32-bit number"),
        ({"createTime": "yesterday"}, "/createTime: 'yesterday' is no google-datetime"),
        ({"ipAddresses": [{"kind": "x"}]}, "/ipAddresses/0/kind: the schema has no such field"),
        ({"ipAddresses": {}}, "/ipAddresses: {} is no list"),
        ({"settings": None}, "/settings: None is no object"),
    ],
)
def test_a_reply_that_does_not_fit_is_found(changes: Json, place: str) -> None:
    found = get(**changes)
    assert len(found) == 1
    assert place in found[0]


def test_requests_and_query_parameters_are_read_as_google_reads_them() -> None:
    body = {"settings": {"settingsVersion": 3, "tierr": "db-f1-micro", "edition": None}}
    operation: Json = {"kind": "sql#operation", "name": "x", "status": "PENDING"}
    found = findings([Exchange("PATCH", INSTANCE, "$alt=json&tier=x", body, 200, operation)], ROUTES)
    assert [one.partition(": ")[2] for one in found] == [
        "query parameter tier: sqladmin.v1:sql.instances.patch has no such one",
        "sent /settings/tierr: the schema has no such field",
    ]


@pytest.mark.parametrize(
    ("body", "fragment"),
    [
        ({"error": "no"}, "no error of Google's"),
        ({"error": {"code": 404, "message": "x"}}, "neither errors[] nor status"),
        ({"error": {"code": 400, "message": "x", "status": "NOT_FOUND"}}, "404 with code 400"),
        ({"error": {"code": 404, "message": "x", "errors": [{"reason": "x"}]}}, "strange item"),
    ],
)
def test_an_error_has_googles_shape(body: Json, fragment: str) -> None:
    found = findings([Exchange("GET", INSTANCE, "", None, 404, body)], ROUTES)
    assert len(found) == 1
    assert fragment in found[0]
