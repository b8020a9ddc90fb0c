"""Which error of a write is answered by a new plan, how often or how long, and what is said when that is over."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_instance import SqlInstance
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    BusyError,
    GoogleApiError,
    GoogleError,
    NetworkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    StaleVersionError,
    StateChangedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.patience import await_visibility
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    STATE,
    NotVisibleYetError,
    Observed,
    Presence,
    Resource,
)

from tests.unit.fakes import PROJECT, Answer, Cloud, bad, cloud, ok
from tests.unit.options import validated

RESET = NetworkError("the connection broke")


class Thing(Resource):
    """A thing that one request reads and one makes (of two parts, if it has a second) or deletes."""

    MODULE = "thing"
    SPEC: ClassVar[dict[str, Any]] = {"name": {"type": "str"}, "state": STATE}
    awaited = 0

    @property
    def name(self) -> str:
        return "x"

    def read(self, google: Google) -> Observed:
        body = google.find("sql", "x")
        return ABSENT if body is None else Observed(Presence.PRESENT, body)

    def plan(self, observed: Observed) -> Plan:
        if observed.exists == (not self.wants_absence):
            return plans.nothing("thing", "x")
        if self.wants_absence:
            return plans.delete("thing", "x", BlastRadius.SAFE)
        return plans.create("thing", "x", {"name": "x"})

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del observed
        if plan.action is plans.Action.DELETE:
            google.write("DELETE", "sql", "x")
            return
        google.write("POST", "sql", "things", {})
        if self.params.get("second"):
            google.write("POST", "sql", "x/second", {})

    def await_unclear(self, google: Google) -> None:
        del google
        self.awaited += 1


def thing(**params: Any) -> Thing:
    return Thing({"state": "present", **params}, "p")


def answering(read: Answer | list[Answer], write: Answer | list[Answer], **more: Answer | list[Answer]) -> Cloud:
    return cloud({"GET x": read, "POST things": write, "DELETE x": write, "POST x/second": more.get("second", ok())})


ABSENT_READ = bad(404)
UNCLEAR: list[Answer] = [bad(500), bad(503), bad(504), bad(408), RESET]


@pytest.mark.parametrize("lost", UNCLEAR)
def test_an_unclear_creation_that_was_carried_out_is_not_sent_again_and_counts_as_a_change(lost: Answer) -> None:
    made, resource = answering([ABSENT_READ, ok({"n": 1})], lost), thing()
    outcome = converge(resource, made.google)
    assert (outcome.changed, outcome.plan.action) == (True, "create")
    assert len(made.transport.writes) == 1
    assert resource.awaited == 1


@pytest.mark.parametrize("lost", UNCLEAR)
def test_an_unclear_creation_that_was_not_is_sent_again_only_after_a_look(lost: Answer) -> None:
    made = answering([ABSENT_READ, ABSENT_READ, ok({"n": 1})], [lost, ok()])
    assert converge(thing(), made.google).changed
    assert made.transport.lines == ["GET x", "POST things", "GET x", "POST things", "GET x"]


def test_an_outage_of_two_minutes_is_outlasted_and_of_more_said() -> None:
    made = answering(ABSENT_READ, bad(503))
    with pytest.raises(OutcomeUnknownError, match=r"; tried 1\d times in 1[01]\d s$"):
        converge(thing(), made.google)
    assert 100 < made.time.seconds <= 120
    assert made.time.pauses[:5] == [1, 2, 4, 8, 10]


def test_a_retry_after_of_an_unclear_end_is_honoured_and_one_beyond_our_patience_said_at_once() -> None:
    made = answering([ABSENT_READ, ok({"n": 1})], bad(503, retry_after="7"))
    assert converge(thing(), made.google).changed
    assert made.time.pauses == [8]
    made = answering(ABSENT_READ, bad(503, retry_after="600"))
    with pytest.raises(OutcomeUnknownError, match=r"; Google asks to wait 600 s, and a run waits 120 s at most$"):
        converge(thing(), made.google)
    assert made.time.pauses == []


def test_what_exists_but_is_not_seen_yet_is_looked_for() -> None:
    made = answering([ABSENT_READ, ABSENT_READ, ABSENT_READ, ok({"n": 1})], [bad(409, "alreadyExists")])
    outcome = converge(thing(), made.google)
    assert not outcome.changed
    made = answering(ABSENT_READ, bad(409, "alreadyExists"))
    with pytest.raises(AlreadyExistsError, match="tried"):
        converge(thing(), made.google)
    assert made.time.seconds <= 120


def test_a_conflict_of_a_deletion_is_not_repeated() -> None:
    made = answering(ok({"n": 1}), bad(409, "bucketNotEmpty"))
    with pytest.raises(AlreadyExistsError):
        converge(thing(state="absent"), made.google)
    assert len(made.transport.writes) == 1


def test_a_deletion_that_somebody_else_has_done_is_done() -> None:
    made = answering([ok({"n": 1}), ABSENT_READ], bad(404))
    assert converge(thing(state="absent"), made.google).observed == ABSENT
    made = answering(ok({"n": 1}), bad(404))
    with pytest.raises(NotFoundError, match="tried 4 times"):
        converge(thing(state="absent"), made.google)


def test_an_unclear_deletion_is_looked_at() -> None:
    made = answering([ok({"n": 1}), ABSENT_READ], RESET)
    assert converge(thing(state="absent"), made.google).changed
    assert len(made.transport.writes) == 1


def test_what_was_made_a_moment_ago_may_not_be_found_yet_by_the_next_write() -> None:
    made = answering([ABSENT_READ, ABSENT_READ, ok({"n": 1})], [ok(), ok()], second=[bad(404), ok()])
    assert converge(thing(second=True), made.google).changed
    made = answering(ABSENT_READ, bad(404))
    with pytest.raises(NotFoundError):
        converge(thing(), made.google)
    assert len(made.transport.writes) == 1


class Failing(Thing):
    """Its write ends in these errors, then it is there."""

    def __init__(self, error: GoogleError, times: int) -> None:
        super().__init__({"state": "present"}, "p")
        self.error, self.left = error, times

    def read(self, google: Google) -> Observed:
        del google
        return ABSENT

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del google, plan, observed
        if self.left:
            self.left -= 1
            raise self.error


def api_error(kind: type[GoogleApiError]) -> GoogleApiError:
    return kind(409, "r", "said Google", method="POST", url="u")


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (api_error(StaleVersionError), Resource.STALE_ATTEMPTS - 1),
        (api_error(BusyError), 20),
        (StateChangedError("another operation ran"), 20),
        (NotVisibleYetError("Google does not know the account"), 13),
    ],
)
def test_each_cause_has_its_own_bound(error: GoogleError, times: int) -> None:
    assert converge(Failing(error, times), cloud({}).google).changed
    with pytest.raises(type(error), match="tried"):
        converge(Failing(error, 10 * times), cloud({}).google)


def test_a_clear_refusal_is_not_repeated() -> None:
    made = cloud({})
    with pytest.raises(PermissionDeniedError):
        converge(Failing(api_error(PermissionDeniedError), 1), made.google)
    assert made.time.pauses == []


def test_what_was_made_is_awaited_two_minutes_at_most() -> None:
    made = cloud({"GET x": [bad(404), bad(404), ok()]})
    await_visibility(made.google, lambda: made.google.find("sql", "x") is not None, "x")
    assert len(made.transport.sent) == 3
    made = cloud({})
    await_visibility(made.google, lambda: False, "x")
    assert 120 <= made.time.seconds < 131


def test_an_operation_that_an_unclear_write_has_started_is_waited_for_though_its_settings_show_already() -> None:
    base = f"v1/projects/{PROJECT}"
    settings = {"tier": "db-f1-micro", "settingsVersion": "7"}
    labelled = {**settings, "settingsVersion": "8", "userLabels": {"team": "ml"}}
    running = {"name": "op-9", "status": "RUNNING", "operationType": "UPDATE", "targetId": "db"}
    failed = {**running, "status": "DONE", "error": {"errors": [{"code": "INTERNAL_ERROR"}]}}
    made = cloud(
        {
            f"GET {base}/instances/db": [
                ok({"name": "db", "state": "RUNNABLE", "settings": seen}) for seen in (settings, labelled)
            ],
            f"GET {base}/operations": [ok(), ok({"items": [running]}), ok()],
            f"GET {base}/operations/op-9": [ok(running), ok(failed)],
            f"PATCH {base}/instances/db": RESET,
        }
    )
    wanted = validated(SqlInstance, {"name": "db", "user_labels": {"team": "ml"}})
    assert converge(SqlInstance(wanted, PROJECT), made.google).changed
    (sent,) = made.transport.writes
    assert sent.body["settings"]["settingsVersion"] == "7"
    assert f"GET {base}/operations/op-9" in made.transport.lines
    assert "which failed: INTERNAL_ERROR" in made.google.notes[0]


def test_a_patch_that_was_carried_out_after_all_meets_its_own_version_and_is_planned_anew() -> None:
    base = f"v1/projects/{PROJECT}"
    versions: list[Answer] = [
        ok({"name": "db", "state": "RUNNABLE", "settings": {"settingsVersion": number, **labels}})
        for number, labels in (("7", {}), ("7", {}), ("8", {"userLabels": {"team": "ml"}}))
    ]
    made = cloud(
        {
            f"GET {base}/instances/db": versions,
            f"GET {base}/operations": ok(),
            f"PATCH {base}/instances/db": [RESET, bad(412, "staleData", "Condition does not match.")],
        }
    )
    wanted = validated(SqlInstance, {"name": "db", "user_labels": {"team": "ml"}})
    assert converge(SqlInstance(wanted, PROJECT), made.google).changed
    assert [sent.body["settings"]["settingsVersion"] for sent in made.transport.writes] == ["7", "7"]
