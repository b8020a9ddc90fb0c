"""Keys for containers: what is written, what is shown of it, and that a broken one is named without being quoted."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.filter.service_account_key_file import key_file
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.key_files import about, text

from tests.unit.keys import EMAIL, KEY_ID, key_text, service_account_key

TARGET = "mlflow@p.iam.gserviceaccount.com"
LIST_KEYS = Path(__file__).resolve().parents[2] / "roles" / "tracking_server" / "files" / "list_keys.py"


def reader() -> Any:
    """The program that the role runs on the machine."""
    spec = importlib.util.spec_from_file_location("list_keys", LIST_KEYS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_public_parts_are_shown() -> None:
    shown = about(key_text())
    assert shown == {
        "fault": "",
        "account": EMAIL,
        "key_id": KEY_ID,
        "project": "p",
        "file": f"{KEY_ID}.json",
        "sha256": hashlib.sha256(text(key_text()).encode()).hexdigest(),
    }
    assert about(service_account_key()) == shown
    assert about(key_text().replace(", ", ",\n   ")) == shown


@pytest.mark.parametrize("nothing", ["", None, {}])
def test_no_key_is_no_fault(nothing: object) -> None:
    assert set(about(nothing).values()) == {""}


def test_what_is_written_is_the_key() -> None:
    assert json.loads(text(key_text())) == service_account_key()


def test_an_impersonated_account_is_another_file() -> None:
    written = json.loads(text(key_text(), TARGET))
    assert written["type"] == "impersonated_service_account"
    assert written["service_account_impersonation_url"].endswith(f"/serviceAccounts/{TARGET}:generateAccessToken")
    assert written["source_credentials"] == service_account_key()
    assert about(key_text(), TARGET)["file"] == f"{KEY_ID}-as-{TARGET}.json"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{nope", "it is no JSON"),
        ('["s3cr3t"]', "it is no JSON object"),
        ({"type": "authorized_user", "refresh_token": "s3cr3t"}, "of type 'authorized_user'"),
        ({"private_key": "s3cr3t"}, "of type 'none'"),
        (service_account_key() | {"private_key_id": ""}, "it lacks private_key_id"),
        (service_account_key() | {"private_key_id": "../../etc/x"}, "its private_key_id is none"),
        (service_account_key() | {"private_key": "-----BEGIN PRIVATE KEY-----\ns3cr3t"}, f"key {KEY_ID} of {EMAIL}"),
        (key_text().replace("PRIVATE KEY-----\\nM", "PRIVATE KEY-----\\nX"), f"key {KEY_ID} of {EMAIL}"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(content: Any, fault: str) -> None:
    shown = about(content)
    assert fault in shown.pop("fault")
    assert set(shown.values()) == {""}
    with pytest.raises(Exception, match="service_account_key_file: ") as caught:
        key_file(content)
    for said in (str(caught.value), about(content)["fault"]):
        assert "\n" not in said
        assert "s3cr3t" not in said
        assert "gcloud iam service-accounts keys create" in said


def test_the_machine_tells_whose_keys_lie_there(tmp_path: Path) -> None:
    plain, impersonating, other = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"
    plain.write_text(text(key_text()))
    impersonating.write_text(text(key_text(), TARGET))
    other.write_text("s3cr3t")
    known = {"account": EMAIL, "key_id": KEY_ID, "project": "p"}
    read = reader().read
    assert read(plain) == read(impersonating) == known
    assert read(other) == read(tmp_path / "none.json") == dict.fromkeys(known, "")
