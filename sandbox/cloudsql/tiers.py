"""Machine tiers, regions and versions that the sandbox knows, and a tier's default max_connections.

Memory -> max_connections: https://cloud.google.com/sql/docs/postgres/flags (max_connections).
"""

import re
from dataclasses import dataclass

MIB = 1 << 20
SHARED_CORE = {"db-f1-micro": (614, 25), "db-g1-small": (1741, 50)}
CUSTOM = re.compile(r"db-custom-(\d+)-(\d+)")
PREDEFINED = re.compile(r"db-perf-optimized-N-(2|4|8|16|32|48|64|80|96|128)")
PREDEFINED_MIB_PER_CPU = 8192
# From this much memory (MiB) on, this many connections.
CONNECTIONS_BY_MEMORY = ((122880, 1000), (61440, 800), (30720, 600), (15360, 500), (7680, 400), (6144, 200), (0, 100))
LISTED_TIERS = (
    "db-f1-micro",
    "db-g1-small",
    "db-custom-1-3840",
    "db-custom-2-7680",
    "db-custom-4-15360",
    "db-custom-8-30720",
    "db-perf-optimized-N-2",
    "db-perf-optimized-N-4",
    "db-perf-optimized-N-8",
)
REGIONS = frozenset(
    [
        "africa-south1",
        "asia-east1",
        "asia-east2",
        "asia-northeast1",
        "asia-northeast2",
        "asia-northeast3",
        "asia-south1",
        "asia-south2",
        "asia-southeast1",
        "asia-southeast2",
        "australia-southeast1",
        "australia-southeast2",
        "europe-central2",
        "europe-north1",
        "europe-north2",
        "europe-southwest1",
        "europe-west1",
        "europe-west10",
        "europe-west12",
        "europe-west2",
        "europe-west3",
        "europe-west4",
        "europe-west6",
        "europe-west8",
        "europe-west9",
        "me-central1",
        "me-central2",
        "me-west1",
        "northamerica-northeast1",
        "northamerica-northeast2",
        "northamerica-south1",
        "southamerica-east1",
        "southamerica-west1",
        "us-central1",
        "us-east1",
        "us-east4",
        "us-east5",
        "us-south1",
        "us-west1",
        "us-west2",
        "us-west3",
        "us-west4",
    ]
)
VERSIONS = {f"POSTGRES_{name}": int(name.split("_")[0]) for name in ("9_6", *map(str, range(10, 19)))}
ENTERPRISE_PLUS_BY_DEFAULT_SINCE = 16


@dataclass(frozen=True)
class Tier:
    """One machine type: its memory and which edition sells it."""

    name: str
    memory_mib: int
    max_connections: int
    edition: str


def find_tier(name: str) -> Tier | None:
    """The tier of that name, or None when Cloud SQL for PostgreSQL has no such tier."""
    if name in SHARED_CORE:
        memory, connections = SHARED_CORE[name]
        return Tier(name, memory, connections, "ENTERPRISE")
    if custom := CUSTOM.fullmatch(name):
        processors, memory = int(custom[1]), int(custom[2])
        if not _sellable(processors, memory):
            return None
        return Tier(name, memory, _connections(memory), "ENTERPRISE")
    if predefined := PREDEFINED.fullmatch(name):
        memory = int(predefined[1]) * PREDEFINED_MIB_PER_CPU
        return Tier(name, memory, _connections(memory), "ENTERPRISE_PLUS")
    return None


def _sellable(processors: int, memory: int) -> bool:
    """1 or an even number of processors up to 96; memory a multiple of 256 MiB, 0.9 to 6.5 GiB a processor."""
    right_processors = processors in (1, *range(2, 97, 2))
    return right_processors and memory % 256 == 0 and max(3840, 921 * processors) <= memory <= 6656 * processors


def _connections(memory: int) -> int:
    return next(connections for least, connections in CONNECTIONS_BY_MEMORY if memory >= least)
