"""Cloud SQL Admin API: what modules, gcloud and the proxy rely on."""

import pytest

from sandbox.core.documents import Json
from sandbox.tests.running import PROJECT, Client, Sandbox

INSTANCE = "mlflow-metadata"
# Non-breaking hyphens, as pasted from a web page.
NON_ASCII_TIER = "db\u2011g1\u2011small"


@pytest.fixture(scope="module", autouse=True)
def instance(sandbox: Sandbox) -> Json:
    """One running instance for the module."""
    return sandbox.create_instance(INSTANCE)


def settings(operator: Client) -> Json:
    """The instance's settings now."""
    found: Json = operator.get(f"instances/{INSTANCE}")["settings"]
    return found


def test_a_minimal_instance_comes_back_with_what_the_service_fills_in(instance: Json, sandbox: Sandbox) -> None:
    assert instance["connectionName"] == f"{PROJECT}:europe-west3:{INSTANCE}"
    assert instance["state"] == "RUNNABLE"
    assert instance["databaseInstalledVersion"].startswith("POSTGRES_14_")
    assert instance["ipAddresses"] == [
        {"type": "PRIMARY", "ipAddress": sandbox.address},
        {"type": "OUTGOING", "ipAddress": sandbox.address},
    ]
    found = instance["settings"]
    assert (found["dataDiskSizeGb"], found["storageAutoResizeLimit"]) == ("10", "0"), "int64 travel as strings"
    assert found["backupConfiguration"]["backupRetentionSettings"]["retainedBackups"] == 7
    assert found["backupConfiguration"]["enabled"] is False
    assert found["ipConfiguration"]["sslMode"] == "ALLOW_UNENCRYPTED_AND_ENCRYPTED"
    assert found["settingsVersion"] == "1"
    assert not {"id", "client_ca", "rootPassword"} & instance.keys()


def test_both_versions_serve_the_same_instance(instance: Json, operator: Client) -> None:
    beta = operator.get(f"/sql/v1beta4/projects/{PROJECT}/instances/{INSTANCE}")
    assert beta["settings"] == instance["settings"]
    assert "/sql/v1beta4/" in beta["selfLink"]
    assert "/v1/" in instance["selfLink"]


def test_the_absent_instance_is_404_with_googles_reason(operator: Client) -> None:
    reply = operator.call("GET", "instances/nope")
    assert (reply.status, reply.reason) == (404, "instanceDoesNotExist")
    assert reply.message == "The Cloud SQL instance does not exist."


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"name": "Upper"}, "Invalid instance name"),
        ({"databaseVersion": "POSTGRES_99"}, "POSTGRES_99"),
        ({"region": "europe-north9"}, "Invalid region"),
        ({"settings": {"tier": NON_ASCII_TIER, "edition": "ENTERPRISE"}}, "Invalid request: Tier ("),
        ({"settings": {"tier": "db-custom-3-3840", "edition": "ENTERPRISE"}}, "Invalid request: Tier ("),
        ({"settings": {"tier": "db-f1-micro", "tierr": "x"}}, 'Unknown name "tierr"'),
        ({"settings": {"tier": "db-f1-micro", "availabilityType": "HA"}}, "settings.availability_type"),
        ({"settings": {"tier": "db-f1-micro", "availabilityType": "REGIONAL"}}, "point in time recovery"),
        ({"databaseVersion": "POSTGRES_16", "settings": {"tier": "db-f1-micro"}}, "(ENTERPRISE_PLUS) Edition"),
        ({"settings": {"tier": "db-f1-micro", "databaseFlags": [{"name": "nope", "value": "1"}]}}, "misspelled"),
    ],
)
def test_what_cloud_sql_refuses_at_creation(operator: Client, change: Json, fragment: str) -> None:
    body: Json = {"name": "other", "region": "europe-west3", "databaseVersion": "POSTGRES_14"}
    body |= {"settings": {"tier": "db-f1-micro", "edition": "ENTERPRISE"}} | change
    reply = operator.call("POST", "instances", body)
    assert reply.status == 400
    assert fragment in reply.message
    assert operator.call("GET", "instances/other").status == 404


def test_a_taken_name_is_409(operator: Client) -> None:
    body = {"name": INSTANCE, "region": "europe-west3", "databaseVersion": "POSTGRES_14"}
    reply = operator.call("POST", "instances", body | {"settings": {"tier": "db-f1-micro"}})
    assert (reply.status, reply.reason) == (409, "instanceAlreadyExists")


def test_list_filters_by_name_and_label(operator: Client) -> None:
    operator.wait(operator.must("PATCH", f"instances/{INSTANCE}", {"settings": {"userLabels": {"env": "dev"}}}))
    for term in (f"name:{INSTANCE}", "settings.userLabels.env:dev", f"name={INSTANCE} AND settings.userLabels.env:dev"):
        found = operator.get(f"instances?filter={term}")
        assert [item["name"] for item in found["items"]] == [INSTANCE], term
    assert "items" not in operator.get("instances?filter=settings.userLabels.env:prod")


def test_an_operation_goes_pending_running_done_and_only_one_runs_at_a_time(operator: Client) -> None:
    operation = operator.must("PATCH", f"instances/{INSTANCE}", {"settings": {"storageAutoResizeLimit": "50"}})
    assert operation["status"] == "PENDING"
    assert "startTime" not in operation
    refused = [
        operator.call("PATCH", f"instances/{INSTANCE}", {"settings": {}}),
        operator.call("POST", f"instances/{INSTANCE}/users", {"name": "early", "password": "x"}),
        operator.call("POST", f"instances/{INSTANCE}/databases", {"name": "early"}),
    ]
    assert [(reply.status, reply.reason) for reply in refused] == [(409, "operationInProgress")] * 3
    done = operator.wait(operation)
    assert done["operationType"] == "UPDATE"
    assert done["endTime"] >= done["startTime"] >= done["insertTime"]
    assert operator.get(f"operations?instance={INSTANCE}&maxResults=1")["items"][0]["name"] == operation["name"]
    assert settings(operator)["storageAutoResizeLimit"] == "50"


def test_a_patch_merges_objects_replaces_lists_and_bumps_the_version(operator: Client) -> None:
    before = settings(operator)
    network = {"name": "office", "value": "192.0.2.0/24"}
    wanted = {"ipConfiguration": {"authorizedNetworks": [network]}, "backupConfiguration": {"enabled": True}}
    operator.wait(operator.must("PATCH", f"instances/{INSTANCE}", {"settings": wanted}))
    after = settings(operator)
    assert after["ipConfiguration"]["authorizedNetworks"] == [{"kind": "sql#aclEntry", **network}]
    assert after["ipConfiguration"]["ipv4Enabled"] is True
    assert after["backupConfiguration"]["startTime"] == "12:00"
    assert int(after["settingsVersion"]) == int(before["settingsVersion"]) + 1


def test_put_resets_what_is_left_out(operator: Client) -> None:
    wanted = {"tier": "db-f1-micro", "settingsVersion": settings(operator)["settingsVersion"]}
    operator.wait(operator.must("PUT", f"instances/{INSTANCE}", {"settings": wanted}))
    assert settings(operator)["backupConfiguration"]["enabled"] is False
    reply = operator.call("PUT", f"instances/{INSTANCE}", {"settings": {"tier": "db-f1-micro"}})
    assert (reply.status, reply.reason) == (400, "required")


def test_a_stale_settings_version_is_412(operator: Client) -> None:
    reply = operator.call("PATCH", f"instances/{INSTANCE}", {"settings": {"settingsVersion": "1"}})
    assert (reply.status, reply.reason) == (412, "staleData")


@pytest.mark.parametrize(
    "body",
    [
        {"settings": {"dataDiskSizeGb": 9}},
        {"settings": {"dataDiskType": "PD_HDD"}},
        {"databaseVersion": "POSTGRES_13"},
        {"region": "us-central1"},
    ],
)
def test_what_an_instance_cannot_become_is_refused(operator: Client, body: Json) -> None:
    before = settings(operator)
    assert operator.call("PATCH", f"instances/{INSTANCE}", body).status == 400
    assert settings(operator) == before


def test_deletion_protection_holds(operator: Client) -> None:
    protect: Json = {"settings": {"deletionProtectionEnabled": True}}
    operator.wait(operator.must("PATCH", f"instances/{INSTANCE}", protect))
    reply = operator.call("DELETE", f"instances/{INSTANCE}")
    assert reply.status == 400
    assert reply.message.startswith("The instance is protected.")
    protect["settings"]["deletionProtectionEnabled"] = False
    operator.wait(operator.must("PATCH", f"instances/{INSTANCE}", protect))


def test_databases_are_created_listed_and_dropped(operator: Client) -> None:
    created = operator.must("POST", f"instances/{INSTANCE}/databases", {"name": "runs", "charset": "utf8"})
    assert created["status"] == "DONE"
    assert created["targetLink"].endswith(f"/instances/{INSTANCE}/databases/runs")
    found = operator.get(f"instances/{INSTANCE}/databases/runs")
    assert (found["charset"], found["collation"]) == ("UTF8", "en_US.UTF8")
    again = operator.call("POST", f"instances/{INSTANCE}/databases", {"name": "runs"})
    assert (again.status, 'database "runs" already exists' in again.message) == (400, True)
    operator.must("DELETE", f"instances/{INSTANCE}/databases/runs")
    assert operator.call("GET", f"instances/{INSTANCE}/databases/runs").status == 404


def test_users_hide_passwords_and_the_type_of_built_in_ones(operator: Client) -> None:
    operator.must("POST", f"instances/{INSTANCE}/users", {"name": "ada", "password": "s3cret-value"})
    operator.must("POST", "serviceAccounts", {"accountId": "trainer"})
    iam = {"name": f"trainer@{PROJECT}.iam", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    operator.must("POST", f"instances/{INSTANCE}/users", iam)
    reply = operator.call("GET", f"instances/{INSTANCE}/users")
    users = {user["name"]: user for user in reply.body["items"]}
    assert {"postgres", "ada", iam["name"]} == users.keys()
    assert "type" not in users["ada"]
    assert users[iam["name"]]["type"] == "CLOUD_IAM_SERVICE_ACCOUNT"
    assert b"s3cret-value" not in reply.content
    for name in ("ada", iam["name"]):
        operator.must("DELETE", f"instances/{INSTANCE}/users?name={name}")
    assert operator.call("DELETE", f"instances/{INSTANCE}/users?name=ada").status == 404


def test_an_iam_user_is_named_without_the_suffix(operator: Client) -> None:
    body = {"name": f"x@{PROJECT}.iam.gserviceaccount.com", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    reply = operator.call("POST", f"instances/{INSTANCE}/users", body)
    assert (reply.status, ".gserviceaccount.com" in reply.message) == (400, True)


def test_a_stopped_instance_says_so_and_starts_again(operator: Client) -> None:
    for policy, status in (("NEVER", 400), ("ALWAYS", 200)):
        operator.wait(operator.must("PATCH", f"instances/{INSTANCE}", {"settings": {"activationPolicy": policy}}))
        reply = operator.call("GET", f"instances/{INSTANCE}/users")
        assert reply.status == status
        assert operator.get(f"instances/{INSTANCE}")["state"] == "RUNNABLE"
    assert operator.call("GET", f"instances/{INSTANCE}/databases/postgres").status == 200


def test_tiers_and_flags(operator: Client) -> None:
    tiers = {tier["tier"]: tier for tier in operator.get("tiers")["items"]}
    assert "europe-west3" in tiers["db-f1-micro"]["region"]
    flags = {flag["name"]: flag for flag in operator.get("/v1/flags?databaseVersion=POSTGRES_14")["items"]}
    assert flags["max_connections"]["requiresRestart"] is True
    assert flags["log_min_duration_statement"]["requiresRestart"] is False


def test_an_error_inside_a_done_operation(sandbox: Sandbox, operator: Client) -> None:
    """A state directory of the cluster that PostgreSQL may not enter makes the work fail, not the call."""
    sandbox.state.joinpath("postgresql").chmod(0o700)
    try:
        body: Json = {"name": "broken", "region": "europe-west3", "databaseVersion": "POSTGRES_14"}
        body |= {"settings": {"tier": "db-f1-micro"}}
        operation = operator.wait(operator.must("POST", "instances", body))
    finally:
        sandbox.state.joinpath("postgresql").chmod(0o711)
    assert operation["error"]["errors"][0]["code"] == "INTERNAL_ERROR"
    assert "Permission denied" in operation["error"]["errors"][0]["message"]
    assert operator.get("instances/broken")["state"] == "FAILED"
    operator.wait(operator.must("DELETE", "instances/broken"))
    assert operator.call("GET", "instances/broken").status == 404


def test_a_version_that_is_not_here_runs_the_nearest_and_says_so(sandbox: Sandbox, operator: Client) -> None:
    body: Json = {"name": "older", "region": "europe-west3", "databaseVersion": "POSTGRES_13"}
    operator.wait(operator.must("POST", "instances", body | {"settings": {"tier": "db-f1-micro"}}))
    found = operator.get("instances/older")
    assert found["databaseVersion"] == "POSTGRES_13"
    assert found["databaseInstalledVersion"].startswith("POSTGRES_14_")
    assert "warning: no PostgreSQL for POSTGRES_13 here: instance older runs POSTGRES_14_" in sandbox.log.read_text()
