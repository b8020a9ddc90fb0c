"""Users: their roles in PostgreSQL, the password policy, and what is refused."""

import pytest

from sandbox.core.documents import Json
from sandbox.tests.emulator.database import done, sql
from sandbox.tests.running import PROJECT, Client, Sandbox

INSTANCE = "metadata"
USERS = f"instances/{INSTANCE}/users"


@pytest.fixture(scope="module", autouse=True)
def instance(sandbox: Sandbox) -> Json:
    """One running instance with two roles of its own for the module."""
    made = sandbox.create_instance(INSTANCE)
    for role in ("readers", "writers"):
        sql(sandbox, INSTANCE, f"CREATE ROLE {role}")
    return made


def roles_of(sandbox: Sandbox, user: str) -> set[object]:
    """What the user is a direct member of."""
    query = (
        "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid "
        "JOIN pg_roles u ON u.oid = m.member WHERE u.rolname = %s"
    )
    return {row[0] for row in sql(sandbox, INSTANCE, query, user)}


def test_a_new_user_is_cloudsqlsuperuser_unless_roles_are_given(sandbox: Sandbox, operator: Client) -> None:
    operator.must("POST", USERS, {"name": "plain", "password": "x"})
    operator.must("POST", USERS, {"name": "reader", "password": "x", "databaseRoles": ["readers"]})
    operator.must("POST", "serviceAccounts", {"accountId": "trainer"})
    iam = f"trainer@{PROJECT}.iam"
    body = {"name": iam, "type": "CLOUD_IAM_SERVICE_ACCOUNT", "databaseRoles": ["writers"]}
    operator.must("POST", USERS, body)
    assert roles_of(sandbox, "plain") == {"cloudsqlsuperuser"}
    assert roles_of(sandbox, "reader") == {"readers"}
    assert roles_of(sandbox, iam) == {"cloudsqliamserviceaccount", "writers"}


def test_an_update_grants_roles_and_revokes_others_only_if_asked(sandbox: Sandbox, operator: Client) -> None:
    operator.must("POST", USERS, {"name": "ada", "password": "x", "databaseRoles": ["readers"]})
    operation = operator.must("PUT", f"{USERS}?name=ada&databaseRoles=writers&databaseRoles=pg_monitor", {})
    assert operation["operationType"] == "UPDATE_USER"
    assert roles_of(sandbox, "ada") == {"readers", "writers", "pg_monitor"}
    operator.must("PUT", f"{USERS}?name=ada&databaseRoles=writers&revokeExistingRoles=true", {})
    assert roles_of(sandbox, "ada") == {"writers"}
    operator.must("PUT", f"{USERS}?name=ada", {"password": "y", "databaseRoles": ["readers"]})
    assert roles_of(sandbox, "ada") == {"writers"}, "roles in the body of an update are ignored"
    assert "databaseRoles" not in operator.get(f"{USERS}/ada")


def test_a_role_that_is_not_there_leaves_no_user_behind(operator: Client) -> None:
    reply = operator.call("POST", USERS, {"name": "late", "password": "x", "databaseRoles": ["nobodys"]})
    assert (reply.status, 'role "nobodys" does not exist' in reply.message) == (400, True)
    assert operator.call("GET", f"{USERS}/late").status == 404
    reply = operator.call("POST", USERS, {"name": "late", "password": "x", "databaseRoles": ["cloudsqladmin"]})
    assert (reply.status, "cloudsqladmin" in reply.message) == (400, True)


def test_a_user_that_owns_tables_is_not_dropped(sandbox: Sandbox, operator: Client) -> None:
    operator.must("POST", USERS, {"name": "owner", "password": "x"})
    sql(sandbox, INSTANCE, "CREATE TABLE owned (number int)")
    sql(sandbox, INSTANCE, "ALTER TABLE owned OWNER TO owner")
    reply = operator.call("DELETE", f"{USERS}?name=owner")
    assert (reply.status, reply.reason) == (400, "invalid")
    assert 'failed to delete user owner: role "owner" cannot be dropped because some objects depend' in reply.message


@pytest.mark.parametrize(
    ("body", "status", "fragment"),
    [
        ({"name": "cloudsqlx", "password": "x"}, 400, "Invalid user name"),
        ({"name": "nopassword"}, 400, "needs a password"),
        ({"name": f"gone@{PROJECT}.iam", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}, 400, "does not exist."),
        ({"name": "team@example.com", "type": "CLOUD_IAM_GROUP"}, 400, "CLOUD_IAM_GROUP"),
        ({"name": "ada@example.com", "type": "CLOUD_IAM_USER", "password": "x"}, 400, "Password should not be set"),
        ({"name": "x", "password": "x", "passwordPolicy": {"allowedFailedAttempts": 3}}, 400, "passwordPolicy"),
    ],
)
def test_what_a_new_user_cannot_be(operator: Client, body: Json, status: int, fragment: str) -> None:
    reply = operator.call("POST", USERS, body)
    assert (reply.status, fragment in reply.message) == (status, True), reply.message


def test_the_password_policy_of_the_instance_holds(operator: Client) -> None:
    policy = {"enablePasswordPolicy": True, "minLength": 12, "complexity": "COMPLEXITY_DEFAULT"}
    policy |= {"disallowUsernameSubstring": True}
    done(operator, "PATCH", f"instances/{INSTANCE}", {"settings": {"passwordValidationPolicy": policy}})
    for password, fragment in (
        ("Sh0rt!", "shorter than 12"),
        ("longbutplainletters", "non-alphanumeric"),
        ("Strict-Horse-12345", "contain the user's name"),
    ):
        reply = operator.call("POST", USERS, {"name": "strict", "password": password})
        assert (reply.status, fragment in reply.message) == (400, True), reply.message
    operator.must("POST", USERS, {"name": "strict", "password": "Correct-Horse-1"})
    assert operator.call("PUT", f"{USERS}?name=strict", {"password": "weak"}).status == 400
    refused = {"passwordValidationPolicy": {"reuseInterval": 3}}
    assert "reuseInterval" in operator.call("PATCH", f"instances/{INSTANCE}", {"settings": refused}).message
    done(operator, "PATCH", f"instances/{INSTANCE}", {"settings": {"passwordValidationPolicy": None}})
