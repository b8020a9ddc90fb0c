"""What is sent twice, what never, and how long we wait in between."""

from __future__ import annotations

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    BusyError,
    NetworkError,
    NotFoundError,
    OutcomeUnknownError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    StaleVersionError,
    UnauthenticatedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Session
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import Reply

from tests.unit.fakes import NOT_FOUND, Answer, FakeTime, FakeTransport, bad, cloud, ok

RESET = NetworkError("GET u: the connection broke: reset")
UNCONNECTED = NetworkError("GET u: no connection: refused", sent=False)
TRUNCATED = Reply(200, b'{"name": "x')
UNCLEAR: list[Answer] = [bad(500), bad(502), bad(503), RESET, TRUNCATED]


BY_OTHERS: list[Answer] = [bad(409, "operationInProgress"), bad(409, "ABORTED"), bad(412)]


@pytest.mark.parametrize("failure", [*UNCLEAR, *BY_OTHERS, bad(429), UNCONNECTED, bad(403, "rateLimitExceeded")])
def test_a_read_is_repeated(failure: Answer) -> None:
    made = cloud({"GET x": [failure, failure, ok({"name": "x"})]})
    assert made.google.get("sql", "x") == {"name": "x"}
    assert len(made.transport.sent) == 3


@pytest.mark.parametrize("failure", UNCLEAR)
def test_a_write_with_an_unclear_end_is_never_repeated(failure: Answer) -> None:
    made = cloud({"POST x": failure})
    with pytest.raises(OutcomeUnknownError):
        made.google.write("POST", "sql", "x", {})
    assert len(made.transport.sent) == 1
    assert made.google.writes == 0


@pytest.mark.parametrize("failure", [bad(429), UNCONNECTED])
def test_a_write_that_google_did_not_execute_is_repeated(failure: Answer) -> None:
    made = cloud({"POST x": [failure, ok()]})
    made.google.write("POST", "sql", "x", {})
    assert len(made.transport.sent) == 2
    assert made.google.writes == 1


@pytest.mark.parametrize("failure", BY_OTHERS)
def test_a_write_that_others_were_faster_with_is_for_the_caller_to_plan_anew(failure: Answer) -> None:
    made = cloud({"POST x": failure})
    with pytest.raises((BusyError, StaleVersionError)):
        made.google.write("POST", "sql", "x", {})
    assert len(made.transport.sent) == 1


def test_a_question_by_post_is_repeated_like_a_read() -> None:
    made = cloud({"POST x": [bad(503), ok({"etag": "e"})]})
    assert made.google.query("sql", "x", {}) == {"etag": "e"}


@pytest.mark.parametrize(("status", "kind"), [(404, NotFoundError), (409, AlreadyExistsError)])
def test_clear_answers_are_not_repeated(status: int, kind: type[Exception]) -> None:
    made = cloud({"GET x": bad(status)})
    with pytest.raises(kind):
        made.google.get("sql", "x")
    assert len(made.transport.sent) == 1


def test_pauses_double_up_to_a_bound_and_end_with_the_budget() -> None:
    made = cloud({"GET x": bad(503)}, budget=100)
    with pytest.raises(ServerError):
        made.google.get("sql", "x")
    assert made.time.pauses == [1, 2, 4, 8, 16, 32, 32]


@pytest.mark.parametrize(
    ("header", "pause"), [("7", 8.0), ("Thu, 01 Jan 1970 00:00:05 GMT", 6.0), ("soon", 1.0), ("²", 1.0)]
)
def test_retry_after_is_honoured_on_top_of_the_jitter(header: str, pause: float) -> None:
    made = cloud({"GET x": [bad(429, retry_after=header), ok()]})
    made.google.get("sql", "x")
    assert made.time.pauses == [pause]


def test_a_retry_after_beyond_the_budget_fails_at_once_and_says_so() -> None:
    made = cloud({"GET x": bad(429, retry_after="3600"), "POST x": bad(429, retry_after="3600")})
    said = r"; Google asks to wait 3600 s, and a run waits 120 s at most$"
    with pytest.raises(RateLimitedError, match=said):
        made.google.get("sql", "x")
    with pytest.raises(RateLimitedError, match=said):
        made.google.write("POST", "sql", "x", {})
    assert made.time.pauses == []


def test_who_gives_up_says_how_often_and_how_long_it_was_tried() -> None:
    with pytest.raises(ServerError, match=r"; tried 8 times in 95 s$"):
        cloud({"GET x": bad(503)}, budget=100).google.get("sql", "x")


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_every_passing_failure_of_a_server_is_repeated_for_reads_alone(status: int) -> None:
    made = cloud({"GET x": [bad(status), ok()], "DELETE x": bad(status), "PATCH x": bad(status), "PUT x": bad(status)})
    made.google.get("sql", "x")
    for method in ("DELETE", "PATCH", "PUT"):
        with pytest.raises(OutcomeUnknownError):
            made.google.write(method, "sql", "x")
    assert len(made.transport.writes) == 3


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"])
def test_a_quota_per_minute_in_the_guise_of_a_403_is_waited_for_even_by_writes(reason: str) -> None:
    made = cloud({"POST x": [bad(403, reason), ok()]})
    made.google.write("POST", "sql", "x", {})
    assert made.google.writes == 1
    said = "Quota exceeded for quota metric 'Mutate requests' and limit 'Mutate requests per minute per user'"
    made = cloud({"POST x": [bad(403, "forbidden", said), ok()]})
    made.google.write("POST", "sql", "x", {})


@pytest.mark.parametrize("reason", ["dailyLimitExceeded", "quotaExceeded"])
def test_a_quota_that_does_not_come_back_soon_is_not_waited_for(reason: str) -> None:
    made = cloud({"GET x": bad(403, reason)})
    with pytest.raises(QuotaExceededError):
        made.google.get("sql", "x")
    assert made.time.pauses == []


def test_an_address_that_nobody_answers_is_given_up_soon_and_bad_tls_at_once() -> None:
    made = cloud({"GET x": UNCONNECTED})
    with pytest.raises(NetworkError):
        made.google.get("sql", "x")
    assert sum(made.time.pauses) <= 15
    made = cloud({"GET x": NetworkError("TLS failed", sent=False, lasting=True)})
    with pytest.raises(NetworkError):
        made.google.get("sql", "x")
    assert made.time.pauses == []


class RenewableToken:
    """Valid on paper, rejected by Google once."""

    quota_project = "billing"
    account = ""
    key_id = ""

    def __init__(self) -> None:
        self.renewed = 0

    def token(self) -> str:
        return "old"

    def renew(self, rejected: str) -> str:
        assert rejected == "old"
        self.renewed += 1
        return "new"


def test_a_rejected_token_is_renewed_once() -> None:
    tokens = RenewableToken()
    transport = FakeTransport({"GET x": [bad(401), ok({"a": 1})]})
    session = Session(tokens, transport, FakeTime().clock())
    assert session.request("GET", "https://h/x") == {"a": 1}
    assert tokens.renewed == 1
    transport.answers["GET x"] = [bad(401)]
    with pytest.raises(UnauthenticatedError):
        session.request("GET", "https://h/x")


def test_find_takes_only_404_for_absent() -> None:
    assert cloud({"GET x": NOT_FOUND}).google.find("sql", "x") is None


def test_once_reads_once_and_shares_failures_until_forgotten() -> None:
    made = cloud({"GET x": [bad(404), ok({"n": 1})]})
    for _ in range(2):
        with pytest.raises(NotFoundError):
            made.google.once("k", lambda: made.google.get("sql", "x"))
    assert len(made.transport.sent) == 1
    made.google.forget()
    assert made.google.once("k", lambda: made.google.get("sql", "x")) == {"n": 1}
