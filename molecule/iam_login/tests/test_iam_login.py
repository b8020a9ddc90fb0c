"""A server without any password, what happens when its role is gone, and the switch to a password and back.

In order, each test on what the last one left.
"""

import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import requests as http
from dotenv import dotenv_values
from testinfra.host import Host

TRAINING = Path(__file__).resolve().parents[3] / "roles" / "trainer" / "files" / "example.py"
COMPOSE = "docker compose --file /opt/mlflow/compose.yml"
BY_IAM = ("--extra-vars", "mlflow_database_authentication=iam")
QUICKLY = ("--extra-vars", "tracking_server_round_trip=false")
ROLE = "roles/cloudsql.instanceUser"
OWNERS = (
    "SELECT pg_get_userbyid(relowner), count(*) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY 1 ORDER BY 1"
)


class Server:
    """The tracking server, as a data scientist and as somebody on its machine meet it."""

    def __init__(self, host: Host, card: dict[str, Any]) -> None:
        self.host = host
        self.account = f"mlflow-server@{card['project']}.iam.gserviceaccount.com"
        self.user = self.account.removesuffix(".gserviceaccount.com")
        self.url = f"http://{card['target']['host']}:5000/api/2.0/mlflow"
        self.runs: list[str] = []

    def trains(self) -> None:
        """A real training run, in a container that has MLflow."""
        program = TRAINING.read_text()
        command = f"{COMPOSE} run --rm --no-TTY --no-deps check -"
        printed = self.host.check_output(f"{command} <<'PROGRAM'\n{program}\nPROGRAM")
        self.runs.append(json.loads(printed.strip().splitlines()[-1])["run_id"])

    def has_all_runs(self) -> bool:
        """Whether each run is there, with what it has logged."""
        asked = [http.get(f"{self.url}/runs/get", params={"run_id": run}, timeout=10) for run in self.runs]
        return bool(asked) and all(reply.ok and reply.json()["run"]["data"]["metrics"] for reply in asked)

    def asks(self, query: str) -> list[list[Any]]:
        """SQL as MLflow's own login."""
        program = (
            "import connection as c, json; s = c.connect(); s.autocommit = True; k = s.cursor(); "
            f"k.execute({query!r}); print(json.dumps(k.fetchall() if k.description else []))"
        )
        command = f"{COMPOSE} run --rm --no-TTY --no-deps check -c {shlex.quote(program)}"
        answer: list[list[Any]] = json.loads(self.host.check_output(command))
        return answer

    def values(self) -> dict[str, str | None]:
        """The .env file as python-dotenv reads it."""
        return dotenv_values(stream=io.StringIO(self.host.file("/opt/mlflow/.env").content_string))


@pytest.fixture(scope="module")
def server(host: Host, card: dict[str, Any]) -> Server:
    return Server(host, card)


def test_a_training_run_is_logged_without_any_password(server: Server) -> None:
    server.trains()
    assert server.has_all_runs()
    assert server.asks("SELECT session_user, current_user") == [[server.user, "cloudsqlsuperuser"]]
    assert [owner for owner, _ in server.asks(OWNERS)] == ["cloudsqlsuperuser"]


def test_the_four_values_are_enough_to_log_in_on_this_machine(host: Host, server: Server) -> None:
    values = server.values()
    assert list(values) == ["MLFLOW_DB_USER", "MLFLOW_DB_PASSWORD", "MLFLOW_DB_NAME", "MLFLOW_INSTANCE_CONNECTION"]
    assert (values["MLFLOW_DB_USER"], values["MLFLOW_DB_PASSWORD"]) == (server.user, "")
    assert not host.socket("tcp://0.0.0.0:5432").is_listening
    image = host.check_output("docker inspect --format '{{.Config.Image}}' mlflow-mlflow-1")
    program = "import psycopg2, sys; psycopg2.connect(host='127.0.0.1', user=sys.argv[1], password='', dbname='mlflow')"
    words = shlex.join(["docker", "run", "--rm", "--network", "host", image, "python3", "-c", program])
    assert host.run(f"{words} {server.user}").succeeded
    refused = host.run(f"{words} postgres")
    assert refused.failed
    assert "fe_sendauth: no password supplied" in refused.stderr


def test_no_password_is_anywhere(host: Host, requests: list[dict[str, Any]], log: str) -> None:
    assert host.check_output("find /opt/mlflow/secrets -type f") == ""
    for command in ("cat /opt/mlflow/compose.yml", "docker inspect $(docker ps --quiet)"):
        shown = host.check_output(command)
        assert "--auto-iam-authn" in shown
        assert not re.search("PGPASS|passfile", shown)
    assert [r["path"] for r in requests if re.search(r"/secrets\b", r["path"])] == []
    assert "create secret" not in log


def test_without_its_role_nobody_is_let_in_and_verify_names_it(operator: Any, server: Server) -> None:
    operator.breaks("project_iam_member", role=ROLE, member=f"serviceAccount:{server.account}", state="absent")
    returncode, output = operator.plays("playbooks/verify.yml", *BY_IAM, *QUICKLY)
    assert returncode != 0
    assert f"{server.user} cannot log in to mlflow of mlflow-sandbox:europe-west3:mlflow-metadata by IAM" in output
    assert f"run site.yml: it grants {ROLE} again" in output
    assert "Cloud SQL IAM service account authentication failed" in output


def test_the_way_to_a_password(host: Host, operator: Any, server: Server) -> None:
    """The role is not needed for it."""
    returncode, output = operator.plays("site.yml", *QUICKLY)
    assert returncode == 0, output
    assert server.values()["MLFLOW_DB_USER"] == "mlflow_user"
    assert server.values()["MLFLOW_DB_PASSWORD"]
    assert host.check_output("find /opt/mlflow/secrets -type f") == "/opt/mlflow/secrets/pg/passfile"
    assert server.has_all_runs()
    assert server.asks("SELECT session_user, current_user") == [["mlflow_user", "mlflow_user"]]
    # What a migration would do.
    server.asks("ALTER TABLE runs ADD extra int")
    server.asks("CREATE TABLE extra (x int)")
    assert [owner for owner, _ in server.asks(OWNERS)] == ["cloudsqlsuperuser", "mlflow_user"]


def test_and_back(host: Host, operator: Any, server: Server) -> None:
    returncode, output = operator.plays("site.yml", *BY_IAM, *QUICKLY)
    assert returncode == 0, output
    assert server.values()["MLFLOW_DB_PASSWORD"] == ""
    assert host.check_output("find /opt/mlflow/secrets -mindepth 1") == ""
    assert server.has_all_runs()
    assert server.asks("SELECT session_user, current_user") == [[server.user, "mlflow_user"]]
    server.asks("ALTER TABLE runs DROP extra")
    server.asks("DROP TABLE extra")


def test_then_there_is_nothing_to_rotate(operator: Any, card: dict[str, Any]) -> None:
    recorded = http.get(f"{card['management_url']}/requests", timeout=30).json()
    returncode, output = operator.plays("playbooks/rotate_password.yml", *BY_IAM)
    assert returncode == 0, output
    assert "Nothing to rotate: mlflow-server@mlflow-sandbox.iam logs in to mlflow" in output
    assert not re.search(r"changed=[1-9]", output)
    after = http.get(f"{card['management_url']}/requests", timeout=30).json()[len(recorded) :]
    assert [request for request in after if request["mutating"]] == []
