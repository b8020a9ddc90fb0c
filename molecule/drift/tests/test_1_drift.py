"""What somebody breaks behind our back: a check names it and writes nothing, site.yml repairs it, then changed=0.

A run takes a while, so everything that can be done and seen together is; molecule/drift_alone does each by itself.
"""

import pytest

from tests.drift.rounds import FAIL, Rounds
from tests.drift.tamperings import FIRST, FOURTH, SECOND, TABLE, THIRD


@pytest.mark.parametrize("number", [FIRST, SECOND, THIRD, FOURTH])
def test_all_at_once(rounds: Rounds, number: int) -> None:
    rounds.runs([tampering for tampering in TABLE if tampering.together == number])


def test_one_role_by_its_tag(rounds: Rounds) -> None:
    """It corrects what is its own, and says what it leaves; without a difference a check for cron succeeds."""
    world, before = rounds.world, rounds.world.state()
    world.set_instance(userLabels={"service": "somebody-elses"})
    world.call("PATCH", world.bucket, {"versioning": {"enabled": False}})
    labelled = world.state()["instance"]
    run = rounds.plays("--tags", "artifact_store")
    assert run.returncode == 0, run.output
    assert "Say what the tags of this run leave out" in run.output
    assert "sql_instance mlflow-metadata: user_labels.service: somebody-elses -> mlflow (differs)" in run.output
    assert world.state() == before | {"instance": labelled}
    check = ("--check", *FAIL, "--tags")
    assert rounds.plays(*check, "artifact_store").returncode == 0
    assert rounds.plays(*check, "backend_store").returncode == 2
    world.set_instance(userLabels={"service": "mlflow"})
    assert world.state() == before
