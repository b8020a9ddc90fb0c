"""The 22 situations in which other tools for Cloud SQL go wrong, one test each, against the emulator.

In process, in a project that is set back to the same snapshot before each test. Check 8 kills real processes, 13 and 15
run ansible-playbook.
"""

from __future__ import annotations

import copy
import json
import multiprocessing
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import session

from tests.audit.needles import Matcher
from tests.contract.bench import PROJECT, Bench, writes
from tests.contract.stage import faults, holds, logs_in, manage, play, play_login, socket
from tests.contract.test_project import declared

P = f"v1/projects/{PROJECT}"
INSTANCES = f"/{P}/instances"
DB = f"{INSTANCES}/db"
SECRET: dict[str, Any] = {"name": "password", "generate": True}
USER: dict[str, Any] = {"instance": "db", "name": "mlflow_user"}
NEW: dict[str, Any] = {**Bench.INSTANCE, "name": "new"}
SNAPSHOT = "checklist"


@pytest.fixture(scope="module")
def saved(furnished: Bench) -> Iterator[Bench]:
    """All services on and the instance db, kept to come back to."""
    manage(furnished, "POST", "snapshots", {"name": SNAPSHOT})
    yield furnished
    manage(furnished, "DELETE", f"snapshots/{SNAPSHOT}")


@pytest.fixture
def project(saved: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """That project as it was, and a client that waits little where chance decides."""
    manage(saved, "POST", f"snapshots/{SNAPSHOT}:restore")
    # Tokens are then what they were when it was saved.
    saved.tokens.clear()
    monkeypatch.setattr(session, "Clock", partial(session.Clock, chance=lambda: 0.05))
    return saved


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What modules warn of in this process, where Ansible shows it at once and each text once only."""
    said: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: said.append(text))
    return said


def drift(bench: Bench, **settings: Any) -> None:
    """Change the instance behind the modules' back."""
    operation = bench.google().write("PATCH", "sql", DB[1:], {"settings": settings})
    finish(bench, operation)


def finish(bench: Bench, operation: dict[str, Any]) -> None:
    """Wait for an operation of Cloud SQL."""
    while operation["status"] != "DONE":
        time.sleep(0.02)
        operation = bench.google().get("sql", f"{P}/operations/{operation['name']}")


def somebody(**settings: Any) -> dict[str, Any]:
    """A change of the instance by somebody else, as a fault's `meanwhile`."""
    return {"method": "PATCH", "path": DB, "body": {"settings": settings}}


def test_01_forbidden_is_not_absent(project: Bench) -> None:
    """403 notAuthorized on GET: failed, and no POST is sent."""
    forbidden = {"status": 403, "reason": "notAuthorized", "message": "The client is not authorized."}
    others = [entry for entry in declared() if entry["module"] != "project_service"]
    assert {"sql_instance", "sql_database", "sql_user", "secret", "bucket", "service_account"} <= {
        entry["module"] for entry in others
    }
    with faults(project, {"path": "/(v1|storage)/.*", "action": forbidden}):
        for entry in others:
            for check in (False, True):
                with project.without_writes():
                    said = project.fail(entry["module"], check=check, **entry["params"])
                assert "403" in said


def test_02_absent_is_made_and_a_creation_in_flight_is_adopted(project: Bench) -> None:
    """404: create. PENDING_CREATE found: the operation under way is waited for."""
    with project.recorded() as seen:
        assert project.run("sql_instance", **NEW)["action"] == "create"
    assert writes(seen) == [f"POST {INSTANCES}"]

    other = {**NEW, "name": "begun"}
    body = {"name": "begun", "region": NEW["region"], "databaseVersion": NEW["database_version"]}
    with faults(project, {"operation": "CREATE", "instance": "begun", "action": {"seconds": 1}}):
        begun = project.google().write(
            "POST", "sql", INSTANCES[1:], {**body, "settings": {"tier": NEW["tier"], "edition": "ENTERPRISE"}}
        )
        with project.recorded() as seen:
            found = project.run("sql_instance", **other)
    assert f"POST {INSTANCES}" not in writes(seen)
    assert f"/{P}/operations/{begun['name']}" in [request["path"] for request in seen]
    assert found["resource"]["state"] == "RUNNABLE"


@pytest.mark.parametrize(("message", "text"), [("disk full", "INTERNAL_ERROR: disk full"), (None, "INTERNAL_ERROR")])
def test_03_an_operation_that_is_done_may_have_failed(project: Bench, message: str | None, text: str) -> None:
    """An operation that is DONE with an error inside (with and without a message): failed, its text is kept."""
    error = {"code": "INTERNAL_ERROR"} | ({"message": message} if message else {})
    with faults(project, {"operation": "CREATE_DATABASE", "action": {"error": error}}):
        said = project.fail("sql_database", instance="db", name="mlflow")
    assert f"failed: {text}; see `gcloud sql operations describe" in said


def test_04_busy_waits_for_the_operation_and_tries_again(project: Bench) -> None:
    """409 operationInProgress: that operation is waited for, then the write is tried again."""
    rules = (
        {"operation": "UPDATE", "times": 1, "action": {"seconds": 0.5}},
        {
            "method": "POST",
            "path": f"{DB}/databases",
            "times": 1,
            "action": {"meanwhile": {**somebody(userLabels={"by": "them"}), "wait": False}},
        },
    )
    with faults(project, *rules), project.recorded() as seen:
        assert project.run("sql_database", instance="db", name="mlflow")["changed"]
    sent = [request["status"] for request in seen if request["path"] == f"{DB}/databases" and request["mutating"]]
    assert sent == [409, 200]
    between = [request["path"] for request in seen]
    assert any(path.startswith(f"/{P}/operations/") for path in between)


def test_05_stale_is_read_again_and_given_up_the_third_time(project: Bench) -> None:
    """412: read again, and it succeeds; the third 412 fails."""
    race = {"method": "PATCH", "path": DB}
    options: dict[str, Any] = {"name": "db", "data_disk_size_gb": 20}
    labels = [somebody(userLabels={"round": str(number)}) for number in range(3)]
    with faults(project, {**race, "action": [{"meanwhile": labels[0]}, {}]}), project.recorded() as seen:
        assert project.run("sql_instance", **options)["changed"]
    ours = [request["status"] for request in seen if request["path"] == DB and request["method"] == "PATCH"]
    assert ours[-2:] == [412, 200]
    found = project.google().get("sql", DB[1:])["settings"]
    assert (found["dataDiskSizeGb"], found["userLabels"]) == ("20", {"round": "0"})

    options = {**options, "data_disk_size_gb": 30}
    with faults(project, {**race, "action": [{"meanwhile": label} for label in labels]}), project.recorded() as seen:
        said = project.fail("sql_instance", **options)
    assert [request["status"] for request in seen if request["path"] == DB].count(412) == 3
    assert "somebody else is changing it too" in said


def test_06_google_asks_for_patience(project: Bench) -> None:
    """429 with Retry-After, and three times 503, then 200: it succeeds, not before the time that Google names."""
    slow = {"status": 429, "retry_after": 1}
    started = time.monotonic()
    with faults(project, {"method": "GET", "path": DB, "action": [slow, {}]}), project.recorded() as seen:
        assert not project.run("sql_instance", name="db")["changed"]
    assert time.monotonic() - started > 1
    assert [request["status"] for request in seen] == [429, 200]
    ill = {"status": 503}
    with faults(project, {"method": "GET", "path": DB, "action": [ill, ill, ill, {}]}), project.recorded() as seen:
        assert not project.run("sql_instance", name="db")["changed"]
    assert [request["status"] for request in seen] == [503, 503, 503, 200]


@pytest.mark.parametrize(("at", "sent"), [("after", 1), ("before", 2)])
def test_07_a_lost_answer_makes_no_second_instance(project: Bench, at: str, sent: int) -> None:
    """The connection is reset on an insert that the server has accepted: there is exactly one instance."""
    reset = {"method": "POST", "path": INSTANCES, "times": 1, "action": {"reset": True, "at": at}}
    with faults(project, reset), project.recorded() as seen:
        assert project.run("sql_instance", **NEW)["changed"]
    assert writes(seen) == [f"POST {INSTANCES}"] * sent
    listed = project.google().get("sql", INSTANCES[1:])["items"]
    assert sorted(item["name"] for item in listed) == ["db", "new"]


def provide(bench: Bench) -> None:
    """The password's way, in the order of the role backend_store: written down before anybody uses it."""
    password = bench.run("secret", **SECRET, return_value=True)["value"]
    bench.run("sql_user", **USER, password=password)


def rotate(bench: Bench) -> None:
    """A new password's way, in the order of rotate_password.yml: the older ones end when the new one is in use."""
    password = bench.run("secret", **SECRET, rotate=True, return_value=True)["value"]
    bench.run("sql_user", **USER, password=password, update_password="always")
    bench.run("secret", name=SECRET["name"], older_versions="disabled")


STEPS = [
    *((provide, "POST", f"/{P}/secrets"), (provide, "POST", f"/{P}/secrets/password:addVersion")),
    *((provide, "GET", ".*:access"), (provide, "POST", f"{DB}/users")),
    *((rotate, "POST", f"/{P}/secrets/password:addVersion"), (rotate, "PUT", f"{DB}/users")),
    (rotate, "POST", f"/{P}/secrets/password/versions/.*:disable"),
]


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0].__name__}-{step[1]}-{step[2].rsplit('/', 1)[-1]}")
def test_08_a_kill_between_the_steps_loses_no_password(project: Bench, step: Any, at: str) -> None:
    """kill -9 before and after each ordered step: the next run converges, Secret Manager and database agree."""
    way, method, path = step
    if way is rotate:
        provide(project)
    project.token()
    with faults(project, {"method": method, "path": path, "nth": 1, "action": {"hold": True, "at": at}}):
        process = multiprocessing.get_context("fork").Process(target=way, args=(project,), daemon=True)
        process.start()
        while process.is_alive() and not holds(project):
            time.sleep(0.02)
        assert process.is_alive(), "the step was never reached"
        process.kill()
        process.join()
    way(project)
    newest = project.run("secret", name="password", return_value=True)
    assert logs_in(project, "mlflow_user", newest["value"])
    listed = project.google().get("secretmanager", f"{P}/secrets/password/versions")["versions"]
    assert [version["name"].rsplit("/", 1)[-1] for version in listed if version["state"] == "ENABLED"] == [
        str(newest["version"])
    ]
    if way is provide:
        assert newest["version"] == 1
        with project.without_writes():
            provide(project)


def test_09_a_disk_that_grew_by_itself_is_no_drift(project: Bench) -> None:
    """Grown from 10 to 25 GB by itself: no drift; 30 wanted: a patch; no automatic growth and 10 wanted: refused."""
    manage(project, "POST", "disks", {"instance": "db", "usedGb": 22})
    size = int(project.google().get("sql", DB[1:])["settings"]["dataDiskSizeGb"])
    assert size > 20
    with project.without_writes():
        assert not project.run("sql_instance", **Bench.INSTANCE)["changed"]
    with project.recorded() as seen:
        grown = project.run("sql_instance", **{**Bench.INSTANCE, "data_disk_size_gb": size + 5})
    assert writes(seen) == [f"PATCH {DB}"]
    assert [(c["before"], c["after"]) for c in grown["changes"]] == [(size, size + 5)]
    drift(project, storageAutoResize=False)
    with project.without_writes():
        assert "can't shrink" in project.fail("sql_instance", name="db", data_disk_size_gb=10)


def test_10_what_google_fills_in_is_no_drift(project: Bench) -> None:
    """Google's answer to a minimal creation, full of defaults: no difference from the minimal specification."""
    minimal = {"name": "minimal", "region": "europe-west3", "databaseVersion": "POSTGRES_14"}
    body = {**minimal, "settings": {"tier": "db-f1-micro", "edition": "ENTERPRISE"}}
    finish(project, project.google().write("POST", "sql", INSTANCES[1:], body))
    filled = project.google().get("sql", f"{INSTANCES[1:]}/minimal")
    assert {"backupConfiguration", "ipConfiguration", "locationPreference", "pricingPlan", "settingsVersion"} <= set(
        filled["settings"]
    )
    options: dict[str, Any] = {"name": "minimal", "region": "europe-west3", "database_version": "POSTGRES_14"}
    for check in (True, False):
        with project.without_writes():
            found = project.run("sql_instance", check=check, **options, tier="db-f1-micro")
        assert (found["changed"], found["changes"], found.get("diff")) == (False, [], None)


def test_11_what_cannot_be_changed_is_refused(project: Bench) -> None:
    """Region, character set, collation and an older version: refused, with the way out."""
    project.run("sql_database", instance="db", name="mlflow")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("sql_instance", {"name": "db", "region": "europe-west1"}, "region: 'europe-west3' -> 'europe-west1'"),
        ("sql_instance", {"name": "db", "database_version": "POSTGRES_13"}, "is a downgrade"),
        ("sql_database", {"instance": "db", "name": "mlflow", "charset": "LATIN1"}, "charset: 'UTF8' -> 'LATIN1'"),
        ("sql_database", {"instance": "db", "name": "mlflow", "collation": "de_DE.UTF8"}, "-> 'de_DE.UTF8'"),
    ]
    for module, options, text in cases:
        for check in (False, True):
            with project.without_writes():
                said = project.fail(module, check=check, **options)
            assert "refused: " in said
            assert text in said


def test_12_of_a_stopped_instance_nothing_is_known(project: Bench, warned: list[str]) -> None:
    """The instance is stopped: its users are unknown (not absent), with a warning and without a failure."""
    project.run("sql_user", **USER, password="corr3ct-horse")
    drift(project, activationPolicy="NEVER")
    with project.without_writes():
        found = project.run("sql_user", check=True, **USER, password="corr3ct-horse")
        planned = project.run("plan", resources=[{"owner": "o", "module": "sql_user", "params": USER}])
    assert (found["action"], found["changed"]) == ("unknown", False)
    assert [plan["action"] for plan in planned["plans"]] == ["unknown"]
    assert "is not running" in planned["plans"][0]["changes"][0]["reason"]
    assert "the state of mlflow_user is unknown" in warned[0]


def test_13_a_password_changed_elsewhere_is_found_by_logging_in(project: Bench, tmp_path: Path) -> None:
    """A password changed out of band: the login is refused (28P01); check mode reports it, a real run repairs it."""
    provide(project)
    password = project.run("secret", name="password", return_value=True)["value"]
    log_in = partial(play_login, tmp_path, project, "mlflow_user", password)
    with psycopg.connect(host=socket(project), user="cloudsqladmin", dbname="postgres") as connection:
        connection.execute("ALTER ROLE mlflow_user PASSWORD 'somebody-elses'")
    assert not logs_in(project, "mlflow_user", password)
    with project.without_writes():
        provide(project)
        assert log_in("--check", "--diff") == 1
    assert not logs_in(project, "mlflow_user", password)
    with project.recorded() as seen:
        assert log_in() == 1
    assert writes(seen) == [f"PUT {DB}/users"]
    assert logs_in(project, "mlflow_user", password)
    assert log_in() == 0


def test_14_somebody_elses_bindings_survive(project: Bench) -> None:
    """Conditional bindings and audit configurations survive our write byte for byte; changed etag: try again."""
    google = project.google()
    path, asked = f"{P}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}}
    policy = google.query("cloudresourcemanager", path, asked)
    condition = {"title": "t", "expression": 'request.time < timestamp("2030-01-01T00:00:00Z")'}
    policy["bindings"].append(
        {"role": "roles/cloudsql.client", "members": ["user:a@example.org"], "condition": condition}
    )
    policy["auditConfigs"] = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]
    body = {"policy": {**policy, "version": 3}, "updateMask": "bindings,etag,auditConfigs"}
    google.write("POST", "cloudresourcemanager", f"{P}:setIamPolicy", body)
    before = google.query("cloudresourcemanager", path, asked)
    member = f"serviceAccount:operator@{PROJECT}.iam.gserviceaccount.com"
    binding: dict[str, Any] = {"role": "roles/cloudsql.client", "member": member}
    meanwhile = {"resource": f"/{P}", "role": "roles/browser", "member": member}
    race = {"method": "POST", "path": f"/{P}:setIamPolicy", "times": 1, "action": {"meanwhile": meanwhile}}
    with faults(project, race), project.recorded() as seen:
        assert project.run("project_iam_member", **binding)["changed"]
    assert [request["status"] for request in seen if request["path"].endswith(":setIamPolicy")] == [200, 409, 200]
    expected = copy.deepcopy(before["bindings"])
    expected += [{"role": role, "members": [member]} for role in ("roles/browser", "roles/cloudsql.client")]
    after = google.query("cloudresourcemanager", path, asked)
    assert sorted(map(json.dumps, after["bindings"])) == sorted(map(json.dumps, expected))
    assert json.dumps(after["auditConfigs"]) == json.dumps(before["auditConfigs"])
    project.run("project_iam_member", state="absent", **binding)
    restored = google.query("cloudresourcemanager", path, asked)
    assert sorted(map(json.dumps, restored["bindings"])) == sorted(map(json.dumps, expected[:-1]))


def test_15_no_secret_is_printed(fresh: Bench, tmp_path: Path) -> None:
    """--check --diff -vvv and registered variables hold no secret: in clear, in base64 or as in a URL."""
    secrets = {"password": "corr3ct/horse+battery=staple?9", "key": fresh.key["private_key"][40:120]}
    looked_for = Matcher(secrets)
    assert looked_for.names(quote(secrets["password"], safe="").encode()) == {"password"}
    given: dict[str, dict[str, Any]] = {"sql_user": {"password": "{{ password }}"}}
    given["secret"] = {"value": "{{ password }}", "generate": False}
    entries = [(e["module"], {**e["params"], **given.get(e["module"], {})}) for e in declared()]
    entries.append(("plan", {"resources": declared()}))
    tasks: list[dict[str, Any]] = [
        {f"mlflow_ops.gcp.{module}": options, "register": f"found_{number}"}
        for number, (module, options) in enumerate(entries)
    ]
    # With an environment of its own the plan is a module like the others, without one it runs in Ansible's own process.
    tasks.append({**tasks[-1], "register": "found_here"})
    tasks[-2]["environment"] = {"ANY": "thing"}
    registered = ", ".join(task["register"] for task in tasks)
    tasks.append({"ansible.builtin.debug": {"msg": f"{{{{ [{registered}] }}}}"}})
    for mode in (["--check"], []):
        printed = play(tmp_path, fresh, tasks, "--diff", "-vvv", *mode, password=secrets["password"])
        assert printed.count("module_args") >= len(entries)
        assert looked_for.names(printed.encode()) == set()
        assert "ya29." not in printed


def test_16_a_tier_with_typographic_hyphens_is_named(project: Bench) -> None:
    """A tier that was copied with U+2011 hyphens: a clear error."""
    tier = "db\N{NON-BREAKING HYPHEN}f1\N{NON-BREAKING HYPHEN}micro"
    with project.recorded() as seen:
        said = project.fail("sql_instance", **{**NEW, "tier": tier})
    assert "NON-BREAKING HYPHEN" in said
    assert seen == []


def test_17_the_edition_is_sent_even_where_nobody_names_it(project: Bench) -> None:
    """PostgreSQL 16 without an edition: ENTERPRISE is sent, though Google's own default is another one."""
    body = {"name": "bare", "region": NEW["region"], "databaseVersion": "POSTGRES_16"}
    plain = {**body, "settings": {"tier": "db-perf-optimized-N-2"}}
    finish(project, project.google().write("POST", "sql", INSTANCES[1:], plain))
    assert project.google().get("sql", f"{INSTANCES[1:]}/bare")["settings"]["edition"] == "ENTERPRISE_PLUS"
    made = project.run("sql_instance", **{**NEW, "database_version": "POSTGRES_16"})
    assert made["resource"]["settings"]["edition"] == "ENTERPRISE"


def test_18_a_service_accounts_user_is_named_as_google_wants_it(project: Bench) -> None:
    """The user of a service account is its e-mail without the end, and never longer than PostgreSQL's 63 bytes."""
    project.run("service_account", account_id="mlflow-server")
    drift(project, databaseFlags=[{"name": "cloudsql.iam_authentication", "value": "on"}])
    email = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"
    options: dict[str, Any] = {"instance": "db", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    assert project.run("sql_user", **options, name=email)["resource"]["name"] == f"mlflow-server@{PROJECT}.iam"
    with project.without_writes():
        assert not project.run("sql_user", **options, name=email)["changed"]
        long = f"mlflow-server-of-the-team@{'a' * 30}.iam.gserviceaccount.com"
        assert project.run("sql_user", check=True, **options, name=long)["changed"], "61 bytes"
        said = project.fail("sql_user", **options, name=long.replace("-of", "-too-of"))
    assert "63 bytes" in said


def test_19_a_disabled_newest_version_is_replaced_never_an_older_one_used(project: Bench, warned: list[str]) -> None:
    """The newest version is disabled: a new one is made, with a warning, and no older (perhaps leaked) one returns."""
    values = [project.run("secret", **SECRET, return_value=True)["value"]]
    values.append(project.run("secret", **SECRET, rotate=True, return_value=True)["value"])
    project.google().write("POST", "secretmanager", f"{P}/secrets/password/versions/2:disable", {})
    made = project.run("secret", **SECRET, return_value=True)
    assert (made["version"], made["version_state"]) == (3, "ENABLED")
    assert made["value"] not in ("", None, *values)
    assert [text for text in warned if "version 2, the newest, is DISABLED" in text]
    again = project.run("secret", **SECRET, return_value=True)
    assert (again["changed"], again["value"]) == (False, made["value"])


def test_20_somebody_elses_bucket_is_not_adopted(project: Bench) -> None:
    """409 for a bucket that another project owns: a failure, not an adoption."""
    manage(project, "POST", "elsewhere", {"buckets": ["somebody-elses"]})
    with project.recorded() as seen:
        said = project.fail("bucket", name="somebody-elses", location="europe-west3")
    assert "somebody-elses" in said
    assert [request for request in seen if request["mutating"] and request["status"] < 300] == []


def test_21_a_flag_that_restarts_is_planned_and_refused(project: Bench) -> None:
    """A flag with requiresRestart and without leave to restart: planned, and refused."""
    options: dict[str, Any] = {"name": "db", "database_flags": {"max_connections": "40"}}
    with project.without_writes():
        planned = project.run("plan", resources=[{"owner": "o", "module": "sql_instance", "params": options}])
        refused = project.answer("sql_instance", **options)
    ((change,),) = (plan["changes"] for plan in planned["plans"])
    for found in (change, *refused["changes"]):
        assert found["blast_radius"] == "restarts the database"
        assert "allow_restart" in found["refusal"]
    assert refused["failed"]


def test_22_a_run_that_finds_nothing_to_do_writes_nothing(project: Bench) -> None:
    """A no-op sends no mutating call."""
    password = {"password": "corr3ct-horse"}
    entries = [(e["module"], {**e["params"], **(password if e["module"] == "sql_user" else {})}) for e in declared()]
    for module, options in entries:
        project.run(module, **options)
    with project.recorded() as seen:
        assert not any(project.run(module, **options)["changed"] for module, options in entries)
        assert project.run("plan", resources=declared())["pending_owners"] == []
    assert writes(seen) == []
    assert len(seen) > len(entries)
