"""`python -m sandbox permissions`: every guarded route, the permission it asks for, and where Google says so."""

import argparse

from sandbox.core.routing import Route, collect

NONE_NEEDED = "(none)"


def guarded_routes() -> list[Route]:
    """The routes of Google's APIs, as the dispatcher guards them."""
    return [route for route in collect("sandbox.apis") if route.api]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Print the table, by permission."""
    del arguments
    rows = [(r.permission or NONE_NEEDED, r.method, r.path, r.api.permissions) for r in guarded_routes() if r.api]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in sorted(rows):
        print("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]))
    return 0
