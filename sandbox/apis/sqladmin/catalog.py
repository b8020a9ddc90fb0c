"""tiers and flags: what Cloud SQL sells and lets one set."""

from sandbox.apis.sqladmin import API, PREFIXES, routes
from sandbox.cloudsql.flag_table import TABLE, Flag
from sandbox.cloudsql.tiers import LISTED_TIERS, MIB, REGIONS, VERSIONS, find_tier
from sandbox.core.documents import Json
from sandbox.core.routing import Call, Route

DISK_QUOTA = "3298534883328"
SCOPE = "SQL_FLAG_SCOPE_DATABASE"


async def list_tiers(_: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/tiers/list (RAM and DiskQuota are capitalised)."""
    tiers = [tier for name in LISTED_TIERS if (tier := find_tier(name))]
    items = [
        {
            "kind": "sql#tier",
            "tier": tier.name,
            "RAM": str(tier.memory_mib * MIB),
            "DiskQuota": DISK_QUOTA,
            "region": sorted(REGIONS),
        }
        for tier in tiers
    ]
    return {"kind": "sql#tiersList", "items": items}


async def list_flags(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/flags/list."""
    version, scope = call.query.get("databaseVersion"), call.query.get("flagScope")
    applies = {flag.name: [one for one in VERSIONS if flag.since <= VERSIONS[one]] for flag in TABLE}
    known = [flag for flag in TABLE if version is None or version in applies[flag.name]]
    known = known if scope in (None, SCOPE) else []
    return {"kind": "sql#flagsList", "items": [_flag(flag, applies[flag.name]) for flag in known]}


def _flag(flag: Flag, applies: list[str]) -> Json:
    limits = {"minValue": flag.minimum, "maxValue": flag.maximum}
    return {
        "kind": "sql#flag",
        "name": flag.name,
        "type": flag.type,
        "appliesTo": applies,
        "requiresRestart": flag.restart,
        "flagScope": SCOPE,
        **{name: str(value) for name, value in limits.items() if value is not None},
        **({"allowedStringValues": list(flag.values)} if flag.values else {}),
    }


ROUTES: list[Route] = [
    *routes("GET", "tiers", list_tiers, "cloudsql.instances.list"),
    *(Route("GET", f"{prefix}flags", list_flags, API) for prefix in PREFIXES),
]
