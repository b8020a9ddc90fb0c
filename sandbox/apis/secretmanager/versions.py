"""projects.secrets.versions: addVersion, list, get, access, enable, disable, destroy. `latest` is the newest."""

import base64
import binascii
import datetime as dt

from sandbox.apis.secretmanager import (
    API,
    RESOURCE_PATH,
    VERSIONS,
    check_etag,
    duration,
    find_secret,
    living_secret,
    new_etag,
    parse_time,
    secret_name,
    time_of,
)
from sandbox.apis.secretmanager.lists import fits, page
from sandbox.core.checksums import crc32c
from sandbox.core.documents import Json, decode_bytes
from sandbox.core.errors import ApiError, modern
from sandbox.core.routing import Call, Route

LARGEST_PAYLOAD = 64 * 1024
NUMBER_OF_STATE = {"ENABLED": 1, "DISABLED": 2, "DESTROYED": 3}


async def add(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/addVersion."""
    payload = (await call.body({"payload": {"data": str, "dataCrc32c": int}})).get("payload") or {}
    secret = find_secret(call)
    data = _payload(payload)
    number = len(call.world.store.keys(VERSIONS, f"{call.params['secret']}/")) + 1
    version: Json = {
        "name": f"{secret['name']}/versions/{number}",
        "createTime": time_of(),
        "state": "ENABLED",
        "replicationStatus": _replication_status(secret["replication"]),
        "etag": new_etag(),
    }
    version |= {"clientSpecifiedPayloadChecksum": True} if "dataCrc32c" in payload else {}
    kept = {"version": version, "data": base64.b64encode(data).decode()}
    call.world.store.put(VERSIONS, f"{call.params['secret']}/{number}", kept)
    return _shown(call, version)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/list (newest first)."""
    find_secret(call)
    keys = call.world.store.keys(VERSIONS, f"{call.params['secret']}/")[::-1]
    found = [kept["version"] for key in keys if (kept := _settled(call, key))]
    wanted = [version for version in found if fits(version, call.query.get("filter", ""))]
    return page(call, "versions", [_shown(call, version) for version in wanted])


async def get(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/get."""
    return _shown(call, _find(call)[1]["version"])


async def access(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access."""
    _, kept = _find(call)
    version = kept["version"]
    if version["state"] != "ENABLED":
        raise _wrong_state(version)
    checksum = crc32c(base64.b64decode(kept["data"]))
    return {"name": version["name"], "payload": {"data": kept["data"], "dataCrc32c": str(checksum)}}


async def enable(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/enable."""
    return _move(call, await call.body({"etag": str}), "ENABLED")


async def disable(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/disable."""
    return _move(call, await call.body({"etag": str}), "DISABLED")


async def destroy(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/destroy: for good.

    With `versionDestroyTtl` on the secret after that time; until then enable or disable bring it back.
    """
    body = await call.body({"etag": str})
    secret = find_secret(call)
    if "versionDestroyTtl" not in secret:
        return _move(call, body, "DESTROYED")
    delay = duration("secret.version_destroy_ttl", secret["versionDestroyTtl"])
    return _move(call, body, "DISABLED", time_of(dt.datetime.now(dt.UTC) + delay))


def _payload(payload: Json) -> bytes:
    """What is in a payload that Google would take."""
    try:
        data = decode_bytes(str(payload.get("data", "")))
    except (binascii.Error, ValueError) as error:
        # What Google's JSON parser says of any bytes field (its form: pulumi/pulumi-google-native#836).
        raise modern(400, "Invalid value at 'payload.data' (TYPE_BYTES), Base64 decoding failed.") from error
    if not data:
        # Wording ours, thrice: the rules are the reference's.
        raise modern(400, "Secret Payload cannot be empty.")
    if len(data) > LARGEST_PAYLOAD:
        raise modern(400, f"The provided payload is larger than {LARGEST_PAYLOAD} bytes.")
    if "dataCrc32c" in payload and str(payload["dataCrc32c"]) != str(crc32c(data)):
        # Wording ours.
        raise modern(400, "The checksum provided does not match the payload: it was corrupted on its way.")
    return data


def _replication_status(replication: Json) -> Json:
    if "automatic" in replication:
        return {"automatic": {}}
    return {
        "userManaged": {"replicas": [{"location": one["location"]} for one in replication["userManaged"]["replicas"]]}
    }


def _find(call: Call, *, by_alias: bool = True) -> tuple[str, Json]:
    """The version in the path. Google knows aliases where versions are read, and only there (Secret.versionAliases)."""
    secret_id, wanted = call.params["secret"], call.params["version"]
    name, keys = secret_name(call, secret_id), call.world.store.keys(VERSIONS, f"{secret_id}/")
    if wanted == "latest" and (not living_secret(call.world.store, secret_id) or not keys):
        # As users of gcloud show it; with no recording to cite, count it as wording ours.
        raise modern(404, f"Secret [{name}] not found or has no versions.")
    secret = find_secret(call)
    aliases = secret.get("versionAliases", {}) if by_alias else {}
    wanted = keys[-1].rpartition("/")[2] if wanted == "latest" else aliases.get(wanted, wanted)
    key = f"{secret_id}/{wanted}"
    kept = _settled(call, key)
    if kept is None:
        # Wording ours, after the secret's own.
        raise modern(404, f"Secret Version [{name}/versions/{wanted}] not found.")
    return key, kept


def _settled(call: Call, key: str) -> Json | None:
    """The version, destroyed by now if it was scheduled for that."""
    kept = call.world.store.get(VERSIONS, key)
    scheduled = kept["version"].get("scheduledDestroyTime") if kept else None
    if kept and scheduled and parse_time(scheduled) <= dt.datetime.now(dt.UTC):
        del kept["version"]["scheduledDestroyTime"]
        kept["version"] |= {"state": "DESTROYED", "destroyTime": scheduled, "etag": new_etag()}
        kept["data"] = ""
        call.world.store.put(VERSIONS, key, kept)
    return kept


def _move(call: Call, body: Json, state: str, scheduled: str | None = None) -> Json:
    key, kept = _find(call, by_alias=False)
    version: Json = kept["version"]
    check_etag(body.get("etag"), version["etag"])
    if version["state"] == "DESTROYED":
        raise _wrong_state(version)
    version.pop("scheduledDestroyTime", None)
    version |= {"state": state, "etag": new_etag()} | ({"scheduledDestroyTime": scheduled} if scheduled else {})
    if state == "DESTROYED":
        version["destroyTime"] = time_of()
        kept["data"] = ""
    call.world.store.put(VERSIONS, key, kept)
    return _shown(call, version)


def _shown(call: Call, version: Json) -> Json:
    """`$alt=json;enum-encoding=int`, which Google's REST clients send, asks for numbers instead of names."""
    if "enum-encoding=int" in call.query.get("$alt", ""):
        return version | {"state": NUMBER_OF_STATE[version["state"]]}
    return version


def _wrong_state(version: Json) -> ApiError:
    """As recorded in google-github-actions/get-secretmanager-secrets#268."""
    return modern(400, f"Secret Version [{version['name']}] is in {version['state']} state.", "FAILED_PRECONDITION")


ONE = f"{RESOURCE_PATH}/versions/{{version}}"
ROUTES = [
    Route("POST", f"{RESOURCE_PATH}:addVersion", add, API, "secretmanager.versions.add"),
    Route("GET", f"{RESOURCE_PATH}/versions", list_, API, "secretmanager.versions.list"),
    Route("GET", ONE, get, API, "secretmanager.versions.get"),
    Route("GET", f"{ONE}:access", access, API, "secretmanager.versions.access"),
    Route("POST", f"{ONE}:enable", enable, API, "secretmanager.versions.enable"),
    Route("POST", f"{ONE}:disable", disable, API, "secretmanager.versions.disable"),
    Route("POST", f"{ONE}:destroy", destroy, API, "secretmanager.versions.destroy"),
]
