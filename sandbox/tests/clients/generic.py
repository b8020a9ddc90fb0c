"""google-api-python-client, which calls any method of a discovery document: a request to the emulator by its path."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sandbox.core.documents import Json
from sandbox.core.routing import Route
from sandbox.tests.conformance import discovery
from sandbox.tests.untyped import build_from_document, credentials_of, http_error

# What stands in a sample path for the names in a route's path; "nothing" for any other.
NAMES = {"project": "mlflow-sandbox", "service": "compute.googleapis.com", "bucket": "no-such-bucket"}


def sample_path(route: Route) -> str:
    """A path that the route answers, about things that are not there."""
    return re.sub(r"\{(\w+)\+?\}", lambda name: NAMES.get(name[1], "nothing"), route.path)


def is_reachable(route: Route) -> bool:
    """Whether the discovery documents have the method at this very address."""
    return not route.path.startswith(("/upload/", "/resumable/", "/download/")) and _find(route) is not None


class Generic:
    """The client as one account. It knows the addresses from Google's documents; only the host is the sandbox's."""

    def __init__(self, url: str, key: Json) -> None:
        self._url = url
        self._credentials = credentials_of(key)
        self._services: dict[str, Any] = {}

    def status(self, route: Route) -> tuple[int, str]:
        """Call the route's method about things that are not there: HTTP status and what an error says."""
        found = _find(route)
        assert found is not None, f"{route.path} is no method of Google's"
        document, method_id = found.id.split(":")
        resource, (collections, name, method) = self.service(document), _described(document, method_id)
        for collection in collections:
            resource = getattr(resource, collection)()
        arguments = _arguments(document, method, sample_path(route))
        try:
            getattr(resource, name)(**arguments).execute()
        except http_error as error:
            return int(error.status_code), str(error.reason)
        return 200, ""

    def service(self, document: str) -> Any:
        """The API of a discovery document, such as storage.v1."""
        if document not in self._services:
            described = _document(document) | {"rootUrl": f"{self._url}/", "mtlsRootUrl": ""}
            self._services[document] = build_from_document(described, credentials=self._credentials)
        return self._services[document]


def _find(route: Route) -> discovery.Method | None:
    return discovery.find(route.api.service, route.method, sample_path(route)) if route.api else None


def _arguments(document: str, method: Json, path: str) -> dict[str, Any]:
    """Parameters of the path, required ones of the query, and a body that changes nothing."""
    template = "/" + _document(document)["servicePath"] + method["path"]
    expression = re.sub(r"\\{(\\\+)?(\w+)\\}", r"(?P<\2>.+?)", re.escape(template))
    fits = re.fullmatch(expression, path)
    assert fits is not None, f"{path} is not of the form {template}"
    arguments: dict[str, Any] = {name: unquote(value) for name, value in fits.groupdict().items()}
    for name, parameter in method.get("parameters", {}).items():
        if parameter.get("required") and name not in arguments:
            arguments[name] = NAMES.get(name, "nothing")
    if "request" in method:
        arguments["body"] = _harmless_body(_document(document)["schemas"][method["request"]["$ref"]])
    return arguments


def _harmless_body(schema: Json) -> Json:
    """Nothing; where a policy is to be written, one under an etag that nobody has."""
    stale = {"etag": "AAAA"}
    if "policy" in schema.get("properties", {}):
        return {"policy": stale}
    return stale if "bindings" in schema.get("properties", {}) else {}


@cache
def _document(name: str) -> Json:
    document: Json = json.loads((Path(discovery.FOLDER) / f"{name}.json").read_text())
    return document


def _described(document: str, method_id: str) -> tuple[list[str], str, Json]:
    """Where the method stands in its document: collections, its name there, and what is said of it."""
    place, collections = _document(document), method_id.split(".")[1:-1]
    for collection in collections:
        place = place["resources"][collection]
    return next((collections, name, method) for name, method in place["methods"].items() if method["id"] == method_id)
