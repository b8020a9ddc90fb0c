"""Google's requests go wrong under provision.yml: it converges, or says so in one line and the next run converges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.contract.bench import PROJECT, writes
from tests.faults.plays.operators import INSTANCE, Given, Operator, Played
from tests.faults.plays.project import BUCKET, EMPTY, IDENTIFIED, STORED, Project
from tests.faults.table import table

TITLE = "faults under ansible-playbook playbooks/provision.yml"
Rule = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A request of the cloud part, and how it goes wrong.

    ``line``: what the error line holds, in order, where the run is to fail. ``begin``: the snapshot it begins with.
    ``way_out``: a module with options that the next run must wait for, and says so in a line with ``until_then``.
    """

    request: str
    fault: str
    rules: tuple[Rule, ...]
    begin: str = IDENTIFIED
    line: tuple[str, ...] = ()
    given: Given = field(default_factory=dict)
    way_out: tuple[str, Given] | None = None
    until_then: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.request}, {self.fault}"


def once(method: str, path: str, *actions: Rule) -> tuple[Rule]:
    """The first requests of this kind meet these actions."""
    return ({"method": method, "path": path, "action": list(actions)},)


def operation(kind: str, **action: Any) -> tuple[Rule]:
    """The first operation of this kind."""
    return ({"operation": kind, "nth": 1, "action": action},)


def bound_meanwhile(resource: str) -> Rule:
    """A colleague is given a role between our read and our write, so that our etag is stale."""
    return {"meanwhile": {"resource": resource, "role": "roles/viewer", "member": COLLEAGUE}}


COLLEAGUE = "user:colleague@example.com"
RESET_AFTER: Rule = {"reset": True, "at": "after"}
UNAVAILABLE: Rule = {"status": 503}
TOO_MANY: Rule = {"status": 429, "retry_after": 1}
QUOTA: Rule = {
    "status": 403,
    "reason": "rateLimitExceeded",
    "message": "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute'",
}
LABELLED: Rule = {
    "method": "PATCH",
    "path": f"/v1/projects/{PROJECT}/instances/{INSTANCE}",
    "body": {"settings": {"userLabels": {"team": "traffic"}}},
    "wait": False,
}
DISK_FULL: Rule = {"code": "INTERNAL_ERROR", "message": "disk full"}

ENABLE = "services.enable", ".*:enable"
ACCOUNT = "serviceAccounts.create", ".*/serviceAccounts"
POLICY = "projects.setIamPolicy", "/v1/projects/[^/]*:setIamPolicy"
INSERT = "instances.insert", ".*/instances"
DATABASE = "databases.insert", ".*/databases"
USER = "users.insert", ".*/users"
SECRET = "secrets.create", ".*/secrets"
VERSION = "secrets.addVersion", ".*:addVersion"
BUCKET_MADE = "buckets.insert", "/storage/v1/b"


def post(request: tuple[str, str], fault: str, *actions: Rule, begin: str = IDENTIFIED, **more: Any) -> Case:
    """A case of a POST."""
    return Case(request[0], fault, once("POST", request[1], *actions), begin, **more)


CASES = [
    post(USER, "reset after", RESET_AFTER),
    post(ENABLE, "429", TOO_MANY, begin=EMPTY),
    post(ENABLE, "reset after", RESET_AFTER, begin=EMPTY),
    post(ACCOUNT, "reset after", RESET_AFTER, begin=EMPTY),
    post(POLICY, "409 stale", bound_meanwhile(f"/v1/projects/{PROJECT}"), begin=EMPTY),
    post(POLICY, "reset after", RESET_AFTER, begin=EMPTY),
    post(POLICY, "429", TOO_MANY, begin=EMPTY),
    Case("plan: getIamPolicy", "403 quota", once("POST", ".*:getIamPolicy", QUOTA)),
    Case("plan: instances.get", "429", once("GET", ".*/instances/[^/]*", TOO_MANY)),
    post(INSERT, "reset before", {"reset": True}),
    post(INSERT, "reset after", RESET_AFTER),
    post(INSERT, "503 twice", UNAVAILABLE, UNAVAILABLE),
    Case(
        INSERT[0],
        "503 for good",
        ({"method": "POST", "path": INSERT[1], "action": UNAVAILABLE},),
        line=(f"sql_instance {INSTANCE}", "(503 backendError", "run again"),
    ),
    post(INSERT, "truncated", {"truncate": 20}),
    Case(
        INSERT[0],
        "operation error",
        operation("CREATE", error=DISK_FULL),
        line=(INSTANCE, "disk full", "run again"),
        way_out=(
            "sql_instance",
            {"name": INSTANCE, "state": "absent", "confirm_delete": INSTANCE, "final_backup": False},
        ),
        until_then=(INSTANCE, "is FAILED", "delete it, with mlflow_ops.gcp.sql_instance", "run again"),
    ),
    Case(
        INSERT[0],
        "operation stuck",
        operation("CREATE", hold=True),
        line=(f"sql_instance {INSTANCE}", "is still running after", "run again to wait for it"),
        given={"backend_store_settings": {"timeout": 3}},
    ),
    Case("operations.get", "503 twice", once("GET", ".*/operations/.*", UNAVAILABLE, UNAVAILABLE)),
    post(DATABASE, "reset after", RESET_AFTER),
    Case(USER[0], "409 busy", (*once("POST", USER[1], {"meanwhile": LABELLED}), *operation("UPDATE", seconds=2))),
    Case(
        USER[0],
        "operation error",
        operation("CREATE_USER", error=DISK_FULL),
        line=("sql_user mlflow_user", "disk full", "run again"),
    ),
    Case("plan: users.list", "truncated", once("GET", ".*/users", {"truncate": 20}), STORED),
    post(SECRET, "reset after", RESET_AFTER),
    post(VERSION, "reset after", RESET_AFTER),
    post(VERSION, "500", {"status": 500}),
    Case("versions.access", "503 twice", once("GET", ".*:access", UNAVAILABLE, UNAVAILABLE)),
    post(BUCKET_MADE, "reset after", RESET_AFTER, begin=STORED),
    post(BUCKET_MADE, "503 twice", UNAVAILABLE, UNAVAILABLE, begin=STORED),
    Case(
        "buckets.setIamPolicy",
        "412 stale",
        once("PUT", ".*/iam", bound_meanwhile(f"/storage/v1/b/{BUCKET}")),
        STORED,
    ),
    Case("token", "503 twice", once("POST", "/token", UNAVAILABLE, UNAVAILABLE), STORED),
    Case("every request", "slow", ({"action": {"delay": 0.1}},), STORED),
]


def test_it_converges_or_says_so_and_the_next_run_does(begun: Project, operator: Operator, case: Case) -> None:
    begun.fault(*case.rules)
    played = [operator.play(given=case.given)]
    assert all(rule["hits"] for rule in begun.faults()), f"not every fault came: {begun.faults()}"
    begun.clear()
    if case.line:
        assert_one_clear_line(played[0], case.line)
        if case.way_out:
            played.append(operator.play())
            assert_one_clear_line(played[1], case.until_then)
            begun.bench.run(case.way_out[0], **case.way_out[1])
        played.append(operator.play())
    assert played[-1].code == 0, played[-1].output
    assert played[-1].errors == []
    begun.assert_complete()
    begun.assert_password_works()
    assert len(begun.passwords()) == 1
    if "stale" in case.fault:
        assert begun.members(case.rules[0]["action"][0]["meanwhile"]["resource"]).count(COLLEAGUE) == 1
    with begun.bench.recorded() as seen:
        played.append(operator.play())
    assert (played[-1].code, played[-1].changed, writes(seen)) == (0, 0, []), played[-1].output
    for one in played:
        assert "Traceback" not in one.output
        assert not [text for text in (*begun.passwords(), operator.key["private_key"][100:140]) if text in one.output]
    table(TITLE).put(case.request, case.fault, "failed clearly, then converged" if case.line else "converged")


def assert_one_clear_line(played: Played, parts: tuple[str, ...]) -> None:
    """An operator sees one line, with these parts in this order."""
    errors = played.errors
    assert (played.code, len(errors)) == (2, 1), played.output
    position = 0
    for part in parts:
        found = errors[0].find(part, position)
        assert found >= 0, f"{part!r} is not in {errors[0][position:]!r}"
        position = found + len(part)
