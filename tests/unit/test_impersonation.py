"""Acting as another service account: one request a token, renewed in time, and why Google refuses it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import FixedToken
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import GOOGLE
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import CredentialsError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.impersonation import ImpersonatedToken, impersonate

from tests.unit.fakes import Answer, FakeTime, FakeTransport, bad, disabled, ok

CALLER = "deployer@p.iam.gserviceaccount.com"
TARGET = "operator@p.iam.gserviceaccount.com"
PATH = f"v1/projects/-/serviceAccounts/{TARGET}:generateAccessToken"


class Deployer(FixedToken):
    """A source whose account is known."""

    account = CALLER


class Setting:
    """Tokens of TARGET, what was asked for them, and the time."""

    def __init__(self, *answers: Answer, source: FixedToken | None = None) -> None:
        self.transport = FakeTransport({f"POST {PATH}": list(answers)})
        self.time = FakeTime()
        source = source or Deployer("t0ken")
        endpoint = GOOGLE["iamcredentials"]
        self.tokens: ImpersonatedToken = impersonate(TARGET, source, self.transport, endpoint, self.time.clock())


def given(number: int) -> Answer:
    return ok({"accessToken": f"other-{number}", "expireTime": "2026-11-23T08:00:00Z"})


def refusal(answer: Answer, source: FixedToken | None = None) -> str:
    with pytest.raises(CredentialsError) as caught:
        Setting(answer, source=source).tokens.token()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"Google gave no access token for {TARGET}: ")
    return str(caught.value)


def test_one_request_gives_a_token_for_an_hour() -> None:
    here = Setting(given(1), given(2))
    assert [here.tokens.token() for _ in range(3)] == ["other-1"] * 3
    (sent,) = here.transport.sent
    assert sent.body == {"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "3600s"}
    here.time.seconds = 3600 - 301
    assert here.tokens.token() == "other-1"
    here.time.seconds = 3600 - 299
    assert here.tokens.token() == "other-2"


def test_a_rejected_token_is_renewed_once() -> None:
    here = Setting(given(1), given(2), given(3))
    assert here.tokens.token() == "other-1"
    assert here.tokens.renew("other-1") == "other-2"
    assert here.tokens.renew("other-1") == "other-2"
    assert here.tokens.quota_project is None
    assert here.tokens.account == TARGET


def test_a_passing_failure_is_tried_again() -> None:
    here = Setting(bad(503, "backendError"), given(1))
    assert here.tokens.token() == "other-1"


def test_a_missing_role_names_both_accounts_and_the_command() -> None:
    denied = bad(403, "forbidden", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource.")
    said = refusal(denied)
    assert "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (403 forbidden" in said
    assert f"{CALLER} lacks roles/iam.serviceAccountTokenCreator" in said
    assert f"add-iam-policy-binding {TARGET} --member=serviceAccount:{CALLER} " in said
    assert "--member=MEMBER" in refusal(denied, FixedToken("ya29.x"))


@pytest.mark.parametrize(
    ("answer", "reason", "help_"),
    [
        (disabled("iamcredentials.googleapis.com"), "has not been used", "gcloud services enable iamcredentials"),
        (bad(404, "notFound", "Not found; Gaia id not found for email x"), "Gaia id", "the account does not exist"),
        (bad(400, "", "The service account is disabled."), "is disabled", f"service-accounts enable {TARGET}"),
        (
            bad(403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "Request had insufficient authentication scopes."),
            "insufficient authentication scopes",
            "set-service-account",
        ),
        (ok({}), "holds none", ""),
    ],
)
def test_why_google_refuses(answer: Any, reason: str, help_: str) -> None:
    said = refusal(answer)
    assert reason in said
    assert help_ in said


@pytest.mark.parametrize("name", ["operator", f"{CALLER},{TARGET}", "me@example.com", "a@b c.gserviceaccount.com"])
def test_what_is_no_service_account_is_refused_before_anything_is_sent(name: str) -> None:
    with pytest.raises(RefusedError, match="impersonate_service_account"):
        impersonate(name, FixedToken("x"), FakeTransport({}), GOOGLE["iamcredentials"])
