"""rotate_password.yml: a new password without a restart, and whatever it was killed after, a second run ends well."""

import base64
import json
import shlex
from typing import Any

import pytest
from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import service_account
from testinfra.host import Host

PLAYBOOK = "playbooks/rotate_password.yml"
SECRET = "mlflow-db-password"
PASSFILE = "/opt/mlflow/secrets/pg/passfile"
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
STEPS = (
    "Keep a new password in Secret Manager",
    "Set the password of the database user",
    "Stop where it does not work",
    "Write the .env file",
    "Write the passfile",
)
# Ends the server's sessions, so that its next request has to log in anew.
END_SESSIONS = (
    "import psycopg2; c = psycopg2.connect('').cursor(); "
    "c.execute('select count(pg_terminate_backend(pid)) from pg_stat_activity "
    "where usename = current_user and pid <> pg_backend_pid()'); print(c.fetchone()[0])"
)


def password(host: Host) -> str:
    """What the server reads at its next login."""
    line: str = host.file(PASSFILE).content_string.strip()
    return line.split(":", 4)[4]


def started(host: Host) -> dict[str, str]:
    """When each container was started, by its id."""
    listing = host.check_output("docker ps --quiet --no-trunc --filter label=com.docker.compose.project=mlflow")
    inspected = json.loads(host.check_output(f"docker inspect {' '.join(listing.split())}"))
    return {container["Id"]: container["State"]["StartedAt"] for container in inspected}


class Vault:
    """The secret of the password, as its owner sees it in Secret Manager."""

    def __init__(self, card: dict[str, Any]) -> None:
        credentials = service_account.Credentials.from_service_account_file(
            card["operator"]["key_file"], scopes=["https://www.googleapis.com/auth/cloud-platform"]
        )
        self.session = AuthorizedSession(credentials)
        self.url = f"{card['endpoints']['secretmanager']}v1/projects/{card['project']}/secrets/{SECRET}/versions"

    def states(self) -> dict[int, str]:
        """The state of each version, by its number."""
        listed = self.session.get(self.url, timeout=10).json()["versions"]
        return {int(version["name"].rpartition("/")[2]): version["state"] for version in listed}

    def newest(self) -> str:
        """The value of the newest version."""
        found = self.session.get(f"{self.url}/latest:access", timeout=10).json()
        return base64.b64decode(found["payload"]["data"]).decode()


@pytest.fixture(scope="module")
def vault(card: dict[str, Any]) -> Vault:
    return Vault(card)


def logs_in_anew(host: Host) -> None:
    """The server itself, with its sessions ended: a retried search works."""
    (mlflow,) = host.check_output("docker ps --quiet --filter label=com.docker.compose.service=mlflow").split()
    ended = host.check_output(f"docker exec {mlflow} python3 -c {shlex.quote(END_SESSIONS)}")
    assert int(ended) > 0
    address = host.check_output(f"docker port {mlflow} 5000/tcp").splitlines()[0]
    host.check_output(f"curl --fail --silent --retry 8 --retry-all-errors --retry-delay 1 'http://{address}{SEARCH}'")


def is_settled(host: Host, vault: Vault) -> None:
    """Secret Manager, PostgreSQL, .env and passfile agree, and nothing older can be used."""
    states = vault.states()
    assert [number for number, state in states.items() if state == "ENABLED"] == [max(states)]
    assert vault.newest() == password(host)
    assert f"MLFLOW_DB_PASSWORD='{vault.newest()}'" in host.file("/opt/mlflow/.env").content_string
    logs_in_anew(host)


def test_a_new_password_without_a_restart(host: Host, operator: Any, vault: Vault) -> None:
    before, running = password(host), started(host)
    returncode, output = operator.plays(PLAYBOOK)
    assert returncode == 0, output
    assert password(host) != before
    assert started(host) == running
    is_settled(host, vault)


@pytest.mark.parametrize("step", STEPS)
def test_killed_after_a_step_a_second_run_ends_well(host: Host, operator: Any, vault: Vault, step: str) -> None:
    before = max(vault.states())
    operator.killed_after(step, PLAYBOOK)
    assert max(vault.states()) == before + 1
    returncode, output = operator.plays(PLAYBOOK)
    assert returncode == 0, output
    is_settled(host, vault)


def test_killed_before_the_user_has_it_site_yml_ends_well(host: Host, operator: Any, vault: Vault) -> None:
    operator.killed_after(STEPS[0], PLAYBOOK)
    returncode, output = operator.plays("site.yml")
    assert returncode == 0, output
    assert vault.newest() == password(host)
    logs_in_anew(host)


def test_a_password_from_a_vault_is_refused_with_the_way_out(operator: Any, vault: Vault) -> None:
    before = vault.states()
    returncode, output = operator.plays(PLAYBOOK, "--extra-vars", "backend_store_password=From-a-vault-0123456789")
    assert returncode != 0
    assert "comes from backend_store_password, which only you can change. Nothing was changed" in output
    assert "ansible-vault edit" in output
    assert vault.states() == before


def test_a_lost_secret_locks_nobody_out(host: Host, stage: Any, operator: Any, vault: Vault) -> None:
    """Somebody still uses the password that nobody can read any more: it is replaced on their word alone."""
    before = password(host)
    operator.breaks("secret", name=SECRET, state="absent", confirm_delete=SECRET)
    returncode, output = operator.plays("playbooks/deploy.yml")
    assert returncode != 0
    assert "No source holds a password of mlflow_user" in output
    returncode, output = operator.plays("site.yml")
    assert returncode != 0
    assert "The database user mlflow_user of mlflow-metadata exists" in output
    assert password(host) == before
    logs_in_anew(host)
    returncode, output = operator.plays("site.yml", "--extra-vars", "backend_store_take_over_user=true")
    assert returncode == 0, output
    assert before != vault.newest() == password(host)
    logs_in_anew(host)
    stage.finds_nothing()
