# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would change, why, and what it would cost: pure data and pure functions, without network or clock.

`changed`, the diff, what is sent and what is reported all come from one Plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

HIDDEN = "(hidden)"


class Action(StrEnum):
    """What applying a plan does."""

    NONE = "none"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REFUSE = "refuse"
    UNKNOWN = "unknown"


class BlastRadius(StrEnum):
    """What a change does to those who use the resource."""

    SAFE = "safe"
    RESTARTS = "restarts the database"
    DESTROYS = "destroys data"


@dataclass(frozen=True)
class Change:
    """One field that differs. ``refusal``, if not empty, is the way out that the user must choose explicitly."""

    field: str
    before: Any
    after: Any
    reason: str
    blast_radius: BlastRadius = BlastRadius.SAFE
    refusal: str = ""

    def as_result(self) -> dict[str, Any]:
        """As the modules return it."""
        return {
            "field": self.field,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "blast_radius": str(self.blast_radius),
            "refusal": self.refusal or None,
        }

    def describe_refusal(self) -> str:
        """One sentence for the failure that lists what was refused."""
        return f"{self.field}: {self.before!r} -> {self.after!r} ({self.reason}): {self.refusal}"


@dataclass(frozen=True)
class Plan:
    """What to do with one resource. ``module`` is the module's short name, ``name`` the object's.

    ``problems`` is what can never work of it, each with the way out: then nothing is sent at all.
    """

    module: str
    name: str
    action: Action
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def applicable(self) -> tuple[Change, ...]:
        """The changes that would be sent."""
        return tuple(change for change in self.changes if not change.refusal)

    @property
    def refused(self) -> tuple[Change, ...]:
        """The changes that would not be sent, each with its way out."""
        return tuple(change for change in self.changes if change.refusal)

    @property
    def writes(self) -> bool:
        """Whether applying sends anything."""
        return self.action in {Action.CREATE, Action.UPDATE, Action.DELETE}

    def fields(self) -> set[str]:
        """The names of the fields that would be sent."""
        return {change.field for change in self.applicable}

    def with_warnings(self, *warnings: str) -> Plan:
        """The same plan with more warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))

    def as_result(self) -> dict[str, Any]:
        """As the plan module returns it, without the owner."""
        return {
            "module": self.module,
            "name": self.name,
            "action": str(self.action),
            "changes": [change.as_result() for change in self.changes],
        }

    def as_diff(self) -> dict[str, Any]:
        """Ansible's diff of the fields that would be sent."""
        header = f"{self.module} {self.name}"
        return {
            "before_header": header,
            "after_header": header,
            "before": {change.field: change.before for change in self.applicable if change.before is not None},
            "after": {change.field: change.after for change in self.applicable if change.after is not None},
        }


def nothing(module: str, name: str, *warnings: str) -> Plan:
    """Nothing to do."""
    return Plan(module, name, Action.NONE, (), warnings)


def create(module: str, name: str, fields: Mapping[str, Any], warnings: Iterable[str] = ()) -> Plan:
    """Create an object with these fields."""
    changes = tuple(Change(field, None, value, "is to be created") for field, value in fields.items())
    return Plan(module, name, Action.CREATE, changes, tuple(warnings))


def update(
    module: str, name: str, changes: Iterable[Change], warnings: Iterable[str] = (), problems: Iterable[str] = ()
) -> Plan:
    """Change an existing object; without changes nothing, with refused ones alone a refusal."""
    changes, problems = tuple(changes), tuple(problems)
    if not changes:
        return Plan(module, name, Action.NONE, (), tuple(warnings))
    applicable = problems or any(not change.refusal for change in changes)
    return Plan(module, name, Action.UPDATE if applicable else Action.REFUSE, changes, tuple(warnings), problems)


def delete(module: str, name: str, blast_radius: BlastRadius, refusal: str = "", warnings: Iterable[str] = ()) -> Plan:
    """Delete an existing object, or refuse to."""
    change = Change("state", "present", "absent", "state is absent", blast_radius, refusal)
    return Plan(module, name, Action.REFUSE if refusal else Action.DELETE, (change,), tuple(warnings))


def unknown(module: str, name: str, reason: str) -> Plan:
    """It can't be known now, and the reason why."""
    return Plan(module, name, Action.UNKNOWN, (Change("state", None, None, reason),))


def same(desired: Any, actual: Any) -> bool:
    """Whether a wanted value equals Google's: 64-bit numbers come as strings, empty and missing are the same."""
    if isinstance(desired, bool):
        return desired == bool(actual)
    if isinstance(desired, int):
        return actual is not None and str(actual).lstrip("-").isdigit() and desired == int(actual)
    if desired in ("", [], {}):
        return actual in (None, "", [], {})
    return bool(desired == actual)


def same_ignoring_case(desired: Any, actual: Any) -> bool:
    """As `same`, for names such as locations that Google prints in capitals."""
    return str(desired).casefold() == str(actual or "").casefold()


def managed_keys(field: str, desired: Mapping[str, Any] | None, actual: Mapping[str, Any] | None) -> list[Change]:
    """The differences of a map (labels, flags): only keys that the user set count; null removes a key."""
    changes = []
    for key, wanted in sorted((desired or {}).items()):
        found = (actual or {}).get(key)
        if wanted is None and key not in (actual or {}):
            continue
        if wanted is None or found is None or str(wanted) != str(found):
            reason = "is to be removed" if wanted is None else "differs" if found is not None else "is not set"
            # Google keeps labels and flags as strings, whatever YAML made of them.
            changes.append(Change(f"{field}.{key}", found, None if wanted is None else str(wanted), reason))
    return changes


def overlay(below: Mapping[str, Any] | None, above: Mapping[str, Any] | None) -> dict[str, Any]:
    """Two maps of options as one: what the upper one sets (null is not set) wins, maps inside key by key."""
    merged = dict(below or {})
    for key, value in (above or {}).items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = overlay(merged[key], value)
        elif value is not None:
            merged[key] = value
    return merged


def confirm_refusal(name: str, confirm_delete: str | None) -> str:
    """Why a deletion is refused, empty if the user named the object once more."""
    if confirm_delete == name:
        return ""
    if confirm_delete:
        return f"confirm_delete is {confirm_delete!r}, but the object's name is {name!r}: set confirm_delete: {name}"
    return f"this can't be undone: set confirm_delete: {name} to delete it"
