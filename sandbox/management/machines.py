"""Which service account the metadata server has for which machine: see sandbox/access/machines.py."""

import ipaddress

from sandbox.access import machines
from sandbox.core.documents import Json
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError


async def list_(world: World, _: Json) -> Json:
    """{"machines": {address: account}}, the target VM aside."""
    return {"machines": machines.attached(world.store)}


async def attach(world: World, body: Json) -> Json:
    """{"address": A, "account": E}: the account that machine has from now on; null: none."""
    address, account = body.get("address"), body.get("account")
    try:
        ipaddress.IPv4Address(address)
    except ValueError as error:
        raise RefusedError(f"`address` {address!r} is no IPv4 address.") from error
    if account is not None and (not isinstance(account, str) or "@" not in account):
        raise RefusedError(f"`account` {account!r} must be the e-mail of a service account, or null.")
    machines.attach(world.store, str(address), account)
    return await list_(world, body)


ROUTES = [ManagementRoute("GET", "/machines", list_), ManagementRoute("PUT", "/machines", attach)]
