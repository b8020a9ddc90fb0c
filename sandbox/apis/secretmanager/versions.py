"""projects.secrets.versions: addVersion, list, get, access, enable, disable, destroy. `latest` is the newest."""

import base64
import binascii
import re
import secrets as randomness

from sandbox.apis.secretmanager import API, RESOURCE_PATH, VERSIONS, find_secret
from sandbox.core.checksums import crc32c
from sandbox.core.documents import Json, decode_bytes, timestamp
from sandbox.core.errors import ApiError, modern
from sandbox.core.routing import Call, Route

LARGEST_PAYLOAD = 64 * 1024
LIST_SIZE = 25000
STATES = ("ENABLED", "DISABLED", "DESTROYED")


async def add(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/addVersion."""
    secret = find_secret(call)
    payload = (await call.body()).get("payload") or {}
    data = _payload(payload)
    number = len(call.world.store.keys(VERSIONS, f"{call.params['secret']}/")) + 1
    version: Json = {
        "name": f"{secret['name']}/versions/{number}",
        "createTime": timestamp(),
        "state": "ENABLED",
        "replicationStatus": {"automatic": {}} if "automatic" in secret["replication"] else {"userManaged": {}},
        "etag": _etag(),
        "clientSpecifiedPayloadChecksum": "dataCrc32c" in payload,
    }
    kept = {"version": version, "data": base64.b64encode(data).decode()}
    call.world.store.put(VERSIONS, f"{call.params['secret']}/{number}", kept)
    return version


async def list_(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/list (newest first)."""
    find_secret(call)
    found = [kept["version"] for _, kept in call.world.store.items(VERSIONS, f"{call.params['secret']}/")][::-1]
    if term := call.query.get("filter"):
        wanted = re.fullmatch(rf"state[:=]({'|'.join(STATES)})", term)
        if not wanted:
            raise modern(400, f"The sandbox filters versions by state:STATE only, not by {term!r}.")
        found = [version for version in found if version["state"] == wanted[1]]
    size, start = call.page_size("pageSize", LIST_SIZE), int(call.query.get("pageToken") or 0)
    answer: Json = {"totalSize": len(found)}
    answer |= {"versions": found[start : start + size]} if found else {}
    answer |= {"nextPageToken": str(start + size)} if start + size < len(found) else {}
    return answer


async def get(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/get."""
    version: Json = _find(call)[1]["version"]
    return version


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
    return _move(call, "ENABLED")


async def disable(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/disable."""
    return _move(call, "DISABLED")


async def destroy(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/destroy: for good."""
    return _move(call, "DESTROYED")


def _payload(payload: Json) -> bytes:
    try:
        data = decode_bytes(str(payload.get("data", "")))
    except (binascii.Error, ValueError) as error:
        raise modern(400, "Invalid value at 'payload.data' (TYPE_BYTES): Base64 decoding failed.") from error
    if not data:
        raise modern(400, "Secret Payload cannot be empty.")
    if len(data) > LARGEST_PAYLOAD:
        raise modern(400, f"The provided payload is larger than {LARGEST_PAYLOAD} bytes.")
    if "dataCrc32c" in payload and str(payload["dataCrc32c"]) != str(crc32c(data)):
        raise modern(400, "The checksum provided does not match the payload: it was corrupted on its way.")
    return data


def _find(call: Call) -> tuple[str, Json]:
    secret, wanted = find_secret(call), call.params["version"]
    keys = call.world.store.keys(VERSIONS, f"{call.params['secret']}/")
    if wanted == "latest":
        if not keys:
            raise modern(404, f"Secret [{secret['name']}] not found or has no versions.")
        wanted = keys[-1].rpartition("/")[2]
    wanted = str(secret.get("versionAliases", {}).get(wanted, wanted))
    key = f"{call.params['secret']}/{wanted}"
    kept = call.world.store.get(VERSIONS, key)
    if kept is None:
        raise modern(404, f"Secret Version [{secret['name']}/versions/{wanted}] not found.")
    return key, kept


def _move(call: Call, state: str) -> Json:
    key, kept = _find(call)
    version: Json = kept["version"]
    if version["state"] == "DESTROYED":
        raise _wrong_state(version)
    version |= {"state": state, "etag": _etag()}
    if state == "DESTROYED":
        version["destroyTime"] = timestamp()
        kept["data"] = ""
    call.world.store.put(VERSIONS, key, kept)
    return version


def _wrong_state(version: Json) -> ApiError:
    return modern(400, f"Secret Version [{version['name']}] is in {version['state']} state.", "FAILED_PRECONDITION")


def _etag() -> str:
    return f'"{randomness.token_hex(7)}"'


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
