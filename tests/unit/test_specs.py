"""A module takes exactly what its documentation says: types, choices, defaults, what is required, what is secret."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible.utils.plugin_docs import get_docstring

from tests.house.checkout import ROOT
from tests.house.modules import MODULES, argument_spec

ABOUT = ("type", "elements", "required", "default", "choices")
# Every option that holds a secret; masking any other one would make messages unreadable.
SECRETS = {"access_token", "credentials_contents"}
SECRETS_OF = {"secret": {"value"}, "sql_user": {"password"}}


def documented(module: str) -> dict[str, Any]:
    """The options as documented, those of the fragments too."""
    fragments = importlib.import_module("ansible.plugins.loader").fragment_loader
    path = str(ROOT / "plugins" / "modules" / f"{module}.py")
    doc = get_docstring(path, fragments, collection_name="mlflow_ops.gcp", is_module=True, plugin_type="module")[0]
    options: dict[str, Any] = doc["options"]
    return options


def flat(options: Mapping[str, Any], inner: str, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every option by its path, with what is compared."""
    for name, about in options.items():
        compared = {key: about.get(key) for key in ABOUT}
        compared |= {"type": about.get("type", "str"), "required": bool(about.get("required"))}
        compared["choices"] = [str(choice) for choice in about.get("choices") or []]
        yield f"{prefix}{name}", compared
        yield from flat(about.get(inner) or {}, inner, f"{prefix}{name}.")


def secret(options: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The options that Ansible masks."""
    for name, about in options.items():
        if about.get("no_log"):
            yield f"{prefix}{name}"
        yield from secret(about.get("options") or {}, f"{prefix}{name}.")


@pytest.mark.parametrize("module", MODULES)
def test_documented_is_what_is_taken(module: str) -> None:
    assert dict(flat(argument_spec(module), "options")) == dict(flat(documented(module), "suboptions"))


@pytest.mark.parametrize("module", MODULES)
def test_what_is_secret_is_masked_and_nothing_else(module: str) -> None:
    assert set(secret(argument_spec(module))) == SECRETS | SECRETS_OF.get(module, set())


@pytest.mark.parametrize("module", MODULES)
def test_an_option_that_sounds_secret_says_whether_it_is(module: str) -> None:
    """Else Ansible warns at each run: its own pattern, of ansible.module_utils.basic.PASSWORD_MATCH."""
    sounds = importlib.import_module("ansible.module_utils.basic").PASSWORD_MATCH
    unsaid = [
        name
        for name, about in argument_spec(module).items()
        if sounds.search(name)
        and about.get("no_log") is None
        and about.get("type") != "bool"
        and not about.get("choices")
    ]
    assert unsaid == []
