"""Print what is public about the key files in the folders that are given: one JSON list, no part of any private key."""

import json
import pathlib
import sys

FIELDS = {"account": "client_email", "key_id": "private_key_id", "project": "project_id"}


def read(path: pathlib.Path) -> dict[str, str]:
    """Whose key the file holds; empty strings where it holds none."""
    try:
        content = json.loads(path.read_text())
        key = content.get("source_credentials", content)
        return {name: str(key.get(field, "")) for name, field in FIELDS.items()}
    except (OSError, ValueError, AttributeError):
        return dict.fromkeys(FIELDS, "")


if __name__ == "__main__":
    found = [path for folder in sys.argv[1:] for path in sorted(pathlib.Path(folder).glob("*"))]
    print(json.dumps([{"path": str(path), "key": read(path)} for path in found if path.is_file()]))
