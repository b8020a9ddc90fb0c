"""A failure in one line: the object, Google's reason, and a way out that the reader of an inventory understands."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import errors
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_instance import SqlInstance
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import Resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager import Secret
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.service_usage import ProjectService
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage import Bucket
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

from tests.unit.fakes import PROJECT
from tests.unit.options import validated


def made(kind: type[Resource], name: str) -> Resource:
    return kind(validated(kind, {"name": name}), PROJECT)


INSTANCE, BUCKET, SECRET = made(SqlInstance, "db"), made(Bucket, "my-bucket"), made(Secret, "password")


def api(kind: type[errors.GoogleApiError], sentence: str) -> errors.GoogleApiError:
    return kind(400, "reason", sentence, method="GET", url="https://google/x")


@pytest.mark.parametrize(
    ("resource", "error", "line"),
    [
        (
            INSTANCE,
            api(errors.InvalidRequestError, "Invalid request: Tier (db-x)."),
            "sql_instance db: Invalid request: Tier (db-x) (400 reason, GET https://google/x): "
            "set mlflow_tier (option tier) to one that",
        ),
        (
            INSTANCE,
            api(errors.InvalidRequestError, "Invalid region (x)."),
            ": set gcp_region (option region) to one of",
        ),
        (INSTANCE, api(errors.InvalidRequestError, "No such flag."), ": put right what Google names, and run again"),
        (INSTANCE, api(errors.InstanceNotRunningError, "It does not run."), ": start it: set activation_policy (in "),
        (
            SECRET,
            api(errors.PermissionDeniedError, "No."),
            ": grant the caller a role that holds it, or correct gcp_pro",
        ),
        (BUCKET, api(errors.PermissionDeniedError, "No."), "bucket my-bucket: No (400 reason, GET https://google/x)"),
        (BUCKET, api(errors.PermissionDeniedError, "No."), ", set mlflow_bucket (option name) to another name; "),
        (BUCKET, api(errors.InvalidRequestError, "Bad class."), ": put right what Google names, and run again"),
        (SECRET, api(errors.BusyError, "Busy."), ": wait until it is over, and run again"),
        (SECRET, api(errors.StaleVersionError, "Stale."), ": somebody else is changing it too: run again"),
        (SECRET, api(errors.RateLimitedError, "Slow."), ": wait as long as Google asks, else a minute, and run"),
        (SECRET, api(errors.ServerError, "Sorry."), ": this is Google's to heal: run again later"),
        (SECRET, errors.NetworkError("no connection"), "secret password: no connection: put the network ("),
        (
            SECRET,
            errors.OutcomeUnknownError(OSError("cut off")),
            "secret password: cut off: it may have been done: run",
        ),
    ],
)
def test_the_line_of_a_failure(resource: Resource, error: errors.GoogleError, line: str) -> None:
    said = resource.explain(error)
    assert line in said
    assert said.startswith(f"{resource.MODULE} {resource.name}: ")
    assert "\n" not in said


def test_a_refused_project_is_named_as_the_project() -> None:
    said = made(ProjectService, "iam.googleapis.com").explain(api(errors.PermissionDeniedError, "No."))
    assert said.startswith(f"project {PROJECT}: No (")
    assert said.endswith("or correct gcp_project (option project)")


@pytest.mark.parametrize(
    "error", [errors.CredentialsError("no token for x: y"), api(errors.UnauthenticatedError, "Who are you?")]
)
def test_refused_credentials_are_about_no_object(error: errors.GoogleError) -> None:
    assert INSTANCE.explain(error) == str(error)


@pytest.mark.parametrize(
    ("module", "option", "name"),
    [
        ("sql_instance", "tier", "mlflow_tier (option tier)"),
        ("sql_instance", "edition", "edition (in backend_store_settings)"),
        ("bucket", "labels", "labels (in artifact_store_settings)"),
        ("project_service", "name", "name"),
    ],
)
def test_an_option_is_named_as_the_inventory_names_it(module: str, option: str, name: str) -> None:
    assert setting(module, option) == name


def test_what_is_wrong_with_a_tier_is_said() -> None:
    options: dict[str, Any] = {"name": "db", "tier": "db\N{EN DASH}f1-micro"}
    with pytest.raises(errors.RefusedError, match=r"holds '\u2013' \(EN DASH\).*type mlflow_tier \(option tier\) anew"):
        SqlInstance(validated(SqlInstance, options), PROJECT)
    options["tier"] = "micro"
    with pytest.raises(errors.RefusedError, match="instance db is no tier"):
        SqlInstance(validated(SqlInstance, options), PROJECT)
    SqlInstance(validated(SqlInstance, {"name": "db", "tier": "db-perf-optimized-N-2"}), PROJECT)
