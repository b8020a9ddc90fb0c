"""Functions fit on a screen, and a module's file is its documentation and a few lines more."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.checkout import ROOT, tracked_text

LONGEST_FUNCTION = 60
LONGEST_MODULE = 150
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function, decorators aside."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def code_lines(source: str) -> int:
    """Lines of a file without its documentation blocks, blank lines and comments included."""
    blocks = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in DOCUMENTATION
    ]
    return len(source.splitlines()) - sum(blocks)


def python_files(*folders: str) -> Iterator[tuple[Path, str]]:
    yield from ((path, text) for path, text in tracked_text(*folders) if path.suffix == ".py")


def test_no_function_is_longer_than_a_screen() -> None:
    found = list(python_files("plugins", "roles", "scripts", "sandbox", "tests", "molecule"))
    assert len(found) > len(list((ROOT / "plugins").rglob("*.py")))
    long = [
        f"{path}: {name} has {lines} lines"
        for path, text in found
        for name, lines in functions(text)
        if lines > LONGEST_FUNCTION
    ]
    assert long == []


def test_no_module_is_long_without_its_documentation() -> None:
    found = {path: code_lines(text) for path, text in python_files("plugins") if path.parts[1] == "modules"}
    assert found
    assert {str(path): lines for path, lines in found.items() if lines > LONGEST_MODULE} == {}


def test_rules_notice() -> None:
    body = "\n".join("    pass" for _ in range(4))
    assert list(functions(f"@x\ndef f():\n{body}\nclass A:\n  async def g(self): pass\n")) == [("f", 5), ("g", 1)]
    assert code_lines('a = 1\nEXAMPLES = """\nx\n"""\nb = 2\n') == 2
