# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a binding counts, by asking as the account that it is for, and never for a fixed time.

A change of access takes 2 minutes as a rule and 7 or more at times, until it counts everywhere:
https://cloud.google.com/iam/docs/access-change-propagation. Only the account itself can tell, since testIamPermissions
answers what its caller holds. So the caller asks for itself, or for a service account that it may impersonate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    CredentialsError,
    GoogleError,
    NotFoundError,
    OperationTimeoutError,
    PermissionDeniedError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.impersonation import acting_as
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.policies import Grant, same_member

SPEC: dict[str, Any] = {
    "wait_for_permissions": {"type": "list", "elements": "str"},
    "wait_timeout": {"type": "int", "default": 600},
}
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True)
class Place:
    """An object with a policy: its API, and its path there."""

    api: str
    path: str


def held(google: Google, place: Place, asked: list[str]) -> set[str]:
    """Which of these permissions Google's caller holds on the object."""
    if place.api == "storage":
        reply = google.get(place.api, f"{place.path}/iam/testPermissions", permissions=asked)
    else:
        reply = google.query(place.api, f"{place.path}:testIamPermissions", {"permissions": asked})
    return {*reply.get("permissions", [])}


def check(params: Mapping[str, Any], grant: Grant) -> None:
    """Raise RefusedError if nobody could observe that the binding counts."""
    if not params.get("wait_for_permissions"):
        return
    if not grant.member.startswith("serviceAccount:"):
        raise RefusedError(
            f"wait_for_permissions: only a service account can be asked what it may do, not {grant.member}: "
            "leave it out"
        )
    if grant.condition:
        raise RefusedError(
            f"wait_for_permissions: whether {grant.member} is allowed something under a condition depends on the "
            "request: leave it out"
        )
    if int(params["wait_timeout"]) < 1:
        raise RefusedError(f"wait_timeout of {grant.member} is below 1 second: give the seconds to wait, such as 600")


def wait_for(google: Google, params: Mapping[str, Any], grant: Grant, place: Place, name: str) -> None:
    """Return once the member itself is told that it holds the permissions that the option names."""
    wanted = list(params.get("wait_for_permissions") or [])
    if not wanted:
        return
    account = grant.member.partition(":")[2]
    asking = google if same_member(google.account, account) else acting_as(google, account)
    started = google.clock.now()
    attempt = 0
    while missing := _missing(asking, place, wanted, account):
        waited = google.clock.now() - started
        if waited > int(params["wait_timeout"]):
            raise OperationTimeoutError(
                f"the binding is made, but after {waited:.0f} s {account} is still told that it lacks "
                f"{', '.join(sorted(missing))}: give wait_for_permissions what the role holds, or raise wait_timeout; "
                f"{name} stays"
            )
        with google.progress.waiting(f"until the binding counts for {account}"):
            google.clock.sleep(0.2 + google.clock.full_jitter(attempt, 1.0, _LONGEST_PAUSE))
        attempt += 1


def _missing(asking: Google, place: Place, wanted: list[str], account: str) -> set[str]:
    try:
        return {*wanted} - held(asking, place, wanted)
    except CredentialsError as error:
        # A new account is not seen everywhere at once.
        if isinstance(error.__cause__, NotFoundError):
            return {*wanted}
        raise GoogleError(
            f"the binding is made, but {account} can't be asked whether it counts yet: {error}; or leave "
            "wait_for_permissions out"
        ) from error
    except PermissionDeniedError:
        # Asking needs no permission, but an account without any may not see the object.
        return {*wanted}
