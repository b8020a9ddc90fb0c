"""Plans of many resources at once: parallel reads, each object once, and what depends on what."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.permissions import ROLES
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.registry import RESOURCES
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.survey import parse_entries, pending_owners, survey

from tests.unit.fakes import NO_INSTANCE, NOT_FOUND, PROJECT, Answer, bad, cloud, disabled, ok

SQL = "sqladmin.googleapis.com"
P = f"v1/projects/{PROJECT}"
DB = f"{P}/instances/db"
MEMBER = {"role": "roles/cloudsql.client", "member": f"serviceAccount:s@{PROJECT}.iam.gserviceaccount.com"}
INSTANCE = {"name": "db", "region": "europe-west3", "tier": "db-f1-micro", "database_version": "POSTGRES_16"}
ASKED = f"POST {P}:testIamPermissions"
EVERYTHING = ok({"permissions": [permission for held in ROLES.values() for permission in held]})
OFF, ON = ok({"state": "DISABLED"}), ok({"state": "ENABLED"})


def declared(*entries: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"owner": f"owner of {module}", "module": module, "params": params} for module, params in entries]


BACKEND = declared(
    ("sql_user", {"instance": "db", "name": "mlflow_user"}),
    ("sql_database", {"instance": "db", "name": "mlflow"}),
    ("sql_instance", INSTANCE),
    ("project_service", {"name": SQL}),
)


def ask(
    entries: list[dict[str, Any]], answers: dict[str, Answer | list[Answer]]
) -> tuple[list[str], list[str], list[str]]:
    made = cloud({ASKED: EVERYTHING, **answers})
    parsed = parse_entries(entries, PROJECT)
    plans = survey(parsed, made.google).plans
    assert made.transport.writes == []
    return [str(plan.action) for plan in plans], pending_owners(parsed, plans), made.transport.lines


def test_children_of_a_planned_parent_are_planned_whatever_the_order() -> None:
    answers: dict[str, Any] = {
        f"GET {DB}/users": NO_INSTANCE,
        f"GET {DB}/databases/mlflow": NO_INSTANCE,
        f"GET {DB}": NO_INSTANCE,
        f"GET {P}/services/{SQL}": ON,
    }
    actions, owners, _ = ask(BACKEND, answers)
    assert actions == ["create", "create", "create", "none"]
    assert owners == ["owner of sql_database", "owner of sql_instance", "owner of sql_user"]


def test_a_service_that_the_same_plan_enables_counts_as_on() -> None:
    off = disabled(SQL)
    answers: dict[str, Any] = {f"GET {DB}/users": off, f"GET {DB}/databases/mlflow": off, f"GET {DB}": off}
    actions, _, _ = ask(BACKEND, {**answers, f"GET {P}/services/{SQL}": OFF})
    assert actions == ["create"] * 4


def test_what_is_missing_and_not_in_the_plan_is_unknown() -> None:
    answers: dict[str, Any] = {f"GET {DB}/users": NO_INSTANCE, f"GET {DB}/databases/mlflow": NO_INSTANCE}
    actions, owners, _ = ask(BACKEND[:2], answers)
    assert actions == ["unknown", "unknown"]
    assert len(owners) == 2
    actions, _, _ = ask(BACKEND[:1], {f"GET {DB}/users": disabled(SQL), f"GET {P}/services/{SQL}": OFF})
    assert actions == ["unknown"]


def test_an_old_answer_that_does_not_name_the_service_counts_too() -> None:
    off = bad(403, "accessNotConfigured", "Access Not Configured.")
    answers: dict[str, Any] = {f"GET {DB}": off, f"GET {P}/services/{SQL}": OFF}
    actions, _, lines = ask(BACKEND[2:], answers)
    assert actions == ["create", "create"]
    assert lines.count(f"GET {P}/services/{SQL}") == 1


def test_a_stopped_instances_children_are_unknown() -> None:
    stopped = bad(400, "invalid", "Invalid request since instance is not running.")
    actions, _, _ = ask(BACKEND[:1], {f"GET {DB}/users": stopped})
    assert actions == ["unknown"]


@pytest.mark.parametrize(("state", "expected"), [("PENDING_CREATE", "create"), ("RUNNABLE", "unknown")])
def test_what_an_instance_is_to_hold_is_planned_while_that_is_still_being_made(state: str, expected: str) -> None:
    body = {"name": "db", "state": state, "region": "europe-west3", "databaseVersion": "POSTGRES_16"}
    not_running = bad(400, "invalid", "Invalid request since instance is not running.")
    answers: dict[str, Answer | list[Answer]] = {
        f"GET {DB}": ok({**body, "settings": {"tier": "db-f1-micro"}}),
        f"GET {DB}/users": not_running,
        f"GET {DB}/databases/mlflow": not_running,
    }
    actions, _, _ = ask(BACKEND[:3], answers)
    assert actions == [expected, expected, "none"]


def test_an_instance_that_failed_is_refused_with_the_way_to_be_rid_of_it() -> None:
    body = {"name": "db", "state": "FAILED", "settings": {"tier": "db-f1-micro"}}
    with pytest.raises(RefusedError, match=r"^sql_instance db: .* is FAILED, .* confirm_delete: db, .* run again$"):
        ask(BACKEND[2:3], {f"GET {DB}": ok(body)})


def test_permissions_that_could_not_be_asked_are_said_with_the_project_and_the_way_out() -> None:
    answers: dict[str, Answer | list[Answer]] = {f"GET {DB}/users": ok(), ASKED: bad(503, "backendError", "Sorry.")}
    expected = (
        rf"^project {PROJECT}: Sorry \(503 .*tried \d+ times in \d+ s: this is Google's to heal: run again later$"
    )
    with pytest.raises(GoogleError, match=expected):
        ask(BACKEND[:1], answers)


def test_each_object_is_read_once() -> None:
    entries = declared(
        ("project_iam_member", MEMBER),
        ("project_iam_member", {**MEMBER, "role": "roles/cloudsql.instanceUser"}),
        ("sql_user", {"instance": "db", "name": "a"}),
        ("sql_user", {"instance": "db", "name": "b"}),
    )
    users = ok({"items": [{"name": "a"}]})
    actions, _, lines = ask(entries, {f"POST {P}:getIamPolicy": ok({"etag": "x"}), f"GET {DB}/users": users})
    assert actions == ["create", "create", "none", "create"]
    assert sorted(lines) == [f"GET {DB}/users", f"POST {P}:getIamPolicy", ASKED]


def test_children_of_planned_buckets_and_secrets() -> None:
    entries = declared(
        ("bucket_iam_member", {**MEMBER, "bucket": "my-bucket"}),
        ("bucket", {"name": "my-bucket"}),
        ("secret_iam_member", {**MEMBER, "secret": "s"}),
        ("secret", {"name": "s", "generate": True}),
    )
    answers: dict[str, Any] = {
        "GET storage/v1/b/my-bucket/iam": NOT_FOUND,
        "GET storage/v1/b/my-bucket": NOT_FOUND,
        f"GET {P}/secrets/s:getIamPolicy": NOT_FOUND,
        f"GET {P}/secrets/s": NOT_FOUND,
    }
    actions, _, _ = ask(entries, answers)
    assert actions == ["create"] * 4


def test_403_is_an_error_of_the_whole_plan() -> None:
    with pytest.raises(GoogleError, match=r"^sql_user mlflow_user: not authorized .*: grant the caller a role"):
        ask(BACKEND[:1], {f"GET {DB}/users": bad(403, "notAuthorized", "not authorized")})


def test_nothing_asked_is_nothing_planned() -> None:
    assert ask([], {}) == ([], [], [])


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"owner": "o", "module": "sql_instances", "params": {}}, "no such module"),
        ({"owner": "o", "module": "sql_user", "params": {"name": "x"}}, "instance"),
        ({"owner": "o", "module": "bucket", "params": {"name": "x", "colour": 1}}, "colour"),
        ({"owner": "o", "module": "secret", "params": {"name": "s", "value": "hunter2"}}, "leave out value"),
        (
            {"owner": "o", "module": "sql_user", "params": {"instance": "i", "name": "x", "password": "hunter2"}},
            "secrets",
        ),
    ],
)
def test_entries_are_checked_with_their_own_modules_spec(entry: dict[str, Any], text: str) -> None:
    with pytest.raises(RefusedError, match=text) as caught:
        parse_entries([entry], PROJECT)
    assert str(caught.value).startswith(f"resources[0] (owner o, module {entry['module']})")
    assert "hunter2" not in str(caught.value)


def test_what_can_never_work_is_said_as_the_module_says_it() -> None:
    with pytest.raises(RefusedError, match=r"^bucket: name 'gs://x': .* 3 to 63 .*: correct mlflow_bucket"):
        parse_entries([{"owner": "o", "module": "bucket", "params": {"name": "gs://x"}}], PROJECT)


def test_every_resource_is_registered_under_its_modules_name() -> None:
    assert sorted(RESOURCES) == [
        "bucket",
        "bucket_iam_member",
        "project_iam_member",
        "project_service",
        "secret",
        "secret_iam_member",
        "service_account",
        "service_account_key",
        "sql_backup",
        "sql_database",
        "sql_instance",
        "sql_user",
    ]


def test_what_can_never_be_applied_fails_before_anything_is_written_all_at_once() -> None:
    wrong = declared(
        ("sql_instance", {**INSTANCE, "name": "one", "availability_type": "REGIONAL"}),
        ("sql_instance", {**INSTANCE, "name": "two", "tier": None}),
        ("sql_user", {"instance": "one", "name": "waits_for_its_password"}),
    )
    answers: dict[str, Any] = {f"GET {P}/instances/{name}": NO_INSTANCE for name in ("one", "two", "one/users")}
    with pytest.raises(RefusedError, match=r"sql_instance one: .*needs automated backups.*; sql_instance two: .*tier"):
        ask(wrong, {**answers, f"GET {P}/instances": ok()})
