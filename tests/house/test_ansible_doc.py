"""What `ansible-doc` shows of every module is what an operator needs, and plain enough to paste."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.checkout import ROOT
from tests.house.modules import MODULES, argument_spec

READING = {"sql_backup_info", "sql_instance_info"}
# A backup is made at each run.
PARTLY = {"sql_backup"}
ATTRIBUTES = {"action_group", "check_mode", "diff_mode", "idempotent"}
PREFIX = "mlflow_ops.gcp."


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """What ansible-doc prints of all modules, in one run."""
    command = [str(Path(sys.executable).parent / "ansible-doc"), "-t", "module", "--json"]
    done = subprocess.run(
        [*command, *(f"{PREFIX}{module}" for module in MODULES)],
        cwd=ROOT,
        env={"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"), "HOME": "/nonexistent"},
        text=True,
        capture_output=True,
        check=True,
    )
    return {name.removeprefix(PREFIX): found for name, found in json.loads(done.stdout).items()}


def bare(values: Mapping[str, Any], *wanted: str) -> Iterator[str]:
    """Return values that lack one of the wanted keys, by their path; those inside others are returned with them."""
    for name, about in values.items():
        yield from (f"{name}: no {key}" for key in wanted if key not in about)
        inner = about.get("contains") or {}
        yield from (f"{name}.{fault}" for fault in bare(inner, "description", "type"))


@pytest.mark.parametrize("module", MODULES)
def test_what_it_supports_is_said(shown: dict[str, Any], module: str) -> None:
    attributes = shown[module]["doc"]["attributes"]
    assert set(attributes) >= ATTRIBUTES
    assert [
        name for name, about in attributes.items() if not about.get("description") or not about.get("support")
    ] == []
    assert attributes["check_mode"]["support"] == "full"
    assert attributes["diff_mode"]["support"] == ("none" if module in READING else "full")
    assert attributes["idempotent"]["support"] == ("partial" if module in PARTLY else "full")


@pytest.mark.parametrize("module", MODULES)
def test_every_option_is_described_as_it_is(shown: dict[str, Any], module: str) -> None:
    options = shown[module]["doc"]["options"]
    assert sorted(options) == sorted(argument_spec(module))
    assert [name for name, about in options.items() if not about.get("description") or not about.get("type")] == []


@pytest.mark.parametrize("module", MODULES)
def test_examples_have_names_and_options_that_exist(shown: dict[str, Any], module: str) -> None:
    examples = yaml.safe_load(shown[module]["examples"])
    options = set(shown[module]["doc"]["options"])
    assert any(f"{PREFIX}{module}" in example for example in examples)
    assert [example for example in examples if not example.get("name")] == []
    assert [example["name"] for example in examples if set(example.get(f"{PREFIX}{module}", {})) - options] == []


@pytest.mark.parametrize("module", MODULES)
def test_return_values_have_a_type_a_time_and_a_sample(shown: dict[str, Any], module: str) -> None:
    assert shown[module]["return"]
    assert list(bare(shown[module]["return"], "description", "type", "returned", "sample")) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_sample_has_the_parts_that_are_described(shown: dict[str, Any], module: str) -> None:
    for about in shown[module]["return"].values():
        sample = about["sample"]
        for item in sample if isinstance(sample, list) else [sample]:
            if about.get("contains"):
                assert set(item) <= set(about["contains"])


def test_rules_notice() -> None:
    whole = {"description": "d", "type": "int"}
    values = {"a": {**whole, "contains": {"b": whole, "c": {"type": "int"}}}, "d": {"type": "str", "description": "d"}}
    assert list(bare(values, "description", "type")) == ["a.c: no description"]
    assert list(bare(values, "sample")) == ["a: no sample", "a.c: no description", "d: no sample"]
