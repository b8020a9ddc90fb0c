"""Secrets: when a version is made, that it is read back, and that no value gets anywhere."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.checksums import crc32c
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    OutcomeUnknownError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager import (
    PayloadMismatchError,
    Secret,
    generate_value,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import Reply

from tests.unit.fakes import NOT_FOUND, PROJECT, Answer, FakeTransport, bad, cloud, ok
from tests.unit.options import validated

BASE = f"v1/projects/{PROJECT}/secrets"
GET = f"GET {BASE}/s"
LATEST = f"{GET}/versions/latest"
ADD = f"POST {BASE}/s:addVersion"
AUTOMATIC: dict[str, Any] = {"name": "projects/1/secrets/s", "replication": {"automatic": {}}, "etag": '"e"'}


def version(number: int, state: str = "ENABLED") -> dict[str, Any]:
    return {"name": f"projects/1/secrets/s/versions/{number}", "state": state}


def payload(value: str, checksum: int | None = None) -> Reply:
    data = value.encode()
    crc = crc32c(data) if checksum is None else checksum
    return ok({"payload": {"data": base64.b64encode(data).decode(), "dataCrc32c": str(crc)}})


def secret(**options: Any) -> Secret:
    return Secret(validated(Secret, {"name": "s", **options}), PROJECT)


class Echo(FakeTransport):
    """Gives back what was added last, as Secret Manager does."""

    def send(self, method: str, url: str, params: Any, body: Any, headers: Any) -> Reply:
        if method == "GET" and url.endswith(":access"):
            added = next(s for s in reversed(self.sent) if s.path.endswith(":addVersion"))
            super().send(method, url, params, body, headers)
            return ok({"payload": added.body["payload"]})
        return super().send(method, url, params, body, headers)


def echoing(answers: dict[str, Answer | list[Answer]]) -> Any:
    made = cloud(answers)
    made.transport = Echo(made.transport.answers)
    made.google._session._transport = made.transport
    return made


def test_crc32c_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0


def test_generated_values_are_long_and_harmless_in_every_file() -> None:
    values = {generate_value() for _ in range(300)}
    assert len(values) == 300
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{42,}", value) for value in values)


def test_a_missing_secret_is_made_with_a_generated_version_that_is_read_back() -> None:
    made = echoing(
        {
            GET: [NOT_FOUND, ok(AUTOMATIC)],
            f"POST {BASE}": ok(AUTOMATIC),
            ADD: ok(version(1)),
            f"{GET}/versions/1:access": ok(),
            LATEST: ok(version(1)),
        }
    )
    resource = secret(generate=True, labels={"app": "mlflow"}, return_value=True)
    outcome = converge(resource, made.google)
    created, added = made.transport.writes
    assert created.params == {"secretId": "s"}
    assert created.body == {"replication": {"automatic": {}}, "labels": {"app": "mlflow"}}
    value = base64.b64decode(added.body["payload"]["data"]).decode()
    assert int(added.body["payload"]["dataCrc32c"]) == crc32c(value.encode())
    result = resource.result(made.google, outcome.observed)
    assert (result["value"], result["version"], result["version_state"]) == (value, 1, "ENABLED")
    assert value not in str(outcome.plan.as_result()) + str(outcome.plan.as_diff())


def test_an_enabled_version_is_neither_read_nor_replaced() -> None:
    made = cloud({GET: ok(AUTOMATIC), LATEST: ok(version(3))})
    resource = secret(generate=True)
    outcome = converge(resource, made.google)
    assert not outcome.changed
    assert made.transport.lines == [GET, LATEST]
    assert "value" not in resource.result(made.google, outcome.observed)


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_newest_version_that_is_not_enabled_is_replaced_with_a_warning(state: str) -> None:
    made = echoing(
        {
            GET: ok(AUTOMATIC),
            LATEST: [ok(version(2, state)), ok(version(3))],
            ADD: ok(version(3)),
            f"{GET}/versions/3:access": ok(),
        }
    )
    outcome = converge(secret(generate=True), made.google)
    assert [(c.field, c.before, c.after) for c in outcome.plan.changes] == [("version", 2, 3)]
    assert state in outcome.plan.warnings[0]


@pytest.mark.parametrize(("held", "changed"), [("mine", False), ("theirs", True)])
def test_a_given_value_is_compared_with_the_newest_version(held: str, changed: bool) -> None:
    made = cloud(
        {
            GET: ok(AUTOMATIC),
            LATEST: [ok(version(1)), ok(version(2))],
            f"{GET}/versions/1:access": payload(held),
            f"{GET}/versions/2:access": payload("mine"),
            ADD: ok(version(2)),
        }
    )
    outcome = converge(secret(value="mine"), made.google)
    assert outcome.changed is changed
    assert [(c.field, c.before, c.after) for c in outcome.plan.changes] == ([("version", 1, 2)] if changed else [])
    assert len(made.transport.writes) == int(changed)
    assert "mine" not in str(outcome.plan.as_result())
    assert "theirs" not in str(outcome.plan.as_result())


def test_without_value_and_generate_versions_are_unmanaged() -> None:
    made = cloud({GET: ok(AUTOMATIC), LATEST: NOT_FOUND})
    assert not converge(secret(), made.google).changed


@pytest.mark.parametrize("answer", [payload("another"), payload("mine", checksum=1)])
def test_what_reads_back_differently_is_an_error(answer: Reply) -> None:
    made = cloud({GET: ok(AUTOMATIC), LATEST: NOT_FOUND, ADD: ok(version(1)), f"{GET}/versions/1:access": answer})
    with pytest.raises(PayloadMismatchError):
        converge(secret(value="mine"), made.google)


def test_a_lost_answer_to_add_version_adds_no_second_version() -> None:
    by_number: dict[str, Answer | list[Answer]] = {
        f"{GET}/versions/1": ok(version(1)),
        f"{GET}/versions/1:access": ok(),
    }
    made = echoing({GET: ok(AUTOMATIC), LATEST: [NOT_FOUND, ok(version(1))], ADD: bad(503), **by_number})
    outcome = converge(secret(generate=True), made.google)
    assert outcome.changed
    assert outcome.plan.fields() == {"version"}
    assert len(made.transport.writes) == 1


def test_the_newest_version_is_waited_for_since_only_its_number_shows_it_at_once() -> None:
    by_number: dict[str, Answer | list[Answer]] = {
        f"{GET}/versions/2": ok(version(2)),
        f"{GET}/versions/2:access": ok(),
    }
    for answer in (bad(503), ok(version(2))):
        late: list[Answer] = [ok(version(1)), ok(version(1)), ok(version(1)), ok(version(2))]
        made = echoing({GET: ok(AUTOMATIC), LATEST: late, ADD: answer, **by_number})
        outcome = converge(secret(generate=True, rotate=True), made.google)
        assert outcome.observed.about["version"] == version(2)
        assert len(made.transport.writes) == 1
        assert made.time.pauses


def test_somebody_elses_version_is_not_taken_for_ours() -> None:
    theirs = {f"{GET}/versions/1": ok(version(1)), f"{GET}/versions/1:access": payload("theirs")}
    ours = {f"{GET}/versions/2:access": payload("ours")}
    latest: list[Answer] = [NOT_FOUND, ok(version(1)), ok(version(2))]
    made = cloud({GET: ok(AUTOMATIC), LATEST: latest, ADD: [bad(503), ok(version(2))], **theirs, **ours})
    outcome = converge(secret(value="ours"), made.google)
    assert outcome.observed.about["version"] == version(2)
    assert len(made.transport.writes) == 2


def test_a_version_that_really_was_not_added_is_added_with_the_same_value() -> None:
    made = echoing(
        {
            GET: ok(AUTOMATIC),
            LATEST: [NOT_FOUND, NOT_FOUND, ok(version(1))],
            f"{GET}/versions/1": NOT_FOUND,
            ADD: [bad(503), ok(version(1))],
            f"{GET}/versions/1:access": ok(),
        }
    )
    converge(secret(generate=True), made.google)
    first, second = made.transport.writes
    assert first.body == second.body


def test_unclear_ends_are_bounded() -> None:
    made = cloud({GET: ok(AUTOMATIC), LATEST: NOT_FOUND, f"{GET}/versions/1": NOT_FOUND, ADD: bad(500)})
    with pytest.raises(OutcomeUnknownError, match=r"tried \d\d times in 1\d\d s"):
        converge(secret(generate=True), made.google)
    assert 100 < made.time.seconds <= 120


def test_rotating_adds_one_version_though_the_newest_is_enabled() -> None:
    read_back = {f"GET {BASE}/s/versions/3:access": payload("x")}
    made = echoing({GET: ok(AUTOMATIC), LATEST: ok(version(2)), ADD: ok(version(3)), **read_back})
    outcome = converge(secret(generate=True, rotate=True), made.google)
    assert [change.reason for change in outcome.plan.changes] == ["is to be rotated"]
    assert [sent.path for sent in made.transport.writes] == [f"{BASE}/s:addVersion"]
    assert outcome.plan.warnings == ()


def test_a_lost_answer_while_rotating_adds_no_second_version() -> None:
    lost = bad(503, "backendError", "gone")
    by_number: dict[str, Answer | list[Answer]] = {
        f"{GET}/versions/3": ok(version(3)),
        f"{GET}/versions/3:access": ok(),
    }
    made = echoing({GET: ok(AUTOMATIC), LATEST: [ok(version(2)), ok(version(3))], ADD: [lost], **by_number})
    assert converge(secret(generate=True, rotate=True), made.google).changed
    assert len(made.transport.writes) == 1


def test_older_versions_are_disabled_under_their_etags_page_by_page() -> None:
    listing = f"{GET}/versions"
    pages = [
        ok({"versions": [version(4), version(3) | {"etag": '"three"'}], "nextPageToken": "2"}),
        ok({"versions": [version(1)]}),
        ok({"versions": [version(4)]}),
    ]
    answers: dict[str, Answer | list[Answer]] = {GET: ok(AUTOMATIC), LATEST: ok(version(4)), listing: [*pages]}
    answers |= {f"POST {BASE}/s/versions/{number}:disable": ok(version(number, "DISABLED")) for number in (1, 3)}
    made = cloud(answers)
    outcome = converge(secret(older_versions="disabled"), made.google)
    assert [change.field for change in outcome.plan.changes] == ["versions.3", "versions.1"]
    sent = {request.path: request.body for request in made.transport.writes}
    assert sent == {f"{BASE}/s/versions/3:disable": {"etag": '"three"'}, f"{BASE}/s/versions/1:disable": {}}


def test_older_versions_stay_where_the_newest_can_not_be_used() -> None:
    made = cloud({GET: ok(AUTOMATIC), LATEST: ok(version(4, "DISABLED"))})
    assert not converge(secret(older_versions="disabled"), made.google).changed


@pytest.mark.parametrize("options", [{"generate": False}, {"generate": True, "older_versions": "disabled"}])
def test_rotating_is_generating_and_leaves_older_versions_alone(options: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="rotate needs generate"):
        secret(rotate=True, **options)


def test_labels_are_sent_whole_under_the_etag() -> None:
    body = {**AUTOMATIC, "labels": {"kept": "1", "gone": "2"}}
    made = cloud({GET: ok(body), LATEST: NOT_FOUND, f"PATCH {BASE}/s": ok()})
    converge(secret(labels={"gone": None, "new": "3"}), made.google)
    (sent,) = made.transport.writes
    assert sent.params == {"updateMask": "labels"}
    assert sent.body == {"labels": {"kept": "1", "new": "3"}, "etag": '"e"'}


@pytest.mark.parametrize(
    ("locations", "found", "action"),
    [
        (None, ["europe-west3"], Action.NONE),
        ([], [], Action.NONE),
        (["europe-west3"], ["EUROPE-WEST3"], Action.NONE),
        (["europe-west3"], [], Action.REFUSE),
        ([], ["europe-west3"], Action.REFUSE),
    ],
)
def test_replication_is_fixed(locations: list[str] | None, found: list[str], action: Action) -> None:
    replication = {"userManaged": {"replicas": [{"location": x} for x in found]}} if found else {"automatic": {}}
    made = cloud({GET: ok({**AUTOMATIC, "replication": replication}), LATEST: NOT_FOUND})
    assert converge(secret(replication_locations=locations), made.google).plan.action is action
    assert made.transport.writes == []


def test_given_locations_are_sent() -> None:
    made = cloud({GET: [NOT_FOUND, ok(AUTOMATIC)], LATEST: NOT_FOUND, f"POST {BASE}": ok(AUTOMATIC)})
    converge(secret(replication_locations=["europe-west3"]), made.google)
    assert made.transport.writes[0].body == {
        "replication": {"userManaged": {"replicas": [{"location": "europe-west3"}]}}
    }


@pytest.mark.parametrize("confirm", [None, "s"])
def test_a_deletion_needs_the_name(confirm: str | None) -> None:
    made = cloud({GET: [ok(AUTOMATIC), NOT_FOUND], LATEST: NOT_FOUND, f"DELETE {BASE}/s": ok()})
    outcome = converge(secret(state="absent", confirm_delete=confirm), made.google)
    assert outcome.changed is (confirm is not None)


@pytest.mark.parametrize(
    "options", [{"name": "a/b"}, {"name": ""}, {"value": "x", "generate": True}, {"value": ""}, {"value": "x" * 65537}]
)
def test_bad_secrets_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        secret(**options)


def test_no_error_holds_the_value() -> None:
    made = cloud({GET: ok(AUTOMATIC), LATEST: NOT_FOUND, ADD: bad(400, "invalid", "nope")})
    with pytest.raises(GoogleError) as caught:
        converge(secret(value="hunter2hunter2"), made.google)
    assert "hunter2" not in str(caught.value)
    assert base64.b64encode(b"hunter2hunter2").decode() not in str(caught.value)
