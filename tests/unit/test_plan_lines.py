"""What a person sees of a plan: with --diff in full, else one line for each difference."""

from __future__ import annotations

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plan_lines import lines, summary
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change


def test_a_plan_is_one_line_for_the_object_and_one_for_each_change() -> None:
    changes = [
        Change("data_disk_size_gb", 10, 20, "the disk is to grow"),
        Change("public_bindings", ["a to b", "c to d"], [], "is not wanted"),
        Change("tier", None, "db-g1-small", "differs", BlastRadius.RESTARTS, "set allow_restart: true"),
    ]
    plan = {"owner": "backend_store", **plans.update("sql_instance", "db", changes).as_result()}
    assert lines(plan) == [
        "update sql_instance db (backend_store)",
        "  data_disk_size_gb: 10 -> 20 (the disk is to grow)",
        "  public_bindings: a to b, c to d -> (none) (is not wanted)",
        "  tier: (none) -> db-g1-small (differs) [restarts the database]; refused: set allow_restart: true",
    ]
    assert summary(plan) == [f"sql_instance db: {line.strip()}" for line in lines(plan)[1:]]


def test_what_is_new_has_no_before() -> None:
    plan = {"owner": "o", **plans.create("bucket", "b", {"location": "EU"}).as_result()}
    assert lines(plan) == ["create bucket b (o)", "  location: EU (is to be created)"]
    assert summary(plan) == ["bucket b is not there (is to be created)"]


def test_nothing_to_do_is_nothing_to_see() -> None:
    plan = {"owner": "o", **plans.nothing("bucket", "b").as_result()}
    assert (lines(plan), summary(plan)) == ([], [])
