"""Options as AnsibleModule would hand them over."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import Resource


def validated(kind: type[Resource], params: dict[str, Any]) -> dict[str, Any]:
    """The options with defaults filled in; fails on what the argument spec does not allow."""
    result = ArgumentSpecValidator(kind.SPEC).validate(params)
    assert not result.error_messages, result.error_messages
    options: dict[str, Any] = result.validated_parameters
    return options
