"""Every Molecule scenario has a sandbox of its own with a usable name, and is run by a test command."""

from pathlib import Path

import pytest
import yaml

from sandbox.machine.identity import sandbox
from scripts.test import LONG_STAGES, STAGES

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


def sandbox_name(scenario: str) -> str:
    """The SANDBOX_NAME of a scenario: its own, else the one that all share."""
    own, shared = (
        yaml.safe_load((ROOT / path).read_text()).get("ansible", {}).get("env", {}).get("SANDBOX_NAME")
        for path in (f"molecule/{scenario}/molecule.yml", ".config/molecule/config.yml")
    )
    return str(own or shared).replace("${MOLECULE_SCENARIO_NAME}", scenario)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_name_of_its_sandbox_is_usable(scenario: str) -> None:
    assert sandbox(sandbox_name(scenario)).name == sandbox_name(scenario)


def test_no_two_share_a_sandbox() -> None:
    assert len({sandbox_name(scenario) for scenario in SCENARIOS}) == len(SCENARIOS)


def test_each_is_run_by_make_test_or_make_test_long() -> None:
    run = [stage.name.removeprefix("molecule-") for stage in (*STAGES, *LONG_STAGES) if stage.group == "molecule"]
    assert sorted(run) == SCENARIOS
