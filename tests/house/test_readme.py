"""The README keeps its promises: short, with commands that exist."""

import re
import subprocess
from collections.abc import Iterator

from tests.house.checkout import ROOT

LONGEST = 120
COMMANDS = ("make demo", "make test")


def targets(makefile: str) -> set[str]:
    """Targets that a Makefile has a rule for."""
    return {name for line in re.findall(r"^([a-z][\w -]*):(?!=)", makefile, re.MULTILINE) for name in line.split()}


def named_targets(text: str) -> set[str]:
    """Targets that a text tells its reader to make, in code (between backticks or in a block)."""
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    calls = (re.findall(r"\bmake((?: +(?:-\w+|\w+=\S+|[a-z][\w-]*))+)", part) for part in code)
    words = (word for found in calls for call in found for word in call.split())
    return {word for word in words if re.fullmatch(r"[a-z][\w-]*", word)}


def named_files(text: str) -> set[str]:
    """Playbooks and other files of the checkout that a text names in its commands and tables."""
    return set(re.findall(r"(?<![\w/-])(?:(?:playbooks|docs|requirements)/)?[\w-]+\.(?:yml|md|txt)\b", text))


def missing_files(text: str) -> Iterator[str]:
    """Relative links of a Markdown text that lead nowhere."""
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        if not (ROOT / link).exists():
            yield link


def readme() -> str:
    return (ROOT / "README.md").read_text()


def test_readme_is_short() -> None:
    assert len(readme().splitlines()) < LONGEST


def test_readme_names_only_targets_that_exist() -> None:
    named = named_targets(readme())
    assert named
    assert sorted(named - targets((ROOT / "Makefile").read_text())) == []


def test_readme_gives_the_two_commands_and_they_exist() -> None:
    for command in COMMANDS:
        given = re.search(rf"^(?:\$ )?{command}(?: +#.*)?$", readme(), re.MULTILINE)
        assert given, f"README does not give `{command}` on a line of its own"
        made = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr


def test_readme_is_finished() -> None:
    assert "@@" not in readme()


def test_readme_names_only_files_that_exist() -> None:
    assert sorted(path for path in named_files(readme()) if not (ROOT / path).is_file()) == []


def test_readme_links_lead_somewhere() -> None:
    assert list(missing_files(readme())) == []


def test_ci_runs_the_readmes_test_command() -> None:
    entry = ROOT / ".ci" / "run"
    assert entry.stat().st_mode & 0o111, ".ci/run is not executable"
    assert re.search(r"^exec make test$", entry.read_text(), re.MULTILINE)


def test_rules_notice() -> None:
    makefile = "demo: x\n\techo\nlint test: y\nVAR := z\n.PHONY: demo"
    assert targets(makefile) == {"demo", "lint", "test"}
    text = "make it so; `make demo`, `make -s sandbox-env`, `SANDBOX_NAME=a make lint X=1`\n```\nmake test\nmake\n```"
    assert named_targets(text) == {"demo", "sandbox-env", "lint", "test"}
    assert named_files("run site.yml, `playbooks/x.yml` or [a](docs/b.md)") == {
        "site.yml",
        "playbooks/x.yml",
        "docs/b.md",
    }
    assert list(missing_files("[a](README.nowhere.md) [b](https://x.y/z) [c](Makefile) [d](#part)")) == [
        "README.nowhere.md"
    ]
