"""Databases and users: presence, passwords, protection, and instances that are missing or stopped."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_database import SqlDatabase
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_info import as_variables, read_all
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_user import SqlUser
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    InstanceNotRunningError,
    InvalidRequestError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ParentAbsentError

from tests.unit.fakes import DONE, NO_INSTANCE, NOT_FOUND, PROJECT, Answer, bad, cloud, ok
from tests.unit.options import validated

INSTANCE = f"v1/projects/{PROJECT}/instances/db"
DATABASE = f"GET {INSTANCE}/databases/mlflow"
USERS = f"GET {INSTANCE}/users"
OPERATIONS = f"GET v1/projects/{PROJECT}/operations"
STOPPED = bad(400, "invalid", "Invalid request since instance is not running.")
PASSWORD = "corr3ct-horse"


def database(**options: Any) -> SqlDatabase:
    return SqlDatabase(validated(SqlDatabase, {"instance": "db", "name": "mlflow", **options}), PROJECT)


def user(**options: Any) -> SqlUser:
    return SqlUser(validated(SqlUser, {"instance": "db", "name": "mlflow_user", **options}), PROJECT)


def users(*found: dict[str, Any]) -> Any:
    return ok({"items": [{"name": "postgres", "host": ""}, *found]} if found else {})


def test_a_missing_database_is_created() -> None:
    made = cloud({DATABASE: [NOT_FOUND, ok({"name": "mlflow"})], OPERATIONS: ok(), f"POST {INSTANCE}/databases": DONE})
    outcome = converge(database(charset="UTF8"), made.google)
    assert outcome.changed
    assert outcome.observed.body == {"name": "mlflow"}
    assert made.transport.writes[0].body == {"name": "mlflow", "charset": "UTF8", "instance": "db", "project": PROJECT}


def test_an_existing_database_is_left_alone_whatever_the_case_of_its_charset() -> None:
    made = cloud({DATABASE: ok({"name": "mlflow", "charset": "UTF8", "collation": "en_US.UTF8"})})
    assert not converge(database(charset="utf8", collation="en_us.utf8"), made.google).changed
    assert made.transport.lines == [DATABASE]


@pytest.mark.parametrize("options", [{"charset": "LATIN1"}, {"collation": "de_DE.UTF8"}])
def test_a_database_is_created_with_the_only_charset_that_google_takes(options: dict[str, str]) -> None:
    made = cloud({DATABASE: NOT_FOUND})
    for run in (converge, predict):
        with pytest.raises(
            RefusedError, match=r"creates databases with (UTF8|en_US\.UTF8) only: set (charset|collation)"
        ):
            run(database(**options), made.google)
    assert made.transport.writes == []


def test_the_charset_of_a_database_that_is_to_go_does_not_matter() -> None:
    answers: dict[str, Any] = {DATABASE: [ok({"name": "mlflow"}), NOT_FOUND], f"GET {INSTANCE}": ok()}
    made = cloud({**answers, OPERATIONS: ok(), f"DELETE {INSTANCE}/databases/mlflow": DONE})
    assert converge(database(charset="LATIN1", state="absent", confirm_delete="mlflow"), made.google).changed


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": ""}, "empty"),
        ({"name": "x" * 64}, "63 bytes"),
        ({"name": "ä" * 32}, "63 bytes"),
        ({"name": "template1"}, "Cloud SQL's own"),
        ({"name": "postgres", "state": "absent"}, "many clients look for"),
    ],
)
def test_bad_databases_are_refused(options: dict[str, str], text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        database(**options)


@pytest.mark.parametrize("options", [{"name": "x" * 63}, {"name": "postgres"}])
def test_other_databases_are_not(options: dict[str, str]) -> None:
    assert database(**options).name == options["name"]


IN_USE = "Invalid request: failed to delete database mlflow. pq: database is being accessed by other users"
NOT_OWNED = "Invalid request: failed to delete database mlflow. pq: must be owner of database mlflow"


@pytest.mark.parametrize(
    ("said", "way_out"),
    [(IN_USE, "stop what uses it (such as `docker compose stop mlflow`)"), (NOT_OWNED, "OWNER TO cloudsqlsuperuser")],
)
@pytest.mark.parametrize("inside", [False, True])
def test_why_a_database_cannot_be_dropped_and_what_to_do(said: str, way_out: str, inside: bool) -> None:
    operation = {"name": "op-1", "status": "DONE", "error": {"errors": [{"code": "INTERNAL_ERROR", "message": said}]}}
    child = database(state="absent", confirm_delete="mlflow")
    answers: dict[str, Any] = {DATABASE: ok({"name": "mlflow"}), f"GET {INSTANCE}": ok(), OPERATIONS: ok()}
    answers[f"DELETE {INSTANCE}/databases/mlflow"] = ok(operation) if inside else bad(400, "invalid", said)
    with pytest.raises(GoogleError) as caught:
        converge(child, cloud(answers).google)
    assert said in child.explain(caught.value)
    assert way_out in child.explain(caught.value)
    assert way_out not in database().explain(caught.value)


def test_a_databases_charset_and_collation_are_fixed() -> None:
    made = cloud({DATABASE: ok({"name": "mlflow", "charset": "UTF8", "collation": "C"})})
    outcome = converge(database(charset="LATIN1", collation="en_US.UTF8"), made.google)
    assert outcome.plan.action is Action.REFUSE
    assert [c.field for c in outcome.plan.refused] == ["charset", "collation"]
    assert made.transport.writes == []


@pytest.mark.parametrize("path", [DATABASE, USERS])
def test_a_missing_instance_is_an_error_in_a_real_run_and_a_prediction_in_check_mode(path: str) -> None:
    child = database() if path == DATABASE else user(password=PASSWORD)
    made = cloud({path: NO_INSTANCE})
    with pytest.raises(ParentAbsentError, match=r"create it first with mlflow_ops\.gcp\.sql_instance"):
        converge(child, made.google)
    made = cloud({path: NO_INSTANCE})
    outcome = predict(child, made.google)
    assert outcome.plan.action is Action.CREATE
    assert outcome.plan.warnings == ("sql_instance db does not exist: assuming that an earlier task creates it",)
    assert made.transport.writes == []


@pytest.mark.parametrize(
    "answer", [bad(404, "instanceDoesNotExist", "gone"), bad(404, "", "The Cloud SQL instance does not exist.")]
)
def test_a_404_about_the_instance_is_told_from_one_about_the_database(answer: Answer) -> None:
    with pytest.raises(ParentAbsentError):
        converge(database(), cloud({DATABASE: answer}).google)


@pytest.mark.parametrize("path", [DATABASE, USERS])
def test_nothing_is_to_be_removed_from_a_missing_instance(path: str) -> None:
    child = (database if path == DATABASE else user)(state="absent")
    assert not converge(child, cloud({path: NO_INSTANCE}).google).changed
    assert predict(child, cloud({path: NO_INSTANCE}).google).plan.action is Action.NONE


@pytest.mark.parametrize("path", [DATABASE, USERS])
def test_a_stopped_instance_makes_its_children_unknown_not_absent(path: str) -> None:
    child = database() if path == DATABASE else user(password=PASSWORD)
    outcome = predict(child, cloud({path: STOPPED}).google)
    assert outcome.plan.action is Action.UNKNOWN
    assert not outcome.changed
    made = cloud({path: STOPPED, OPERATIONS: ok()})
    with pytest.raises(InstanceNotRunningError):
        converge(child, made.google)
    assert made.transport.writes == []


def test_an_instance_that_is_just_being_made_is_waited_for() -> None:
    running = ok({"items": [{"name": "op-1", "status": "RUNNING"}]})
    made = cloud(
        {
            DATABASE: [STOPPED, NOT_FOUND, ok({"name": "mlflow"})],
            OPERATIONS: [running, ok()],
            f"{OPERATIONS}/op-1": DONE,
            f"POST {INSTANCE}/databases": DONE,
        }
    )
    assert converge(database(), made.google).changed


def test_a_missing_user_is_created_with_its_password() -> None:
    made = cloud({USERS: [users(), users({"name": "mlflow_user"})], OPERATIONS: ok(), f"POST {INSTANCE}/users": DONE})
    outcome = converge(user(password=PASSWORD), made.google)
    assert made.transport.writes[0].body == {
        "name": "mlflow_user",
        "instance": "db",
        "project": PROJECT,
        "password": PASSWORD,
    }
    assert PASSWORD not in str(outcome.plan.as_result()) + str(outcome.plan.as_diff())


def test_a_missing_user_without_a_password_is_refused_and_predicted_in_check_mode() -> None:
    made = cloud({USERS: users()})
    with pytest.raises(RefusedError, match="set password"):
        converge(user(), made.google)
    outcome = predict(user(), made.google)
    assert outcome.plan.action is Action.CREATE
    assert "assuming that an earlier task makes it" in outcome.plan.warnings[0]
    assert made.transport.writes == []


def test_an_existing_users_password_is_left_alone() -> None:
    made = cloud({USERS: users({"name": "mlflow_user", "type": "BUILT_IN"})})
    assert not converge(user(password="another"), made.google).changed
    assert made.transport.lines == [USERS]


@pytest.mark.parametrize(
    "answer",
    [
        bad(400, "invalid", 'failed to create user mlflow_user: role "mlflow_user" already exists.'),
        bad(409, "alreadyExists", "User mlflow_user already exists."),
    ],
)
def test_a_user_that_may_not_log_in_exists_though_google_does_not_list_it(answer: Answer) -> None:
    """ALTER ROLE ... NOLOGIN makes it vanish from Google's list; creating it shows that PostgreSQL still has it."""
    made = cloud({USERS: users(), OPERATIONS: ok(), f"POST {INSTANCE}/users": answer})
    outcome = converge(user(password=PASSWORD, update_password="always"), made.google)
    assert not outcome.changed
    assert "restore that with ALTER ROLE mlflow_user LOGIN" in outcome.plan.warnings[0]
    assert len(made.transport.writes) == 1


def test_another_refusal_of_a_creation_is_an_error() -> None:
    invalid = bad(400, "invalid", "Invalid user name.")
    made = cloud({USERS: users(), OPERATIONS: ok(), f"POST {INSTANCE}/users": invalid})
    with pytest.raises(InvalidRequestError, match="Invalid user name"):
        converge(user(password=PASSWORD), made.google)


def test_update_password_always_sends_it_by_name_in_the_query() -> None:
    made = cloud({USERS: users({"name": "mlflow_user"}), OPERATIONS: ok(), f"PUT {INSTANCE}/users": DONE})
    assert converge(user(password=PASSWORD, update_password="always"), made.google).changed
    (sent,) = made.transport.writes
    assert sent.params == {"name": "mlflow_user"}
    assert sent.body["password"] == PASSWORD


def test_a_lost_answer_to_a_creation_does_not_create_twice() -> None:
    made = cloud(
        {USERS: [users(), users({"name": "mlflow_user"})], OPERATIONS: ok(), f"POST {INSTANCE}/users": bad(503)}
    )
    outcome = converge(user(password=PASSWORD), made.google)
    assert outcome.changed
    assert len(made.transport.writes) == 1


def test_a_users_type_is_fixed() -> None:
    made = cloud({USERS: users({"name": "mlflow_user", "type": "CLOUD_IAM_USER"})})
    assert converge(user(password=PASSWORD), made.google).plan.action is Action.REFUSE


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"password": "two\nlines"}, "line break"),
        ({"password": "it's"}, "single quote"),
        ({"password": ""}, "empty"),
        ({"name": "x" * 64}, "63 bytes"),
        ({"name": ""}, "empty"),
        ({"name": "pg_reader"}, "a role of their own"),
        ({"name": "cloudsqladmin"}, "a role of their own"),
    ],
)
def test_bad_users_are_refused_and_the_password_is_not_repeated(options: dict[str, Any], text: str) -> None:
    with pytest.raises(RefusedError, match=text) as caught:
        user(**options)
    assert "two" not in str(caught.value)


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("confirmed", [True, False])
@pytest.mark.parametrize("kind", ["database", "user"])
def test_children_of_a_protected_instance_are_protected(kind: str, confirmed: bool, protected: bool) -> None:
    made = cloud(
        {
            DATABASE: [ok({"name": "mlflow"}), NOT_FOUND],
            USERS: [users({"name": "mlflow_user"}), users()],
            f"GET {INSTANCE}": ok({"settings": {"deletionProtectionEnabled": protected}}),
            OPERATIONS: ok(),
            f"DELETE {INSTANCE}/databases/mlflow": DONE,
            f"DELETE {INSTANCE}/users": DONE,
        }
    )
    child: SqlDatabase | SqlUser
    if kind == "database":
        child = database(state="absent", confirm_delete="mlflow" if confirmed else None)
    else:
        child = user(state="absent", confirm_delete="mlflow_user" if confirmed else None)
    outcome = converge(child, made.google)
    assert outcome.changed is (confirmed and not protected)
    assert len(made.transport.writes) == int(outcome.changed)
    if kind == "user" and outcome.changed:
        assert made.transport.writes[0].params == {"name": "mlflow_user"}


def test_info_reads_everything_and_says_nothing_of_a_stopped_instance() -> None:
    answers: dict[str, Any] = {f"GET {INSTANCE}": ok({"name": "db"}), f"GET {INSTANCE}/databases": STOPPED}
    stopped = read_all(cloud(answers).google, "db")
    assert (stopped["instance"], stopped["databases"], stopped["users"]) == ({"name": "db"}, None, None)
    answers |= {f"GET {INSTANCE}/databases": ok({"items": [{"name": "mlflow"}]}), USERS: users()}
    running = read_all(cloud(answers).google, "db")
    assert (running["databases"], running["users"]) == ([{"name": "mlflow"}], [])
    assert running["as_variables"]["mlflow_instance"] == "db"
    absent = read_all(cloud({f"GET {INSTANCE}": NO_INSTANCE}).google, "db")
    assert (absent["instance"], absent["as_variables"]) == (None, {})


def test_variables_name_what_people_have_made_where_there_is_no_choice() -> None:
    mine, googles = {"name": "runs"}, [{"name": "postgres"}, {"name": "cloudsqladmin"}]
    iam = {"name": "sa@p.iam", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    variables = as_variables({"name": "db"}, [*googles, mine], [googles[0], iam, {"name": "theirs"}])
    assert (variables["mlflow_database"], variables["mlflow_database_user"]) == ("runs", "theirs")
    assert (
        not {"mlflow_database", "mlflow_database_user"} & as_variables({"name": "db"}, [mine, {"name": "x"}], []).keys()
    )
