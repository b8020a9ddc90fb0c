# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, plan, apply; and again from the reading whenever what was read turns out stale.

Every unclear end of a write lands here too (a reset after Google had accepted it, a 5xx): the object is read again, and
only what is then still missing is sent. Each cause has its own bound (patience.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    InstanceNotRunningError,
    MissingPrerequisiteError,
    OutcomeUnknownError,
    ServiceDisabledError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.patience import SERVICE_PATIENCE, Patience
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Plan, unknown
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    Observed,
    ParentAbsentError,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.service_usage import is_on, read_service


@dataclass(frozen=True)
class Outcome:
    """What happened to one resource: the plan that was followed, and the object afterwards."""

    plan: Plan
    observed: Observed
    changed: bool


def observe(resource: Resource, google: Google) -> Observed:
    """Read a resource; a missing parent, a disabled API and a stopped instance are findings, not failures."""
    started = google.clock.now()
    attempt = 0
    while True:
        try:
            return resource.read(google)
        except ParentAbsentError as error:
            return Observed(Presence.PARENT_ABSENT, error=error)
        except InstanceNotRunningError as error:
            return Observed(Presence.UNKNOWN, error=error)
        except ServiceDisabledError as error:
            waited = google.clock.now() - started
            if waited > SERVICE_PATIENCE or not is_enabled(google, error.service or resource.SERVICE):
                return Observed(Presence.SERVICE_DISABLED, error=error)
        # Enabled but not yet everywhere: Google asks to wait a few minutes.
        google.clock.sleep(0.5 + google.clock.full_jitter(attempt, longest=15.0))
        google.forget()
        attempt += 1


def is_enabled(google: Google, service: str) -> bool:
    """Whether the project has the service enabled; false if the caller may not know."""
    try:
        return is_on(read_service(google, service))
    except GoogleError:
        return False


def predict(resource: Resource, google: Google) -> Outcome:
    """What a real run would do; an absent parent or a disabled API counts as about to be made by an earlier task."""
    observed = observe(resource, google)
    if observed.presence in {Presence.PARENT_ABSENT, Presence.SERVICE_DISABLED}:
        plan = resource.plan(ABSENT).with_warnings(assumption(observed.error, resource))
    elif observed.presence is Presence.UNKNOWN:
        plan = unknown(resource.MODULE, resource.name, str(observed.error))
        plan = plan.with_warnings(f"the state of {resource.name} is unknown: {observed.error}")
    else:
        plan = resource.plan(observed)
    try:
        resource.check_apply(plan)
    except MissingPrerequisiteError as error:
        plan = plan.with_warnings(f"assuming that an earlier task makes it: {error}")
    return Outcome(plan, observed, plan.writes)


def assumption(error: GoogleError | None, resource: Resource) -> str:
    """What check mode takes for granted about a project that is not there yet."""
    if isinstance(error, ServiceDisabledError):
        return f"{error.service or resource.SERVICE} is off: assuming that an earlier task enables it"
    parent = resource.parent
    what = f"{parent.module} {parent.name}" if parent else "what holds it"
    return f"{what} does not exist: assuming that an earlier task creates it"


def converge(resource: Resource, google: Google) -> Outcome:
    """Make the resource what the user wants. Raises a GoogleError with the way out."""
    patience = Patience(resource, google)
    writes = google.writes
    # The plan of an earlier attempt that may have been carried out, wholly or in part.
    followed: Plan | None = None
    while True:
        google.forget()
        observed = observe(resource, google)
        if resource.settle(google, observed):
            continue
        observed = _readable(resource, observed)
        plan = resource.plan(observed)
        if not plan.writes and not plan.problems:
            return Outcome(followed or plan, observed, followed is not None)
        resource.check_apply(plan)
        before = google.writes
        try:
            resource.apply(google, plan, observed)
        except GoogleError as error:
            if isinstance(error, OutcomeUnknownError) or google.writes > writes:
                followed = followed or plan
            if not patience.allows(error, plan, wrote=google.writes > before):
                raise
            if isinstance(error, OutcomeUnknownError):
                resource.await_unclear(google)
            continue
        google.forget()
        return Outcome(followed or plan, observe(resource, google), True)


def _readable(resource: Resource, observed: Observed) -> Observed:
    if observed.error is None:
        return observed
    if resource.wants_absence and observed.presence is Presence.PARENT_ABSENT:
        return ABSENT
    raise observed.error
