"""Keys of a service account: disabled and enabled, deleted only by name, never made here."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import FixedToken
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import GOOGLE
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam_keys import ServiceAccountKey
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Session

from tests.unit.fakes import PROJECT, Answer, Cloud, FakeTransport, bad, cloud, ok

EMAIL = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"
KEYS = f"v1/projects/{PROJECT}/serviceAccounts/{EMAIL}/keys"
MINE, OTHER = "aaaa1111", "bbbb2222"


def listed(key_id: str, created: str = "1970-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    name = f"projects/{PROJECT}/serviceAccounts/{EMAIL}/keys/{key_id}"
    return {"name": name, "keyType": "USER_MANAGED", "validAfterTime": created, **more}


def key(**options: Any) -> ServiceAccountKey:
    return ServiceAccountKey({"service_account": EMAIL, "key_id": MINE, "state": "present", **options}, PROJECT)


def google(*answers: Answer, **writes: Answer) -> Cloud:
    prepared: dict[str, Any] = {f"GET {KEYS}": list(answers)}
    prepared |= {f"POST {KEYS}/{MINE}:{verb}": answer for verb, answer in writes.items()}
    return cloud(prepared | {f"DELETE {KEYS}/{MINE}": ok()})


def test_a_key_is_disabled_and_enabled_and_otherwise_left_alone() -> None:
    on, off = ok({"keys": [listed(MINE)]}), ok({"keys": [listed(MINE, disabled=True)]})
    here = google(on, off, disable=ok())
    assert converge(key(disabled=True), here.google).changed
    assert [sent.line for sent in here.transport.writes] == [f"POST {KEYS}/{MINE}:disable"]
    assert not converge(key(disabled=True), here.google).changed
    assert not converge(key(), here.google).changed
    here = google(off, on, enable=ok())
    assert converge(key(disabled=False), here.google).changed
    assert [sent.line for sent in here.transport.writes] == [f"POST {KEYS}/{MINE}:enable"]


def test_one_request_reads_the_key_and_the_others() -> None:
    here = google(ok({"keys": [listed(OTHER, "1970-01-01T00:00:00Z"), listed(MINE)]}))
    here.time.seconds = 3 * 86400 + 5
    outcome = predict(key(), here.google)
    assert here.transport.lines == [f"GET {KEYS}"]
    assert key().result(here.google, outcome.observed)["other_keys"] == [
        {"key_id": OTHER, "created": "1970-01-01T00:00:00Z", "age_days": 3, "disabled": False}
    ]


def test_a_key_is_deleted_only_by_its_name() -> None:
    there = google(ok({"keys": [listed(MINE)]}), ok({"keys": []}))
    plan = key(state="absent").plan(key().read(there.google))
    assert plan.action is Action.REFUSE
    assert f"confirm_delete: {MINE}" in plan.refused[0].refusal
    there = google(ok({"keys": [listed(MINE)]}), ok({}))
    assert converge(key(state="absent", confirm_delete=MINE), there.google).changed
    assert [sent.line for sent in there.transport.writes] == [f"DELETE {KEYS}/{MINE}"]


@pytest.mark.parametrize("wish", [{"disabled": True}, {"state": "absent", "confirm_delete": MINE}])
def test_nobody_cuts_off_the_branch_he_sits_on(wish: dict[str, Any]) -> None:
    class Own(FixedToken):
        key_id = MINE

    transport = FakeTransport({f"GET {KEYS}": [ok({"keys": [listed(MINE)]})]})
    plan = predict(key(**wish), Google(Session(Own("t0ken"), transport), GOOGLE, PROJECT)).plan
    assert plan.action is Action.REFUSE
    assert "this task itself uses the key" in plan.refused[0].refusal


@pytest.mark.parametrize("answer", [ok({}), bad(404, "notFound", "Unknown service account")])
def test_a_key_that_is_gone(answer: Answer) -> None:
    here = google(answer)
    assert converge(key(state="absent"), here.google).plan.action is Action.NONE
    plan = predict(key(disabled=True), here.google).plan
    assert plan.action is Action.NONE
    assert "was deleted" in plan.warnings[0]
    plan = predict(key(disabled=False), here.google).plan
    assert plan.action is Action.REFUSE
    assert "gcloud iam service-accounts keys create" in plan.refused[0].refusal
    assert here.transport.writes == []


@pytest.mark.parametrize("wrong", [{"key_id": "a/b"}, {"key_id": ""}, {"service_account": "mlflow-server"}])
def test_what_is_no_key_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match=r"private_key_id|client_email"):
        key(**wrong)
