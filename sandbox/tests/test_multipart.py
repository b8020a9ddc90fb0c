"""Multipart bodies as clients really send them."""

from pathlib import Path

import pytest

from sandbox.apis.storage.multipart import split_multipart

DATA = b"\r\n\r\n--not-it\n\x00\xff"


def body(newline: bytes, data: bytes) -> bytes:
    """A two-part body with this line end."""
    lines = [b"--==edge==", b"Content-Type: application/json", b"", b'{"name": "x"}']
    lines += [b"--==edge==", b"Content-Type: text/plain", b"MIME-Version: 1.0", b"", data, b"--==edge==--"]
    return newline.join(lines)


@pytest.mark.parametrize("data", [DATA, b"", b"\n", b"x" * 3_000_000])
@pytest.mark.parametrize(
    ("newline", "boundary"), [(b"\r\n", "==edge=="), (b"\r\n", '"==edge=="'), (b"\n", "'==edge=='")]
)
def test_both_line_ends_and_all_quotes(tmp_path: Path, newline: bytes, boundary: str, data: bytes) -> None:
    raw, media = tmp_path / "raw", tmp_path / "media"
    raw.write_bytes(body(newline, data) + newline)
    given, content_type = split_multipart(f"multipart/related; boundary={boundary}", raw, media)
    assert (given, content_type) == ({"name": "x"}, "text/plain")
    assert media.read_bytes() == data


@pytest.mark.parametrize("broken", [b"", b"--==edge==\r\n", body(b"\r\n", DATA)[:-4], b"no boundary at all"])
def test_anything_else_is_refused(tmp_path: Path, broken: bytes) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(broken)
    with pytest.raises(ValueError, match=r"."):
        split_multipart("multipart/related; boundary===edge==", raw, tmp_path / "media")
