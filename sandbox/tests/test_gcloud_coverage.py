"""How many different commands of gcloud the tests run with success: at least sixty."""

import ast
from collections.abc import Iterator
from pathlib import Path

GROUPS = ("iam ", "projects ", "secrets ", "services ", "sql ", "storage ")
LEAST = 60


def commands(source: str) -> Iterator[str]:
    """The literal commands of calls that must succeed."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        is_refusal = isinstance(node.func, ast.Attribute) and node.func.attr == "refused"
        if not is_refusal and str(node.args[0].value).startswith(GROUPS):
            yield str(node.args[0].value)


def test_sixty_commands_are_run() -> None:
    files = sorted((Path(__file__).parent / "clients").glob("test_gcloud*.py"))
    found = sorted({command for path in files for command in commands(path.read_text())})
    assert len(found) >= LEAST, found


def test_a_refusal_and_an_argument_do_not_count() -> None:
    source = 'gcloud("sql instances list")\ngcloud.refused("sql instances delete")\nrun("a", "sql tiers list")'
    assert list(commands(source)) == ["sql instances list"]
