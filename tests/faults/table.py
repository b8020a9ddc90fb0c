"""What came of each case, as tables: a row a request, a column a fault. conftest.py prints them at the end of a run.

Each line begins with `[faults] `, which is how `make test` knows what to show.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

PREFIX = "[faults] "
TABLES: dict[str, Table] = {}


@dataclass
class Table:
    """Cells by row and column. A cell is a short word; rows and columns come in the order they are first named in."""

    title: str
    columns: list[str] = field(default_factory=list)
    cells: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, row: str, column: str, cell: str) -> None:
        """What came of one case."""
        if column not in self.columns:
            self.columns.append(column)
        self.cells.setdefault(row, {})[column] = cell

    def note(self, text: str) -> None:
        """A line below the table, said once."""
        if text not in self.notes:
            self.notes.append(text)

    def lines(self) -> list[str]:
        """The table for people, with the counts of its cells."""
        width = max(map(len, self.cells), default=0)
        heads = [
            max(len(column), *(len(row.get(column, "")) for row in self.cells.values())) for column in self.columns
        ]
        sized = list(zip(self.columns, heads, strict=True))
        lines = [self.title, " ".join([" " * width, *(column.ljust(size) for column, size in sized)])]
        lines += [
            " ".join([row.ljust(width), *(cells.get(column, "").ljust(size) for column, size in sized)])
            for row, cells in self.cells.items()
        ]
        counts = Counter(cell for cells in self.cells.values() for cell in cells.values())
        lines.append(", ".join(f"{number} {cell}" for cell, number in counts.most_common()) or "no cases")
        return [f"{PREFIX}{line}".rstrip() for line in [*lines, *self.notes]]


def table(title: str) -> Table:
    """The table of this title, which all tests of a run share."""
    return TABLES.setdefault(title, Table(title))
