"""/computeMetadata/v1: who the caller is goes by its address.

The target VM has the attached account (once it exists), this machine has the operator, another machine the account that
the management port has attached to it, anybody else none.
https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys
"""

import ipaddress
from dataclasses import dataclass

from aiohttp import web

from sandbox.access import machines
from sandbox.access.accounts import ACCOUNTS
from sandbox.access.tokens import LIFETIME_SECONDS
from sandbox.core.documents import Json
from sandbox.core.routing import Answer, Call, Route

HEADERS = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ROOT = "/computeMetadata/v1"


@dataclass(frozen=True)
class Machine:
    """What a caller's metadata server knows: the account is None where none is attached."""

    name: str
    account: str | None


async def ping(_: Call) -> Answer:
    """Clients ask the root to find out whether they run on Google Cloud."""
    return web.Response(text="computeMetadata/\n", headers=HEADERS)


async def read(call: Call) -> Answer:
    """One metadata key, or a directory."""
    if call.request.headers.get("Metadata-Flavor") != "Google":
        return web.Response(status=403, text="Missing required header: Metadata-Flavor\n", headers=HEADERS)
    machine = _machine(call)
    call.principal = machine.account or ""
    path = call.params.get("path", "").strip("/")
    if path.startswith("instance/service-accounts"):
        return _service_accounts(call, machine, path.removeprefix("instance/service-accounts").strip("/"))
    settings = call.world.settings
    values = {
        "": "instance/\nproject/\nuniverse/\n",
        "instance": "id\nname\nservice-accounts/\nzone\n",
        "instance/id": "4151040412620000001",
        "instance/name": machine.name,
        "instance/zone": f"projects/{settings.project_number}/zones/europe-west3-a",
        "project/project-id": settings.project,
        "project/numeric-project-id": settings.project_number,
        "universe/universe-domain": "googleapis.com",
    }
    return _text(values[path]) if path in values else _not_found()


def _service_accounts(call: Call, machine: Machine, path: str) -> Answer:
    account = machine.account
    if account is None or not call.world.store.has(ACCOUNTS, account):
        return _not_found()
    if not path:
        return _text(f"default/\n{account}/\n")
    name, _, key = path.partition("/")
    if name not in ("default", account):
        return _not_found()
    summary: Json = {"aliases": ["default"], "email": account, "scopes": [SCOPE]}
    if not key:
        recursive = call.query.get("recursive", "").lower() == "true"
        return web.json_response(summary, headers=HEADERS) if recursive else _text("aliases\nemail\nscopes\ntoken\n")
    if key == "token":
        token = {
            "access_token": call.world.tokens.mint(account),
            "expires_in": LIFETIME_SECONDS,
            "token_type": "Bearer",
        }
        return web.json_response(token, headers=HEADERS)
    values = {"email": account, "scopes": f"{SCOPE}\n", "aliases": "default\n"}
    return _text(values[key]) if key in values else _not_found()


def _machine(call: Call) -> Machine:
    settings, caller = call.world.settings, call.request.remote or ""
    if caller == settings.target_address:
        return Machine("target", settings.attached_account)
    if attached := machines.attached(call.world.store).get(caller):
        return Machine("attached", attached)
    if caller == settings.address or ipaddress.ip_address(caller).is_loopback:
        return Machine("control-node", settings.operator)
    return Machine("unknown", None)


def _text(text: str) -> web.Response:
    return web.Response(text=text, headers=HEADERS, content_type="application/text")


def _not_found() -> web.Response:
    return web.Response(status=404, text="404 Not Found\n", headers=HEADERS)


ROUTES = [
    Route("GET", "/", ping),
    Route("GET", ROOT, read),
    Route("GET", f"{ROOT}/", read),
    Route("GET", f"{ROOT}/{{path+}}", read),
]
