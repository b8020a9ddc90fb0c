"""The recorder, the reset and the health page on the management port."""

import requests

from sandbox.tests.running import PROJECT, Sandbox


def test_the_recorder_says_who_asked_what_and_what_was_meant(sandbox: Sandbox) -> None:
    operator = sandbox.operator
    operator.call("GET", "secrets?pageSize=1")
    operator.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    operator.call("POST", "secrets?secretId=bad id", {})
    operator.call("GET", "secrets", Authorization="")
    last = sandbox.requests()[-4:]
    seen = [(one["principal"], one["method"], one["status"], one["mutating"]) for one in last]
    assert seen == [
        (operator.email, "GET", 200, False),
        (operator.email, "POST", 200, False),
        (operator.email, "POST", 400, True),
        (None, "GET", 401, False),
    ]
    assert last[0]["path"] == f"/v1/projects/{PROJECT}/secrets"
    assert last[0]["query"] == "pageSize=1"
    assert last[0].keys() == {"time", "principal", "method", "path", "query", "status", "mutating", "fault"}


def test_no_secret_reaches_the_recorder_or_the_log(sandbox: Sandbox) -> None:
    sandbox.operator.must("POST", "secrets?secretId=recorded", {"replication": {"automatic": {}}})
    sandbox.operator.must("POST", "secrets/recorded:addVersion", {"payload": {"data": "dG9wLXNlY3JldA=="}})
    everything = requests.get(f"{sandbox.management}/requests", timeout=10).text + sandbox.log.read_text()
    assert "dG9wLXNlY3JldA" not in everything
    assert sandbox.operator.token not in everything


def test_a_reset_leaves_a_fresh_project_and_a_valid_operator(sandbox: Sandbox) -> None:
    sandbox.create_instance("to-be-dropped")
    sandbox.operator.must("POST", f"/storage/v1/b?project={PROJECT}", {"name": "to-be-dropped"})
    path = "/upload/storage/v1/b/to-be-dropped/o?uploadType=media&name=x"
    assert sandbox.operator.call("POST", path, data=b"x").status == 200
    key = sandbox.key_file.read_bytes()
    sandbox.reset()
    assert sandbox.key_file.read_bytes() == key
    assert "items" not in sandbox.operator.get("instances")
    assert "items" not in sandbox.operator.get(f"/storage/v1/b?project={PROJECT}")
    assert {path.name for path in (sandbox.state / "postgresql").iterdir()} <= {"templates"}
    assert list((sandbox.state / "objects").iterdir()) == []
    first = sandbox.requests()[0]
    assert first["path"].endswith("services:batchEnable"), "the recorder starts anew"


def test_the_recorder_forgets_on_demand(sandbox: Sandbox) -> None:
    sandbox.operator.get("secrets")
    requests.delete(f"{sandbox.management}/requests", timeout=10).raise_for_status()
    assert sandbox.requests() == []
    sandbox.operator.get("secrets")
    assert len(sandbox.requests()) == 1


def test_health(sandbox: Sandbox) -> None:
    health = requests.get(f"{sandbox.management}/health", timeout=5).json()
    assert (health["status"], health["url"], health["project"]) == ("ok", sandbox.url, PROJECT)


def test_the_management_port_is_not_the_apis(sandbox: Sandbox) -> None:
    assert requests.get(f"{sandbox.url}/requests", timeout=5).status_code == 404
    assert requests.post(f"{sandbox.url}/reset", timeout=5).status_code == 404


def test_names_that_others_hold(sandbox: Sandbox) -> None:
    taken = {"buckets": ["somebody-elses"], "instances": ["deleted-on-monday"]}
    assert requests.post(f"{sandbox.management}/elsewhere", json=taken, timeout=5).ok
    seen = sandbox.operator.call("GET", "/storage/v1/b/somebody-elses")
    assert (seen.status, "storage.buckets.get access" in seen.message) == (403, True)
    made = sandbox.operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": "somebody-elses"})
    assert (made.status, "The requested bucket name is not available." in made.message) == (409, True)
    assert sandbox.operator.call("GET", "/storage/v1/b/nobodys").status == 404
    assert sandbox.operator.call("GET", "instances/deleted-on-monday").status == 404
    wanted = {"name": "deleted-on-monday", "databaseVersion": "POSTGRES_14", "settings": {"tier": "db-f1-micro"}}
    again = sandbox.operator.call("POST", "instances", wanted)
    assert (again.status, again.reason) == (409, "instanceAlreadyExists")
    assert "can't reuse the name of the deleted instance until one week" in again.message
