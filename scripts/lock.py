"""Makes every lock anew, by one command: exact versions with hashes, valid for Python 3.11 to 3.13, no index address.

requirements/control.txt is what a control node needs, requirements/dev.txt that and all of pyproject.toml's extras.
What is installed elsewhere (in an image) is wished for in a NAME.in and locked in the NAME.txt beside it; a line
`# uv: ...` in it gives uv more options, such as the Python of that image.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).parent / "uv"
OPTIONS = ("--quiet", "--universal", "--generate-hashes", "--no-annotate", "--no-header", "--upgrade")
PYTHON = "--python-version=3.11"


def wishes() -> list[Path]:
    return sorted(path for folder in ("roles", "sandbox") for path in (ROOT / folder).rglob("*.in"))


def locks() -> Iterator[tuple[str, list[str]]]:
    """Each lock with the arguments that say what goes into it."""
    yield "requirements/control.txt", [PYTHON, "pyproject.toml"]
    yield "requirements/dev.txt", [PYTHON, "pyproject.toml", "--all-extras"]
    for source in wishes():
        said = re.search(r"^# uv: (.+)$", source.read_text(), re.MULTILINE)
        more = shlex.split(said[1]) if said else []
        python = [] if any(option.startswith("--python-version") for option in more) else [PYTHON]
        name = str(source.relative_to(ROOT))
        yield str(source.relative_to(ROOT).with_suffix(".txt")), [*python, *more, name]


def main() -> int:
    for target, arguments in locks():
        print(target, flush=True)
        command = [str(UV), "pip", "compile", *OPTIONS, *arguments, "--output-file", target]
        if rc := subprocess.run(command, cwd=ROOT, check=False).returncode:
            return rc
    return 0


if __name__ == "__main__":
    sys.exit(main())
