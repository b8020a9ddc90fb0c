"""The page of failures names only what the product says, or what Google says in a test of wrong input."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import variables

from tests.house.checkout import ROLES, ROOT, load, role_variables, strings, tracked

PAGE = ROOT / "docs" / "trouble.md"
SECTIONS = ("Google Cloud", "The machine")
# The product, and the tests in which Google, PostgreSQL, Docker and Ansible speak for themselves.
SPEAKERS = (
    "plugins/",
    "roles/",
    "playbooks/",
    "scripts/sandbox-vault-password",
    "molecule/bare_machine/",
    "molecule/drift/",
    "tests/contract/test_wrong_input.py",
    "tests/contract/test_database_owner.py",
)
GAP = "…"


def rows(page: str) -> dict[str, list[list[str]]]:
    """The cells of each table's rows, by the section's title."""
    sections = re.findall(r"^## (.*?)$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return {title: list(_cells(text))[2:] for title, text in sections}


def _cells(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def python_texts(source: str) -> Iterator[str]:
    """Every string of a Python file, what is filled in later as a gap."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def texts(path: Path) -> Iterator[str]:
    """Every text that a file of the product or of a test holds."""
    if path.suffix == ".py":
        yield from python_texts(path.read_text())
    elif path.suffix == ".yml":
        yield from (re.sub(r"{[{%].*?[%}]}", GAP, text) for text in strings(load(path)))
    else:
        yield path.read_text()


def said() -> list[str]:
    """All that is said, each on one line."""
    spoken = (path for path in tracked() if str(path).startswith(SPEAKERS) and path.suffix in {"", ".py", ".yml"})
    return [" ".join(text.split()) for path in spoken if not (ROOT / path).is_symlink() for text in texts(ROOT / path)]


def unheard(page: str, spoken: Iterable[str]) -> Iterator[str]:
    """Parts of lines that the page promises and nobody says."""
    spoken = list(spoken)
    for table in rows(page).values():
        for line, *_ in table:
            yield from (part for part in re.split(rf"\s*{GAP}\s*", line) if not any(part in text for text in spoken))


def test_the_page_promises_only_what_is_said() -> None:
    assert list(unheard(PAGE.read_text(), said())) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_says_what_it_means_and_what_to_do(section: str) -> None:
    table = rows(PAGE.read_text())[section]
    assert table
    assert [row for row in table if len(row) != 3 or not all(row)] == []
    lines = [row[0] for row in table]
    assert sorted(set(lines)) == sorted(lines)


def test_messages_name_variables_that_an_inventory_can_set() -> None:
    example = load(ROOT / "inventories" / "example" / "group_vars" / "all" / "mlflow.yml")
    settable = set(example).union(*(role_variables(role, "defaults") for role in ROLES))
    named = {*variables.VARIABLES.values(), *variables.SETTINGS.values(), variables.PROJECT.partition(" ")[0]}
    assert sorted(named - settable) == []


def test_rules_notice() -> None:
    page = "## A\n\n| the line says | m | d |\n|---|---|---|\n| x is … gone | b | c |\n| never said | b | c |\n\n## B\n"
    assert rows(page) == {"A": [["x is … gone", "b", "c"], ["never said", "b", "c"]], "B": []}
    assert list(unheard(page, ["the x is here", "and gone"])) == ["never said"]
    source = 'a = f"x {y} is " "there"\nb = ("one "\n  "two")\n'
    assert {"x … is there", "one two"} <= set(python_texts(source))
