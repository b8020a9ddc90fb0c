"""Waiting until a binding counts: asked as the account that it is for, until it is so or the time is up."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import FixedToken
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError, OperationTimeoutError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam_members import IamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resource_manager import ProjectIamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage_policies import BucketIamMember

from tests.unit.fakes import NOT_FOUND, PROJECT, Answer, Cloud, bad, cloud, ok
from tests.unit.options import validated

ACCOUNT = "mlflow@p.iam.gserviceaccount.com"
GIVEN: dict[str, Any] = {"role": "roles/cloudsql.client", "member": f"serviceAccount:{ACCOUNT}"}
BOUND = ok({"etag": "e", "bindings": [{"role": GIVEN["role"], "members": [GIVEN["member"]]}]})
READ = f"POST v1/projects/{PROJECT}:getIamPolicy"
WRITE = f"POST v1/projects/{PROJECT}:setIamPolicy"
ASK = f"POST v1/projects/{PROJECT}:testIamPermissions"
TOKEN = f"POST v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
PERMISSION = "cloudsql.instances.connect"
NO, YES = ok({}), ok({"permissions": [PERMISSION]})


def binding(kind: type[IamMember] = ProjectIamMember, **options: Any) -> IamMember:
    given = {**GIVEN, "wait_for_permissions": [PERMISSION], **options}
    return kind(validated(kind, given), PROJECT)


def world(asked: list[Answer], read: list[Answer] | None = None, token: list[Answer] | None = None) -> Cloud:
    tokens = token or [ok({"accessToken": "theirs"})]
    return cloud({READ: read or [ok({"etag": "e"}), BOUND], WRITE: ok(), ASK: asked, TOKEN: tokens})


def test_a_new_binding_is_waited_for_as_its_member() -> None:
    made = world([NO, NO, YES])
    assert converge(binding(), made.google).changed
    assert made.transport.lines == [READ, WRITE, TOKEN, ASK, ASK, ASK, READ]
    assert made.transport.sent[3].body == {"permissions": [PERMISSION]}
    assert len(made.time.pauses) == 2


def test_a_binding_that_is_there_is_asked_about_once_and_nothing_is_written() -> None:
    made = world([YES], [BOUND])
    assert not converge(binding(), made.google).changed
    assert made.transport.lines == [READ, TOKEN, ASK]


def test_check_mode_and_absence_wait_for_nothing() -> None:
    made = world([NO], [BOUND])
    assert not predict(binding(), made.google).changed
    assert converge(binding(state="absent"), made.google).changed
    assert ASK not in made.transport.lines


def test_a_binding_that_never_counts_ends_in_one_line() -> None:
    made = world([NO])
    with pytest.raises(OperationTimeoutError, match=r"still told that it lacks cloudsql\.instances\.connect"):
        converge(binding(wait_timeout=60), made.google)
    assert 60 < made.time.seconds < 75


@pytest.mark.parametrize("unseen", [NOT_FOUND, bad(404, "NOT_FOUND", "Not found; Gaia id not found")])
def test_a_new_account_is_waited_for_too(unseen: Answer) -> None:
    made = world([YES], token=[unseen, unseen, ok({"accessToken": "theirs"})])
    assert converge(binding(), made.google).changed


def test_who_may_not_ask_is_told_so() -> None:
    made = world([YES], token=[bad(403, "forbidden", "Permission 'iam.serviceAccounts.getAccessToken' denied")])
    with pytest.raises(GoogleError, match=r"the binding is made, but .*serviceAccountTokenCreator.*leave wait_for"):
        converge(binding(), made.google)


def test_the_caller_asks_for_itself() -> None:
    class Mine(FixedToken):
        account = ACCOUNT

    made = world([bad(403, "forbidden", "no access to the project"), YES])
    google = Google(made.google.session.sending(Mine("t0ken")), made.google.endpoints, PROJECT)
    assert converge(binding(), google).changed
    assert TOKEN not in made.transport.lines


def test_a_bucket_is_asked_with_the_permissions_in_the_query() -> None:
    path = "GET storage/v1/b/b/iam"
    made = cloud({path: BOUND, f"{path}/testPermissions": YES, TOKEN: ok({"accessToken": "theirs"})})
    converge(binding(BucketIamMember, bucket="b"), made.google)
    assert made.transport.sent[-1].params == {"permissions": [PERMISSION]}
