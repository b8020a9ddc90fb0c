"""What the house rules look at: the checkout's files as git would keep them, its roles, tasks and variables."""

import importlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
# What a task may say beside its module (Ansible's own list).
KEYWORDS = set(importlib.import_module("ansible.playbook.block").Block.fattributes) | set(
    importlib.import_module("ansible.playbook.task").Task.fattributes
)


class Loader(yaml.SafeLoader):
    """YAML as Ansible writes it: tags such as !vault and !unsafe are kept as their text."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def load(path: Path) -> Any:
    return Loader(path.read_text()).get_single_data()


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git keeps or would keep (not ignored), relative to the checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.check_output(command, cwd=ROOT, text=True)
    return tuple(Path(name) for name in sorted(set(listing.split("\0"))) if name and (ROOT / name).exists())


def tracked_text(*folders: str) -> Iterator[tuple[Path, str]]:
    """Path and text of every tracked text file (in those folders only, when given)."""
    for path in tracked():
        if folders and path.parts[0] not in folders:
            continue
        if not (ROOT / path).is_symlink() and (ROOT / path).is_file():
            content = (ROOT / path).read_bytes()
            if b"\0" not in content:
                yield path, content.decode(errors="replace")


@dataclass(frozen=True)
class Task:
    """One task with its module, what it hands to it, and whether it (or a block around it) hides its output."""

    where: str
    name: str
    module: str | None
    arguments: Any
    keywords: dict[str, Any]
    no_log: bool


def tasks(entries: Any, where: str, no_log: bool = False) -> Iterator[Task]:
    """Every task of a task list or a playbook, those inside blocks and plays included."""
    for entry in entries or []:
        hidden = bool(entry.get("no_log", no_log))
        inner = [
            key for key in ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always") if key in entry
        ]
        for key in inner:
            yield from tasks(entry[key], where, hidden)
        if inner or "hosts" in entry:
            continue
        modules = [key for key in entry if key not in KEYWORDS and not key.startswith("with_")]
        keywords = {key: value for key, value in entry.items() if key in KEYWORDS}
        module = modules[0] if modules else None
        arguments = (entry[module] if module else None, entry.get("args"))
        yield Task(where, entry.get("name", "(without a name)"), module, arguments, keywords, hidden)


def task_files() -> list[Path]:
    found = [
        path for role in ROLES for folder in ("tasks", "handlers") for path in sorted((role / folder).rglob("*.yml"))
    ]
    return [*found, *PLAYBOOKS]


def all_tasks() -> Iterator[Task]:
    """Every task that the product runs."""
    for path in task_files():
        yield from tasks(load(path), str(path.relative_to(ROOT)))


def role_variables(role: Path, folder: str) -> dict[str, Any]:
    """The variables of a role's defaults or vars, from main.yml or main/*.yml."""
    files = [role / folder / "main.yml", *sorted((role / folder / "main").glob("*.yml"))]
    variables: dict[str, Any] = {}
    for path in files:
        if path.exists():
            variables |= load(path) or {}
    return variables


def role_options(role: Path) -> dict[str, dict[str, Any]]:
    """The options that a role documents, over all its entry points."""
    specification = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    options: dict[str, dict[str, Any]] = {}
    for entry in specification.values():
        options |= entry.get("options") or {}
    return options


def strings(value: Any) -> Iterator[str]:
    """Every string inside a value, keys of mappings included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value
