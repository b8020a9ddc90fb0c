"""`make mutations` flips what has an effect, one thing at a time, and chooses the same flips in every run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts.mutation.flips import chosen, flips
from tests.house.checkout import ROOT

HERE = Path("plugins/x.py")


def made_of(source: str) -> list[str]:
    """The source with each of its flips."""
    return [flip.applied(source) for flip in flips(HERE, source)]


@pytest.mark.parametrize(
    ("source", "flipped"),
    [
        ("a = b == c", "a = b != c"),
        ("a = b < c", "a = b >= c"),
        ("a = b is not None", "a = b is None"),
        ("a = b not in c", "a = b in c"),
        ("a = b and c", "a = b or c"),
        ("a = not b", "a = b"),
        ("a = f(True)", "a = f(False)"),
        ("TRIES = 3", "TRIES = 0"),
        ("a = b[0]", "a = b[1]"),
        ("mode = 0o600", "mode = 0o644"),
        ('a = send("PATCH")', 'a = send("PUT")'),
        ("a = BlastRadius.RESTARTS", "a = BlastRadius.SAFE"),
        ("clock.sleep(x)", "pass"),
        ('a = "ä" if b or c else d', 'a = "ä" if b and c else d'),
    ],
)
def test_a_flip(source: str, flipped: str) -> None:
    assert made_of(source) == [flipped]


@pytest.mark.parametrize(
    "source",
    [
        '"""Text with 1 and True."""',
        'DOCUMENTATION = "GET"',
        'EXAMPLES = r"""\na: true\n"""',
        "x: Literal[True]",
        "@dataclass(frozen=True)\nclass A: pass",
        "def f(x: Annotated[int, 3]) -> Literal[0]: return x",
        'raise E(f"{a == b} and {True}")',
        "for a, b in zip(c, d, strict=True): use[a] = b",
        "class A(StrEnum):\n    X = 1",
        'if __name__ == "__main__":\n    main()',
        "while True:\n    a = b",
        "run_resource(AnsibleModule(**spec), Bucket)",
    ],
)
def test_what_has_no_effect_of_its_own_is_left_alone(source: str) -> None:
    assert made_of(source) == []


def test_a_flip_of_another_source_is_refused() -> None:
    (flip,) = flips(HERE, "a = b == c")
    with pytest.raises(ValueError, match=r"plugins/x.py:1 is no longer what it was"):
        flip.applied("a = bb == c")


def test_the_choice_is_spread_and_always_the_same() -> None:
    source = "a = b == c\nd = e and f\ng = True\nh = 3\ni()\nj = Action.NONE\n" * 5
    candidates = {Path(name): flips(Path(name), source) for name in "pqrst"}
    picked = chosen(candidates, 10)
    assert picked == chosen(candidates, 10)
    assert picked != chosen(candidates, 10, "another seed")
    assert len(set(picked)) == 10
    assert sorted(str(flip.path) for flip in picked) == sorted("pqrst" * 2)
    assert len({flip.kind for flip in picked}) == 6


def test_flipped_plugins_are_python_still() -> None:
    """One flip of each kind in each file."""
    files = sorted((ROOT / "plugins").rglob("*.py"))
    assert files
    for path in files:
        source = path.read_text()
        for flip in {flip.kind: flip for flip in flips(path.relative_to(ROOT), source)}.values():
            changed = flip.applied(source)
            assert changed != source
            ast.parse(changed)
