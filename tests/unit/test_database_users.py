"""Users of a database who log in with a token, and the roles that any user is given."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_user import SqlUser, has_iam_authentication
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_user_names import (
    BUILT_IN,
    GROUP,
    SERVICE_ACCOUNT,
    TYPES,
    USER,
    check_name,
    database_name,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    MissingPrerequisiteError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import NotVisibleYetError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.survey import parse_entries, survey

from tests.unit.fakes import DONE, NO_INSTANCE, PROJECT, Answer, Cloud, bad, cloud, ok
from tests.unit.options import validated

INSTANCE = f"v1/projects/{PROJECT}/instances/db"
USERS = f"GET {INSTANCE}/users"
OPERATIONS = f"GET v1/projects/{PROJECT}/operations"
EMAIL = "mlflow@p.iam.gserviceaccount.com"
NAME = "mlflow@p.iam"
FLAG = "cloudsql.iam_authentication"
BASE = {"name": NAME, "instance": "db", "project": PROJECT}


def user(**options: Any) -> SqlUser:
    given = {"instance": "db", "name": EMAIL, "type": SERVICE_ACCOUNT, **options}
    return SqlUser(validated(SqlUser, given), PROJECT)


def flags(**found: str) -> Answer:
    listed = [{"name": name.replace("cloudsql_", "cloudsql."), "value": value} for name, value in found.items()]
    return ok({"name": "db", "settings": {"databaseFlags": listed}})


ON = flags(max_connections="50", cloudsql_iam_authentication="on")


def users(*found: str, kind: str = SERVICE_ACCOUNT) -> Answer:
    return ok({"items": [{"name": "postgres", "host": ""}, *({"name": name, "type": kind} for name in found)]})


def project(instance: Answer = ON, *listed: Answer, **answers: Answer) -> Cloud:
    told: dict[str, Any] = {f"GET {INSTANCE}": instance, USERS: list(listed), OPERATIONS: ok()}
    for method in ("POST", "PUT", "DELETE"):
        told[f"{method} {INSTANCE}/users"] = answers.get(method, DONE)
    return cloud(told)


def test_a_service_accounts_user_is_its_address_without_the_end_and_has_neither_password_nor_host() -> None:
    made = project(ON, users(), users(NAME))
    outcome = converge(user(), made.google)
    assert [sent.body for sent in made.transport.writes] == [{**BASE, "type": SERVICE_ACCOUNT}]
    assert {change.field: change.after for change in outcome.plan.changes} == {"name": NAME, "type": SERVICE_ACCOUNT}


def test_the_address_with_and_without_its_end_is_the_same_user() -> None:
    for name in (EMAIL, NAME):
        made = project(ON, users(NAME))
        assert not converge(user(name=name), made.google).changed
        assert made.transport.writes == []


@pytest.mark.parametrize(("kind", "name"), [(USER, "ada@example.com"), (GROUP, "data-team@example.com")])
def test_people_and_groups_keep_their_whole_address(kind: str, name: str) -> None:
    made = project(ON, users(), users(name, kind=kind))
    converge(user(name=name, type=kind), made.google)
    assert [sent.body for sent in made.transport.writes] == [{**BASE, "name": name, "type": kind}]


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        (SERVICE_ACCOUNT, "Mlflow@p.iam", "in lower case: write mlflow@p.iam"),
        (SERVICE_ACCOUNT, "mlflow", "write it as mlflow@project.iam.gserviceaccount.com"),
        (SERVICE_ACCOUNT, "ada@example.com", "is the e-mail of a service account"),
        (
            SERVICE_ACCOUNT,
            f"{'x' * 30}@{'p' * 29}.iam.gserviceaccount.com",
            "64 bytes, and PostgreSQL knows names of 63",
        ),
        (USER, EMAIL, "set type to CLOUD_IAM_SERVICE_ACCOUNT"),
        (USER, NAME, "set type to CLOUD_IAM_SERVICE_ACCOUNT"),
        (GROUP, EMAIL, "set type to CLOUD_IAM_SERVICE_ACCOUNT"),
        (USER, "Ada@example.com", "in lower case: write ada@example.com"),
        (USER, "ada", "is the e-mail of a person"),
        (GROUP, "data team@example.com", "is the e-mail of a group"),
        (GROUP, f"{'x' * 60}@example.com", "63 bytes at most"),
    ],
)
def test_a_name_that_google_or_postgresql_would_not_take_is_refused(kind: str, name: str, text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_name(kind, name)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (SERVICE_ACCOUNT, f"{'x' * 30}@{'p' * 28}.iam.gserviceaccount.com"),
        (SERVICE_ACCOUNT, "m-1@p.example.com.iam.gserviceaccount.com"),
        (SERVICE_ACCOUNT, "415104041262-compute@developer.gserviceaccount.com"),
        (SERVICE_ACCOUNT, "p@appspot.gserviceaccount.com"),
        (USER, f"{'x' * 51}@example.com"),
        (GROUP, "data-team@example.com"),
        (BUILT_IN, "x" * 63),
        (BUILT_IN, "Ada Lovelace"),
    ],
)
def test_what_they_take_is_not(kind: str, name: str) -> None:
    check_name(kind, name)
    assert database_name(kind, name) == name.removesuffix(".gserviceaccount.com")


def test_the_types_are_those_of_the_option() -> None:
    assert SqlUser.SPEC["type"]["choices"] == list(TYPES)


def test_a_token_user_has_no_password() -> None:
    with pytest.raises(RefusedError, match="has no password: leave it out"):
        user(password="s3cr3t")


OFF = [
    flags(),
    flags(cloudsql_iam_authentication="off"),
    flags(cloudsql_logical_decoding="on"),
    flags(cloudsql_iam_authentication=""),
    ok({"name": "db", "settings": {}}),
]


@pytest.mark.parametrize("instance", OFF)
def test_without_the_flag_no_user_is_made_that_could_not_log_in(instance: Answer) -> None:
    made = project(instance, users())
    with pytest.raises(MissingPrerequisiteError) as caught:
        converge(user(), made.google)
    assert "instance db lets no IAM user log in" in str(caught.value)
    assert f"set its flag {FLAG} to 'on'" in str(caught.value)
    made = project(instance, users())
    outcome = predict(user(), made.google)
    assert outcome.plan.action is Action.CREATE
    assert outcome.plan.warnings[0].startswith("assuming that an earlier task makes it: instance db lets no IAM user")
    assert made.transport.writes == []


def test_without_the_flag_a_user_that_is_there_gets_a_warning() -> None:
    made = project(OFF[0], users(NAME))
    outcome = converge(user(), made.google)
    assert (outcome.changed, len(outcome.plan.warnings)) == (False, 1)
    assert "lets no IAM user log in, so mlflow@p.iam could not" in outcome.plan.warnings[0]


def test_a_plan_that_sets_the_flag_too_says_nothing_of_it() -> None:
    declared = [
        {"owner": "o", "module": "sql_instance", "params": {"name": "db", "database_flags": {FLAG: "on"}}},
        {"owner": "o", "module": "sql_user", "params": {"instance": "db", "name": EMAIL, "type": SERVICE_ACCOUNT}},
    ]
    answers: dict[str, Any] = {f"GET {INSTANCE}": OFF[0], USERS: users(), "GET v1/flags": ok({"items": []})}
    made = cloud(answers)
    found = survey(parse_entries(declared, PROJECT), made.google, check_permissions=False)
    assert [plan.warnings for plan in found.plans] == [(), ()]
    assert found.plans[1].action is Action.CREATE
    assert made.transport.lines.count(f"GET {INSTANCE}") == 1


def test_a_user_with_a_password_costs_no_look_at_the_instance() -> None:
    made = cloud({USERS: users("ada", kind=BUILT_IN)})
    assert not converge(user(name="ada", type=BUILT_IN), made.google).changed
    assert made.transport.lines == [USERS]


def test_the_flag_of_an_instance_that_is_not_there() -> None:
    assert not has_iam_authentication(None)
    made = cloud({USERS: NO_INSTANCE})
    assert predict(user(), made.google).plan.action is Action.CREATE
    assert made.transport.lines == [USERS]


def test_roles_go_with_a_new_user_in_the_body_and_once_each() -> None:
    made = project(ON, users(), users(NAME))
    outcome = converge(user(database_roles=["cloudsqlsuperuser", "readers", "readers"]), made.google)
    (sent,) = made.transport.writes
    assert sent.body == {**BASE, "type": SERVICE_ACCOUNT, "databaseRoles": ["cloudsqlsuperuser", "readers"]}
    assert [change.after for change in outcome.plan.changes][-1] == ["cloudsqlsuperuser", "readers"]


def test_roles_of_a_user_that_is_there_are_left_alone() -> None:
    made = project(ON, users(NAME))
    assert not converge(user(database_roles=["cloudsqlsuperuser"]), made.google).changed
    assert made.transport.writes == []


@pytest.mark.parametrize("revoke", [False, True])
def test_roles_are_given_anew_by_the_query_and_others_stay_unless_told(revoke: bool) -> None:
    made = project(ON, users(NAME))
    always = {"database_roles": ["readers"], "update_database_roles": "always", "revoke_existing_roles": revoke}
    outcome = converge(user(**always), made.google)
    (sent,) = made.transport.writes
    expected = {"name": NAME, "databaseRoles": ["readers"], **({"revokeExistingRoles": "true"} if revoke else {})}
    assert (sent.method, sent.params, sent.body) == ("PUT", expected, {**BASE, "type": SERVICE_ACCOUNT})
    assert "Google does not tell which roles a user has" in outcome.plan.changes[0].reason
    assert outcome.plan.fields() == {"database_roles", *(["revoke_existing_roles"] if revoke else [])}


def test_a_password_and_roles_are_set_by_one_request() -> None:
    made = project(ON, users("ada", kind=BUILT_IN))
    options: dict[str, Any] = {"update_password": "always", "update_database_roles": "always", "password": "corr3ct"}
    converge(user(name="ada", type=BUILT_IN, database_roles=["readers"], **options), made.google)
    (sent,) = made.transport.writes
    assert sent.params == {"name": "ada", "databaseRoles": ["readers"]}
    assert sent.body == {**BASE, "name": "ada", "password": "corr3ct"}


def test_roles_alone_leave_the_password_out() -> None:
    made = project(ON, users("ada", kind=BUILT_IN))
    options: dict[str, Any] = {"database_roles": ["readers"], "update_database_roles": "always", "password": "corr3ct"}
    converge(user(name="ada", type=BUILT_IN, **options), made.google)
    assert made.transport.writes[0].body == {**BASE, "name": "ada"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"database_roles": ["readers", ""]}, "an empty name"),
        ({"database_roles": [NAME]}, f"{NAME} itself"),
        ({"update_database_roles": "always"}, "set database_roles"),
        ({"revoke_existing_roles": True, "database_roles": ["readers"]}, "set update_database_roles to always"),
    ],
)
def test_roles_that_cannot_be_meant_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        user(**options)


UNKNOWN = f"Provided {SERVICE_ACCOUNT}: {EMAIL}, does not exist."


def test_an_account_that_was_just_made_is_waited_for() -> None:
    made = cloud(
        {
            f"GET {INSTANCE}": ON,
            USERS: [users(), users(), users(NAME)],
            OPERATIONS: ok(),
            f"POST {INSTANCE}/users": [bad(400, "invalid", UNKNOWN), DONE],
        }
    )
    assert converge(user(), made.google).changed
    assert len(made.transport.writes) == 2


def test_an_account_that_is_not_there_is_an_error_with_the_way_out() -> None:
    made = project(ON, users(), POST=bad(400, "invalid", UNKNOWN))
    with pytest.raises(NotVisibleYetError, match=r"create the account with mlflow_ops\.gcp\.service_account"):
        converge(user(), made.google)
    assert made.time.seconds > 100


DEPENDS = 'failed to delete user mlflow@p.iam: . role "x" cannot be dropped because some objects depend on it'


@pytest.mark.parametrize("inside", [False, True])
def test_a_user_that_owns_something_is_not_dropped_and_the_line_says_how(inside: bool) -> None:
    operation = {
        "name": "op-1",
        "status": "DONE",
        "error": {"errors": [{"code": "INTERNAL_ERROR", "message": DEPENDS}]},
    }
    child = user(state="absent", confirm_delete=NAME)
    made = project(ON, users(NAME), DELETE=ok(operation) if inside else bad(400, "invalid", DEPENDS))
    with pytest.raises(GoogleError) as caught:
        converge(child, made.google)
    line = child.explain(caught.value)
    assert f'run REASSIGN OWNED BY "{NAME}" TO another role' in line
    assert "\n" not in line
    assert "REASSIGN" not in user().explain(caught.value)
