"""The collection's modules are one family: in the action group, with the same common options, and documented."""

import ast
from typing import Any

import pytest
import yaml

from tests.house.checkout import ROOT, load
from tests.house.modules import MODULES, argument_spec

READING = {"plan", "sql_backup_info", "sql_instance_info"}
COMMON = {
    "project",
    "credentials_file",
    "credentials_contents",
    "access_token",
    "impersonate_service_account",
    "endpoints",
}


def documents(name: str) -> dict[str, Any]:
    """A module's DOCUMENTATION, EXAMPLES and RETURN, as YAML."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{name}.py").read_text())
    found: dict[str, Any] = {}
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        ):
            variable = node.targets[0].id
            if variable in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
                found[variable] = yaml.safe_load(str(node.value.value))
    return found


def group_differences(members: list[str], modules: list[str]) -> tuple[list[str], list[str]]:
    """Modules that the action group lacks, and members that are no module."""
    return sorted(set(modules) - set(members)), sorted(set(members) - set(modules))


def test_action_group_has_every_module() -> None:
    assert MODULES
    assert group_differences(load(ROOT / "meta" / "runtime.yml")["action_groups"]["all"], MODULES) == ([], [])


@pytest.mark.parametrize("name", MODULES)
def test_module_takes_the_common_options(name: str) -> None:
    specification = argument_spec(name)
    assert specification.keys() >= COMMON
    assert specification["access_token"].get("no_log")
    assert specification["credentials_contents"].get("no_log")
    if name not in READING:
        assert specification["state"]["choices"] == ["present", "absent"]


@pytest.mark.parametrize("name", MODULES)
def test_module_is_documented_with_examples(name: str) -> None:
    found = documents(name)
    assert found.keys() == {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    fragments = {".".join(name.split(".")[:3]) for name in found["DOCUMENTATION"]["extends_documentation_fragment"]}
    assert fragments >= {"mlflow_ops.gcp.auth", "mlflow_ops.gcp.endpoints", "mlflow_ops.gcp.attributes"}
    assert any(f"mlflow_ops.gcp.{name}" in example for example in found["EXAMPLES"])


def test_rules_notice() -> None:
    assert group_differences(["a", "b"], ["b", "c"]) == (["c"], ["a"])
    assert group_differences(["a"], ["a"]) == ([], [])
