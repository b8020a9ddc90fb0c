"""services: get, list, batchGet, enable, disable, batchEnable; operations: get."""

import re
import secrets
import time

from sandbox.apis.serviceusage import API, precondition_failure
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, error_info, modern
from sandbox.core.routing import Call, Route
from sandbox.core.services import DISABLE, SWITCHES, is_enabled, settle

TYPE = "type.googleapis.com/google.api.serviceusage.v1"
LIST_SIZE, LONGEST_LIST = 50, 200
MOST_AT_ONCE, MOST_READ = 20, 30
NOTHING_TO_DO = "noop.DONE_OPERATION"
TITLES = {
    "bigquery.googleapis.com": "BigQuery API",
    "bigquerystorage.googleapis.com": "BigQuery Storage API",
    "cloudbilling.googleapis.com": "Cloud Billing API",
    "cloudkms.googleapis.com": "Cloud Key Management Service (KMS) API",
    "cloudresourcemanager.googleapis.com": "Cloud Resource Manager API",
    "compute.googleapis.com": "Compute Engine API",
    "container.googleapis.com": "Kubernetes Engine API",
    "iam.googleapis.com": "Identity and Access Management (IAM) API",
    "iamcredentials.googleapis.com": "IAM Service Account Credentials API",
    "logging.googleapis.com": "Cloud Logging API",
    "monitoring.googleapis.com": "Cloud Monitoring API",
    "oslogin.googleapis.com": "Cloud OS Login API",
    "secretmanager.googleapis.com": "Secret Manager API",
    "servicenetworking.googleapis.com": "Service Networking API",
    "serviceusage.googleapis.com": "Service Usage API",
    "sql-component.googleapis.com": "Cloud SQL",
    "sqladmin.googleapis.com": "Cloud SQL Admin API",
    "storage-api.googleapis.com": "Google Cloud Storage JSON API",
    "storage-component.googleapis.com": "Cloud Storage",
    "storage.googleapis.com": "Cloud Storage API",
    "sts.googleapis.com": "Security Token Service API",
}
# Service -> what must be on for it. As recorded in hashicorp/terraform-provider-google#5304 and #5424 and in
# GoogleCloudPlatform/magic-modules#4200; Google publishes no list.
NEEDS = {
    "bigquerystorage.googleapis.com": ("bigquery.googleapis.com",),
    "compute.googleapis.com": ("oslogin.googleapis.com",),
    "container.googleapis.com": ("compute.googleapis.com",),
}


async def get(call: Call) -> Json:
    """https://cloud.google.com/service-usage/docs/reference/rest/v1/services/get."""
    return _resource(call, _known(call.params["service"]))


async def list_(call: Call) -> Json:
    """https://cloud.google.com/service-usage/docs/reference/rest/v1/services/list (filter=state:ENABLED)."""
    services = [_resource(call, service) for service in sorted(TITLES)]
    if term := call.query.get("filter"):
        found = re.fullmatch(r"state:(ENABLED|DISABLED)", term)
        if not found:
            # Wording ours; that only these are allowed says the reference.
            raise modern(400, f"Invalid filter {term!r}: the filter must be state:ENABLED or state:DISABLED.")
        services = [service for service in services if service["state"] == found[1]]
    return call.page("services", services, default=LIST_SIZE, most=LONGEST_LIST)


async def batch_get(call: Call) -> Json:
    """https://cloud.google.com/service-usage/docs/reference/rest/v1/services/batchGet."""
    names = [name.rpartition("/")[2] for name in call.request.query.getall("names", [])]
    if not 0 < len(names) <= MOST_READ:
        # Wording ours; the limit is the reference's.
        raise modern(400, f"Between 1 and {MOST_READ} services can be read at once, not {len(names)}.")
    return {"services": [_resource(call, _known(name)) for name in names]}


async def enable(call: Call) -> Json:
    """https://cloud.google.com/service-usage/docs/reference/rest/v1/services/enable: with all that it needs."""
    return _switch(call, [_known(call.params["service"])], "EnableService")


async def batch_enable(call: Call) -> Json:
    """https://cloud.google.com/service-usage/docs/reference/rest/v1/services/batchEnable."""
    services = (await call.body({"serviceIds": [str]})).get("serviceIds") or []
    if not 0 < len(services) <= MOST_AT_ONCE:
        # Wording ours; the limit is the reference's.
        raise modern(400, f"Between 1 and {MOST_AT_ONCE} services can be enabled at once, not {len(services)}.")
    return _switch(call, [_known(service) for service in services], "BatchEnableServices")


async def disable(call: Call) -> Json:
    """https://cloud.google.com/service-usage/docs/reference/rest/v1/services/disable.

    `checkIfServiceHasUsage` finds no usage: the sandbox keeps no metrics.
    """
    service, body = _known(call.params["service"]), await call.body({"disableDependentServices": bool})
    dependents = [name for name in _dependents(service) if is_enabled(call.world.store, name)]
    if dependents and not body.get("disableDependentServices"):
        raise _depended_on(service, dependents)
    return _switch(call, [service, *dependents], DISABLE)


async def get_operation(call: Call) -> Json:
    """https://cloud.google.com/service-usage/docs/reference/rest/v1/operations/get."""
    settle(call.world.store)
    switch = call.world.store.get(SWITCHES, call.params["operation"])
    if switch is None:
        # Wording ours: no recording was found.
        raise modern(404, f"Operation operations/{call.params['operation']} not found.")
    return _operation(call, call.params["operation"], switch)


def _switch(call: Call, services: list[str], kind: str) -> Json:
    enabling = kind != DISABLE
    needed = [name for service in services for name in _needed(service)] if enabling else []
    switch: Json = {"named": services, "kind": kind, "until": time.time(), "done": True}
    switch["services"] = list(dict.fromkeys([*needed, *services]))
    if all(is_enabled(call.world.store, service) == enabling for service in switch["services"]):
        return _operation(call, NOTHING_TO_DO, switch)
    name = f"acat.p2-{call.world.settings.project_number}-{secrets.token_hex(16)}"
    switch |= {"until": time.time() + call.world.settings.operation_seconds, "done": False}
    call.world.store.put(SWITCHES, name, switch)
    return _operation(call, name, switch)


def _needed(service: str) -> list[str]:
    direct = NEEDS.get(service, ())
    return [*direct, *(deeper for name in direct for deeper in _needed(name))]


def _dependents(service: str) -> list[str]:
    return [name for name in sorted(NEEDS) if service in _needed(name)]


def _operation(call: Call, name: str, switch: Json) -> Json:
    number = call.world.settings.project_number
    names = [f"projects/{number}/services/{service}" for service in switch["named"]]
    metadata = {} if name == NOTHING_TO_DO else {"@type": f"{TYPE}.OperationMetadata", "resourceNames": names}
    operation: Json = {"name": f"operations/{name}"} | ({"metadata": metadata} if metadata else {})
    if not switch["done"]:
        return operation
    resources = [_resource(call, service) for service in switch["named"]]
    answer = {"services": resources} if switch["kind"] == "BatchEnableServices" else {"service": resources[0]}
    return operation | {"done": True, "response": {"@type": f"{TYPE}.{switch['kind']}Response", **answer}}


def _known(service: str) -> str:
    if service not in TITLES:
        raise _unknown(service)
    return service


def _unknown(service: str) -> ApiError:
    """As recorded in google/stellar-engine#19."""
    failure = precondition_failure(f"?error_code=220002&services={service}")
    info = error_info("SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED", "serviceusage.googleapis.com", services=service)
    return modern(403, f"Not found or permission denied for service(s): {service}.", details=[failure, info])


def _depended_on(service: str, dependents: list[str]) -> ApiError:
    """As recorded in terraform-google-modules/terraform-google-project-factory#168 (one: TF provider #5424)."""
    plural = "s" if len(dependents) > 1 else ""
    message = (
        f"The service {service} is depended on by the following active service{plural}: {','.join(dependents)}; "
        "Please specify disable_dependent_services=true if you want to proceed with disabling all services."
    )
    return modern(400, message, "FAILED_PRECONDITION")


def _resource(call: Call, service: str) -> Json:
    parent = f"projects/{call.world.settings.project_number}"
    return {
        "name": f"{parent}/services/{service}",
        "parent": parent,
        "config": {"name": service, "title": TITLES[service]},
        "state": "ENABLED" if is_enabled(call.world.store, service) else "DISABLED",
    }


COLLECTION = "/v1/projects/{project}/services"
ROUTES = [
    Route("GET", COLLECTION, list_, API, "serviceusage.services.list"),
    Route("GET", f"{COLLECTION}:batchGet", batch_get, API, "serviceusage.services.get"),
    Route("POST", f"{COLLECTION}:batchEnable", batch_enable, API, "serviceusage.services.enable"),
    Route("GET", f"{COLLECTION}/{{service}}", get, API, "serviceusage.services.get"),
    Route("POST", f"{COLLECTION}/{{service}}:enable", enable, API, "serviceusage.services.enable"),
    Route("POST", f"{COLLECTION}/{{service}}:disable", disable, API, "serviceusage.services.disable"),
    Route("GET", "/v1/operations/{operation}", get_operation, API, "serviceusage.operations.get"),
]
