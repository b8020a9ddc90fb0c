"""What there is in the project, read by a client of its own: two of anything, or one too few, shows here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import requests
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleApiError

from tests.contract.bench import PROJECT, Bench

P = f"v1/projects/{PROJECT}"
INSTANCE, DATABASE, USER = "mlflow-metadata", "mlflow", "mlflow_user"
SECRET, BUCKET = f"{P}/secrets/mlflow-db-password", "b/df_traffic_cyclist1"
Ledger = dict[str, Any]
# What differs from run to run and says nothing.
_PASSING = {"settingsVersion", "userLabels"}


def ledger(bench: Bench) -> Ledger:
    """Everything that provisioning makes, without what differs from run to run."""
    google = bench.google()

    def listed(api: str, path: str, items: str, **params: Any) -> list[dict[str, Any]]:
        try:
            return list(google.get(api, path, **params).get(items) or [])
        except GoogleApiError as error:
            return [{"name": f"refused: {error.status}"}]

    def names(api: str, path: str, items: str = "items", key: str = "name") -> list[str]:
        return sorted(str(one.get(key, one.get("name"))) for one in listed(api, path, items))

    return {
        "services": [
            one["name"] for one in listed("serviceusage", f"{P}/services", "services", filter="state:ENABLED")
        ],
        "accounts": names("iam", f"{P}/serviceAccounts", "accounts", "email"),
        "project policy": _bindings(_policy(bench)),
        "instances": [_instance(one) for one in listed("sql", f"{P}/instances", "items")],
        "databases": names("sql", f"{P}/instances/{INSTANCE}/databases"),
        "users": names("sql", f"{P}/instances/{INSTANCE}/users"),
        "secrets": names("secretmanager", f"{P}/secrets", "secrets"),
        "versions": [
            (one["name"], one.get("state")) for one in listed("secretmanager", f"{SECRET}/versions", "versions")
        ],
        "buckets": names("storage", f"b?project={PROJECT}"),
        "bucket policy": _bindings({"bindings": listed("storage", f"{BUCKET}/iam", "bindings")}),
    }


def _policy(bench: Bench) -> dict[str, Any]:
    try:
        return bench.google().query("cloudresourcemanager", f"{P}:getIamPolicy", {})
    except GoogleApiError:
        return {}


def _bindings(policy: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((b.get("role", b.get("name")), m) for b in policy.get("bindings", []) for m in b.get("members", [""]))


def _instance(one: dict[str, Any]) -> tuple[str, str, str]:
    settings = {key: value for key, value in one.get("settings", {}).items() if key not in _PASSING}
    return str(one["name"]), str(one.get("state")), repr(sorted(settings.items()))


def password(bench: Bench) -> str:
    """What Secret Manager holds now."""
    provided = bench.run("secret", name="mlflow-db-password", return_value=True, check=True)
    return str(provided["value"])


def log_in(bench: Bench, secret: str) -> None:
    """A real login into the real PostgreSQL, without the emulator in between."""
    state = requests.get(f"{bench.management_url}health", timeout=10).json()["state"]
    (socket,) = Path(state, "postgresql").glob("*/socket")
    with psycopg.connect(host=str(socket), user=USER, password=secret, dbname=DATABASE) as connection:
        connection.execute("SELECT 1")
