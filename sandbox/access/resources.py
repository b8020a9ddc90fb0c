"""What a request is about, as conditions see it: resource.name, resource.type and resource.service.

Formats: https://cloud.google.com/iam/docs/conditions-resource-attributes. Services that are not on that page (IAM,
Service Usage) have no resource attributes. A request that is about no single resource is about the project.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.access.conditions import Attributes
from sandbox.core.settings import Settings


@dataclass(frozen=True)
class Kind:
    """A type of resource: the names that a path must hold for it, its type and its name's format."""

    needs: tuple[str, ...]
    type: str
    name: str


PROJECT = Kind((), "cloudresourcemanager.googleapis.com/Project", "projects/{project}")
# The most specific first. Secret Manager alone writes the project's number.
KINDS: dict[str, tuple[Kind, ...]] = {
    "cloudresourcemanager.googleapis.com": (PROJECT,),
    "secretmanager.googleapis.com": (
        Kind(
            ("secret", "version"),
            "secretmanager.googleapis.com/SecretVersion",
            "projects/{number}/secrets/{secret}/versions/{version}",
        ),
        Kind(("secret",), "secretmanager.googleapis.com/Secret", "projects/{number}/secrets/{secret}"),
        PROJECT,
    ),
    "sqladmin.googleapis.com": (
        Kind(("instance",), "sqladmin.googleapis.com/Instance", "projects/{project}/instances/{instance}"),
        PROJECT,
    ),
    "storage.googleapis.com": (
        Kind(("bucket", "object"), "storage.googleapis.com/Object", "projects/_/buckets/{bucket}/objects/{object}"),
        Kind(("bucket",), "storage.googleapis.com/Bucket", "projects/_/buckets/{bucket}"),
        PROJECT,
    ),
}


def attributes_of(
    settings: Settings, service: str, names: Mapping[str, str], api: Mapping[str, Any] | None = None
) -> Attributes:
    """The attributes of a request to a service whose path has these names."""
    for kind in KINDS.get(service, ()):
        if all(name in names for name in kind.needs):
            # Old proxies write REGION~NAME.
            known = {name: value.rpartition("~")[2] if name == "instance" else value for name, value in names.items()}
            known |= {"project": settings.project, "number": settings.project_number}
            name = kind.name.format(**known)
            return Attributes(name, kind.type, kind.type.partition("/")[0], api=api or {})
    return Attributes(api=api or {})
