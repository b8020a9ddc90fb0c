# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape that every resource has: read it, plan purely, apply the plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    BusyError,
    CredentialsError,
    GoogleApiError,
    GoogleError,
    InstanceNotRunningError,
    InvalidRequestError,
    NetworkError,
    OutcomeUnknownError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    RefusedError,
    ServerError,
    StaleVersionError,
    UnauthenticatedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import PROJECT, setting

STATE: dict[str, Any] = {"type": "str", "choices": ["present", "absent"], "default": "present"}


class Presence(StrEnum):
    """What reading told about an object."""

    PRESENT = "present"
    ABSENT = "absent"
    PARENT_ABSENT = "parent absent"
    SERVICE_DISABLED = "service disabled"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Observed:
    """An object as it was read.

    ``body`` is Google's answer, ``about`` more that the plan needs, ``error`` why it could not be read (a missing
    parent, a disabled API, a stopped instance), with the way out.
    """

    presence: Presence
    body: JsonObject = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    error: GoogleError | None = None

    @property
    def exists(self) -> bool:
        """Whether the object is there."""
        return self.presence is Presence.PRESENT


ABSENT = Observed(Presence.ABSENT)


@dataclass(frozen=True)
class Reference:
    """Names a resource: a module's short name and the object's name."""

    module: str
    name: str


class ParentAbsentError(GoogleError):
    """The object that should hold this one is not there."""


class NotVisibleYetError(GoogleError):
    """Google does not see a newly made account or service yet; the same request works a little later."""


# The first that fits counts.
_WAYS_OUT: tuple[tuple[type[GoogleError], str], ...] = (
    (PermissionDeniedError, f"grant the caller a role that holds it, or correct {PROJECT}"),
    (InstanceNotRunningError, f"start it: set {setting('sql_instance', 'activation_policy')} to ALWAYS"),
    (InvalidRequestError, "put right what Google names, and run again"),
    (BusyError, "wait until it is over, and run again"),
    (StaleVersionError, "somebody else is changing it too: run again"),
    (RateLimitedError, "wait as long as Google asks, else a minute, and run again"),
    (QuotaExceededError, "wait until it comes back, or have it raised, and run again"),
    (AlreadyExistsError, "something else is in its way: look at what Google names, and run again"),
    (ServerError, "this is Google's to heal: run again later"),
    (NetworkError, "put the network (or the option endpoints) right, and run again"),
    (OutcomeUnknownError, "it may have been done: run again, which looks first"),
    (GoogleApiError, "run again; if Google answers the same, its documentation has the reason"),
)


def way_out(error: GoogleError) -> str:
    """What the user can do about an error of any object; empty where the error says so itself."""
    return next((found for kind, found in _WAYS_OUT if isinstance(error, kind)), "")


class Resource(ABC):
    """A wanted state of one object. Options come validated by ``SPEC``; None means unmanaged."""

    MODULE: ClassVar[str]
    SPEC: ClassVar[dict[str, Any]]
    # The API that must be enabled, for the plan of a project whose services are still off.
    SERVICE: ClassVar[str] = ""
    MUTUALLY_EXCLUSIVE: ClassVar[list[list[str]]] = []
    REQUIRED_IF: ClassVar[list[list[Any]]] = []
    # How often a write is planned anew because somebody else changed the object.
    STALE_ATTEMPTS: ClassVar[int] = 3

    def __init__(self, params: Mapping[str, Any], project: str) -> None:
        self.params = params
        self.project = project
        self.check()

    @property
    def wants_absence(self) -> bool:
        """Whether state is absent."""
        return bool(self.params.get("state") == "absent")

    @property
    @abstractmethod
    def name(self) -> str:
        """What names the object to the user."""

    @property
    def parent(self) -> Reference | None:
        """The object that must exist first."""
        return None

    def check(self) -> None:
        """Raise RefusedError for options that can never work, before anything is asked or sent."""
        return

    def announce(self, google: Google) -> None:
        """Say what will be read, where many such resources can be read at once."""
        del google

    @abstractmethod
    def read(self, google: Google) -> Observed:
        """Ask Google. Raises ParentAbsentError for a missing parent; other errors as they come."""

    @abstractmethod
    def plan(self, observed: Observed) -> Plan:
        """What to do, from what was read. Pure."""

    @abstractmethod
    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        """Send the plan's applicable changes, and wait until they are done."""

    def way_out(self, error: GoogleError) -> str:
        """What the user can do about Google's answer, where its error does not say so itself."""
        return way_out(error)

    def reason(self, error: GoogleError) -> str:
        """Google's reason and the way out."""
        return ": ".join(filter(None, (str(error), self.way_out(error))))

    def explain(self, error: GoogleError) -> str:
        """The line of a failure: the object, Google's reason, the way out."""
        if isinstance(error, CredentialsError | UnauthenticatedError):
            # Not about this object, and it names what it is about.
            return str(error)
        return f"{self.MODULE} {self.name}: {self.reason(error)}"

    def check_apply(self, plan: Plan) -> None:
        """Raise RefusedError if the plan can't be applied: an option is missing or wrong (asked in check mode too)."""
        if plan.problems:
            raise RefusedError("; ".join(plan.problems))

    def is_being_made(self, observed: Observed) -> bool:
        """Whether its creation is under way, so that what it is to hold can't be there yet."""
        del observed
        return False

    def settle(self, google: Google, observed: Observed) -> bool:
        """Wait for somebody's operation that is under way; true if there was one and it is over."""
        del google, observed
        return False

    def await_unclear(self, google: Google) -> None:
        """Wait for what a write with an unclear end may have started, where reading does not show it."""
        del google

    def result(self, google: Google, observed: Observed) -> dict[str, Any]:
        """What the module returns of the object; never a secret that was not asked for."""
        del google
        return {"resource": observed.body or None}
