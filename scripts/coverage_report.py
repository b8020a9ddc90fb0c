"""How much of module_utils the unit and contract tests reach in their own processes, lines and branches, as two lines.

Each stage leaves its data in build/test (COVERAGE_FILE); what modules do inside of ansible-playbook does not count.
"""

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parents[1]
DATA = tuple(ROOT / "build" / "test" / f"{stage}.coverage" for stage in ("unit", "contract"))
WORST = 6


def lines(data: Iterable[Path]) -> list[str]:
    """The total and the files that are reached least; nothing where a stage has left no data."""
    data = list(data)
    if not all(path.exists() for path in data):
        return []
    with tempfile.TemporaryDirectory() as folder:
        combined = coverage.Coverage(data_file=str(Path(folder) / "combined"), config_file=str(ROOT / "pyproject.toml"))
        combined.combine([str(path) for path in data], keep=True)
        combined.json_report(outfile=str(Path(folder) / "report.json"))
        report = json.loads((Path(folder) / "report.json").read_text())
    total = report["totals"]
    files = {path: about["summary"]["percent_covered"] for path, about in report["files"].items()}
    worst = sorted(files, key=lambda path: (files[path], path))[:WORST]
    return [
        f"[coverage] module_utils: {total['percent_covered']:.1f} % of {total['num_statements']} statements and "
        f"{total['num_branches']} branches; not reached: {total['missing_lines']} and {total['missing_branches']}",
        f"[coverage] least: {', '.join(f'{Path(path).name} {files[path]:.0f} %' for path in worst)}",
    ]


def main() -> int:
    """Print it; a stage without data is a failure."""
    found = lines(DATA)
    print("\n".join(found or [f"no coverage data: run `make test STAGES='unit contract'` ({DATA[0].parent})"]))
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
