"""Pure parts: routes, partial responses, tiers, what restarts an instance, roles."""

import pytest

from sandbox.access.roles import OPERATOR_ROLES, grants
from sandbox.apis.sqladmin.instance_settings import needs_restart, with_defaults
from sandbox.cloudsql.tiers import find_tier
from sandbox.core.documents import Json, merge
from sandbox.core.fields import select
from sandbox.core.routing import collect


def test_the_operator_holds_every_permission_but_those_of_others_accounts_and_of_roles() -> None:
    asked = {route.permission for route in collect("sandbox.apis") if route.permission}
    lacking = {permission for permission in asked if not any(grants(role, permission) for role in OPERATOR_ROLES)}
    assert lacking == {
        "iam.serviceAccounts.delete",
        "iam.serviceAccounts.disable",
        "iam.serviceAccounts.enable",
        "iam.serviceAccounts.getAccessToken",
        "iam.serviceAccounts.getIamPolicy",
        "iam.serviceAccounts.setIamPolicy",
        "iam.serviceAccounts.undelete",
        "iam.serviceAccounts.update",
        "iam.serviceAccountKeys.create",
        "iam.serviceAccountKeys.delete",
        "iam.serviceAccountKeys.disable",
        "iam.serviceAccountKeys.enable",
        "iam.serviceAccountKeys.get",
        "iam.serviceAccountKeys.list",
        "iam.roles.create",
        "iam.roles.delete",
        "iam.roles.get",
        "iam.roles.list",
        "iam.roles.undelete",
        "iam.roles.update",
    }


def test_no_two_routes_answer_the_same_request() -> None:
    routes = [(route.method, route.path) for route in collect("sandbox.apis")]
    assert len(routes) == len(set(routes))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("kind", {"kind": "k"}),
        ("items(name,size),kind", {"items": [{"name": "a", "size": "1"}], "kind": "k"}),
        ("items/name", {"items": [{"name": "a"}]}),
        ("settings(tier,ip/net),nope", {"settings": {"tier": "t", "ip": {"net": 1}}}),
    ],
)
def test_partial_responses(fields: str, expected: Json) -> None:
    document = {
        "kind": "k",
        "items": [{"name": "a", "size": "1", "etag": "e"}],
        "settings": {"tier": "t", "ip": {"net": 1, "x": 2}, "y": 3},
    }
    assert select(document, fields) == expected


def test_merge_replaces_lists_and_null_clears() -> None:
    assert merge({"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}, "d": None}) == {"a": {"b": 1, "c": [3]}}


@pytest.mark.parametrize(
    ("name", "connections"),
    [
        ("db-f1-micro", 25),
        ("db-g1-small", 50),
        ("db-custom-1-3840", 100),
        ("db-custom-2-7680", 400),
        ("db-custom-4-15360", 500),
        ("db-perf-optimized-N-16", 1000),
    ],
)
def test_a_tiers_memory_decides_its_connections(name: str, connections: int) -> None:
    tier = find_tier(name)
    assert tier is not None
    assert tier.max_connections == connections


@pytest.mark.parametrize("name", ["db-f1-mini", "db-custom-3-3840", "db-custom-2-7681", "db-custom-2-99999", ""])
def test_no_such_tier(name: str) -> None:
    assert find_tier(name) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tier": "db-g1-small"}, True),
        ({"databaseFlags": [{"name": "max_connections", "value": "60"}]}, True),
        ({"databaseFlags": [{"name": "work_mem", "value": "4096"}]}, False),
        ({"backupConfiguration": {"enabled": True, "pointInTimeRecoveryEnabled": True}}, True),
        ({"backupConfiguration": {"enabled": True}}, False),
        ({"ipConfiguration": {"privateNetwork": "projects/p/global/networks/n"}}, True),
        ({"ipConfiguration": {"authorizedNetworks": [{"value": "0.0.0.0/0"}]}}, False),
        ({"dataDiskSizeGb": "20", "userLabels": {"a": "b"}, "deletionProtectionEnabled": True}, False),
    ],
)
def test_what_restarts_the_database(change: Json, expected: bool) -> None:
    before = with_defaults({"tier": "db-f1-micro"}, "POSTGRES_14", "europe-west3")
    assert needs_restart(before, merge(before, change)) is expected
