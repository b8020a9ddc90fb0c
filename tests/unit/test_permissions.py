"""What a plan needs to be allowed, how it is asked, and the one line about what is missing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.permissions import (
    ROLES,
    STEPS,
    Holder,
    MissingPermissionsError,
    Need,
    check,
    describe,
    needs_of,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, Change, create, nothing, update
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.registry import RESOURCES
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ABSENT, Observed, Presence, Resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.survey import Survey, parse_entries, survey

from tests.unit.fakes import NOT_FOUND, PROJECT, Answer, Cloud, bad, cloud, disabled, ok

P = f"v1/projects/{PROJECT}"
ASKED = f"POST {P}:testIamPermissions"
MANAGER = f"GET {P}/services/cloudresourcemanager.googleapis.com"
BUCKET = "GET storage/v1/b/artifacts"
ON_BUCKET = f"{BUCKET}/iam/testPermissions"
READ, CHANGE = Need("storage.buckets.get", Holder("bucket", "artifacts")), Need("storage.buckets.update")


def resource(module: str, **params: Any) -> Resource:
    return parse_entries([{"owner": "o", "module": module, "params": params}], PROJECT)[0].resource


def permissions(needs: set[Need]) -> set[str]:
    return {need.permission for need in needs}


SECRET = resource("secret", name="s", generate=True)
VERSION = Change("version", 1, 2, "newest is DISABLED")


def test_every_resource_says_what_it_needs_and_every_permission_has_one_role() -> None:
    assert STEPS.keys() == RESOURCES.keys()
    held = [permission for role in ROLES.values() for permission in role]
    assert len(held) == len(set(held))
    used = {
        permission
        for steps in STEPS.values()
        for some in (steps.read, steps.create, steps.update, steps.delete, *steps.changes.values())
        for permission in some
    }
    assert used <= set(held)


def test_a_plan_needs_what_it_does_and_no_more() -> None:
    unchanged = permissions(needs_of(SECRET, nothing("secret", "s")))
    assert unchanged == {"secretmanager.secrets.get", "secretmanager.versions.get"}
    rotated = permissions(needs_of(SECRET, update("secret", "s", [VERSION])))
    assert rotated - unchanged == {"secretmanager.versions.add", "secretmanager.versions.access"}
    labelled = permissions(needs_of(SECRET, update("secret", "s", [Change("labels.a", None, "b", "is not set")])))
    assert labelled - unchanged == {"secretmanager.secrets.update"}
    made = permissions(needs_of(SECRET, create("secret", "s", {"name": "s", "version": 1})))
    assert made - rotated == {"secretmanager.secrets.create"}


def test_later_steps_and_unreadable_objects_count_too() -> None:
    more = needs_of(SECRET, nothing("secret", "s"), ["secretmanager.versions.access"])
    assert Need("secretmanager.versions.access", Holder("secret", "s")) in more
    unread = {"storage.buckets.get", "storage.buckets.create"}
    assert permissions(needs_of(resource("bucket", name="artifacts"), None)) == unread
    managed = resource("bucket", name="artifacts", versioning_enabled=True)
    assert permissions(needs_of(managed, None)) == {*unread, "storage.buckets.update"}
    public = resource("bucket", name="artifacts", public_access_prevention="enforced")
    policy = {"storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy"}
    assert permissions(needs_of(public, None)) == {*unread, "storage.buckets.update", *policy}
    gone = resource("bucket", name="artifacts", state="absent", confirm_delete="artifacts")
    delete = {"storage.buckets.delete", "storage.objects.list"}
    assert permissions(needs_of(gone, None)) == {"storage.buckets.get", *delete}


@pytest.mark.parametrize(
    ("module", "params", "action", "needed"),
    [
        ("service_account", {"account_id": "mlflow-server", "disabled": True}, Action.UPDATE, {"disable", "enable"}),
        (
            "service_account",
            {"account_id": "mlflow-server", "disabled": True},
            Action.CREATE,
            {"create", "disable", "enable"},
        ),
        ("service_account", {"account_id": "mlflow-server", "display_name": "x"}, Action.UPDATE, {"update"}),
        ("secret", {"name": "s", "annotations": {"a": "b"}}, Action.UPDATE, {"update"}),
        ("secret", {"name": "s", "annotations": {"a": "b"}}, Action.CREATE, {"create"}),
        ("secret", {"name": "s", "version_destroy_ttl_seconds": 60}, Action.UPDATE, {"update"}),
        (
            "bucket",
            {"name": "b-b", "retention_policy_locked": True, "confirm_lock": "b-b", "retention_period_seconds": 1},
            Action.CREATE,
            {"create", "update"},
        ),
        ("bucket", {"name": "b-b", "lifecycle_rules": []}, Action.CREATE, {"create"}),
    ],
)
def test_single_settings_ask_for_more(module: str, params: dict[str, Any], action: Action, needed: set[str]) -> None:
    made = resource(module, **params)
    plan = made.plan(ABSENT if action is Action.CREATE else Observed(Presence.PRESENT))
    assert plan.action is action
    read = set(STEPS[module].read)
    assert {name.rpartition(".")[2] for name in permissions(needs_of(made, plan)) - read} == needed


WANTED: dict[str, dict[str, Any]] = {
    "bucket": {"name": "artifacts", "versioning_enabled": True},
    "bucket_iam_member": {"bucket": "artifacts", "role": "roles/viewer", "member": "user:a@b.c"},
    "project_iam_member": {"role": "roles/viewer", "member": "user:a@b.c"},
    "project_service": {"name": "iam.googleapis.com"},
    "secret": {"name": "secret", "generate": True, "labels": {"a": "b"}},
    "secret_iam_member": {"secret": "secret", "role": "roles/viewer", "member": "user:a@b.c"},
    "service_account": {"account_id": "mlflow-server", "display_name": "MLflow"},
    "service_account_key": {"service_account": "a@b.c", "key_id": "1", "disabled": True},
    "sql_backup": {"instance": "db"},
    "sql_database": {"instance": "db", "name": "mlflow"},
    "sql_instance": {"name": "db", "tier": "db-f1-micro", "database_flags": {"work_mem": "1024"}},
    "sql_user": {"instance": "db", "name": "mlflow_user"},
}


@pytest.mark.parametrize("module", sorted(RESOURCES))
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_cannot_be_read_can_still_be_planned_for(module: str, state: str) -> None:
    given = WANTED[module] | ({"id": "1"} if (module, state) == ("sql_backup", "absent") else {})
    needed = permissions(needs_of(resource(module, state=state, **given), None))
    assert needed >= set(STEPS[module].read)
    assert needed <= {permission for role in ROLES.values() for permission in role}


def test_what_is_still_to_be_made_has_no_policy_to_ask() -> None:
    made = needs_of(resource("bucket", name="artifacts"), create("bucket", "artifacts", {"name": "artifacts"}))
    assert {need.holder for need in made} == {None}


def test_one_question_is_enough_where_the_project_grants_all() -> None:
    made = cloud({ASKED: ok({"permissions": ["storage.buckets.get", "storage.buckets.update"]})})
    assert check(made.google, [READ, CHANGE])
    assert made.transport.lines == [ASKED]
    assert made.transport.sent[0].body == {"permissions": ["storage.buckets.get", "storage.buckets.update"]}


def test_what_the_project_does_not_grant_may_be_granted_on_the_object() -> None:
    granted = ok({"permissions": ["storage.buckets.get"]})
    made = cloud({ASKED: ok({"permissions": ["storage.buckets.update"]}), ON_BUCKET: granted})
    assert check(made.google, [READ, CHANGE])
    assert made.transport.sent[1].params == {"permissions": ["storage.buckets.get"]}


@pytest.mark.parametrize(
    "on_bucket", [ok({}), NOT_FOUND, bad(403, "forbidden", "no"), disabled("storage.googleapis.com")]
)
def test_what_is_granted_nowhere_is_missing(on_bucket: Any) -> None:
    made = cloud({ASKED: ok({}), ON_BUCKET: on_bucket})
    with pytest.raises(
        MissingPermissionsError, match=r"lacks storage\.buckets\.get, storage\.buckets\.update \(held by"
    ):
        check(made.google, [READ, CHANGE])


def test_a_permission_that_google_does_not_test_there_counts_as_held() -> None:
    invalid = bad(400, "badRequest", "Permission storage.buckets.get is not valid for this resource.")
    answers: list[Answer] = [invalid, ok({"permissions": ["storage.buckets.update"]})]
    made = cloud({ASKED: answers})
    assert check(made.google, [READ, CHANGE])
    assert made.transport.sent[1].body == {"permissions": ["storage.buckets.update"]}
    with pytest.raises(GoogleError, match="what else"):
        check(cloud({ASKED: bad(400, "badRequest", "what else")}).google, [CHANGE])


def test_nothing_can_be_asked_while_resource_manager_is_off() -> None:
    made = cloud({ASKED: disabled("cloudresourcemanager.googleapis.com"), MANAGER: ok({"state": "DISABLED"})})
    assert not check(made.google, [READ])
    assert made.time.pauses == []


def test_a_resource_manager_that_was_just_enabled_is_waited_for() -> None:
    off = disabled("cloudresourcemanager.googleapis.com")
    answers: list[Answer] = [off, off, ok({"permissions": ["storage.buckets.update"]})]
    made = cloud({ASKED: answers, MANAGER: ok({"state": "ENABLED"})})
    assert check(made.google, [CHANGE])
    assert len(made.time.pauses) == 2


ME = "me@demo-project.iam.gserviceaccount.com"


def test_the_line_names_who_lacks_what_by_role_and_the_way_out() -> None:
    line = describe(["storage.buckets.get", "cloudsql.instances.get", "storage.buckets.create"], ME, PROJECT)
    assert line == (
        f"project {PROJECT}: {ME} lacks cloudsql.instances.get (held by roles/cloudsql.admin); storage.buckets.create, "
        "storage.buckets.get (held by roles/storage.admin): nothing was changed; have the roles granted, then run "
        "again: "
        "`for role in roles/cloudsql.admin roles/storage.admin; do gcloud projects add-iam-policy-binding "
        f"{PROJECT} --member=serviceAccount:{ME} --condition=None --role=$role; done`"
    )


def test_one_role_is_one_command_and_an_unknown_account_is_to_be_filled_in() -> None:
    line = describe(["secretmanager.versions.access"], "", PROJECT)
    assert line.startswith(f"project {PROJECT}: the account of these credentials lacks secretmanager.versions.access")
    assert line.endswith("--member=user:ADDRESS --condition=None --role=roles/secretmanager.admin`")
    assert "owners.invented.permission" in describe(["owners.invented.permission"], ME, PROJECT)


def looked(answers: dict[str, Any], *declared: tuple[str, dict[str, Any]]) -> tuple[Survey, Cloud]:
    made = cloud(answers)
    entries = [{"owner": "o", "module": module, "params": params} for module, params in declared]
    return survey(parse_entries(entries, PROJECT), made.google), made


PRESENT = ok({"name": "artifacts", "location": "EU"})
USER = ("sql_user", {"instance": "db", "name": "mlflow"})


def test_a_run_with_nothing_to_do_asks_nothing() -> None:
    found, made = looked({BUCKET: PRESENT}, ("bucket", {"name": "artifacts"}))
    assert found.permissions_checked
    assert made.transport.lines == [BUCKET]


def test_refused_reads_do_not_hide_what_else_is_missing() -> None:
    no = bad(403, "notAuthorized", "The client is not authorized to make this request.")
    answers = {
        BUCKET: NOT_FOUND,
        f"GET {P}/instances/db/users": no,
        ASKED: ok({"permissions": ["storage.buckets.get"]}),
    }
    with pytest.raises(MissingPermissionsError) as missing:
        looked(answers, USER, ("bucket", {"name": "artifacts"}))
    named = set(re.findall(r"(?:cloudsql|storage)\.[a-z]+\.[a-zA-Z]+", str(missing.value)))
    users = {f"cloudsql.users.{verb}" for verb in ("list", "create")}
    assert named == {*users, "cloudsql.instances.get", "storage.buckets.create"}


def test_while_nothing_can_be_asked_the_refused_ones_are_named() -> None:
    off = {ASKED: disabled("cloudresourcemanager.googleapis.com"), MANAGER: ok({"state": "DISABLED"})}
    no = bad(403, "forbidden", "x@y.z does not have storage.buckets.get access to the bucket.")
    with pytest.raises(
        MissingPermissionsError, match=r"lacks storage\.buckets\.get .*perhaps more: that can be asked once"
    ):
        looked({**off, BUCKET: no}, ("bucket", {"name": "artifacts"}))
    found, _ = looked({**off, BUCKET: NOT_FOUND}, ("bucket", {"name": "artifacts"}))
    assert not found.permissions_checked


def test_a_refusal_in_spite_of_every_permission_is_told_as_google_told_it() -> None:
    no = bad(403, "forbidden", "somebody else's bucket")
    held = ok({"permissions": [permission for role in ROLES.values() for permission in role]})
    with pytest.raises(GoogleError, match="somebody else's bucket"):
        looked({ASKED: held, BUCKET: no}, ("bucket", {"name": "artifacts"}))


def test_a_caller_with_conditional_roles_need_not_be_asked() -> None:
    entries = parse_entries([{"owner": "o", "module": "bucket", "params": {"name": "artifacts"}}], PROJECT)
    made = cloud({BUCKET: NOT_FOUND})
    assert survey(entries, made.google, check_permissions=False).permissions_checked
    assert made.transport.lines == [BUCKET]
    with pytest.raises(GoogleError, match="not authorized"):
        survey(entries, cloud({BUCKET: bad(403, "x", "not authorized")}).google, check_permissions=False)


def test_a_project_that_may_not_be_asked_is_told_as_google_told_it() -> None:
    hidden = bad(403, "forbidden", "The caller does not have permission")
    with pytest.raises(GoogleError, match=f"project {PROJECT}"):
        looked({ASKED: hidden, BUCKET: NOT_FOUND}, ("bucket", {"name": "artifacts"}))
    with pytest.raises(GoogleError, match="not authorized"):
        looked({ASKED: hidden, BUCKET: bad(403, "x", "not authorized")}, ("bucket", {"name": "artifacts"}))
