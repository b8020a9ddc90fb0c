"""Google's discovery documents as data: which method a request is, and the schemas of what it carries."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from googleapiclient import discovery_cache

from sandbox.core.documents import Json

DOCUMENTS = {
    "sqladmin.googleapis.com": ("sqladmin.v1", "sqladmin.v1beta4"),
    "iam.googleapis.com": ("iam.v1",),
    "iamcredentials.googleapis.com": ("iamcredentials.v1",),
    "cloudresourcemanager.googleapis.com": ("cloudresourcemanager.v1", "cloudresourcemanager.v3"),
    "secretmanager.googleapis.com": ("secretmanager.v1",),
    "serviceusage.googleapis.com": ("serviceusage.v1",),
    "storage.googleapis.com": ("storage.v1",),
}
FOLDER = Path(discovery_cache.__file__).parent / "documents"
UPLOAD = re.compile(r"/(resumable/)?upload/")
# Parameters that Google's front end takes everywhere: https://cloud.google.com/apis/docs/system-parameters.
SYSTEM_PARAMETERS = frozenset(("$alt", "$prettyPrint", "$fields", "userProject", "upload_id"))


@dataclass(frozen=True)
class Method:
    """One method of a discovery document, at one of its addresses (media has addresses of its own)."""

    id: str
    http_method: str
    pattern: re.Pattern[str]
    request: str | None
    response: str | None
    parameters: frozenset[str]
    schemas: Json

    def matches(self, http_method: str, raw_path: str) -> bool:
        """Whether a request is a call of this method."""
        return http_method == self.http_method and self.pattern.fullmatch(raw_path) is not None


@cache
def methods(service: str) -> tuple[Method, ...]:
    """All methods of a service, in all versions that the emulator serves."""
    return tuple(method for name in DOCUMENTS[service] for method in _read(name))


def find(service: str, http_method: str, raw_path: str) -> Method | None:
    """The method that a request calls; None when Google has no such one.

    A resumable upload goes on at the address of its insert, by other verbs:
    https://cloud.google.com/storage/docs/performing-resumable-uploads.
    """
    if UPLOAD.match(raw_path):
        http_method = "POST"
    # The longest: what stands for a segment takes a verb after a colon for a part of it.
    fitting = [method for method in methods(service) if method.matches(http_method, raw_path)]
    return max(fitting, key=lambda method: len(method.pattern.pattern), default=None)


def _read(name: str) -> Iterator[Method]:
    document: Json = json.loads((FOLDER / f"{name}.json").read_text())
    everywhere = frozenset(document["parameters"]) | SYSTEM_PARAMETERS
    for method in _walk(document):
        parameters = everywhere | frozenset(method.get("parameters", {}))
        for path in _paths(document, method):
            yield Method(
                id=f"{name}:{method['id']}",
                http_method=method["httpMethod"],
                pattern=_pattern(path),
                request=method.get("request", {}).get("$ref"),
                response=method.get("response", {}).get("$ref"),
                parameters=parameters,
                schemas=document["schemas"],
            )


def _walk(resource: Json) -> Iterator[Json]:
    yield from resource.get("methods", {}).values()
    for child in resource.get("resources", {}).values():
        yield from _walk(child)


def _paths(document: Json, method: Json) -> list[str]:
    main = f"/{document['servicePath']}{method.get('flatPath') or method['path']}"
    uploads = [protocol["path"] for protocol in method.get("mediaUpload", {}).get("protocols", {}).values()]
    downloads = [f"/download{main}"] if method.get("useMediaDownloadService") else []
    return [main, *uploads, *downloads]


def _pattern(path: str) -> re.Pattern[str]:
    """`{name}` is one segment; a method's verb follows after a colon."""
    parts = re.split(r"\{\+?\w+\}", path)
    return re.compile("[^/]+?".join(re.escape(part) for part in parts))


def schema_of(schemas: Json, name: str) -> dict[str, Any]:
    """One schema of a document."""
    found: dict[str, Any] = schemas[name]
    return found
