"""Listings: prefixes, delimiters, globs, offsets, pages."""

import pytest

from sandbox.apis.storage.listing import glob_pattern
from sandbox.tests.emulator.stored import Bucket
from sandbox.tests.running import Client, Sandbox

NAMES = ["a/1", "a/2", "b", "c/", "c/3", "c/d/4", "e.json"]


@pytest.fixture(scope="module")
def bucket(sandbox: Sandbox) -> Bucket:
    """A bucket with a small tree."""
    made = Bucket(sandbox.operator, "listed")
    for name in NAMES:
        made.put(name.replace("/", "%2F"), b"x")
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", NAMES),
        ("prefix=a/", ["a/1", "a/2"]),
        ("delimiter=/", ["b", "e.json", "a/", "c/"]),
        ("delimiter=/&prefix=c/", ["c/", "c/3", "c/d/"]),
        ("delimiter=/&includeTrailingDelimiter=true", ["b", "c/", "e.json", "a/", "c/"]),
        ("delimiter=/&includeTrailingDelimiter=True&prefix=c/", ["c/", "c/3", "c/d/"]),
        ("startOffset=b", NAMES[2:]),
        ("startOffset=b&endOffset=c/3", ["b", "c/"]),
        ("matchGlob=*/[0-9]", ["a/1", "a/2", "c/3"]),
        ("matchGlob=**/4", ["c/d/4"]),
        ("matchGlob=%7Bb,e.*%7D", ["b", "e.json"]),
        ("matchGlob=?", ["b"]),
        ("prefix=nothing", []),
    ],
)
def test_what_a_listing_holds(bucket: Bucket, query: str, expected: list[str]) -> None:
    assert bucket.names(query) == expected


def test_an_empty_listing_has_no_items(operator: Client, bucket: Bucket) -> None:
    assert operator.get(f"{bucket.path}/o?prefix=nothing") == {"kind": "storage#objects"}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_hold_every_entry_once(operator: Client, bucket: Bucket, size: int) -> None:
    seen: list[str] = []
    token = ""
    while True:
        page = operator.get(f"{bucket.path}/o?delimiter=/&maxResults={size}{token}")
        entries = [item["name"] for item in page.get("items", [])] + page.get("prefixes", [])
        assert 0 < len(entries) <= size
        seen += entries
        if "nextPageToken" not in page:
            break
        token = f"&pageToken={page['nextPageToken']}"
    assert sorted(seen) == ["a/", "b", "c/", "e.json"]
    assert operator.call("GET", f"{bucket.path}/o?pageToken=%21").status == 400


def test_fields_and_what_is_not_there(operator: Client, bucket: Bucket) -> None:
    only = operator.get(f"{bucket.path}/o?prefix=a/&fields=items(name,size),nextPageToken")
    assert only["items"][0] == {"name": "a/1", "size": "1"}
    contexts = operator.call("GET", f"{bucket.path}/o?filter=contexts.k:*")
    assert (contexts.status, contexts.message) == (400, "The sandbox does not emulate object contexts.")
    assert operator.call("GET", "/storage/v1/b/no-such-bucket/o").status == 404


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("a*", "ab", "a/b"),
        ("a**b", "a/x/b", "a/x/c"),
        ("[!a]x", "bx", "ax"),
        ("[a-c]", "b", "d"),
        ("{x,y*}/z", "yes/z", "zz/z"),
        ("a.c", "a.c", "abc"),
        ("(x)+", "(x)+", "xx"),
    ],
)
def test_globs(glob: str, yes: str, no: str) -> None:
    assert glob_pattern(glob).fullmatch(yes)
    assert not glob_pattern(glob).fullmatch(no)
