# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between AnsibleModule and the resources: common options, one run, one answer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import transport
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import Outcome, converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import find_credentials
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import (
    GOOGLE,
    environment_variable,
    resolve_endpoints,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.impersonation import ENVIRONMENT_VARIABLES, impersonate
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.progress import listen_up
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import Resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Session
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import PROJECT

EXCLUSIVE_CREDENTIALS = ["credentials_file", "credentials_contents", "access_token"]
# A key's id is public: it names the key in errors and in Google's lists.
_SECRET_KEY_PARTS = {"private_key", "client_secret", "refresh_token"}


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
    """The project at Google that the task's options name. Ends the module if they name none."""
    if transport.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("requests"), exception=transport.IMPORT_ERROR)
    params = module.params
    _unmask_public_parts(module)
    _check_project(params.get("project"))
    endpoints = resolve_endpoints(params.get("endpoints"), os.environ)
    try:
        tokens = find_credentials(params, os.environ, module.warn)
    except ImportError as error:
        module.fail_json(msg=missing_required_lib("google-auth"), exception=str(error))
    pool = transport.PooledTransport()
    if email := params.get("impersonate_service_account"):
        tokens = impersonate(str(email), tokens, pool, endpoints["iamcredentials"])
    session = Session(tokens, pool, progress=listen_up(os.environ))
    return Google(session, endpoints, str(params["project"]))


def _check_project(project: str | None) -> None:
    # https://cloud.google.com/resource-manager/docs/creating-managing-projects; older ones may have a domain before.
    if not project:
        raise RefusedError(f"no project: set {PROJECT}, or the environment variable GOOGLE_CLOUD_PROJECT")
    if not re.fullmatch(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*|[0-9]+", project):
        raise RefusedError(
            f"project {project!r} is no project id, which holds small letters, digits and hyphens: correct {PROJECT}; "
            "`gcloud projects list` shows yours"
        )


def _unmask_public_parts(module: AnsibleModule) -> None:
    """Mask the secret parts of a key alone: Ansible would star out the project's name and googleapis.com everywhere."""
    contents = module.params.get("credentials_contents")
    if isinstance(contents, dict):
        public = {str(value) for key, value in contents.items() if key not in _SECRET_KEY_PARTS}
        module.no_log_values -= public - {str(contents[key]) for key in _SECRET_KEY_PARTS if key in contents}


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
