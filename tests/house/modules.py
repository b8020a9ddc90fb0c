"""What the house rules know of the collection's modules: their names and the argument specifications they use."""

import importlib
from functools import cache
from typing import Any, NoReturn
from unittest import mock

from tests.house.checkout import ROOT

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))


class SpecificationTakenError(Exception):
    """Ends a module at the point where it hands its specification to Ansible."""


@cache
def argument_spec(name: str) -> dict[str, dict[str, Any]]:
    """The specification that the module gives to AnsibleModule, taken by starting it."""
    taken: dict[str, dict[str, Any]] = {}

    def take(_self: object, argument_spec: dict[str, dict[str, Any]], **_: object) -> NoReturn:
        taken.update(argument_spec)
        raise SpecificationTakenError

    module = importlib.import_module(f"ansible_collections.mlflow_ops.gcp.plugins.modules.{name}")
    with mock.patch("ansible.module_utils.basic.AnsibleModule.__init__", take):
        try:
            module.main()
        except SpecificationTakenError:
            return taken
    raise AssertionError(f"{name} makes no AnsibleModule")
