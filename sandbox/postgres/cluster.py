"""Cloud SQL's side of a PostgreSQL cluster: its own roles, and the SQL behind the API's databases and users."""

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from sandbox.postgres.server import ADMIN, Server

SUPERUSER = "cloudsqlsuperuser"
IAM_GROUPS = {"CLOUD_IAM_USER": "cloudsqliamuser", "CLOUD_IAM_SERVICE_ACCOUNT": "cloudsqliamserviceaccount"}

BOOTSTRAP: LiteralString = """
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres') THEN
    CREATE ROLE cloudsqlsuperuser CREATEDB CREATEROLE;
    CREATE ROLE cloudsqliamuser;
    CREATE ROLE cloudsqliamserviceaccount;
    CREATE ROLE postgres LOGIN CREATEDB CREATEROLE IN ROLE cloudsqlsuperuser;
    ALTER DATABASE postgres OWNER TO cloudsqlsuperuser;
  END IF;
END $$
"""


@dataclass(frozen=True)
class Database:
    """A database as PostgreSQL lists it."""

    name: str
    charset: str


@dataclass(frozen=True)
class User:
    """A login role and its Cloud SQL type."""

    name: str
    type: str


class Cluster(Server):
    """A cluster with Cloud SQL's roles (PostgreSQL is the truth for databases and users)."""

    def start(self, parameters: dict[str, str]) -> None:
        """Start it, and make Cloud SQL's roles where they are missing."""
        super().start(parameters)
        self.execute(BOOTSTRAP)

    def set_password(self, role: str, password: str) -> None:
        """Set a role's password."""
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        self.execute(statement)

    def databases(self) -> list[Database]:
        """All databases but templates."""
        query: LiteralString = (
            "SELECT datname, pg_encoding_to_char(encoding) FROM pg_database WHERE NOT datistemplate ORDER BY datname"
        )
        with self.connection() as connection:
            return [Database(*row) for row in connection.execute(query)]

    def create_database(self, name: str) -> None:
        """A new database, owned by cloudsqlsuperuser as Cloud SQL's are."""
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(SUPERUSER))
        self.execute(statement)

    def drop_database(self, name: str) -> None:
        """Drop it; PostgreSQL refuses while somebody is connected."""
        self.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    def users(self) -> list[User]:
        """All login roles but Cloud SQL's own."""
        query: LiteralString = (
            "SELECT r.rolname, coalesce((SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid "
            "WHERE m.member = r.oid AND g.rolname LIKE 'cloudsqliam%%' LIMIT 1), '') "
            "FROM pg_roles r WHERE r.rolcanlogin AND r.rolname <> %s ORDER BY r.oid"
        )
        types = {group: kind for kind, group in IAM_GROUPS.items()}
        with self.connection() as connection:
            return [User(name, types.get(group, "BUILT_IN")) for name, group in connection.execute(query, (ADMIN,))]

    def create_user(self, name: str, password: str | None, groups: list[str]) -> None:
        """A built-in user: may create databases and roles, member of `groups`."""
        role = sql.Identifier(name)
        with self.connection() as connection, connection.transaction():
            create = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}")
            connection.execute(create.format(role, sql.Literal(password)))
            for group in groups:
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), role))

    def grant_roles(self, name: str, roles: list[str], *, revoke_others: bool) -> None:
        """Make a user member of roles, and of no others if so asked (an IAM user stays one)."""
        query: LiteralString = (
            "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid "
            "JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = %s"
        )
        with self.connection() as connection, connection.transaction():
            held = {row[0] for row in connection.execute(query, (name,))} - set(IAM_GROUPS.values())
            user = sql.Identifier(name)
            for role in sorted(held - set(roles)) if revoke_others else []:
                connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(role), user))
            for role in roles:
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), user))

    def create_iam_user(self, name: str, kind: str, groups: list[str]) -> None:
        """An IAM user: logs in by token, member of `groups` (of none unless asked)."""
        role = sql.Identifier(name)
        with self.connection() as connection, connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            for group in (IAM_GROUPS[kind], *groups):
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), role))

    def drop_user(self, name: str) -> None:
        """Drop the role; PostgreSQL refuses while objects depend on it."""
        self.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
