"""What is in an instance's PostgreSQL, read and written past the API, and the rows that tests put there."""

import psycopg
import requests

from sandbox.core.documents import Json
from sandbox.tests.running import Client, Sandbox


def sql(sandbox: Sandbox, instance: str, statement: str, *values: str) -> list[tuple[object, ...]]:
    """Run a statement as Cloud SQL's own administrator; the rows, if it has any."""
    identity = _identity(sandbox, instance)
    folder = sandbox.state / "postgresql" / identity / "socket"
    with psycopg.connect(host=str(folder), user="cloudsqladmin", dbname="postgres", autocommit=True) as connection:
        # psycopg takes literals only; a test's own text is as good.
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def note(sandbox: Sandbox, instance: str, text: str) -> None:
    """Leave a row in the instance."""
    sql(sandbox, instance, "CREATE TABLE IF NOT EXISTS notes (text text)")
    sql(sandbox, instance, "INSERT INTO notes VALUES (%s)", text)


def notes(sandbox: Sandbox, instance: str) -> list[object]:
    """All rows that `note` left."""
    return [row[0] for row in sql(sandbox, instance, "SELECT text FROM notes ORDER BY text")]


def done(operator: Client, method: str, path: str, body: Json | None = None) -> Json:
    """A call whose operation must end well; the operation."""
    operation = operator.wait(operator.must(method, path, body))
    assert "error" not in operation, operation
    return operation


def _identity(sandbox: Sandbox, instance: str) -> str:
    """The folder of its cluster: its DNS name begins with it."""
    return str(sandbox.operator.get(f"instances/{instance}")["dnsName"]).partition(".")[0]


def manage(sandbox: Sandbox, method: str, path: str, body: Json | None = None, *, status: int = 200) -> Json:
    """A call of the sandbox's own port that must end with this status; its answer."""
    reply = requests.request(method, sandbox.management + path, json=body, timeout=30)
    assert reply.status_code == status, reply.text
    answer: Json = reply.json()
    return answer
