"""Clones: a new instance with the data of another one."""

import pytest

from sandbox.core.documents import Json
from sandbox.tests.emulator.database import done, note, notes
from sandbox.tests.running import PROJECT, Client, Sandbox

SOURCE = "metadata"


@pytest.fixture(scope="module", autouse=True)
def instance(sandbox: Sandbox) -> Json:
    """One running instance with a row, a user and a database for the module."""
    made = sandbox.create_instance(SOURCE, userLabels={"team": "ml"}, deletionProtectionEnabled=True)
    sandbox.operator.must("POST", f"instances/{SOURCE}/users", {"name": "ada", "password": "secret"})
    sandbox.operator.must("POST", f"instances/{SOURCE}/databases", {"name": "runs"})
    note(sandbox, SOURCE, "original")
    return made


def clone(name: str, **context: str) -> Json:
    """The body of a clone."""
    return {"cloneContext": {"kind": "sql#cloneContext", "destinationInstanceName": name, **context}}


def test_a_clone_has_the_sources_data_and_settings_and_goes_its_own_way(sandbox: Sandbox, operator: Client) -> None:
    operation = done(operator, "POST", f"instances/{SOURCE}/clone", clone("copy"))
    assert (operation["operationType"], operation["targetId"]) == ("CLONE", "copy")
    assert operation["targetLink"].endswith("/instances/copy")
    source, made = operator.get(f"instances/{SOURCE}"), operator.get("instances/copy")
    assert made["connectionName"] == f"{PROJECT}:europe-west3:copy"
    assert made["state"] == "RUNNABLE"
    differ = {name for name in source["settings"] if source["settings"][name] != made["settings"].get(name)}
    assert differ <= {"settingsVersion"}
    assert made["dnsName"] != source["dnsName"]
    users = {user["name"]: user["instance"] for user in operator.get("instances/copy/users")["items"]}
    assert users == {"postgres": "copy", "ada": "copy"}
    assert operator.call("GET", "instances/copy/databases/runs").status == 200

    note(sandbox, "copy", "only here")
    assert notes(sandbox, "copy") == ["only here", "original"]
    assert notes(sandbox, SOURCE) == ["original"]


def test_source_and_clone_are_busy_until_it_is_done(operator: Client) -> None:
    operation = operator.must("POST", f"instances/{SOURCE}/clone", clone("busy-copy"))
    assert operation["status"] == "PENDING"
    assert operator.get("instances/busy-copy")["state"] == "PENDING_CREATE"
    refused = [
        operator.call("PATCH", f"instances/{SOURCE}", {"settings": {}}),
        operator.call("PATCH", "instances/busy-copy", {"settings": {}}),
        operator.call("POST", f"instances/{SOURCE}/clone", clone("third")),
    ]
    assert [(reply.status, reply.reason) for reply in refused] == [(409, "operationInProgress")] * 3
    assert operator.call("GET", "instances/third").status == 404
    operator.wait(operation)


@pytest.mark.parametrize(
    ("context", "status", "fragment"),
    [
        ({"destinationInstanceName": SOURCE}, 409, "already exists"),
        ({"destinationInstanceName": "Upper"}, 400, "Invalid instance name"),
        ({"pointInTime": "2026-11-23T08:00:00.000Z"}, 400, "point-in-time recovery"),
        ({"destinationProject": "another"}, 400, "destinationProject"),
        ({"allocatedIpRange": "range"}, 400, "allocatedIpRange"),
    ],
)
def test_what_a_clone_refuses(operator: Client, context: Json, status: int, fragment: str) -> None:
    reply = operator.call("POST", f"instances/{SOURCE}/clone", clone("refused", **context))
    assert (reply.status, fragment in reply.message) == (status, True), reply.message
    assert operator.call("GET", "instances/refused").status == 404


def test_neither_what_is_absent_nor_what_is_stopped_is_cloned(operator: Client) -> None:
    assert operator.call("POST", "instances/nope/clone", clone("refused")).reason == "instanceDoesNotExist"
    done(operator, "PATCH", f"instances/{SOURCE}", {"settings": {"activationPolicy": "NEVER"}})
    reply = operator.call("POST", f"instances/{SOURCE}/clone", clone("refused"))
    assert (reply.status, "instance is not running" in reply.message) == (400, True)
    done(operator, "PATCH", f"instances/{SOURCE}", {"settings": {"activationPolicy": "ALWAYS"}})
