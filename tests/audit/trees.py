"""Looks for byte strings in whole trees of files, where the files are, and says how each file that holds one is kept.

It is sent alone to the machine that is audited, so it needs nothing but Python. Standard input: one JSON object with
`roots`, `skip` (folders that are left out) and `forms` (base64). Output: one line of JSON for each file.
"""

import base64
import json
import os
import stat
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any


def files(roots: Iterable[str], skip: Collection[str]) -> Iterator[Path]:
    """Regular files below the roots; links are not followed."""
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if str(Path(folder, name)) not in skip]
            yield from (Path(folder, name) for name in names)


def holding(roots: Iterable[str], skip: Collection[str], forms: Collection[bytes]) -> Iterator[dict[str, Any]]:
    """Files that hold one of the forms: their path, mode and owner, and the forms (base64)."""
    for path in files(roots, skip):
        try:
            about = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(about.st_mode) else b""
        except OSError:  # it went away
            continue
        if held := [base64.b64encode(form).decode() for form in forms if form in content]:
            yield {"path": str(path), "mode": f"{stat.S_IMODE(about.st_mode):04o}", "uid": about.st_uid, "held": held}


def main() -> None:
    asked = json.load(sys.stdin)
    for found in holding(asked["roots"], asked["skip"], [base64.b64decode(form) for form in asked["forms"]]):
        print(json.dumps(found))


if __name__ == "__main__":
    main()
