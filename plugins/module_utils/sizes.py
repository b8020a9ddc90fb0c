# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a size of a Cloud SQL instance takes and costs, as far as anybody has published it. Pure; nothing is guessed.

Connections: https://cloud.google.com/sql/docs/postgres/flags (max_connections, by memory). Memory of predefined tiers:
https://cloud.google.com/sql/docs/postgres/instance-settings. What restarts is the plan's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SHARED_CORE = {"db-f1-micro": 25, "db-g1-small": 50}
# From this much memory (MB) on, this many connections.
_BY_MEMORY = ((122880, 1000), (61440, 800), (30720, 600), (15360, 500), (7680, 400), (6144, 200), (3840, 100))
_CUSTOM, _PERFORMANCE = re.compile(r"db-custom-(\d+)-(\d+)"), re.compile(r"db-perf-optimized-N-(\d+)")
_MB_PER_CPU = 8192
_PRICE_PAGE = "https://cloud.google.com/sql/pricing"
# Google bills by the second; its own pages reckon with so many hours.
_HOURS_A_MONTH = 730
_FOR_SCALE = "us-central1"


@dataclass(frozen=True)
class Price:
    """A list price in USD without tax, and who said so when."""

    usd: float
    source: str


_GOOGLE = "Google's price page as quoted on 2026-09-30"
_INFRACOST = "Infracost's list of Google's prices of 2024-03-21"
_NOTE = "a note in public code of March 2023"
# An hour of a tier, of a virtual CPU and of a GB of its memory (Enterprise edition); a month of a GB of SSD; all zonal.
_PRICES: Mapping[tuple[str, str], Price] = {
    ("us-central1", "db-f1-micro"): Price(0.0105, _GOOGLE),
    ("us-central1", "db-g1-small"): Price(0.035, _NOTE),
    ("us-central1", "cpu"): Price(0.0413, _INFRACOST),
    ("us-central1", "memory"): Price(0.007, _INFRACOST),
    ("us-central1", "disk"): Price(0.17, _GOOGLE),
    ("europe-west3", "disk"): Price(0.204, _INFRACOST),
}
# "Regional" prices are twice the "Zonal" ones throughout Infracost's list.
_REGIONAL = 2


def max_connections(tier: str) -> int:
    """How many connections PostgreSQL takes on a tier where no flag says otherwise; 0: nobody has published it."""
    if tier in _SHARED_CORE:
        return _SHARED_CORE[tier]
    memory = _memory(tier)
    return next((connections for least, connections in _BY_MEMORY if memory >= least), 0)


def _memory(tier: str) -> int:
    """Megabytes; 0 if the tier's name does not tell."""
    if custom := _CUSTOM.fullmatch(tier):
        return int(custom[2])
    performance = _PERFORMANCE.fullmatch(tier)
    return int(performance[1]) * _MB_PER_CPU if performance else 0


@dataclass(frozen=True)
class Size:
    """What is paid for, and what decides how many connections there are; a flag of 0 is none."""

    tier: str
    disk: int
    availability: str
    flag: int

    @property
    def connections(self) -> int:
        """How many the instance takes; 0: not known."""
        return self.flag or max_connections(self.tier)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Size:
        """The size that Google's settings of an instance describe."""
        flags = {flag["name"]: flag["value"] for flag in settings.get("databaseFlags") or []}
        availability = str(settings.get("availabilityType") or "ZONAL")
        disk = int(settings.get("dataDiskSizeGb") or 0)
        return cls(str(settings.get("tier")), disk, availability, int(flags.get("max_connections") or 0))

    def after(self, changes: Sequence[Mapping[str, Any]]) -> Size:
        """The size once a plan's changes are made."""
        wanted = {change["field"]: change["after"] for change in changes}
        return Size(
            str(wanted.get("tier", self.tier)),
            int(wanted.get("data_disk_size_gb", self.disk)),
            str(wanted.get("availability_type", self.availability)),
            int(wanted.get("database_flags.max_connections", self.flag) or 0),
        )


def resizing(settings: Mapping[str, Any], changes: Sequence[Mapping[str, Any]], region: str) -> dict[str, Any]:
    """What a plan does to an instance's size, for people, and whether it takes fewer connections then."""
    before = Size.of(settings)
    after = before.after(changes)
    lines = [_change(change) for change in changes] or ["nothing: the instance is as the inventory wants it"]
    restarts = [change for change in changes if change["blast_radius"] == "restarts the database"]
    lines += ["", f"Connections: {_connections(before)} -> {_connections(after)}"]
    if restarts:
        lines += [
            "",
            "How long the database is away while it restarts is not known: Google gives no time for it. MLflow answers "
            "503 meanwhile and goes on by itself.",
        ]
    lines += ["", *_bill(before, after, region)]
    return {"lines": lines, "fewer_connections": bool(after.connections < before.connections)}


def _change(change: Mapping[str, Any]) -> str:
    line = f"{change['field']}: {change['before']} -> {change['after']}"
    effect = "made at once" if change["blast_radius"] == "safe" else change["blast_radius"]
    if change["field"] == "data_disk_size_gb":
        effect += ", and a disk can't shrink again"
    return f"{line}: {effect}"


def _connections(size: Size) -> str:
    return str(size.connections) if size.connections else f"not published for {size.tier}"


def _bill(before: Size, after: Size, region: str) -> Iterator[str]:
    if (before.tier, before.disk, before.availability) == (after.tier, after.disk, after.availability):
        yield "What it costs a month does not change."
        return
    yield (
        f"What it costs a month ({_HOURS_A_MONTH} hours, list prices without tax, backups and traffic aside; "
        f"{_PRICE_PAGE} has today's):"
    )
    for where in dict.fromkeys((region, _FOR_SCALE)):
        scale = "" if where == region else "for scale, in "
        for what, changes, price in (
            ("machine", before.tier != after.tier, _machine),
            ("disk", before.disk != after.disk, _disk),
        ):
            if not changes and before.availability == after.availability:
                continue
            old, new = price(before, where), price(after, where)
            known = [price.source for price in (old, new) if price]
            source = f" ({'; '.join(dict.fromkeys(known))})" if known else ""
            yield f"  {scale}{where}, {what}: {_usd(old)} -> {_usd(new)}{source}"


def _machine(size: Size, region: str) -> Price | None:
    price = _PRICES.get((region, size.tier))
    if custom := _CUSTOM.fullmatch(size.tier):
        cpu, memory = _PRICES.get((region, "cpu")), _PRICES.get((region, "memory"))
        if cpu and memory:
            price = Price(int(custom[1]) * cpu.usd + int(custom[2]) / 1024 * memory.usd, cpu.source)
    return _times(price, _HOURS_A_MONTH, size)


def _disk(size: Size, region: str) -> Price | None:
    return _times(_PRICES.get((region, "disk")), size.disk, size)


def _times(price: Price | None, amount: int, size: Size) -> Price | None:
    if price is None:
        return None
    doubled = _REGIONAL if size.availability == "REGIONAL" else 1
    return Price(price.usd * amount * doubled, price.source)


def _usd(price: Price | None) -> str:
    return f"{price.usd:.2f} USD" if price else "unknown"
