"""objects.list: prefixes, delimiters, globs, offsets, versions, pages."""

import base64
import binascii
import re
from bisect import bisect_right
from dataclasses import dataclass

from sandbox.apis.storage import API, BUCKET_PATH, find_bucket, not_emulated
from sandbox.apis.storage.object_store import (
    NONCURRENT,
    OBJECTS,
    SOFT_DELETED,
    find_generation,
    generation_key,
    generations,
    object_key,
)
from sandbox.apis.storage.objects import resource
from sandbox.apis.storage.soft_delete import is_asked_for, soft_deleted
from sandbox.core.documents import Json
from sandbox.core.errors import classic
from sandbox.core.routing import Call, Route

LIST_SIZE = 1000
# https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob
GLOB_TOKEN = re.compile(r"\*\*|\*|\?|\[!?\]?[^\]]*\]|\{[^{}]*\}|.", re.DOTALL)


@dataclass(frozen=True, order=True)
class Entry:
    """A line of a listing, in its order: an object's generation, or the prefix that objects are folded into."""

    name: str
    generation: int = 0
    is_prefix: bool = False


async def list_(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list."""
    bucket = find_bucket(call)["name"]
    if call.query.get("filter"):
        raise not_emulated("object contexts")
    if is_asked_for(call) and _is_on(call.query, "versions"):
        # Wording ours; the rule as measured: https://github.com/kmoneil/zig-gcp (docs/storage/buckets.md).
        raise classic(400, "softDeleted and versions cannot be listed together.", "invalid")
    entries = sorted(_entries(call, bucket))
    start = bisect_right(entries, _position(call.query.get("pageToken")))
    size = min(call.page_size("maxResults", LIST_SIZE), LIST_SIZE)
    page = entries[start : start + size]
    answer: Json = {"kind": "storage#objects"}
    if items := [document for entry in page if (document := _document(call, bucket, entry))]:
        answer["items"] = [resource(call, document, "noAcl") for document in items]
    if prefixes := [entry.name for entry in page if entry.is_prefix]:
        answer["prefixes"] = prefixes
    if start + size < len(entries):
        answer["nextPageToken"] = _token(page[-1])
    return answer


def _entries(call: Call, bucket: str) -> set[Entry]:
    query = call.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    low, high = query.get("startOffset", ""), query.get("endOffset")
    glob = glob_pattern(query["matchGlob"]) if query.get("matchGlob") else None
    found: set[Entry] = set()
    for name, generation in _names(call, bucket, prefix):
        if name < low or (high and name >= high):
            continue
        folded = _folded(name, prefix, delimiter)
        if glob is None or glob.fullmatch(folded or name):
            # With includeTrailingDelimiter an object that ends in the delimiter is listed too.
            if folded:
                found.add(Entry(folded, is_prefix=True))
            if not folded or (folded == name and _is_on(query, "includeTrailingDelimiter")):
                found.add(Entry(name, generation))
    return found


def _names(call: Call, bucket: str, prefix: str) -> list[tuple[str, int]]:
    """Names with generations; 0 stands for the live one."""
    found: list[Json] | None = None
    if is_asked_for(call):
        found = soft_deleted(call, prefix)
    elif _is_on(call.query, "versions"):
        found = generations(call.world.store, bucket, prefix, OBJECTS, NONCURRENT)
    if found is not None:
        return [(document["name"], int(document["generation"])) for document in found]
    return [(key.partition("/")[2], 0) for key in call.world.store.keys(OBJECTS, object_key(bucket, prefix))]


def _document(call: Call, bucket: str, entry: Entry) -> Json | None:
    if entry.is_prefix:
        return None
    generation = str(entry.generation) if entry.generation else None
    if is_asked_for(call):
        key = generation_key({"bucket": bucket, "name": entry.name, "generation": generation})
        return call.world.store.get(SOFT_DELETED, key)
    return find_generation(call.world.store, bucket, entry.name, generation)


def _folded(name: str, prefix: str, delimiter: str) -> str:
    """The prefix that the delimiter folds an object into, "" for one that is listed itself."""
    rest = name[len(prefix) :]
    return prefix + rest.partition(delimiter)[0] + delimiter if delimiter and delimiter in rest else ""


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A glob as Cloud Storage reads it: * and ? stop at a slash, ** does not."""
    return re.compile("".join(_glob_part(part) for part in GLOB_TOKEN.findall(glob)), re.DOTALL)


def _glob_part(part: str) -> str:
    simple = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in simple:
        return simple[part]
    if part.startswith("[") and part.endswith("]") and len(part) > len("[]"):
        inside = part[1:-1].replace("\\", r"\\")
        return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
    if part.startswith("{") and part.endswith("}"):
        return "(?:" + "|".join(glob_pattern(choice).pattern for choice in part[1:-1].split(",")) + ")"
    return re.escape(part)


def _is_on(query: dict[str, str], parameter: str) -> bool:
    return query.get(parameter, "").lower() == "true"


def _token(entry: Entry) -> str:
    return base64.urlsafe_b64encode(f"{int(entry.is_prefix)} {entry.generation} {entry.name}".encode()).decode()


def _position(token: str | None) -> Entry:
    if not token:
        return Entry("")
    try:
        is_prefix, generation, name = base64.urlsafe_b64decode(token).decode().split(" ", 2)
        return Entry(name, int(generation), is_prefix == "1")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        # Wording ours.
        raise classic(400, "Invalid page token.", "invalid") from error


ROUTES = [Route("GET", f"{BUCKET_PATH}/o", list_, API, "storage.objects.list")]
