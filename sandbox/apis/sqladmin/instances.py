"""instances: insert, get, list, patch, update, delete, restart."""

import re

from sandbox.apis.sqladmin import instance_settings as rules
from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.resources import busy, find_instance, instance_resource, invalid, operation_resource
from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.operations import BusyError
from sandbox.cloudsql.tiers import VERSIONS
from sandbox.core.dispatch import require
from sandbox.core.documents import Json, merge
from sandbox.core.elsewhere import is_elsewhere
from sandbox.core.errors import classic
from sandbox.core.routing import Call, Route

DEFAULT_VERSION = "POSTGRES_18"
DEFAULT_REGION = "us-central1"
LIST_SIZE, LONGEST_LIST = 500, 1000
# As recorded in terraform-google-modules/terraform-google-gke-gitlab#81.
NAME_TAKEN = (
    "The Cloud SQL instance already exists. When you delete an instance, you can't reuse the name of the deleted "
    "instance until one week from the deletion date."
)


async def insert(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/insert."""
    body = await call.body()
    name = str(body.get("name", ""))
    require(call, "cloudsql.instances.create", instance=name)
    version, region = body.get("databaseVersion") or DEFAULT_VERSION, body.get("region") or DEFAULT_REGION
    rules.check_new(call.project, name, version, region)
    if call.world.store.has(INSTANCES, name) or is_elsewhere(call.world.store, "instances", name):
        raise classic(409, NAME_TAKEN, "instanceAlreadyExists")
    given = body.get("settings") or {}
    rules.check_fields(given)
    settings = rules.with_defaults(given, version, region) | {"settingsVersion": "1"}
    rules.check(settings)
    instance = _new_instance(call, name, version, region, settings)
    try:
        operation = call.world.engine.add(instance, body.get("rootPassword"), call.principal)
    except BusyError as error:
        raise busy(error) from error
    return operation_resource(call, operation)


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/get."""
    return instance_resource(call, find_instance(call))


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/list (filter: terms joined by AND)."""
    records = [record for _, record in call.world.store.items(INSTANCES)]
    for term in filter(None, re.split(r"\s+(?:AND\s+)?", call.query.get("filter", ""))):
        records = [record for record in records if _matches(record, term)]
    size = min(call.page_size("maxResults", LIST_SIZE), LONGEST_LIST)
    start = int(call.query.get("pageToken") or 0)
    answer: Json = {"kind": "sql#instancesList"}
    if page := records[start : start + size]:
        answer["items"] = [instance_resource(call, record) for record in page]
    if start + size < len(records):
        answer["nextPageToken"] = str(start + size)
    return answer


async def patch(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/patch: objects merge, lists do not."""
    record, body = find_instance(call), await call.body()
    given = body.get("settings") or {}
    rules.check_fields(given)
    return _change(call, record, body, merge(record["settings"], given))


async def update(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/update: what is left out is reset."""
    record, body = find_instance(call), await call.body()
    given = body.get("settings") or {}
    rules.check_fields(given)
    if "settingsVersion" not in given:
        raise classic(400, "Missing parameter: Settings version.", "required")
    return _change(call, record, body, given)


async def delete(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/delete."""
    record = find_instance(call)
    if record["settings"]["deletionProtectionEnabled"]:
        raise classic(
            400,
            "The instance is protected. Please disable the deletion protection and try again. To disable deletion "
            "protection, update the instance settings with deletionProtectionEnabled set to false.",
            "invalid",
        )
    return _begin(call, "DELETE", record, {})


async def restart(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/restart."""
    record = find_instance(call)
    if record["settings"]["activationPolicy"] == "NEVER":
        raise invalid("Invalid request since instance is not running.")
    return _begin(call, "RESTART", record, {})


def _change(call: Call, record: Json, body: Json, wanted: Json) -> Json:
    current = record["settings"]
    version = (body.get("settings") or {}).get("settingsVersion")
    if version is not None and str(version) != current["settingsVersion"]:
        raise classic(412, "Condition does not match.", "staleData", location="If-Match")
    _check_immutable(record, body)
    settings = rules.with_defaults(wanted, record["databaseVersion"], record["region"])
    settings["settingsVersion"] = str(int(current["settingsVersion"]) + 1)
    rules.check(settings)
    rules.check_change(current, settings)
    restart_needed = rules.needs_restart(current, settings)
    return _begin(call, "UPDATE", record, {"settings": settings, "restart": restart_needed})


def _check_immutable(record: Json, body: Json) -> None:
    version = body.get("databaseVersion", record["databaseVersion"])
    if version != record["databaseVersion"]:
        if VERSIONS.get(str(version), 0) < VERSIONS[record["databaseVersion"]]:
            raise invalid(f"The database version cannot be changed from {record['databaseVersion']} to {version}.")
        raise invalid(
            f"The sandbox does not emulate major version upgrades ({record['databaseVersion']} to {version})."
        )
    for field in ("region", "name"):
        if body.get(field, record[field]) != record[field]:
            raise invalid(f"The {field} of an instance cannot be changed ({record[field]} to {body[field]}).")


def _begin(call: Call, kind: str, record: Json, payload: Json) -> Json:
    try:
        operation = call.world.engine.operations.begin(kind, record["name"], call.principal, payload)
    except BusyError as error:
        raise busy(error) from error
    return operation_resource(call, operation)


def _new_instance(call: Call, name: str, version: str, region: str, settings: Json) -> Json:
    number = call.world.settings.project_number
    major = VERSIONS[version]
    newer = [known for known, other in VERSIONS.items() if other > major]
    return {
        "name": name,
        "region": region,
        "gceZone": settings["locationPreference"]["zone"],
        "databaseVersion": version,
        "backendType": "SECOND_GEN",
        "instanceType": "CLOUD_SQL_INSTANCE",
        "maintenanceVersion": f"{version}_{major}.R20261018.00_00",
        "serviceAccountEmailAddress": f"p{number}-{name}@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
        "geminiConfig": {
            "activeQueryEnabled": False,
            "entitled": False,
            "flagRecommenderEnabled": False,
            "googleVacuumMgmtEnabled": False,
            "indexAdvisorEnabled": False,
        },
        "satisfiesPzi": True,
        "includeReplicasForMajorVersionUpgrade": False,
        "upgradableDatabaseVersions": [
            {"majorVersion": one, "name": one, "displayName": one.replace("POSTGRES_", "PostgreSQL ")} for one in newer
        ],
        "settings": settings,
    }


def _matches(record: Json, term: str) -> bool:
    """One `path:value` or `path=value` term of a list filter."""
    path, separator, value = re.split(r"([:=])", term, maxsplit=1) if re.search("[:=]", term) else (term, "", "")
    found: object = record
    for word in path.split("."):
        found = found.get(word) if isinstance(found, dict) else None
    if not separator:
        raise invalid(f"Invalid filter ({term}).")
    return found is not None and str(found) == value.strip('"')


ROUTES: list[Route] = [
    *routes("POST", "instances", insert, "cloudsql.instances.create", late=True),
    *routes("GET", "instances", list_, "cloudsql.instances.list"),
    *routes("GET", "instances/{instance}", get, "cloudsql.instances.get"),
    *routes("PATCH", "instances/{instance}", patch, "cloudsql.instances.update"),
    *routes("PUT", "instances/{instance}", update, "cloudsql.instances.update"),
    *routes("DELETE", "instances/{instance}", delete, "cloudsql.instances.delete"),
    *routes("POST", "instances/{instance}/restart", restart, "cloudsql.instances.restart"),
]
