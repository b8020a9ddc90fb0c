"""The vocabulary of plans: comparing values, refusals, results and diffs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius, Change


@pytest.mark.parametrize(
    ("desired", "actual", "equal"),
    [
        (10, "10", True),
        (10, "11", False),
        (10, None, False),
        (0, "0", True),
        (10, "ten", False),
        (False, None, True),
        (True, None, False),
        (True, True, True),
        ("", None, True),
        ([], None, True),
        ("a", "a", True),
        ("a", "A", False),
        ([1], None, False),
    ],
)
def test_values_are_compared_as_google_means_them(desired: Any, actual: Any, equal: bool) -> None:
    assert plans.same(desired, actual) is equal


def test_only_given_keys_of_a_map_count_and_null_removes() -> None:
    actual = {"kept": "1", "changed": "old", "removed": "x"}
    changes = plans.managed_keys("labels", {"changed": "new", "removed": None, "gone": None, "added": 5}, actual)
    assert [(c.field, c.before, c.after) for c in changes] == [
        ("labels.added", None, "5"),
        ("labels.changed", "old", "new"),
        ("labels.removed", "x", None),
    ]
    assert plans.managed_keys("labels", None, actual) == []
    assert plans.managed_keys("labels", {"n": 1}, {"n": "1"}) == []


def test_an_update_is_nothing_without_changes_and_a_refusal_with_refused_ones_alone() -> None:
    good = Change("a", 1, 2, "differs")
    refused = Change("b", 1, 2, "shrinks", BlastRadius.DESTROYS, "do it by hand")
    assert plans.update("m", "n", []).action is Action.NONE
    assert plans.update("m", "n", [refused]).action is Action.REFUSE
    both = plans.update("m", "n", [good, refused])
    assert both.action is Action.UPDATE
    assert both.applicable == (good,)
    assert both.refused == (refused,)


def test_the_diff_shows_what_is_sent_and_nothing_else() -> None:
    plan = plans.update("m", "n", [Change("a", 1, 2, "differs"), Change("b", 1, 2, "no", refusal="never")])
    diff = plan.as_diff()
    assert diff["before"] == {"a": 1}
    assert diff["after"] == {"a": 2}
    assert diff["before_header"] == "m n"


def test_a_result_is_plain_data() -> None:
    plan = plans.update("m", "n", [Change("a", 1, 2, "differs", BlastRadius.RESTARTS, "allow it")])
    assert plan.as_result() == {
        "module": "m",
        "name": "n",
        "action": "refuse",
        "changes": [
            {
                "field": "a",
                "before": 1,
                "after": 2,
                "reason": "differs",
                "blast_radius": "restarts the database",
                "refusal": "allow it",
            }
        ],
    }


def test_a_deletion_must_name_the_object() -> None:
    assert plans.confirm_refusal("db", "db") == ""
    assert "set confirm_delete: db" in plans.confirm_refusal("db", None)
    assert "is 'other'" in plans.confirm_refusal("db", "other")
