"""What PostgreSQL's own authentication cannot judge about a login: the service's own role, and IAM database logins."""

from sandbox.access.enforcement import Question, is_allowed
from sandbox.cloudsql import startup
from sandbox.cloudsql.engine import Engine, NotRunningError
from sandbox.core.documents import Json
from sandbox.core.settings import Settings
from sandbox.core.store import Store
from sandbox.postgres.processes import ClusterError
from sandbox.postgres.server import ADMIN

# PostgreSQL's own words while its server process is not up yet:
# https://github.com/postgres/postgres/blob/REL_14_STABLE/src/backend/postmaster/postmaster.c
STARTING = startup.fatal("57P03", "the database system is starting up")


class Logins:
    """Judges a start-up packet before it goes to PostgreSQL."""

    def __init__(self, settings: Settings, store: Store, engine: Engine) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine

    async def refusal(self, record: Json, user: str, principal: str) -> bytes | None:
        """The packet that refuses the login; None when PostgreSQL is to decide."""
        if user == ADMIN:
            # PostgreSQL's own words for a `reject` line of pg_hba.conf, which names the client's address too.
            return startup.fatal("28000", f'pg_hba.conf rejects connection for user "{ADMIN}"')
        if "@" not in user:
            return None
        try:
            users = await self._engine.run(record["name"], lambda cluster: cluster.users())
        except (ClusterError, NotRunningError):
            return STARTING
        kind = next((known.type for known in users if known.name == user), "BUILT_IN")
        return None if kind == "BUILT_IN" else self._iam_refusal(record, user, principal)

    def _iam_refusal(self, record: Json, user: str, principal: str) -> bytes | None:
        if not has_iam_authentication(record):
            # PostgreSQL is then set up without IAM, and such a user has no password: PostgreSQL's own words.
            return startup.fatal("28P01", f'password authentication failed for user "{user}"')
        if self._may_log_in(record, user, principal):
            return None
        # As recorded in GoogleCloudPlatform/cloud-sql-proxy#2212.
        return startup.fatal("28P01", f'Cloud SQL IAM service account authentication failed for user "{user}"')

    def _may_log_in(self, record: Json, user: str, principal: str) -> bool:
        names = {"instance": record["name"]}
        question = Question(principal, "cloudsql.instances.login", "sqladmin.googleapis.com", names)
        is_theirs = principal.removesuffix(".gserviceaccount.com") == user
        return is_theirs and is_allowed(self._store, self._settings, question)


def has_iam_authentication(record: Json) -> bool:
    """Whether the flag that lets IAM users log in is on."""
    flags = record["settings"].get("databaseFlags", [])
    return any(flag["name"] == "cloudsql.iam_authentication" and flag["value"] == "on" for flag in flags)
