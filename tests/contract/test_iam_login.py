"""The database login by IAM: provision.yml from an empty project, the switch both ways, and the role it acts as.

The project is made once, and each test goes on from where the one before it has left it.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import yaml

from tests.contract import playbooks
from tests.contract.bench import PROJECT, Bench, writes
from tests.contract.test_container_keys import KEY, containers, part, play, run
from tests.contract.test_wrong_input import EXAMPLE, HOSTS

IMAGE = playbooks.ROOT / "roles" / "tracking_server" / "files" / "image"
INSTANCE = "mlflow-metadata"
ACCOUNT = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"
NAME = ACCOUNT.removesuffix(".gserviceaccount.com")
FLAG = {"name": "cloudsql.iam_authentication", "value": "on"}
IAM = {"mlflow_database_authentication": "iam"}
USERS = f"POST /v1/projects/{PROJECT}/instances/{INSTANCE}/users"
PATCH = f"PATCH /v1/projects/{PROJECT}/instances/{INSTANCE}"


class Team:
    """An inventory made from inventories/example, and a project."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        group = folder / "group_vars" / "all"
        group.mkdir(parents=True)
        shutil.copy(HOSTS, folder / "hosts.yml")
        shutil.copy(EXAMPLE, group / "mlflow.yml")
        connection = {**bench.common, "project": "{{ gcp_project }}", "credentials_contents": json.dumps(bench.key)}
        # As the example says of an instance that is there already.
        known = {"gcp_project": PROJECT, "gcp_connection": connection, "backend_store_settings": {}}
        (group / "of_the_test.yml").write_text(yaml.safe_dump(known))

    def provisions(self, *options: str, **variables: Any) -> tuple[int, str, list[dict[str, Any]]]:
        """Exit code, output on one line, and what was asked."""
        given = self.folder / "given.json"
        given.write_text(json.dumps(variables))
        with self.bench.recorded() as seen:
            done = playbooks.provision(self.folder, f"-e@{given}", *options)
        return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr), seen

    def writes(self, *options: str, **variables: Any) -> list[str]:
        """The writes of a run that succeeds."""
        returncode, output, seen = self.provisions(*options, **variables)
        assert returncode == 0, output
        return writes(seen)

    def flags(self) -> list[dict[str, str]]:
        """The instance's flags."""
        instance = self.bench.google().get("sql", f"v1/projects/{PROJECT}/instances/{INSTANCE}")
        return list(instance["settings"].get("databaseFlags", []))

    def roles(self) -> dict[str, list[str]]:
        """The members of the account's roles on the project."""
        policy = self.bench.google().query("cloudresourcemanager", f"v1/projects/{PROJECT}:getIamPolicy", {})
        mine = [b["role"] for b in policy["bindings"] if f"serviceAccount:{ACCOUNT}" in b["members"]]
        return {"account": sorted(mine)}

    def users(self) -> dict[str, str]:
        """Name and type of the database users."""
        found = self.bench.google().get("sql", f"v1/projects/{PROJECT}/instances/{INSTANCE}/users")["items"]
        return {user["name"]: user.get("type", "BUILT_IN") for user in found}


@pytest.fixture(scope="module")
def team(emulator: Bench, tmp_path_factory: pytest.TempPathFactory) -> Team:
    emulator.reset()
    return Team(emulator, tmp_path_factory.mktemp("team"))


def test_a_check_of_an_empty_project_shows_what_iam_takes_and_writes_nothing(team: Team) -> None:
    returncode, output, seen = team.provisions("--check", "--diff", **IAM)
    assert returncode == 0, output
    assert writes(seen) == []
    assert f"create sql_user {NAME} (backend_store) name: {NAME} (is to be created)" in output
    assert "type: CLOUD_IAM_SERVICE_ACCOUNT (is to be created) database_roles: cloudsqlsuperuser" in output
    assert "database_flags.cloudsql.iam_authentication: on (is to be created)" in output
    assert "create project_iam_member roles/cloudsql.instanceUser" in output
    assert "create secret" not in output


def test_an_empty_project_with_iam_needs_no_secret(team: Team) -> None:
    returncode, output, seen = team.provisions(**IAM)
    assert returncode == 0, output
    assert team.users() == {"postgres": "BUILT_IN", NAME: "CLOUD_IAM_SERVICE_ACCOUNT"}
    assert team.flags() == [FLAG]
    assert team.roles() == {"account": ["roles/cloudsql.client", "roles/cloudsql.instanceUser"]}
    assert [r["path"] for r in seen if re.search(r"/secrets\b", r["path"])] == []
    # Not by a change afterwards, which would restart it.
    assert [line for line in writes(seen) if line.startswith("PATCH")] == []


def test_a_second_run_writes_nothing_and_asks_each_object_once(team: Team) -> None:
    returncode, output, seen = team.provisions(**IAM)
    assert returncode == 0, output
    assert writes(seen) == []
    assert "changed=0" in output
    read = [f"{r['method']} {r['path']}" for r in seen]
    assert sorted(read) == sorted(set(read))


def postgresql(team: Team) -> str:
    """Where the instance's PostgreSQL listens; it trusts IAM users there, whom the emulator lets through."""
    state = requests.get(f"{team.bench.management_url}health", timeout=10).json()["state"]
    (found,) = Path(state, "postgresql").glob("*/socket")
    return str(found)


@pytest.fixture
def program(team: Team, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Loads a program of the image, for the account's logins."""
    # The image has psycopg2, which psycopg 3 stands in for: the same calls, the same libpq.
    monkeypatch.setitem(sys.modules, "psycopg2", psycopg)
    monkeypatch.syspath_prepend(IMAGE)
    for name, value in {"PGHOST": postgresql(team), "PGUSER": NAME, "PGDATABASE": "mlflow"}.items():
        monkeypatch.setenv(name, value)
    names = ("connection", "login", "act_as")
    (tmp_path / "revision").write_text("new")

    def load(name: str) -> Any:
        for each in names:
            monkeypatch.delitem(sys.modules, each, raising=False)
        loaded = importlib.import_module(name)
        if name == "login":
            monkeypatch.setattr(loaded, "REVISION", tmp_path / "revision")
        return loaded

    yield load
    for each in names:
        sys.modules.pop(each, None)


def looks(program: Callable[[str], Any]) -> dict[str, Any]:
    found: dict[str, Any] = program("login").look(None, "", "mlflow_user")
    assert found["login"], found["reason"]
    return {key: found[key] for key in ("acting_as", "role", "role_held", "obstacle")}


def runs(team: Team, user: str, *statements: str) -> None:
    """As a user of the MLflow database."""
    with psycopg.connect(host=postgresql(team), user=user, dbname="mlflow", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def owners(team: Team) -> dict[str, str]:
    query = "SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relname LIKE 'mlflow\\_%' AND relkind = 'r'"
    with psycopg.connect(host=postgresql(team), user="cloudsqladmin", dbname="mlflow") as connection:
        return {str(row[0]): str(row[1]) for row in connection.execute(query.encode())}


def test_a_new_database_is_worked_in_as_its_owner(team: Team, program: Callable[[str], Any]) -> None:
    asked = {"role": "cloudsqlsuperuser", "role_held": True, "obstacle": ""}
    assert looks(program) == {"acting_as": NAME, **asked}
    program("act_as").act_as("cloudsqlsuperuser")
    assert looks(program) == {"acting_as": "cloudsqlsuperuser", **asked}
    runs(team, NAME, "CREATE TABLE mlflow_a (x int)")
    assert owners(team) == {"mlflow_a": "cloudsqlsuperuser"}


def test_the_way_to_a_password_makes_a_user_who_may_change_these_tables(team: Team) -> None:
    written = team.writes()
    assert [line for line in written if "/instances/" in line] == [USERS]
    assert team.users()["mlflow_user"] == "BUILT_IN"
    password = team.bench.run("secret", name="mlflow-db-password", generate=True, return_value=True)["value"]
    with psycopg.connect(host=postgresql(team), user="mlflow_user", password=password, dbname="mlflow") as connection:
        connection.execute("ALTER TABLE mlflow_a ADD y int")
        connection.execute("CREATE TABLE mlflow_b (x int)")
    assert owners(team) == {"mlflow_a": "cloudsqlsuperuser", "mlflow_b": "mlflow_user"}


def test_back_at_iam_the_account_is_to_act_as_that_user_and_the_api_lets_it(
    team: Team, program: Callable[[str], Any]
) -> None:
    assert team.writes(**IAM) == []
    assert looks(program) == {
        "acting_as": "cloudsqlsuperuser",
        "role": "mlflow_user",
        "role_held": False,
        "obstacle": "",
    }
    options: dict[str, Any] = {"instance": INSTANCE, "name": ACCOUNT, "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    options |= {"database_roles": ["mlflow_user"], "update_database_roles": "always"}
    assert team.bench.run("sql_user", **options)["changed"]
    program("act_as").act_as("mlflow_user")
    assert looks(program) == {"acting_as": "mlflow_user", "role": "mlflow_user", "role_held": True, "obstacle": ""}
    runs(
        team, NAME, "ALTER TABLE mlflow_a ADD z int", "ALTER TABLE mlflow_b ADD z int", "CREATE TABLE mlflow_c (x int)"
    )
    assert owners(team) == {"mlflow_a": "cloudsqlsuperuser", "mlflow_b": "mlflow_user", "mlflow_c": "mlflow_user"}


def test_a_membership_that_was_taken_away_is_found(team: Team, program: Callable[[str], Any]) -> None:
    runs(team, "cloudsqladmin", f'REVOKE mlflow_user FROM "{NAME}"')
    found = looks(program)
    # PostgreSQL then lets the account in as itself.
    assert (found["acting_as"], found["role"], found["role_held"]) == (NAME, "mlflow_user", False)


def test_the_account_owns_nothing_and_so_can_go(team: Team) -> None:
    options: dict[str, Any] = {"instance": INSTANCE, "name": ACCOUNT, "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    runs(team, "cloudsqladmin", "ALTER TABLE mlflow_c OWNER TO cloudsqlsuperuser")
    team.bench.run("sql_instance", name=INSTANCE, deletion_protection_enabled=False)
    assert team.bench.run("sql_user", **options, state="absent", confirm_delete=NAME)["changed"]
    message = team.bench.fail(
        "sql_user", instance=INSTANCE, name="mlflow_user", state="absent", confirm_delete="mlflow_user"
    )
    assert "cannot be dropped because some objects depend on it" in message
    assert 'run REASSIGN OWNED BY "mlflow_user" TO another role' in message


def test_an_instance_that_is_there_is_not_restarted_without_leave(team: Team) -> None:
    team.bench.run("sql_instance", name=INSTANCE, database_flags={FLAG["name"]: None}, allow_restart=True)
    returncode, output, seen = team.provisions(**IAM)
    assert returncode != 0
    assert "database_flags.cloudsql.iam_authentication: None -> 'on'" in output
    assert "this restarts the database: set backend_store_allow_restart (option allow_restart) to true" in output
    assert writes(seen) == []
    checked, output, seen = team.provisions("--check", **IAM, backend_store_allow_restart=True)
    assert (checked, writes(seen)) == (0, []), output
    assert "assuming that an earlier task makes it: instance mlflow-metadata lets no IAM user log in" in output
    assert team.writes(**IAM, backend_store_allow_restart=True) == [PATCH, USERS]
    assert team.flags() == [FLAG]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"mlflow_database_authentication": "ldap"}, "is ldap, and the tracking server can log in to its database by"),
        (
            IAM | {"mlflow_database_account": f"{'x' * 30}@{'p' * 30}.iam.gserviceaccount.com"},
            "has 65 bytes, and PostgreSQL knows names of 63 bytes at most: choose an account with a shorter ID",
        ),
    ],
)
def test_what_cannot_work_is_one_line_and_nothing_is_written(team: Team, given: dict[str, Any], line: str) -> None:
    returncode, output, seen = team.provisions(**given)
    assert returncode != 0
    assert line in output
    assert writes(seen) == []


@pytest.mark.parametrize("value", ["off", False])
def test_a_flag_that_says_otherwise_is_refused(tmp_path: Path, value: object) -> None:
    settings = {"max_connections": 50, FLAG["name"]: value}
    checked = [part("backend_store", "check_authentication.yml")]
    given = {"backend_store_settings": {"database_flags": settings}}
    assert run(tmp_path, checked, **given)[0] == 0
    returncode, output = run(tmp_path, checked, **given, **IAM)
    assert returncode != 0
    assert f"the database flag cloudsql.iam_authentication of db to {value}, with which nobody can log in" in output


SERVER = {"mlflow_server_account": "mlflow-server", **IAM}


def test_the_containers_of_a_login_by_iam(tmp_path: Path) -> None:
    by_iam = containers(tmp_path, **SERVER)
    by_password = containers(tmp_path)
    name = "mlflow-server@p.iam"
    for service in ("cloud-sql-proxy", "connection-test"):
        assert "--auto-iam-authn" in by_iam[service]["command"]
        assert "--auto-iam-authn" not in by_password[service]["command"]
    for service in ("mlflow", "schema", "check"):
        assert by_iam[service]["environment"]["PGUSER"] == name
        assert "PGPASSFILE" not in by_iam[service]["environment"]
        assert by_password[service]["environment"].items() >= {"PGUSER": "mlflow_user"}.items()
        assert "PGPASSFILE" in by_password[service]["environment"]
    assert "secrets" not in json.dumps(by_iam)


def test_nobody_but_the_proxys_own_account_can_log_in(tmp_path: Path) -> None:
    given = {**SERVER, "tracking_server_proxy_credentials": json.dumps(KEY)}
    returncode, output = play(tmp_path, **given)
    assert returncode != 0
    email = KEY["client_email"]
    assert f"The Cloud SQL Auth Proxy runs as {email}" in output
    assert f"Set mlflow_database_account to {email} . Nothing was changed." in output.replace(email + ".", email + " .")
    made = containers(tmp_path, **given, mlflow_database_account=email)
    assert made["mlflow"]["environment"]["PGUSER"] == email.removesuffix(".gserviceaccount.com")
    acted = {**SERVER, "tracking_server_proxy_impersonate": "other@p.iam.gserviceaccount.com"}
    assert play(tmp_path, **acted)[0] != 0


@pytest.mark.parametrize(
    ("where", "refused"),
    [("0.0.0.0:5432", True), ("10.0.0.10:5432", True), ("127.0.0.1:5432", False), ("127.0.0.2:5432", False)],
)
def test_a_port_that_asks_for_no_password_is_for_the_machine_alone(tmp_path: Path, where: str, refused: bool) -> None:
    """What the machine is asked first is prepared: a Docker that has nothing to do with us."""
    looked = {
        "container_host__read": {"stdout": ""},
        "container_host__lines": ["machine x86_64", "address 10.0.0.10"],
        "container_host__free": {"docker": 10**9, "root": 10**9},
        "container_host__docker_data": "/var/lib/docker",
    }
    given = {**SERVER, **looked, "tracking_server_proxy_publish": where}
    returncode, output = run(tmp_path, [part("tracking_server", "machine.yml")], **given)
    assert returncode == (2 if refused else 0), output
    line = f"tracking_server_proxy_publish is {where}, and with mlflow_database_authentication: iam whoever reaches"
    assert (line in output) is refused
    by_password = {**given, "mlflow_database_authentication": "password"}
    assert run(tmp_path, [part("tracking_server", "machine.yml")], **by_password)[0] == 0
