"""The secret audit's matcher knows a secret in every spelling in which files, logs and programs hold it."""

import base64
import json
import re
import secrets
import shlex
import subprocess
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.audit import trees
from tests.audit.needles import Matcher

# Put together here, since the audit searches this file too.
CANARY = "p@ss/" + "w%rd:#?" + "\\ $é"
SECRETS = {"canary": CANARY, "generated": secrets.token_urlsafe(33)}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "the first half": lambda secret: secret[: len(secret) // 2],
    "the second half": lambda secret: secret[len(secret) // 2 :],
    "JSON": json.dumps,
    "JSON, readable": lambda secret: json.dumps(secret, ensure_ascii=False),
    "JSON in JSON": lambda secret: json.dumps(json.dumps({"password": secret})),
    "YAML": yaml.safe_dump,
    "Python": repr,
    "Python's bytes": lambda secret: repr(secret.encode()),
    "shell, quoted": shlex.quote,
    "shell, printf %q": lambda secret: subprocess.check_output(
        ["bash", "-c", 'printf %q "$1"', "_", secret], text=True
    ),
    "Compose": lambda secret: secret.replace("$", "$$"),
    "passfile": lambda secret: secret.replace("\\", "\\\\").replace(":", "\\:"),
    "URL, path": urllib.parse.quote,
    "URL, part": lambda secret: urllib.parse.quote(secret, safe=""),
    "URL, query": lambda secret: urllib.parse.urlencode({"password": secret}),
    "URL, lower case": lambda secret: re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote_plus(secret)),
    "connection URI": lambda secret: f"postgresql://mlflow_user:{urllib.parse.quote_plus(secret)}@127.0.0.1/mlflow",
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "hexadecimal": lambda secret: secret.encode().hex(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_known_in_every_spelling(name: str, spelling: str) -> None:
    text = f"before {SPELLINGS[spelling](SECRETS[name])} after"
    assert Matcher(SECRETS).names(text.encode()) == {name}


@pytest.mark.parametrize("before", ["", "u", "u:", "user:", "user=mlflow password="])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_known_inside_of_encoded_text(name: str, before: str) -> None:
    text = f"{before}{SECRETS[name]}\nand more".encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert Matcher(SECRETS).names(encode(text)) == {name}


def test_what_only_resembles_a_secret_is_none() -> None:
    others = [CANARY[::-1], base64.b64encode(b"p@ss").decode(), "p%40ss", secrets.token_urlsafe(33), "p@ss/", "#?\\ $"]
    assert [other for other in others if Matcher(SECRETS).names(other.encode())] == []


def test_a_tree_says_which_files_hold_a_form_and_how_they_are_kept(tmp_path: Path) -> None:
    for name in ("kept", "skipped"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"\0" * 100_000 + b"needle\0")
        (tmp_path / name / "file").chmod(0o640)
    (tmp_path / "kept" / "other").write_text("hay")
    (tmp_path / "kept" / "link").symlink_to(tmp_path / "skipped" / "file")
    found = list(trees.holding([str(tmp_path)], [str(tmp_path / "skipped")], [b"needle", b"hays"]))
    held = [base64.b64encode(b"needle").decode()]
    path = tmp_path / "kept" / "file"
    assert found == [{"path": str(path), "mode": "0640", "uid": path.stat().st_uid, "held": held}]
