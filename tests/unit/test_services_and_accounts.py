"""Enabling services, service accounts, and the time both take to be seen."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    InvalidRequestError,
    OperationFailedError,
    OperationTimeoutError,
    PermissionDeniedError,
    RefusedError,
    ServiceDisabledError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam import ServiceAccount, service_account_email
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ABSENT, Observed, Presence
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.service_usage import ProjectService

from tests.unit.fakes import NOT_FOUND, PROJECT, Answer, bad, cloud, disabled, ok
from tests.unit.options import validated

IAM = "iam.googleapis.com"
SERVICE = f"v1/projects/{PROJECT}/services/{IAM}"
OFF, ON = ok({"state": "DISABLED"}), ok({"state": "ENABLED"})
EMAIL = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"
ACCOUNT = f"v1/projects/{PROJECT}/serviceAccounts/{EMAIL}"
ACCOUNTS = f"POST v1/projects/{PROJECT}/serviceAccounts"


def service(**options: Any) -> ProjectService:
    return ProjectService(validated(ProjectService, {"name": IAM, **options}), PROJECT)


def account(**options: Any) -> ServiceAccount:
    return ServiceAccount(validated(ServiceAccount, {"account_id": "mlflow-server", **options}), PROJECT)


def test_a_service_is_enabled_and_waited_for() -> None:
    operation = {"name": "operations/acat.p2-1", "done": False}
    made = cloud(
        {
            f"GET {SERVICE}": [OFF, OFF, ON],
            f"POST {SERVICE}:enable": ok(operation),
            "GET v1/operations/acat.p2-1": [ok(operation), ok({**operation, "done": True})],
        }
    )
    assert converge(service(), made.google).changed
    assert made.transport.lines.count(f"GET {SERVICE}") == 4
    assert len(made.transport.writes) == 1


def test_an_enabled_service_is_one_read() -> None:
    made = cloud({f"GET {SERVICE}": ON})
    assert not converge(service(), made.google).changed
    assert made.transport.lines == [f"GET {SERVICE}"]


def test_an_error_in_the_enabling_operation_is_told() -> None:
    failed = ok({"name": "operations/x", "done": True, "error": {"code": 9, "message": "billing is off"}})
    made = cloud({f"GET {SERVICE}": OFF, f"POST {SERVICE}:enable": failed})
    with pytest.raises(OperationFailedError, match="billing is off"):
        converge(service(), made.google)


def test_a_service_that_never_becomes_enabled_ends_after_five_minutes() -> None:
    made = cloud({f"GET {SERVICE}": OFF, f"POST {SERVICE}:enable": ok({"name": "operations/noop", "done": True})})
    with pytest.raises(OperationTimeoutError):
        converge(service(), made.google)
    assert 290 < made.time.seconds < 330


def test_disabling_lets_google_check_for_use() -> None:
    made = cloud({f"GET {SERVICE}": [ON, OFF], f"POST {SERVICE}:disable": ok({"name": "o", "done": True})})
    converge(service(state="absent"), made.google)
    assert made.transport.writes[0].body == {"disableDependentServices": False, "checkIfServiceHasUsage": "CHECK"}


def test_disabling_more_is_asked_for_explicitly() -> None:
    made = cloud({f"GET {SERVICE}": [ON, OFF], f"POST {SERVICE}:disable": ok({"name": "o", "done": True})})
    outcome = converge(service(state="absent", disable_dependent_services=True, ignore_usage=True), made.google)
    assert made.transport.writes[0].body == {"disableDependentServices": True, "checkIfServiceHasUsage": "SKIP"}
    assert "every service that depends on it" in outcome.plan.warnings[0]


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("The service a is depended on by the following active service: b", "disable_dependent_services: true"),
        ("The service a has usage in the last 30 days. Please specify", "ignore_usage: true"),
        ("Billing must be enabled for activation of service(s) 'a' to proceed.", "billing projects link"),
        ("Something else.", "put right what Google names"),
    ],
)
def test_what_google_refuses_of_services_has_a_way_out(said: str, way_out: str) -> None:
    made = cloud({f"GET {SERVICE}": ON, f"POST {SERVICE}:disable": bad(400, "FAILED_PRECONDITION", said)})
    resource = service(state="absent")
    with pytest.raises(InvalidRequestError) as caught:
        converge(resource, made.google)
    assert way_out in resource.explain(caught.value)


def test_a_missing_account_is_created_and_its_address_returned_even_in_check_mode() -> None:
    made = cloud({f"GET {ACCOUNT}": [NOT_FOUND, ok({"email": EMAIL})], ACCOUNTS: ok({"email": EMAIL})})
    resource = account(display_name="MLflow")
    outcome = converge(resource, made.google)
    assert made.transport.writes[0].body == {"accountId": "mlflow-server", "serviceAccount": {"displayName": "MLflow"}}
    assert resource.result(made.google, outcome.observed) == {"resource": {"email": EMAIL}, "email": EMAIL}
    resource = account(display_name="MLflow")
    predicted = predict(resource, cloud({f"GET {ACCOUNT}": NOT_FOUND}).google)
    assert resource.result(made.google, predicted.observed) == {"resource": None, "email": EMAIL}


@pytest.mark.parametrize("unseen", [NOT_FOUND, bad(403, "forbidden", "iam.serviceAccounts.get denied")])
def test_a_new_account_that_cannot_be_read_yet_is_waited_for(unseen: Any) -> None:
    found = [NOT_FOUND, unseen, unseen, ok({"email": EMAIL})]
    made = cloud({f"GET {ACCOUNT}": found, ACCOUNTS: ok({"email": EMAIL})})
    assert converge(account(), made.google).observed.exists
    assert len(made.transport.writes) == 1


def test_an_account_that_is_seen_and_then_not_is_still_there() -> None:
    flickering = [NOT_FOUND, ok({"email": EMAIL}), bad(403, "forbidden", "denied"), NOT_FOUND, ok({"email": EMAIL})]
    made = cloud({f"GET {ACCOUNT}": [*flickering], ACCOUNTS: ok({"email": EMAIL})})
    assert converge(account(), made.google).observed.exists
    made = cloud({f"GET {ACCOUNT}": NOT_FOUND, ACCOUNTS: ok({"email": EMAIL, "uniqueId": "1"})})
    outcome = converge(account(), made.google)
    assert outcome.observed.body["uniqueId"] == "1", "as Google answered the creation"
    assert len(made.transport.writes) == 1


def test_an_account_whose_creation_got_no_answer_may_be_unreadable_for_a_while() -> None:
    denied = bad(403, "forbidden", "iam.serviceAccounts.get denied")
    answers: list[Answer] = [NOT_FOUND, denied, denied, ok({"email": EMAIL})]
    made = cloud({f"GET {ACCOUNT}": answers, ACCOUNTS: bad(503)})
    assert converge(account(), made.google).observed.exists
    assert len(made.transport.writes) == 1
    with pytest.raises(PermissionDeniedError):
        converge(account(), cloud({f"GET {ACCOUNT}": denied}).google)


def test_only_given_fields_of_an_account_are_updated() -> None:
    found = {"email": EMAIL, "displayName": "old", "description": "theirs"}
    made = cloud({f"GET {ACCOUNT}": ok(found), f"PATCH {ACCOUNT}": ok()})
    converge(account(display_name="new"), made.google)
    assert made.transport.writes[0].body == {"serviceAccount": {"displayName": "new"}, "updateMask": "displayName"}
    made = cloud({f"GET {ACCOUNT}": ok({"email": EMAIL})})
    assert not converge(account(display_name="", description=""), made.google).changed


def test_a_creation_that_lost_a_race_is_an_adoption() -> None:
    made = cloud({f"GET {ACCOUNT}": [NOT_FOUND, ok({"email": EMAIL})], ACCOUNTS: bad(409, "alreadyExists")})
    assert not converge(account(), made.google).changed
    assert len(made.transport.writes) == 1


@pytest.mark.parametrize(("found", "wanted", "verb"), [(False, True, "disable"), (True, False, "enable")])
def test_an_account_is_disabled_and_enabled(found: bool, wanted: bool, verb: str) -> None:
    body = {"email": EMAIL, "disabled": found, "displayName": "old"}
    answers = {f"GET {ACCOUNT}": ok(body), f"POST {ACCOUNT}:{verb}": ok(), f"PATCH {ACCOUNT}": ok()}
    made = cloud(answers)
    outcome = converge(account(disabled=wanted), made.google)
    assert [sent.line for sent in made.transport.writes] == [f"POST {ACCOUNT}:{verb}"]
    assert outcome.plan.warnings == ()
    made = cloud(answers)
    converge(account(disabled=wanted, display_name="new"), made.google)
    assert [sent.line for sent in made.transport.writes] == [f"PATCH {ACCOUNT}", f"POST {ACCOUNT}:{verb}"]
    assert not converge(account(disabled=found), cloud(answers).google).changed


def test_a_new_account_can_be_disabled_at_once() -> None:
    found: list[Answer] = [NOT_FOUND, ok({"email": EMAIL}), ok({"email": EMAIL, "disabled": True})]
    made = cloud({f"GET {ACCOUNT}": found, ACCOUNTS: ok({"email": EMAIL}), f"POST {ACCOUNT}:disable": ok()})
    converge(account(disabled=True), made.google)
    assert [sent.line for sent in made.transport.writes] == [ACCOUNTS, f"POST {ACCOUNT}:disable"]


@pytest.mark.parametrize("confirm", [None, "mlflow-server", EMAIL])
def test_deleting_an_account_wants_its_address(confirm: str | None) -> None:
    body = {"email": EMAIL, "uniqueId": "113371337"}
    made = cloud({f"GET {ACCOUNT}": [ok(body), NOT_FOUND], f"DELETE {ACCOUNT}": ok()})
    outcome = converge(account(state="absent", confirm_delete=confirm), made.google)
    assert outcome.changed is (confirm == EMAIL)
    (change,) = outcome.plan.changes
    assert change.blast_radius is BlastRadius.DESTROYS
    assert "undelete 113371337" in change.reason
    assert bool(change.refusal) is (confirm != EMAIL)
    assert not converge(account(state="absent"), cloud({f"GET {ACCOUNT}": NOT_FOUND}).google).changed


@pytest.mark.parametrize(("option", "most"), [("display_name", 100), ("description", 256)])
def test_too_long_texts_are_refused(option: str, most: int) -> None:
    account(**{option: "x" * most})
    for options in ({option: "\u00e4" * (most // 2 + 1)}, {"on_create": {option: "x" * (most + 1)}}):
        with pytest.raises(RefusedError, match=f"Google takes {most}"):
            account(**options)


def test_a_new_account_that_is_disabled_at_once_is_planned_as_such() -> None:
    planned = predict(account(disabled=True), cloud({f"GET {ACCOUNT}": NOT_FOUND}).google).plan
    assert [(change.field, change.after) for change in planned.changes] == [("email", EMAIL), ("disabled", True)]
    planned = predict(account(disabled=False), cloud({f"GET {ACCOUNT}": NOT_FOUND}).google).plan
    assert [change.field for change in planned.changes] == ["email"]


def test_a_disabled_account_is_warned_about() -> None:
    made = cloud({f"GET {ACCOUNT}": ok({"email": EMAIL, "disabled": True})})
    assert converge(account(), made.google).plan.warnings == (f"{EMAIL} is disabled",)


@pytest.mark.parametrize("account_id", ["short", "Mlflow-server", EMAIL, "x" * 31, "1mlflow-server"])
def test_bad_account_ids_are_refused(account_id: str) -> None:
    with pytest.raises(RefusedError, match="6 to 30"):
        account(account_id=account_id)


def test_a_domain_scoped_project_turns_around_in_the_address() -> None:
    assert service_account_email("mlflow", "example.com:p") == "mlflow@p.example.com.iam.gserviceaccount.com"


def test_a_disabled_api_is_an_error_at_once_in_a_real_run() -> None:
    made = cloud({f"GET {ACCOUNT}": disabled(IAM), f"GET {SERVICE}": OFF})
    with pytest.raises(ServiceDisabledError, match="project_service"):
        converge(account(), made.google)
    assert made.time.seconds == 0


def test_a_disabled_api_is_a_prediction_in_check_mode() -> None:
    made = cloud({f"GET {ACCOUNT}": disabled(IAM), f"GET {SERVICE}": OFF})
    outcome = predict(account(), made.google)
    assert outcome.plan.action is Action.CREATE
    assert outcome.plan.warnings == (f"{IAM} is off: assuming that an earlier task enables it",)


def test_a_write_that_meets_a_server_which_has_not_heard_of_the_api_is_sent_again() -> None:
    made = cloud(
        {
            f"GET {ACCOUNT}": [NOT_FOUND, NOT_FOUND, ok({"email": EMAIL})],
            ACCOUNTS: [disabled(IAM), ok({"email": EMAIL})],
        }
    )
    assert converge(account(), made.google).changed
    assert len(made.transport.writes) == 2


def test_an_api_that_was_just_enabled_is_waited_for() -> None:
    made = cloud({f"GET {ACCOUNT}": [disabled(IAM), disabled(IAM), ok({"email": EMAIL})], f"GET {SERVICE}": ON})
    assert not converge(account(), made.google).changed
    made = cloud({f"GET {ACCOUNT}": disabled(IAM), f"GET {SERVICE}": ON})
    with pytest.raises(ServiceDisabledError):
        converge(account(), made.google)
    assert 290 < made.time.seconds < 330


def test_the_name_of_a_new_account_is_no_difference_of_an_existing_one() -> None:
    theirs = Observed(Presence.PRESENT, {"email": "mlflow@p.iam.gserviceaccount.com", "displayName": "theirs"})
    assert account(on_create={"display_name": "ours"}).plan(theirs).action is Action.NONE
    assert "ours" in [change.after for change in account(on_create={"display_name": "ours"}).plan(ABSENT).changes]
