"""Instance, operation, user and database have the fields that recordings of Google's replies show: listed by hand."""

import pytest

from sandbox.core.documents import Json
from sandbox.tests.running import NUMBER, PROJECT, Client, Sandbox

INSTANCE = "metadata"
OPERATION = {
    "kind",
    "name",
    "operationType",
    "status",
    "user",
    "insertTime",
    "targetId",
    "targetProject",
    "targetLink",
    "selfLink",
}


@pytest.fixture(scope="module", autouse=True)
def instance(sandbox: Sandbox) -> Json:
    """One minimal instance for the module."""
    return sandbox.create_instance(INSTANCE)


def test_an_instance(instance: Json, sandbox: Sandbox) -> None:
    assert set(instance) == {
        "kind",
        "name",
        "project",
        "region",
        "gceZone",
        "state",
        "databaseVersion",
        "databaseInstalledVersion",
        "backendType",
        "instanceType",
        "connectionName",
        "createTime",
        "etag",
        "geminiConfig",
        "includeReplicasForMajorVersionUpgrade",
        "ipAddresses",
        "dnsName",
        "maintenanceVersion",
        "satisfiesPzi",
        "selfLink",
        "serverCaCert",
        "serviceAccountEmailAddress",
        "settings",
        "sqlNetworkArchitecture",
        "upgradableDatabaseVersions",
    }
    assert instance["kind"] == "sql#instance"
    assert instance["gceZone"] == "europe-west3-a"
    assert instance["geminiConfig"] == dict.fromkeys(instance["geminiConfig"], False)
    assert len(instance["geminiConfig"]) == 5
    assert instance["ipAddresses"] == [
        {"type": "PRIMARY", "ipAddress": sandbox.address},
        {"type": "OUTGOING", "ipAddress": sandbox.address},
    ]
    assert instance["serviceAccountEmailAddress"].startswith(f"p{NUMBER}-")
    assert set(instance["serverCaCert"]) == {
        "kind",
        "cert",
        "certSerialNumber",
        "commonName",
        "createTime",
        "expirationTime",
        "instance",
        "sha1Fingerprint",
    }
    assert set(instance["upgradableDatabaseVersions"][0]) == {"majorVersion", "name", "displayName"}


def test_its_settings(instance: Json) -> None:
    assert instance["settings"] == {
        "kind": "sql#settings",
        "activationPolicy": "ALWAYS",
        "authorizedGaeApplications": [],
        "availabilityType": "ZONAL",
        "backupConfiguration": {
            "kind": "sql#backupConfiguration",
            "enabled": False,
            "startTime": "12:00",
            "backupTier": "STANDARD",
            "backupRetentionSettings": {"retainedBackups": 7, "retentionUnit": "COUNT"},
            "transactionLogRetentionDays": 7,
            "transactionalLogStorageState": "TRANSACTIONAL_LOG_STORAGE_STATE_UNSPECIFIED",
        },
        "connectorEnforcement": "NOT_REQUIRED",
        "dataDiskSizeGb": "10",
        "dataDiskType": "PD_SSD",
        "deletionProtectionEnabled": False,
        "edition": "ENTERPRISE",
        "ipConfiguration": {
            "authorizedNetworks": [],
            "ipv4Enabled": True,
            "requireSsl": False,
            "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
            "serverCertificateRotationMode": "NO_AUTOMATIC_ROTATION",
            "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        },
        "locationPreference": {"kind": "sql#locationPreference", "zone": "europe-west3-a"},
        "pricingPlan": "PER_USE",
        "replicationLagMaxSeconds": 31536000,
        "replicationType": "SYNCHRONOUS",
        "settingsVersion": "1",
        "storageAutoResize": True,
        "storageAutoResizeLimit": "0",
        "tier": "db-f1-micro",
    }


def test_insights_leave_out_false_and_print_numbers(operator: Client) -> None:
    insights = {"queryInsightsEnabled": True, "recordClientAddress": False, "recordApplicationTags": True}
    operator.wait(operator.must("PATCH", f"instances/{INSTANCE}", {"settings": {"insightsConfig": insights}}))
    found = operator.get(f"instances/{INSTANCE}")["settings"]["insightsConfig"]
    expected = {"queryInsightsEnabled": True, "recordApplicationTags": True}
    assert found == expected | {"queryPlansPerMinute": 5, "queryStringLength": 1024}


def test_a_private_instance_has_only_its_private_address(sandbox: Sandbox) -> None:
    network = f"projects/{PROJECT}/global/networks/default"
    made = sandbox.create_instance("private", ipConfiguration={"ipv4Enabled": False, "privateNetwork": network})
    assert made["ipAddresses"] == [{"type": "PRIVATE", "ipAddress": sandbox.address}]


def test_an_operation_from_pending_to_done(operator: Client) -> None:
    pending = operator.must("PATCH", f"instances/{INSTANCE}", {"settings": {"userLabels": {"team": "ml"}}})
    assert set(pending) == OPERATION
    assert pending["user"] == operator.email
    assert pending["targetLink"] == f"{operator.url}/v1/projects/{PROJECT}/instances/{INSTANCE}"
    assert pending["selfLink"] == f"{operator.url}/v1/projects/{PROJECT}/operations/{pending['name']}"
    done = operator.wait(pending)
    assert set(done) == OPERATION | {"startTime", "endTime"}
    assert {name: done[name] for name in OPERATION - {"status"}} == {
        name: pending[name] for name in OPERATION - {"status"}
    }


def test_operations_on_databases_and_users_are_done_at_once(operator: Client) -> None:
    database = operator.must("POST", f"instances/{INSTANCE}/databases", {"name": "runs"})
    user = operator.must("POST", f"instances/{INSTANCE}/users", {"name": "ada", "password": "x"})
    for operation, target in ((database, f"instances/{INSTANCE}/databases/runs"), (user, f"instances/{INSTANCE}")):
        assert set(operation) == OPERATION | {"startTime", "endTime"}
        assert (operation["status"], operation["targetId"]) == ("DONE", INSTANCE)
        assert operation["targetLink"].endswith(f"/{target}")
        assert operator.get(f"operations/{operation['name']}") == operation


def test_users_built_in_and_of_iam(operator: Client) -> None:
    operator.must("POST", "serviceAccounts", {"accountId": "trainer"})
    iam = {"name": f"trainer@{PROJECT}.iam", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    operator.must("POST", f"instances/{INSTANCE}/users", iam)
    person = {"name": "ada@example.com", "type": "CLOUD_IAM_USER"}
    operator.must("POST", f"instances/{INSTANCE}/users", person)
    users = {user["name"]: user for user in operator.get(f"instances/{INSTANCE}/users")["items"]}
    shared = {"kind", "name", "host", "instance", "project", "etag", "iamStatus"}
    assert set(users["postgres"]) == shared | {"passwordPolicy"}
    assert users["postgres"]["passwordPolicy"] == {"status": {}}
    assert set(users[iam["name"]]) == set(users[person["name"]]) == shared | {"type"}
    assert (users[person["name"]]["type"], users[person["name"]]["host"]) == ("CLOUD_IAM_USER", "")


def test_a_database(operator: Client) -> None:
    found = operator.get(f"instances/{INSTANCE}/databases/postgres")
    assert set(found) == {"kind", "name", "charset", "collation", "instance", "project", "selfLink", "etag"}
    assert (found["kind"], found["charset"], found["collation"]) == ("sql#database", "UTF8", "en_US.UTF8")


def test_an_empty_list_has_no_items(operator: Client) -> None:
    assert operator.get("instances?filter=name:nope") == {"kind": "sql#instancesList"}
    assert operator.get(f"instances/{INSTANCE}/backupRuns") == {"kind": "sql#backupRunsList"}
    assert operator.get("operations?instance=nope") == {"kind": "sql#operationsList"}
