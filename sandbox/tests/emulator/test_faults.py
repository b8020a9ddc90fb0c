"""Faults on demand, by what a client sees of each and by what the sandbox did meanwhile."""

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from sandbox.core.documents import Json
from sandbox.core.fault_rules import OPERATION_TYPES
from sandbox.tests import faults
from sandbox.tests.faults import held, refused, release, rule
from sandbox.tests.running import PROJECT, ROOT, Sandbox

SECRETS = f"/v1/projects/{PROJECT}/secrets"
SECRET: Json = {"replication": {"automatic": {}}}
BUCKET = "faulty"


@pytest.fixture(autouse=True)
def clean(sandbox: Sandbox) -> None:
    """No rule of another test."""
    requests.delete(f"{sandbox.management}/faults", timeout=10)


def exists(sandbox: Sandbox, secret: str) -> bool:
    return sandbox.operator.call("GET", f"secrets/{secret}").status == 200


def struck(sandbox: Sandbox) -> list[tuple[int, str]]:
    """What the recorder shows of faults, since the last reset."""
    return [(one["status"], one["fault"]) for one in sandbox.requests() if one["fault"]]


def test_a_status_comes_in_the_shape_of_its_api_with_its_headers(sandbox: Sandbox) -> None:
    failing = {"status": 503, "retry_after": 7}
    with faults.faults(sandbox, {"method": "GET", "action": failing}):
        sql = sandbox.operator.call("GET", "instances")
        secrets = sandbox.operator.call("GET", "secrets")
    assert (sql.status, sql.reason, sql.headers["Retry-After"]) == (503, "backendError", "7")
    assert (secrets.status, secrets.body["error"]["status"]) == (503, "UNAVAILABLE")
    said = (sql.message, secrets.message)
    assert said == ("We encountered an internal error. Please try again.", "The service is currently unavailable.")
    named: Json = {"status": 403, "reason": "rateLimitExceeded", "message": "Quota exceeded for quota metric."}
    with faults.faults(sandbox, {"path": ".*/instances", "action": named}):
        refusal = sandbox.operator.call("GET", "instances")
    assert (refusal.status, refusal.reason, refusal.message) == (403, named["reason"], named["message"])
    assert sandbox.operator.call("GET", "instances").status == 200
    (status, fault) = struck(sandbox)[-1]
    assert (status, fault.partition(": ")[2]) == (
        403,
        "status 403, reason rateLimitExceeded, message " + named["message"],
    )


def test_which_calls_are_struck(sandbox: Sandbox) -> None:
    def statuses(*rules: Json) -> list[int]:
        with faults.faults(sandbox, *rules):
            return [sandbox.operator.call("GET", "secrets?pageSize=1").status for _ in range(5)]

    error = {"status": 500}
    assert statuses({"action": error}) == [500] * 5
    assert statuses({"action": error, "times": 2}) == [500, 500, 200, 200, 200]
    assert statuses({"action": error, "nth": 3}) == [200, 200, 500, 200, 200]
    assert statuses({"action": error, "nth": 2, "times": 3}) == [200, 500, 500, 500, 200]
    assert statuses({"action": [{"status": 503}, {}, {"status": 429}]}) == [503, 200, 429, 200, 200]
    assert statuses({"action": error, "nth": 2}, {"action": {"status": 501}, "nth": 2}) == [200, 500, 501, 200, 200]
    assert statuses({"action": error, "query": "pageSize=2"}) == [200] * 5
    assert statuses({"action": error, "query": "pageSize=."}) == [500] * 5
    assert statuses({"action": error, "path": "/v1/projects"}) == [200] * 5, "the whole path is compared"
    assert statuses({"action": error, "principal": "somebody@else"}) == [200] * 5
    assert statuses({"action": error, "principal": sandbox.operator.email}) == [500] * 5
    assert statuses({"action": error, "method": "POST"}) == [200] * 5


def test_a_list_of_rules_is_taken_whole_or_not_at_all(sandbox: Sandbox) -> None:
    good = {"action": {"status": 500}}
    assert "`nth` 0" in refused(sandbox, {"rules": [good, good | {"nth": 0}]})
    assert requests.get(f"{sandbox.management}/faults", timeout=10).json() == []
    with faults.faults(sandbox, good | {"path": "/none"}, good) as (first, second):
        sandbox.operator.call("GET", "secrets")
        shown = requests.get(f"{sandbox.management}/faults", timeout=10).json()
        assert [(one["id"], one["seen"], one["hits"]) for one in shown] == [(first, 0, 0), (second, 1, 1)]
        requests.delete(f"{sandbox.management}/faults/{second}", timeout=10).raise_for_status()
        assert sandbox.operator.call("GET", "secrets").status == 200


NONSENSE: list[tuple[Any, str]] = [
    ({}, "`action` must be"),
    ({"action": []}, "`action` must be"),
    ({"action": {"status": 500}, "pth": "/x"}, "no `pth`"),
    ({"action": {"statsu": 500}}, "no `statsu`"),
    ({"action": {"status": 200}}, "no error"),
    ({"action": {"status": "500"}}, "must be int"),
    ({"action": {"status": True}}, "must be int"),
    ({"action": {"reason": "x"}}, "belong to a `status`"),
    ({"action": {"status": 500, "reset": True}}, "ends in one way"),
    ({"action": {"truncate": 5, "at": "before"}}, "must be `after`"),
    ({"action": {"at": "during"}}, "`before` or `after`"),
    ({"action": {"delay": -1}}, "must not be negative"),
    ({"action": {}, "path": "instances"}, "begins with `/`"),
    ({"action": {}, "path": "/x("}, "no regular expression"),
    ({"action": {}, "path": r"/b/x/o\?alt=media"}, "matched by `query`"),
    ({"action": {}, "method": "post"}, "one of "),
    ({"action": {}, "nth": 0}, "counts from 1"),
    ({"action": {}, "times": -1}, "counts from 1"),
    ({"action": [{}, {}], "times": 2}, "both say how often"),
    ({"action": {"meanwhile": {"method": "GET"}}}, "`method`, `path`"),
    ({"action": {"meanwhile": {"method": "GET", "path": "x"}}}, "begin with `/`"),
    ({"action": {"meanwhile": {"resource": "/v1/projects/p", "role": "roles/viewer"}}}, "give all three"),
    ({"action": {}, "operation": "DESTROY"}, "one of CREATE"),
    ({"action": {}, "operation": "CREATE", "path": "/x"}, "no `path`"),
    ({"action": {"status": 500}, "operation": "CREATE"}, "no `status`"),
    ({"action": {"error": {"message": "x"}}, "operation": "CREATE"}, "has a `code`"),
    ({"rules": []}, "must be a list"),
    ({"rules": [{"action": {}}], "nth": 1}, "stands alone"),
]


@pytest.mark.parametrize(("given", "reason"), NONSENSE)
def test_what_makes_no_sense_is_refused_in_one_line(sandbox: Sandbox, given: Any, reason: str) -> None:
    said = refused(sandbox, given)
    assert reason in said
    assert "\n" not in said


def test_a_reset_before_the_commit_changes_nothing_and_one_after_it_does(sandbox: Sandbox) -> None:
    for at, there in (("before", False), ("after", True)):
        with (
            faults.faults(sandbox, {"method": "POST", "path": SECRETS, "action": {"reset": True, "at": at}}),
            pytest.raises(requests.ConnectionError, match="Connection reset by peer"),
        ):
            sandbox.operator.call("POST", f"secrets?secretId=reset-{at}", SECRET)
        assert exists(sandbox, f"reset-{at}") is there
    seen = [(status, fault.partition(": ")[2]) for status, fault in struck(sandbox)[-2:]]
    assert seen == [(499, "reset"), (200, "at after, reset")]


def test_an_error_after_the_commit_is_a_lie_that_clients_meet(sandbox: Sandbox) -> None:
    lying = {"status": 503, "at": "after"}
    with faults.faults(sandbox, {"method": "POST", "path": SECRETS, "action": lying}):
        assert sandbox.operator.call("POST", "secrets?secretId=lied-about", SECRET).status == 503
    assert exists(sandbox, "lied-about")


@pytest.mark.parametrize("kept", [0, 10])
def test_a_truncated_answer_has_the_right_length_and_misses_bytes(sandbox: Sandbox, kept: int) -> None:
    sandbox.operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    upload = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=big"
    assert sandbox.operator.call("POST", upload, data=bytes(3 << 20)).status == 200
    for path in (f"{SECRETS}?pageSize=1", f"/storage/v1/b/{BUCKET}/o/big?alt=media"):
        with faults.faults(sandbox, {"action": {"truncate": kept}}):
            headers = {"Authorization": f"Bearer {sandbox.operator.token}"}
            with requests.get(sandbox.url + path, headers=headers, stream=True, timeout=10) as reply:
                received = b""
                with pytest.raises(requests.RequestException, match="IncompleteRead"):
                    for block in reply.iter_content(1):
                        received += block
                assert int(reply.headers["Content-Length"]) > kept
                assert len(received) == kept
    assert sandbox.operator.call("GET", f"/storage/v1/b/{BUCKET}/o/big?alt=media").content == bytes(3 << 20)


def test_a_delay(sandbox: Sandbox) -> None:
    with faults.faults(sandbox, {"action": {"delay": 0.3}, "times": 1}):
        started = time.monotonic()
        assert sandbox.operator.call("GET", "secrets").status == 200
        assert time.monotonic() - started >= 0.3


def test_a_hold_waits_for_its_release(sandbox: Sandbox) -> None:
    create = ("POST", "secrets?secretId=held", SECRET)
    for at, there in (("before", False), ("after", True)):
        with (
            ThreadPoolExecutor() as pool,
            faults.faults(sandbox, {"method": "POST", "path": SECRETS, "action": {"hold": True, "at": at}}) as (
                identity,
            ),
        ):
            answer = pool.submit(sandbox.operator.call, *create)
            what = held(sandbox)
            assert (what["method"], what["path"], what["query"]) == ("POST", SECRETS, "secretId=held")
            assert exists(sandbox, "held") is there
            assert not answer.done()
            assert release(sandbox, identity) == 1
            assert answer.result(timeout=10).status == 200
        sandbox.operator.must("DELETE", "secrets/held")


KILLED = """
import requests
requests.post("{url}", json={{"replication": {{"automatic": {{}}}}}}, headers={{"Authorization": "Bearer {token}"}})
"""


@pytest.mark.parametrize(("at", "there"), [("before", False), ("after", True)])
def test_a_client_killed_while_held(sandbox: Sandbox, at: str, there: bool) -> None:
    """The boundary that matters to whoever kills at every request: not sent, or committed and never answered."""
    secret = f"killed-{at}"
    program = KILLED.format(url=f"{sandbox.url}{SECRETS}?secretId={secret}", token=sandbox.operator.token)
    with faults.faults(sandbox, {"method": "POST", "path": SECRETS, "action": {"hold": True, "at": at}}):
        client = subprocess.Popen([sys.executable, "-c", program])
        held(sandbox)
        client.kill()
        client.wait()
        deadline = time.monotonic() + 10
        while rule(sandbox)["held"]:
            assert time.monotonic() < deadline, "the dead client's request is still held"
            time.sleep(0.01)
    assert exists(sandbox, secret) is there


def test_what_is_held_goes_on_when_the_rules_go(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor() as pool:
        with faults.faults(sandbox, {"path": SECRETS, "action": {"hold": True}}):
            answer = pool.submit(sandbox.operator.call, "GET", "secrets")
            held(sandbox)
        assert answer.result(timeout=10).status == 200


def test_token_endpoint_and_metadata_server_can_fail_too(sandbox: Sandbox) -> None:
    with faults.faults(sandbox, {"path": "/token", "action": {"status": 500, "reason": "internal_failure"}}):
        reply = requests.post(f"{sandbox.url}/token", data={"grant_type": "x"}, timeout=10)
    assert (reply.status_code, reply.json()["error"]) == (500, "internal_failure")
    with faults.faults(sandbox, {"path": "/computeMetadata/.*", "action": {"status": 503}}):
        assert sandbox.metadata("/computeMetadata/v1/instance/id", sandbox.address)[0] == 503


def test_a_reset_of_the_project_forgets_all_rules(sandbox: Sandbox) -> None:
    requests.post(f"{sandbox.management}/faults", json={"action": {"status": 500}}, timeout=10).raise_for_status()
    sandbox.reset()
    assert requests.get(f"{sandbox.management}/faults", timeout=10).json() == []


def test_a_member_bound_in_between_makes_the_policy_stale(sandbox: Sandbox) -> None:
    path = f"/v1/projects/{PROJECT}"
    policy = sandbox.operator.must("POST", f"{path}:getIamPolicy", {})
    added = {"role": "roles/logging.logWriter", "members": [f"serviceAccount:{sandbox.operator.email}"]}
    bound = {"policy": {"bindings": [*policy["bindings"], added]}}
    race = {"meanwhile": {"method": "POST", "path": f"{path}:setIamPolicy", "body": bound}}
    with faults.faults(sandbox, {"path": f"{path}:setIamPolicy", "action": race, "times": 1}):
        late = sandbox.operator.call("POST", f"{path}:setIamPolicy", {"policy": policy})
    assert (late.status, late.body["error"]["status"]) == (409, "ABORTED")
    assert added in sandbox.operator.must("POST", f"{path}:getIamPolicy", {})["bindings"]
    mine, lost = sandbox.requests()[-3:-1]
    assert (mine["principal"], mine["fault"][-15:]) == (sandbox.operator.email, "made in between")
    assert lost["fault"].endswith(f"meanwhile POST {path}:setIamPolicy")


@pytest.mark.parametrize("resource", [f"/v1/projects/{PROJECT}", f"{SECRETS}/raced"])
def test_a_binding_in_between_keeps_what_is_there(sandbox: Sandbox, resource: str) -> None:
    sandbox.operator.call("POST", "secrets?secretId=raced", SECRET)
    member, read = f"serviceAccount:{sandbox.operator.email}", "GET" if "secrets" in resource else "POST"
    before = sandbox.operator.must(read, f"{resource}:getIamPolicy")
    race = {"meanwhile": {"resource": resource, "role": "roles/viewer", "member": member}}
    with faults.faults(sandbox, {"path": f"{resource}:setIamPolicy", "action": race}):
        late = sandbox.operator.call("POST", f"{resource}:setIamPolicy", {"policy": before})
    assert late.status == 409
    after = sandbox.operator.must(read, f"{resource}:getIamPolicy")
    assert bound(after) == bound(before) | {("roles/viewer", member)}


def test_a_binding_of_a_bucket_in_between(sandbox: Sandbox) -> None:
    resource = "/storage/v1/b/raced"
    sandbox.operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": "raced"})
    member = f"serviceAccount:{sandbox.operator.email}"
    before = sandbox.operator.get(f"{resource}/iam")
    race = {"meanwhile": {"resource": resource, "role": "roles/storage.objectViewer", "member": member}}
    with faults.faults(sandbox, {"method": "PUT", "path": f"{resource}/iam", "action": race}):
        assert sandbox.operator.call("PUT", f"{resource}/iam", before).status == 412
    after = sandbox.operator.get(f"{resource}/iam")
    assert bound(after) == bound(before) | {("roles/storage.objectViewer", member)}


def bound(policy: Json) -> set[tuple[str, str]]:
    return {(one["role"], member) for one in policy.get("bindings", []) for member in one["members"]}


def test_a_call_in_between_that_fails_is_not_passed_over(sandbox: Sandbox) -> None:
    race = {"meanwhile": {"method": "GET", "path": f"{SECRETS}/no-such-secret"}}
    with faults.faults(sandbox, {"path": SECRETS, "action": race}):
        reply = sandbox.operator.call("GET", "secrets")
    assert reply.status == 500
    assert "could not make its call in between" in reply.message and "404" in reply.message


def test_rules_know_the_operations_that_there_are() -> None:
    source = "".join(path.read_text() for path in (ROOT / "sandbox/apis/sqladmin").glob("*.py"))
    begun = set(re.findall(r'(?:begin|act)\(\s*call, "([A-Z_]+)"', source))
    assert begun <= set(OPERATION_TYPES)
    assert [name for name in OPERATION_TYPES if f'"{name}"' not in source] == []


def patch(sandbox: Sandbox, tier: str = "db-g1-small") -> Json:
    return sandbox.operator.must("PATCH", "instances/metadata", {"settings": {"tier": tier}})


def tier(sandbox: Sandbox) -> str:
    return str(sandbox.operator.get("instances/metadata")["settings"]["tier"])


@pytest.fixture
def instance(sandbox: Sandbox) -> str:
    """A running instance of the smallest tier."""
    if sandbox.operator.call("GET", "instances/metadata").status == 404:
        sandbox.create_instance("metadata")
    elif tier(sandbox) != "db-f1-micro":
        sandbox.operator.wait(patch(sandbox, "db-f1-micro"))
    return "metadata"


@pytest.mark.usefixtures("instance")
@pytest.mark.parametrize("error", [{"code": "INTERNAL_ERROR", "message": "disk full"}, {"code": "UNKNOWN"}])
@pytest.mark.parametrize(("at", "done"), [("before", "db-f1-micro"), ("after", "db-g1-small")])
def test_an_operation_ends_with_an_error_inside(sandbox: Sandbox, error: Json, at: str, done: str) -> None:
    with faults.faults(sandbox, {"operation": "UPDATE", "instance": "metadata", "action": {"error": error, "at": at}}):
        operation = sandbox.operator.wait(patch(sandbox))
    assert operation["status"] == "DONE"
    assert operation["error"]["kind"] == "sql#operationErrors"
    assert operation["error"]["errors"] == [{"kind": "sql#operationError"} | error]
    assert tier(sandbox) == done


@pytest.mark.usefixtures("instance")
def test_an_operation_is_stuck_until_its_release(sandbox: Sandbox) -> None:
    with faults.faults(sandbox, {"operation": "UPDATE", "action": {"hold": True}, "nth": 1}) as (identity,):
        operation = patch(sandbox)
        what = held(sandbox)
        assert (what["operation"], what["type"], what["on"]) == (operation["name"], "UPDATE", "metadata")
        assert sandbox.operator.get(f"operations/{operation['name']}")["status"] == "RUNNING"
        busy = sandbox.operator.call("PATCH", "instances/metadata", {"settings": {"userLabels": {"a": "b"}}})
        assert (busy.status, busy.reason) == (409, "operationInProgress")
        assert release(sandbox, identity) == 1
        assert "error" not in sandbox.operator.wait(operation)
    assert tier(sandbox) == "db-g1-small"


@pytest.mark.usefixtures("instance")
def test_an_operation_lasts(sandbox: Sandbox) -> None:
    with faults.faults(sandbox, {"operation": "UPDATE", "action": {"seconds": 0.8}}):
        started = time.monotonic()
        sandbox.operator.wait(patch(sandbox))
        assert time.monotonic() - started >= 0.8


@pytest.mark.usefixtures("instance")
def test_operations_that_are_done_at_once_can_last_and_fail_too(sandbox: Sandbox) -> None:
    body = {"name": "ada", "password": "pw"}
    failing = {"error": {"code": "INTERNAL_ERROR", "message": "no"}}
    with faults.faults(sandbox, {"operation": "CREATE_USER", "action": [failing, {"hold": True}]}):
        failed = sandbox.operator.must("POST", "instances/metadata/users", body)
        assert (failed["status"], failed["error"]["errors"][0]["message"]) == ("DONE", "no")
        held_back = sandbox.operator.must("POST", "instances/metadata/users", body)
        assert held_back["status"] == "PENDING"
        held(sandbox)
    assert "error" not in sandbox.operator.wait(held_back)
    names = [user["name"] for user in sandbox.operator.get("instances/metadata/users")["items"]]
    assert names.count("ada") == 1


def test_a_creation_that_fails_leaves_a_failed_instance(sandbox: Sandbox) -> None:
    body = {"name": "failed", "databaseVersion": "POSTGRES_14", "settings": {"tier": "db-f1-micro"}}
    failing = {"error": {"code": "INTERNAL_ERROR", "message": "no capacity"}}
    with faults.faults(sandbox, {"operation": "CREATE", "instance": "failed", "action": failing}):
        operation = sandbox.operator.wait(sandbox.operator.must("POST", "instances", body | {"region": "europe-west3"}))
    assert operation["error"]["errors"][0]["message"] == "no capacity"
    assert sandbox.operator.get("instances/failed")["state"] == "FAILED"


@pytest.mark.usefixtures("instance")
def test_a_patch_in_between_makes_the_settings_stale(sandbox: Sandbox) -> None:
    path = f"/v1/projects/{PROJECT}/instances/metadata"
    version = sandbox.operator.get(path)["settings"]["settingsVersion"]
    race = {"meanwhile": {"method": "PATCH", "path": path, "body": {"settings": {"userLabels": {"by": "another"}}}}}
    mine = {"settings": {"settingsVersion": version, "tier": "db-g1-small"}}
    with faults.faults(sandbox, {"method": "PATCH", "path": path, "action": race, "nth": 1}):
        stale = sandbox.operator.call("PATCH", path, mine)
    assert (stale.status, stale.reason) == (412, "staleData")
    seen = sandbox.operator.get(path)["settings"]
    assert (seen["userLabels"], seen["tier"]) == ({"by": "another"}, "db-f1-micro")


@pytest.mark.usefixtures("instance")
def test_a_patch_in_between_that_still_runs_makes_the_instance_busy(sandbox: Sandbox) -> None:
    path = f"/v1/projects/{PROJECT}/instances/metadata"
    body = {"settings": {"userLabels": {"by": "another"}}}
    race = {"meanwhile": {"method": "PATCH", "path": path, "body": body, "wait": False}}
    rules = (
        {"path": path, "method": "PATCH", "action": race, "nth": 1},
        {"operation": "UPDATE", "action": {"hold": True}},
    )
    with faults.faults(sandbox, *rules):
        busy = sandbox.operator.call("PATCH", path, {"settings": {"tier": "db-g1-small"}})
        assert (busy.status, busy.reason) == (409, "operationInProgress")
    deadline = time.monotonic() + 10
    while any(one["status"] != "DONE" for one in sandbox.operator.get("operations?instance=metadata")["items"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
