"""Every text that an emulated API refuses with names its source in the code, or says that the wording is ours."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for room in ("apis", "access", "cloudsql", "core") for path in (ROOT / room).rglob("*.py"))
# The functions that make an error out of a text.
MAKERS = frozenset(("ApiError", "classic", "fatal", "invalid", "modern", "permission_denied"))
SOURCE = re.compile(r"https://|[\w.-]+/[\w.-]+#\d+|gcloud \d+|PostgreSQL's own|golden log|wording ours", re.IGNORECASE)
# Google never says this.
OURS = re.compile(r"\bsandbox\b", re.IGNORECASE)
LINES_ABOVE = 4


def sourceless(source: str) -> list[str]:
    """Calls that make an error of a text with no source beside them: as LINE: CALL."""
    lines = source.splitlines()
    tree = ast.parse(source)
    found = [_sourceless_calls(scope, tree, lines) for scope in _scopes(tree)]
    return sorted({text for texts in found for text in texts}, key=lambda text: int(text.partition(":")[0]))


def _scopes(tree: ast.Module) -> Iterator[ast.stmt]:
    """Functions, whether of the module or of a class in it, and the module's own statements."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.ClassDef) else [node]


def _sourceless_calls(scope: ast.stmt, tree: ast.Module, lines: list[str]) -> Iterator[str]:
    if _explains_itself(scope):
        return
    for node in ast.walk(scope):
        if not isinstance(node, ast.Call) or _name(node.func) not in MAKERS or not _has_text(node, scope):
            continue
        if not any(SOURCE.search(text) for text in _beside(node, scope, tree, lines)):
            yield f"{node.lineno}: {lines[node.lineno - 1].strip()}"


def _explains_itself(scope: ast.stmt) -> bool:
    """A function may name its source in its docstring; a handler's (they are async) names its method instead."""
    return isinstance(scope, ast.FunctionDef) and SOURCE.search(ast.get_docstring(scope) or "") is not None


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _has_text(call: ast.Call, scope: ast.stmt) -> bool:
    """Whether the text is made here, and not handed on from where it was made."""
    handed_on = {argument.arg for argument in ast.walk(scope) if isinstance(argument, ast.arg)}
    return any(_is_text(argument, handed_on) for argument in call.args)


def _is_text(argument: ast.expr, handed_on: set[str]) -> bool:
    if isinstance(argument, ast.Constant):
        return " " in str(argument.value)
    return isinstance(argument, ast.JoinedStr) or (isinstance(argument, ast.Name) and argument.id not in handed_on)


def _beside(call: ast.Call, scope: ast.stmt, tree: ast.Module, lines: list[str]) -> Iterator[str]:
    """The comments above and within a call, and those of the names it takes its text from."""
    said = "\n".join(lines[call.lineno - 1 : call.end_lineno])
    yield "wording ours" if OURS.search(said) else ""
    yield from _comments(lines, call.lineno, call.end_lineno or call.lineno)
    names = {argument.id for argument in call.args if isinstance(argument, ast.Name)}
    for node in [*ast.walk(scope), *tree.body]:
        if isinstance(node, ast.Assign) and names & {_name(target) for target in node.targets}:
            yield from _comments(lines, node.lineno, node.end_lineno or node.lineno)


def _comments(lines: list[str], first: int, last: int) -> Iterator[str]:
    for line in lines[max(first - 1 - LINES_ABOVE, 0) : last]:
        if "#" in line:
            yield line.partition("#")[2]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_error_text_names_its_source(path: Path) -> None:
    assert sourceless(path.read_text()) == []


def test_a_text_without_a_source_is_found() -> None:
    bare = 'async def get():\n    """https://google.com/x."""\n    raise classic(404, "No such thing.", "notFound")\n'
    assert sourceless(bare) == ['3: raise classic(404, "No such thing.", "notFound")']
    assert sourceless(bare.replace("    raise", "    # As recorded in owner/name#12.\n    raise")) == []
    assert sourceless("# Wording ours.\nTEXT = 'x'\n\n\n\n\n\nasync def get():\n    raise modern(400, TEXT)\n") == []
