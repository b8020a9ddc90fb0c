"""What the role tracking_server makes of the instance's size and address: pools that fit, or a line that says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.test_container_keys import part, run

FOUND = """{{ {
  'problem': tracking_server__problem | trim, 'peak': tracking_server__peak_connections | int,
  'pool': [tracking_server_workers, tracking_server_pool_size, tracking_server_max_overflow],
  'given': tracking_server__environment, 'proxy': tracking_server__proxy_only.command,
} }}"""
# A machine that could take the containers.
MACHINE = {"container_host__lines": ["docker"], "container_host__free": {"docker": 90_000_000}}
# Else nine files are read for each case.
AT_HAND = {"tracking_server__derived_image": "image"}
NETWORK = "projects/p/global/networks/default"
CASES: dict[str, dict[str, Any]] = {
    "micro": {},
    "small": {"mlflow_tier": "db-g1-small"},
    "big": {"mlflow_tier": "db-custom-2-7680"},
    "flag": {"backend_store_settings": {"database_flags": {"max_connections": 60}}},
    "flag removed": {"backend_store_settings": {"database_flags": {"max_connections": None}}},
    "tiny flag": {
        "backend_store_settings": {"database_flags": {"max_connections": "14"}},
        "tracking_server_workers": 1,
    },
    "unknown": {"mlflow_tier": "db-c4a-highmem-4"},
    "said": {"mlflow_tier": "db-c4a-highmem-4", "tracking_server_max_connections": 100},
    "too many": {"tracking_server_workers": 6},
    "by hand": {"mlflow_tier": "db-g1-small", "tracking_server_pool_size": 10},
    "private": {"mlflow_private_network": NETWORK},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the role makes of each case, in one play."""
    folder = tmp_path_factory.mktemp("sizes")
    tasks: list[dict[str, Any]] = [part("tracking_server", "keys.yml")]
    # A fact of each, and one file of all, since a file takes a second.
    facts = {name: f"found_{number}" for number, name in enumerate(CASES)}
    tasks += [
        {"ansible.builtin.set_fact": {facts[name]: FOUND}, "vars": AT_HAND | given} for name, given in CASES.items()
    ]
    every = ", ".join(f"'{name}': {fact}" for name, fact in facts.items())
    copied = {"content": f"{{{{ {{{every}}} | to_json }}}}", "dest": str(folder / "found.json"), "mode": "0600"}
    returncode, output = run(folder, [*tasks, {"ansible.builtin.copy": copied}], **MACHINE)
    assert returncode == 0, output
    made: dict[str, dict[str, Any]] = json.loads((folder / "found.json").read_text())
    return made


@pytest.mark.parametrize(
    ("case", "pool", "peak"),
    [
        ("micro", [2, 2, 1], 14),
        ("small", [2, 4, 3], 30),
        ("big", [2, 10, 5], 62),
        ("flag", [2, 5, 3], 34),
        ("flag removed", [2, 2, 1], 14),
        ("tiny flag", [1, 2, 1], 8),
        ("said", [2, 9, 5], 58),
    ],
)
def test_the_pools_fit_the_instance(found: dict[str, dict[str, Any]], case: str, pool: list[int], peak: int) -> None:
    made = found[case]
    assert (made["problem"], made["pool"], made["peak"]) == ("", pool, peak)
    environment = made["given"]
    assert environment["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"] == str(pool[1])
    assert environment["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"] == str(pool[2])


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("unknown", "How many connections the tier db-c4a-highmem-4 (mlflow_tier) takes is not published."),
        ("unknown", "Set tracking_server_max_connections to what `SHOW max_connections` says there"),
        (
            "too many",
            "tracking_server_workers (6) with tracking_server_pool_size (1) and tracking_server_max_overflow (1)",
        ),
        ("by hand", "open up to 54 connections, but p:europe-west3:db takes 50, of which PostgreSQL keeps 3."),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_changed(
    found: dict[str, dict[str, Any]], case: str, words: str
) -> None:
    problem = " ".join(found[case]["problem"].split())
    assert words in problem
    assert "Nothing was changed." in problem


def test_the_proxy_goes_to_the_private_address_where_the_instance_has_no_other(
    found: dict[str, dict[str, Any]],
) -> None:
    assert "--private-ip" in found["private"]["proxy"]
    assert "--private-ip" not in found["micro"]["proxy"]
