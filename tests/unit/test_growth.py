"""A plan of many instances asks for all of them at once: 1 + 2N reads, and never "absent" for what is only unknown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.survey import parse_entries, survey

from tests.unit.fakes import NO_INSTANCE, NOT_FOUND, PROJECT, Answer, bad, cloud, ok

P = f"v1/projects/{PROJECT}"
DENIED = bad(403, "notAuthorized", "The client is not authorized to make this request.")
WANTED = {"tier": "db-f1-micro", "region": "europe-west3", "database_version": "POSTGRES_16"}
LOST = {"code": "REGION_UNREACHABLE", "region": "europe-west3", "message": "not reachable"}


def entries(instances: int, databases: int = 1) -> list[dict[str, Any]]:
    """Instances, each with databases and a user."""
    found: list[dict[str, Any]] = []
    for number in range(instances):
        name = f"db-{number}"
        found.append({"module": "sql_instance", "params": {"name": name, **WANTED}})
        found += [
            {"module": "sql_database", "params": {"instance": name, "name": f"app-{n}"}} for n in range(databases)
        ]
        found.append({"module": "sql_user", "params": {"instance": name, "name": "app"}})
    return [{"owner": "team", **entry} for entry in found]


def instance(name: str) -> dict[str, Any]:
    """As Google shows it, in a listing and alone."""
    settings = {"tier": WANTED["tier"], "edition": "ENTERPRISE"}
    there = {"name": name, "state": "RUNNABLE", "region": WANTED["region"]}
    return {**there, "databaseVersion": WANTED["database_version"], "settings": settings}


def world(instances: int, databases: int = 1) -> dict[str, Answer | list[Answer]]:
    """All that the entries ask for is there."""
    names = [f"db-{number}" for number in range(instances)]
    answers: dict[str, Answer | list[Answer]] = {f"GET {P}/instances": ok({"items": [instance(n) for n in names]})}
    for name in names:
        held = [{"name": f"app-{number}"} for number in range(databases)]
        answers[f"GET {P}/instances/{name}"] = ok(instance(name))
        answers[f"GET {P}/instances/{name}/databases"] = ok({"items": held})
        answers |= {f"GET {P}/instances/{name}/databases/{d['name']}": ok(d) for d in held}
        answers[f"GET {P}/instances/{name}/users"] = ok({"items": [{"name": "app"}]})
    return answers


def ask(
    declared: list[dict[str, Any]], answers: dict[str, Answer | list[Answer]]
) -> tuple[dict[str, str], list[str], list[dict[str, Any]]]:
    """The action for each instance, all requests, and the parameters of the listings of instances."""
    made = cloud(answers)
    plans = survey(parse_entries(declared, PROJECT), made.google, check_permissions=False).plans
    assert made.transport.writes == []
    listings = [sent.params for sent in made.transport.sent if sent.path == f"{P}/instances"]
    return {p.name: str(p.action) for p in plans if p.module == "sql_instance"}, made.transport.lines, listings


@pytest.mark.parametrize(("instances", "reads"), [(1, 3), (2, 5), (5, 11), (20, 41)])
def test_n_instances_with_database_and_user_are_one_and_two_n_reads(instances: int, reads: int) -> None:
    actions, lines, _ = ask(entries(instances), world(instances))
    assert set(actions.values()) == {"none"}
    assert len(actions) == instances
    assert len(lines) == len(set(lines)) == reads


def test_many_databases_of_an_instance_are_one_read() -> None:
    _, lines, _ = ask(entries(1, databases=3), world(1, databases=3))
    assert sorted(lines) == [f"GET {P}/instances/db-0{path}" for path in ("", "/databases", "/users")]


def test_an_instance_that_the_whole_listing_lacks_is_absent() -> None:
    answers = world(2) | {
        f"GET {P}/instances": [
            ok({"items": [instance("db-0")], "nextPageToken": "more"}),
            ok({"items": [instance("else")]}),
        ],
        f"GET {P}/instances/db-1/databases/app-0": NO_INSTANCE,
        f"GET {P}/instances/db-1/users": NO_INSTANCE,
    }
    actions, lines, listings = ask(entries(2), answers)
    assert actions == {"db-0": "none", "db-1": "create"}
    assert listings == [{}, {"pageToken": "more"}]
    assert f"GET {P}/instances/db-1" not in lines


@pytest.mark.parametrize("page", [0, 1])
def test_an_instance_that_google_could_not_ask_for_is_read_alone(page: int) -> None:
    pages = [{"items": [instance("db-0")], "nextPageToken": "more"}, {}]
    pages[page]["warnings"] = [LOST]
    answers = world(2) | {f"GET {P}/instances": [ok(body) for body in pages]}
    actions, lines, _ = ask(entries(2), answers)
    assert actions == {"db-0": "none", "db-1": "none"}
    assert [line for line in lines if line.startswith(f"GET {P}/instances/db-") and line.count("/") == 4] == [
        f"GET {P}/instances/db-1"
    ]


def test_who_may_not_list_reads_one_by_one() -> None:
    actions, lines, listings = ask(entries(3), world(3) | {f"GET {P}/instances": DENIED})
    assert set(actions.values()) == {"none"}
    assert len(listings) == 1
    assert len(lines) == 10


def test_a_database_that_the_listing_lacks_is_absent() -> None:
    declared = entries(1, databases=2)
    answers = world(1) | {f"GET {P}/instances/db-0/databases/app-1": NOT_FOUND}
    made = cloud(answers)
    plans = survey(parse_entries(declared, PROJECT), made.google, check_permissions=False).plans
    assert [str(plan.action) for plan in plans] == ["none", "none", "create", "none"]


def services(number: int) -> list[dict[str, Any]]:
    """So many services that are wanted."""
    return [
        {"owner": "o", "module": "project_service", "params": {"name": f"s{n}.googleapis.com"}} for n in range(number)
    ]


def ask_services(number: int, answers: dict[str, Answer | list[Answer]]) -> tuple[list[str], list[str]]:
    """The plans' actions and all requests, in order of the alphabet."""
    made = cloud(answers)
    plans = survey(parse_entries(services(number), PROJECT), made.google, check_permissions=False).plans
    return [str(plan.action) for plan in plans], sorted(made.transport.lines)


def test_services_are_read_at_once_by_number_or_id_of_the_project() -> None:
    answered = [
        {"name": f"projects/415/services/s{number}.googleapis.com", "state": state}
        for number, state in enumerate(("ENABLED", "DISABLED", "ENABLED"))
    ]
    actions, lines = ask_services(3, {f"GET {P}/services:batchGet": ok({"services": answered})})
    assert actions == ["none", "create", "none"]
    assert lines == [f"GET {P}/services:batchGet"]


@pytest.mark.parametrize("refusal", [NOT_FOUND, DENIED, bad(400, "invalid"), ok({})])
def test_services_that_are_not_told_together_are_read_one_by_one(refusal: Answer) -> None:
    single: dict[str, Answer | list[Answer]] = {
        f"GET {P}/services/s{number}.googleapis.com": ok({"state": "ENABLED"}) for number in range(2)
    }
    actions, lines = ask_services(2, {f"GET {P}/services:batchGet": refusal, **single})
    assert actions == ["none", "none"]
    assert lines == [*sorted(single), f"GET {P}/services:batchGet"]


def test_thirty_services_are_read_at_once_and_the_rest_alone() -> None:
    answered = [{"name": f"projects/p/services/s{n}.googleapis.com", "state": "ENABLED"} for n in range(30)]
    answers: dict[str, Answer | list[Answer]] = {f"GET {P}/services:batchGet": ok({"services": answered})}
    answers |= {f"GET {P}/services/s{number}.googleapis.com": ok({"state": "ENABLED"}) for number in (30, 31)}
    actions, lines = ask_services(32, answers)
    assert set(actions) == {"none"}
    assert len(lines) == 3


def test_one_service_is_read_alone() -> None:
    _, lines = ask_services(1, {f"GET {P}/services/s0.googleapis.com": ok({"state": "ENABLED"})})
    assert lines == [f"GET {P}/services/s0.googleapis.com"]
