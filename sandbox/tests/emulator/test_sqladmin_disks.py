"""Disks: they grow by patch and, with automatic storage increase, by themselves; they never shrink."""

import pytest

from sandbox.cloudsql.disks import grown
from sandbox.core.documents import Json
from sandbox.tests.emulator.database import done, manage
from sandbox.tests.running import Client, Sandbox

INSTANCE = "metadata"


@pytest.fixture(scope="module", autouse=True)
def instance(sandbox: Sandbox) -> Json:
    """One running instance for the module."""
    return sandbox.create_instance(INSTANCE)


def settings(operator: Client, instance: str = INSTANCE) -> Json:
    """Its settings now."""
    found: Json = operator.get(f"instances/{instance}")["settings"]
    return found


@pytest.mark.parametrize(
    ("size", "used", "limit", "expected"),
    [
        (10, 4, 0, 10),
        (10, 6, 0, 15),
        (10, 20, 0, 31),
        (10, 20, 25, 25),
        (500, 480, 0, 525),
        (30, 5, 20, 30),
    ],
)
def test_how_far_a_disk_grows(size: int, used: int, limit: int, expected: int) -> None:
    assert grown(size, used, limit) == expected


def test_a_disk_with_automatic_increase_grows_with_its_database(sandbox: Sandbox, operator: Client) -> None:
    before = settings(operator)
    disk = manage(sandbox, "POST", "/disks", {"instance": INSTANCE, "usedGb": 12})
    assert disk == {"instance": INSTANCE, "sizeGb": 20, "usedGb": 12, "growsByItself": True, "limitGb": 0}
    assert settings(operator) == before | {"dataDiskSizeGb": "20"}
    assert manage(sandbox, "GET", "/disks")["disks"] == [disk]
    reply = operator.call("PATCH", f"instances/{INSTANCE}", {"settings": {"dataDiskSizeGb": "10"}})
    assert (reply.status, "cannot be decreased" in reply.message) == (400, True)


def test_it_grows_no_further_than_its_limit_and_not_at_all_without(sandbox: Sandbox, operator: Client) -> None:
    limited = {"storageAutoResize": True, "storageAutoResizeLimit": "22"}
    done(operator, "PATCH", f"instances/{INSTANCE}", {"settings": limited})
    assert manage(sandbox, "POST", "/disks", {"instance": INSTANCE, "usedGb": 21})["sizeGb"] == 22
    refused = manage(sandbox, "POST", "/disks", {"instance": INSTANCE, "usedGb": 23}, status=400)
    assert "do not fit" in refused["error"]
    fixed = {"storageAutoResize": False, "storageAutoResizeLimit": "0"}
    done(operator, "PATCH", f"instances/{INSTANCE}", {"settings": fixed})
    assert manage(sandbox, "POST", "/disks", {"instance": INSTANCE, "usedGb": 22})["sizeGb"] == 22
    assert settings(operator)["dataDiskSizeGb"] == "22"


def test_a_disk_grows_by_patch_without_a_restart(operator: Client) -> None:
    done(operator, "PATCH", f"instances/{INSTANCE}", {"settings": {"dataDiskSizeGb": 40}})
    assert settings(operator)["dataDiskSizeGb"] == "40", "int64 travel as strings"


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"dataDiskSizeGb": "lots"}, "data_disk_size_gb"),
        ({"storageAutoResizeLimit": "15"}, "auto resize limit"),
        ({"storageAutoResize": "yes"}, "storage_auto_resize"),
    ],
)
def test_what_a_disk_cannot_become(operator: Client, change: Json, fragment: str) -> None:
    before = settings(operator)
    reply = operator.call("PATCH", f"instances/{INSTANCE}", {"settings": change})
    assert (reply.status, fragment in reply.message) == (400, True), reply.message
    assert settings(operator) == before


def test_the_management_port_says_what_it_does_not_understand(sandbox: Sandbox) -> None:
    assert "does not exist" in manage(sandbox, "POST", "/disks", {"instance": "nope"}, status=400)["error"]
    assert "usedGb" in manage(sandbox, "POST", "/disks", {"instance": INSTANCE, "usedGb": "1"}, status=400)["error"]
