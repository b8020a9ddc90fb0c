"""A role says what it takes once, and says the same in its documentation and its defaults."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.checkout import PLAYBOOKS, ROLES, all_tasks, role_options, role_variables

WANTED_FILES = ("README.md", "defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml")


def default_differences(options: dict[str, dict[str, Any]], defaults: dict[str, Any]) -> Iterator[str]:
    """What differs between the documented defaults and those that hold; types count (1 is not "1")."""
    for name in sorted(defaults.keys() - options.keys()):
        yield f"{name} is not documented in meta/argument_specs.yml"
    for name, option in sorted(options.items()):
        if name not in defaults:
            if not option.get("required"):
                yield f"{name} has no default in defaults/main.yml and is not marked as required"
        elif "default" not in option:
            yield f"{name}: its default {defaults[name]!r} is not documented"
        elif repr(option["default"]) != repr(defaults[name]):
            yield f"{name}: documented default {option['default']!r}, real default {defaults[name]!r}"


def foreign_names(role: str, public: list[str], internal: list[str]) -> Iterator[str]:
    """Variables without the role's prefix: <role>_ for what a user sets, <role>__ for what is the role's own."""
    for name in public:
        if not re.fullmatch(rf"{role}_[a-z][a-z0-9_]*", name):
            yield f"{name} should start with {role}_"
    for name in internal:
        if not re.fullmatch(rf"{role}__[a-z][a-z0-9_]*", name):
            yield f"{name} should start with {role}__"


def set_in_tasks(role: str) -> Iterator[str]:
    """Names that a role's tasks set: registered, by set_fact, or as a task's vars."""
    for task in all_tasks():
        if not task.where.startswith(f"roles/{role}/"):
            continue
        if "register" in task.keywords:
            yield task.keywords["register"]
        yield from task.keywords.get("vars", {})
        if task.module == "ansible.builtin.set_fact":
            yield from (name for name in task.arguments[0] if name != "cacheable")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_is_complete(role: Path) -> None:
    assert [name for name in WANTED_FILES if not (role / name).is_file()] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_documented_defaults_are_the_defaults(role: Path) -> None:
    assert list(default_differences(role_options(role), role_variables(role, "defaults"))) == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_is_described(role: Path) -> None:
    options = role_options(role).items()
    assert [name for name, option in options if not (option.get("description") and option.get("type"))] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_carry_the_roles_name(role: Path) -> None:
    internal = [*role_variables(role, "vars"), *set_in_tasks(role.name)]
    assert list(foreign_names(role.name, list(role_variables(role, "defaults")), internal)) == []


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda playbook: playbook.stem)
def test_playbook_says_why_it_exists(playbook: Path) -> None:
    lines = [line for line in playbook.read_text().splitlines() if line.strip() not in ("", "---")]
    assert lines[0].startswith("# "), f"{playbook.name} starts without a comment"


def test_there_are_roles_and_playbooks() -> None:
    """Else the tests above would pass by having nothing to look at."""
    assert ROLES
    assert PLAYBOOKS


def test_rules_notice() -> None:
    described = {"default": 1}
    assert not list(default_differences({"r_a": {"default": 1}, "r_b": {"required": True}}, {"r_a": 1}))
    assert list(default_differences({}, {"r_a": 1})) == ["r_a is not documented in meta/argument_specs.yml"]
    assert "no default" in next(default_differences({"r_a": described}, {}))
    assert "not documented" in next(default_differences({"r_a": {}}, {"r_a": 1}))
    assert "real default '1'" in next(default_differences({"r_a": described}, {"r_a": "1"}))
    assert "real default True" in next(default_differences({"r_a": described}, {"r_a": True}))
    assert not list(foreign_names("role", ["role_a"], ["role__a"]))
    assert list(foreign_names("role", ["other", "role__a"], ["role_a"])) == [
        "other should start with role_",
        "role__a should start with role_",
        "role_a should start with role__",
    ]
