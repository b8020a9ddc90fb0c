"""What a new instance looks like (inserted, cloned or made from a backup), and which names it may not have."""

import datetime as dt

from sandbox.apis.sqladmin.resources import busy, operation_resource
from sandbox.cloudsql import names
from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.operations import BusyError
from sandbox.cloudsql.tiers import VERSIONS
from sandbox.core.documents import Json
from sandbox.core.elsewhere import is_elsewhere
from sandbox.core.errors import classic
from sandbox.core.routing import Call

# As recorded in terraform-google-modules/terraform-google-gke-gitlab#81.
NAME_TAKEN = (
    "The Cloud SQL instance already exists. When you delete an instance, you can't reuse the name of the deleted "
    "instance until one week from the deletion date."
)


def refuse_taken(call: Call, name: str) -> None:
    """409 for a name that an instance has, had until lately, or that is declared as taken elsewhere."""
    store = call.world.store
    now = dt.datetime.now(dt.UTC)
    if store.has(INSTANCES, name) or is_elsewhere(store, "instances", name) or names.is_reserved(store, name, now):
        raise classic(409, NAME_TAKEN, "instanceAlreadyExists")


def add(call: Call, instance: Json, payload: Json, kind: str) -> Json:
    """Start making it; the operation's resource."""
    try:
        operation = call.world.engine.add(instance, call.principal, payload, kind=kind)
    except BusyError as error:
        raise busy(error) from error
    return operation_resource(call, operation)


def new_instance(call: Call, name: str, version: str, region: str, settings: Json) -> Json:
    """The instance's record, but for what the engine adds."""
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
