"""What a secret says about itself: only the given keys are changed, and an end that destroys it is called so."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import InvalidRequestError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager import Secret

from tests.unit.fakes import NOT_FOUND, PROJECT, bad, cloud, ok
from tests.unit.options import validated

BASE = f"v1/projects/{PROJECT}/secrets"
GET = f"GET {BASE}/s"
LATEST = f"{GET}/versions/latest"
PATCH = f"PATCH {BASE}/s"
FOUND: dict[str, Any] = {
    "name": "projects/1/secrets/s",
    "replication": {"automatic": {}},
    "etag": '"e"',
    "labels": {"kept": "1", "gone": "2"},
    "annotations": {"theirs": "x"},
    "versionAliases": {"current": "3", "old": "1"},
    "versionDestroyTtl": "86400s",
    "expireTime": "2030-01-01T00:00:00.123456789Z",
}


def secret(**options: Any) -> Secret:
    return Secret(validated(Secret, {"name": "s", **options}), PROJECT)


def changes(found: dict[str, Any] | None = None, **options: Any) -> tuple[Change, ...]:
    return predict(secret(**options), cloud({GET: ok(found or FOUND), LATEST: NOT_FOUND}).google).plan.changes


@pytest.mark.parametrize(
    "options",
    [
        {"labels": {"kept": 1, "never": None}, "annotations": {}, "version_aliases": {"current": 3}},
        {"version_destroy_ttl_seconds": 86400},
        {"expire_time": "2030-01-01T01:00:00.123456+01:00"},
        {"ttl_seconds": 60},
    ],
)
def test_what_google_says_in_another_way_is_no_difference(options: dict[str, Any]) -> None:
    assert changes(**options) == ()


def test_all_changes_are_one_request_with_the_keys_of_others_in_it() -> None:
    made = cloud({GET: ok(FOUND), LATEST: NOT_FOUND, PATCH: ok()})
    options = {
        "labels": {"gone": None, "new": "3"},
        "annotations": {"ours": "y"},
        "version_aliases": {"current": 4, "old": None},
        "version_destroy_ttl_seconds": 0,
        "expire_time": "",
    }
    converge(secret(**options), made.google)
    (request,) = made.transport.writes
    assert request.body == {
        "labels": {"kept": "1", "new": "3"},
        "annotations": {"theirs": "x", "ours": "y"},
        "versionAliases": {"current": "4"},
        "versionDestroyTtl": None,
        "expireTime": None,
        "etag": '"e"',
    }
    assert request.params == {"updateMask": "labels,annotations,versionAliases,versionDestroyTtl,expireTime"}


@pytest.mark.parametrize(
    ("found", "options", "change", "destroys"),
    [
        (FOUND, {"expire_time": "2029-01-01T00:00:00Z"}, ("expire_time", "2029-01-01T00:00:00Z"), True),
        ({"name": "n"}, {"expire_time": "2029-01-01T00:00:00Z"}, ("expire_time", "2029-01-01T00:00:00Z"), True),
        ({"name": "n"}, {"ttl_seconds": 60}, ("ttl_seconds", 60), True),
        (FOUND, {"expire_time": ""}, ("expire_time", None), False),
        (FOUND, {"version_destroy_ttl_seconds": 90000}, ("version_destroy_ttl_seconds", 90000), False),
    ],
)
def test_an_end_destroys(
    found: dict[str, Any], options: dict[str, Any], change: tuple[str, Any], destroys: bool
) -> None:
    (only,) = changes(found, **options)
    assert (only.field, only.after) == change
    assert (only.blast_radius is BlastRadius.DESTROYS) == destroys


def test_a_secret_without_an_end_needs_none_taken_away() -> None:
    assert changes({"name": "n"}, expire_time="", version_destroy_ttl_seconds=0) == ()


def test_less_time_to_bring_versions_back_is_said() -> None:
    (change,) = changes(version_destroy_ttl_seconds=60)
    assert "shorter" in change.reason


def test_a_new_secret_gets_everything_at_once() -> None:
    made = cloud({GET: [NOT_FOUND, ok(FOUND)], LATEST: NOT_FOUND, f"POST {BASE}": ok(FOUND)})
    options = {"annotations": {"a": 1, "b": None}, "version_destroy_ttl_seconds": 60, "ttl_seconds": 90}
    converge(secret(**options), made.google)
    assert made.transport.writes[0].body == {
        "replication": {"automatic": {}},
        "annotations": {"a": "1"},
        "versionDestroyTtl": "60s",
        "ttl": "90s",
    }


def test_a_stale_etag_is_read_and_planned_again_though_it_is_a_400() -> None:
    stale = bad(400, "FAILED_PRECONDITION", 'The etag "e" does not match the current etag "f": read again.')
    newer = {**FOUND, "etag": '"f"'}
    made = cloud({GET: [ok(FOUND), ok(newer)], LATEST: NOT_FOUND, PATCH: [stale, ok()]})
    assert converge(secret(labels={"a": "b"}), made.google).changed
    assert [request.body["etag"] for request in made.transport.writes] == ['"e"', '"f"']
    made = cloud({GET: ok(FOUND), LATEST: NOT_FOUND, PATCH: bad(400, "invalid", "These labels are not Google's.")})
    with pytest.raises(InvalidRequestError):
        converge(secret(labels={"A": "b"}), made.google)
    assert len(made.transport.writes) == 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"expire_time": "2030-01-01T00:00:00Z", "ttl_seconds": 1}, "leave one out"),
        ({"expire_time": "tomorrow"}, "no time with a zone"),
        ({"expire_time": "2030-01-01T00:00:00"}, "no time with a zone"),
        ({"ttl_seconds": 0}, "ttl_seconds 0 is too small"),
        ({"version_destroy_ttl_seconds": -1}, "version_destroy_ttl_seconds -1 is too small"),
        ({"version_aliases": {"latest": 1}}, "'latest' can't be an alias"),
        ({"version_aliases": {"1st": 1}}, "'1st' can't be an alias"),
        ({"version_aliases": {"current": "newest"}}, "points to 'newest'"),
        ({"annotations": {"-a": "b"}}, "can't be a key"),
    ],
)
def test_what_can_never_work_is_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(RefusedError, match=f"secret s: .*{line}"):
        secret(**options)
