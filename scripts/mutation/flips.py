"""What can be flipped in a source file, and a choice of flips that is spread over files and kinds. Pure.

Only what has an effect is flipped: no docstring, message, type hint, decorator or lock, and nothing whose other value
means the same. Orders are turned round rather than moved by one, which nobody could see of a time. The choice is the
same in every run over the same sources.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SEED = "mlflow_ops.gcp"
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: ">=",
    ast.LtE: ">",
    ast.Gt: "<=",
    ast.GtE: "<",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_METHODS = {"GET": "POST", "POST": "PUT", "PUT": "POST", "PATCH": "PUT", "DELETE": "GET"}
_MEMBERS = {
    "SAFE": "DESTROYS",
    "RESTARTS": "SAFE",
    "DESTROYS": "SAFE",
    "PRESENT": "ABSENT",
    "ABSENT": "PRESENT",
    "UNKNOWN": "ABSENT",
    "CREATE": "UPDATE",
    "UPDATE": "CREATE",
    "DELETE": "UPDATE",
    "NONE": "UPDATE",
    "REFUSE": "NONE",
}
_ENUMERATIONS = {"BlastRadius", "Presence", "Action"}
_MODES = {0o600: "0o644", 0o700: "0o755", 0o400: "0o444"}
# Whose result is the same, or whose effect no test could see without looking at the clock or the interpreter.
_HARMLESS_CALLS = {"zip", "TypeVar", "field", "open", "Thread", "Lock", "getLogger", "dataclass"}
# Without these calls nothing works at all: too easy to notice.
_WHOLE_PROGRAMS = ("super().", "main()", "run_resource(", "module.exit_json(")
_HARMLESS_KEYWORDS = {"strict", "ensure_ascii", "exception", "daemon"}


@dataclass(frozen=True)
class Flip:
    """One change: ``old`` at line and column (both of the file's text in UTF-8 bytes) becomes ``new``."""

    path: Path
    line: int
    column: int
    old: str
    new: str
    kind: str

    def applied(self, source: str) -> str:
        """The source with the change."""
        lines = source.splitlines(keepends=True)
        raw = lines[self.line - 1].encode()
        old = self.old.encode()
        if raw[self.column : self.column + len(old)] != old:
            raise ValueError(f"{self.path}:{self.line} is no longer what it was")
        lines[self.line - 1] = (raw[: self.column] + self.new.encode() + raw[self.column + len(old) :]).decode()
        return "".join(lines)


def flips(path: Path, source: str) -> list[Flip]:
    """Everything that can be flipped in a file."""
    return [Flip(path, *found) for found in _Finder(source).found()]


def chosen(candidates: Mapping[Path, list[Flip]], count: int, seed: str = SEED) -> list[Flip]:
    """So many flips: every kind in turn, of each kind from the file that has given the fewest."""

    def lot(flip: Flip) -> str:
        return hashlib.sha256(f"{seed} {flip.path} {flip.line} {flip.column} {flip.new}".encode()).hexdigest()

    left = sorted((flip for flips_of in candidates.values() for flip in flips_of), key=lot)
    picked: list[Flip] = []
    given: Counter[Path] = Counter()
    while left and len(picked) < count:
        for kind in sorted({flip.kind for flip in left}):
            of_kind = [flip for flip in left if flip.kind == kind]
            flip = min(of_kind, key=lambda one: given[one.path])
            left.remove(flip)
            given[flip.path] += 1
            picked.append(flip)
    return sorted(picked[:count], key=lambda flip: (str(flip.path), flip.line, flip.column))


Found = tuple[int, int, str, str, str]


class _Finder:
    """Walks a file's tree and knows the source of each node."""

    def __init__(self, source: str) -> None:
        self._lines = [line.encode() for line in source.splitlines()]
        self._tree = ast.parse(source)

    def found(self) -> Iterator[Found]:
        for node in _effective(self._tree):
            yield from self._of(node)

    def _of(self, node: ast.AST) -> Iterator[Found]:
        if isinstance(node, ast.Compare):
            yield from self._comparison(node)
        elif isinstance(node, ast.BoolOp):
            word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            yield from self._between(node.values[0], node.values[1], word, other, "boolean")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield (node.lineno, node.col_offset, "not ", "", "boolean")
        elif isinstance(node, ast.Constant):
            yield from self._constant(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.Attribute):
            yield from self._member(node)

    def _comparison(self, node: ast.Compare) -> Iterator[Found]:
        if len(node.ops) == 1:
            words = {ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in"}
            signs = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
            operator = type(node.ops[0])
            old = {**words, **signs}[operator]
            yield from self._between(node.left, node.comparators[0], old, _COMPARISONS[operator], "comparison")

    def _between(self, left: ast.expr, right: ast.expr, old: str, new: str, kind: str) -> Iterator[Found]:
        """The operator stands between two operands on one line (else it is left alone)."""
        if left.end_lineno == right.lineno and left.end_col_offset is not None:
            gap = self._lines[right.lineno - 1][left.end_col_offset : right.col_offset]
            at = gap.find(old.encode())
            if at >= 0:
                yield (right.lineno, left.end_col_offset + at, old, new, kind)

    def _constant(self, node: ast.Constant) -> Iterator[Found]:
        raw = self._lines[node.lineno - 1]
        if node.end_lineno != node.lineno:
            return
        old = raw[node.col_offset : node.end_col_offset].decode()
        if isinstance(node.value, bool):
            yield (node.lineno, node.col_offset, old, str(not node.value), "flag")
        elif isinstance(node.value, int | float):
            new = _MODES.get(int(node.value), "") if old.startswith("0o") else ("0" if node.value else "1")
            if new:
                yield (node.lineno, node.col_offset, old, new, "number or mode")
        elif isinstance(node.value, str) and node.value in _METHODS and old == f'"{node.value}"':
            yield (node.lineno, node.col_offset, old, f'"{_METHODS[node.value]}"', "swapped constant")

    def _call(self, node: ast.Expr) -> Iterator[Found]:
        """A call for its effect, on one line: dropped."""
        raw = self._lines[node.lineno - 1]
        if node.end_lineno == node.lineno:
            old = raw[node.col_offset : node.end_col_offset].decode()
            if not old.startswith(_WHOLE_PROGRAMS):
                yield (node.lineno, node.col_offset, old, "pass", "dropped call")

    def _member(self, node: ast.Attribute) -> Iterator[Found]:
        enumeration = _name(node.value)
        if isinstance(node.value, ast.Name) and enumeration in _ENUMERATIONS and node.attr in _MEMBERS:
            old, new = f"{enumeration}.{node.attr}", f"{enumeration}.{_MEMBERS[node.attr]}"
            yield (node.lineno, node.col_offset, old, new, "swapped constant")


def _effective(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that have an effect of their own."""
    for child in _children(node):
        if isinstance(child, ast.JoinedStr) or _is_documentation(child):
            continue
        if isinstance(child, ast.Call) and _name(child.func) in _HARMLESS_CALLS:
            continue
        if isinstance(child, ast.keyword) and child.arg in _HARMLESS_KEYWORDS:
            continue
        yield child
        yield from _effective(child)


def _children(node: ast.AST) -> Iterable[ast.AST]:
    """Those that run: neither type hints nor decorators nor base classes, nor what holds for the main program alone."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [*(default for default in (*node.args.defaults, *node.args.kw_defaults) if default), *node.body]
    if isinstance(node, ast.ClassDef):
        # Members of an enumeration and of a protocol.
        return [] if {_name(base) for base in node.bases} & {"StrEnum", "Enum", "Protocol"} else node.body
    if isinstance(node, ast.AnnAssign):
        return [node.value] if node.value else []
    if isinstance(node, ast.Module):
        return [child for child in node.body if not isinstance(child, ast.If)]
    if isinstance(node, ast.While) and isinstance(node.test, ast.Constant):
        return node.body
    return ast.iter_child_nodes(node)


def _is_documentation(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id in {"DOCUMENTATION", "EXAMPLES", "RETURN", "__metaclass__"}
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
