"""What a new size does: connections, restarts, and prices where somebody has published them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.sizes import max_connections, resizing

from sandbox.cloudsql.tiers import LISTED_TIERS, find_tier

MICRO: dict[str, Any] = {"tier": "db-f1-micro", "dataDiskSizeGb": "10"}


def change(field: str, before: Any, after: Any, radius: BlastRadius = BlastRadius.RESTARTS) -> dict[str, Any]:
    return Change(field, before, after, "differs", radius).as_result()


TIER = change("tier", "db-f1-micro", "db-g1-small")


def told(settings: dict[str, Any], *changes: dict[str, Any], region: str = "europe-west3") -> str:
    return "\n".join(resizing(settings, changes, region)["lines"])


@pytest.mark.parametrize(
    ("tier", "connections"),
    [
        ("db-f1-micro", 25),
        ("db-g1-small", 50),
        ("db-custom-1-3840", 100),
        ("db-custom-1-6144", 200),
        ("db-custom-2-7680", 400),
        ("db-custom-4-15360", 500),
        ("db-custom-8-30720", 600),
        ("db-custom-16-61440", 800),
        ("db-custom-20-122880", 1000),
        ("db-perf-optimized-N-2", 500),
        ("db-c4a-highmem-4", 0),
        ("db-custom-1-1024", 0),
        ("", 0),
    ],
)
def test_connections_by_tier(tier: str, connections: int) -> None:
    assert max_connections(tier) == connections


@pytest.mark.parametrize("tier", LISTED_TIERS)
def test_the_emulated_postgresql_takes_as_many(tier: str) -> None:
    found = find_tier(tier)
    assert found is not None
    assert max_connections(tier) == found.max_connections


@pytest.mark.parametrize(
    ("flags", "changes", "line", "fewer"),
    [
        ([], [TIER], "25 -> 50", False),
        ([], [change("tier", "db-f1-micro", "db-unheard-of")], "25 -> not published for db-unheard-of", True),
        ([40], [TIER], "40 -> 40", False),
        ([40], [TIER, change("database_flags.max_connections", "40", None)], "40 -> 50", False),
        ([40], [change("database_flags.max_connections", "40", "30")], "40 -> 30", True),
        ([], [], "25 -> 25", False),
    ],
)
def test_a_flag_wins_over_the_tier(flags: list[int], changes: list[dict[str, Any]], line: str, fewer: bool) -> None:
    settings = MICRO | {"databaseFlags": [{"name": "max_connections", "value": str(flag)} for flag in flags]}
    found = resizing(settings, changes, "europe-west3")
    assert f"Connections: {line}" in found["lines"]
    assert found["fewer_connections"] is fewer


def test_going_back_takes_fewer_connections() -> None:
    small = MICRO | {"tier": "db-g1-small"}
    found = resizing(small, [change("tier", "db-g1-small", "db-f1-micro")], "europe-west3")
    assert found["fewer_connections"] is True


def test_what_restarts_is_said_and_how_long_is_not_invented() -> None:
    assert "tier: db-f1-micro -> db-g1-small: restarts the database" in told(MICRO, TIER)
    assert "is not known: Google gives no time for it" in told(MICRO, TIER)
    disk = change("data_disk_size_gb", 10, 20, BlastRadius.SAFE)
    assert "data_disk_size_gb: 10 -> 20: made at once, and a disk can't shrink again" in told(MICRO, disk)
    assert "is not known: Google" not in told(MICRO, disk)
    assert "nothing: the instance is as the inventory wants it" in told(MICRO)
    assert "does not change" in told(MICRO)


def test_prices_have_a_source_and_what_nobody_has_published_is_unknown() -> None:
    frankfurt = told(MICRO, TIER, change("data_disk_size_gb", 10, 20, BlastRadius.SAFE))
    assert "  europe-west3, machine: unknown -> unknown\n" in frankfurt
    assert "  europe-west3, disk: 2.04 USD -> 4.08 USD (Infracost's list of Google's prices of 2024-03-21)" in frankfurt
    scale = "  for scale, in us-central1, machine: 7.67 USD -> 25.55 USD (Google's price page as quoted on 2026-09-30; "
    assert f"{scale}a note in public code of March 2023)" in frankfurt
    iowa = told(MICRO, TIER, region="us-central1")
    assert "for scale" not in iowa
    assert "https://cloud.google.com/sql/pricing" in iowa


def test_a_standby_costs_as_much_again() -> None:
    text = told(MICRO, change("availability_type", "ZONAL", "REGIONAL"), region="us-central1")
    assert "machine: 7.67 USD -> 15.33 USD" in text
    assert "disk: 1.70 USD -> 3.40 USD" in text


def test_a_custom_tier_costs_its_cpus_and_its_memory() -> None:
    text = told(MICRO, change("tier", "db-f1-micro", "db-custom-4-15360"), region="us-central1")
    # 730 hours of 4 CPUs at 0.0413 and 15 GB at 0.007.
    assert "-> 197.25 USD" in text
