# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between AnsibleModule and the resources: common options, one run, one answer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import transport
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.connection import connect_to, public_parts
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import Outcome, converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import GOOGLE, environment_variable
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.impersonation import ENVIRONMENT_VARIABLES
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.progress import listen_up
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import Resource

EXCLUSIVE_CREDENTIALS = ["credentials_file", "credentials_contents", "access_token"]


def common_spec() -> dict[str, Any]:
    """The options that every module has (documentation: the fragments auth and endpoints)."""
    return {
        "project": {"type": "str", "fallback": (env_fallback, ["GOOGLE_CLOUD_PROJECT"])},
        "credentials_file": {"type": "path"},
        "credentials_contents": {"type": "raw", "no_log": True},
        "access_token": {"type": "str", "no_log": True},
        "impersonate_service_account": {"type": "str", "fallback": (env_fallback, list(ENVIRONMENT_VARIABLES))},
        "endpoints": {
            "type": "dict",
            "options": {
                api: {"type": "str", "no_log": False, "fallback": (env_fallback, [environment_variable(api)])}
                for api in GOOGLE
            },
        },
    }


def module_spec(resource: type[Resource]) -> dict[str, Any]:
    """What AnsibleModule needs to know of a resource's module."""
    return {
        "argument_spec": {**common_spec(), **resource.SPEC},
        "mutually_exclusive": [EXCLUSIVE_CREDENTIALS, *resource.MUTUALLY_EXCLUSIVE],
        "required_if": resource.REQUIRED_IF,
        "supports_check_mode": True,
    }


def connect(module: AnsibleModule) -> Google:
    """The project at Google that the task's options name. Ends the module if a library is missing."""
    if transport.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("requests"), exception=transport.IMPORT_ERROR)
    # A key's public parts: Ansible would star out the project's name and googleapis.com everywhere.
    module.no_log_values -= public_parts(module.params)
    try:
        return connect_to(module.params, os.environ, module.warn, listen_up(os.environ))
    except ImportError as error:
        raise RefusedError(missing_required_lib("google-auth")) from error


def run_resource(module: AnsibleModule, kind: type[Resource]) -> None:
    """One run of a module for one resource."""
    google: Google | None = None
    resource: Resource | None = None
    try:
        google = connect(module)
        resource = kind(module.params, google.project)
        google.progress.subject = f"{kind.MODULE} {resource.name}"
        outcome = predict(resource, google) if module.check_mode else converge(resource, google)
        found = resource.result(google, outcome.observed)
        notes = google.notes
    except GoogleError as error:
        message = resource.explain(error) if resource else f"{kind.MODULE}: {error}"
        _warn(module, google.notes if google else ())
        module.fail_json(msg=message, changed=bool(google and google.writes))
    _warn(module, (*notes, *outcome.plan.warnings))
    _finish(module, outcome, found)


def _warn(module: AnsibleModule, warnings: Iterable[str]) -> None:
    for warning in dict.fromkeys(warnings):
        module.warn(warning)


def _finish(module: AnsibleModule, outcome: Outcome, found: Mapping[str, Any]) -> None:
    plan = outcome.plan
    answer: dict[str, Any] = {
        "changed": outcome.changed,
        "action": str(plan.action),
        "changes": [change.as_result() for change in plan.changes],
        **found,
    }
    if plan.writes:
        answer["diff"] = plan.as_diff()
    if "value" in found:
        # Asked for, so it must come through; the invocation must not show it instead.
        module.no_log_values.discard(found["value"])
        answer["invocation"] = {"module_args": {k: v for k, v in module.params.items() if k != "value"}}
    if plan.refused:
        listed = "; ".join(change.describe_refusal() for change in plan.refused)
        module.fail_json(msg=f"{plan.module} {plan.name}: refused: {listed}", **answer)
    module.exit_json(**answer)
