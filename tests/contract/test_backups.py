"""Backups through the modules and through backup.yml: one at each run, awaited, and never two."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.contract import playbooks
from tests.contract.bench import PROJECT, Bench, writes
from tests.contract.stage import faults, manage
from tests.contract.test_long_operations import held
from tests.contract.test_permissions import named_in, set_roles

RUNS = f"/v1/projects/{PROJECT}/instances/db/backupRuns"
BACKUP: dict[str, Any] = {"instance": "db"}


def known(bench: Bench) -> list[tuple[str, str]]:
    """Description and state of every backup, newest first."""
    listed = bench.run("sql_backup_info", **BACKUP)["backups"]
    return [(one.get("description", ""), one["state"]) for one in listed]


def test_a_backups_life(furnished: Bench) -> None:
    options = {**BACKUP, "description": "first", "location": "europe-west3"}
    with furnished.without_writes():
        predicted = furnished.run("sql_backup", check=True, **options)
    with furnished.recorded() as seen:
        made = furnished.run("sql_backup", **options)
    assert writes(seen) == [f"POST {RUNS}"]
    assert predicted["action"] == made["action"] == "create"
    assert predicted["diff"] == made["diff"]
    assert (made["resource"]["status"], made["resource"]["location"]) == ("SUCCESSFUL", "europe-west3")
    assert furnished.run("sql_backup", **options)["changed"], "each run makes one"
    assert known(furnished) == [("first", "SUCCESSFUL")] * 2
    removal = {**BACKUP, "state": "absent", "id": made["resource"]["id"]}
    with furnished.without_writes():
        assert f"set confirm_delete: {removal['id']}" in furnished.fail("sql_backup", **removal)
    assert furnished.run("sql_backup", **removal, confirm_delete=removal["id"])["changed"]
    assert known(furnished) == [("first", "SUCCESSFUL")]
    with furnished.without_writes():
        assert not furnished.run("sql_backup", **removal, confirm_delete=removal["id"])["changed"]


@pytest.mark.parametrize(("at", "sent"), [("after", 1), ("before", 2)])
@pytest.mark.parametrize("what", [{"reset": True}, {"status": 503}], ids=["reset", "503"])
def test_an_answer_that_is_lost_makes_no_second_one(furnished: Bench, what: dict[str, Any], at: str, sent: int) -> None:
    """Whether Google had accepted it or not: there is one more than before."""
    before = known(furnished)
    broken = {"method": "POST", "path": RUNS, "times": 1, "action": {**what, "at": at}}
    with faults(furnished, broken), furnished.recorded() as seen:
        assert furnished.run("sql_backup", **BACKUP)["changed"]
    assert known(furnished) == [("", "SUCCESSFUL"), *before]
    assert len(writes(seen)) == sent


def test_a_backup_that_hangs_is_one_line_and_the_next_run_waits_for_it(furnished: Bench) -> None:
    before = known(furnished)
    with held(furnished, "BACKUP_VOLUME"):
        message = furnished.fail("sql_backup", **BACKUP, timeout=1)
        assert "BACKUP_VOLUME of Cloud SQL instance db (operation " in message
        assert "is still running after " in message
        # So that the next one is not held too.
        threading.Timer(1.0, manage, [furnished, "DELETE", "faults"]).start()
        assert furnished.run("sql_backup", **BACKUP)["changed"]
    assert known(furnished) == [("", "SUCCESSFUL"), ("", "SUCCESSFUL"), *before]


def test_a_backup_that_fails_says_why_and_is_not_tried_again(furnished: Bench) -> None:
    error = {"code": "INTERNAL_ERROR", "message": "no space"}
    broken = {"operation": "BACKUP_VOLUME", "times": 1, "action": {"error": error}}
    with faults(furnished, broken), furnished.recorded() as seen:
        message = furnished.fail("sql_backup", **BACKUP)
    assert "BACKUP_VOLUME of Cloud SQL instance db" in message
    assert "failed: INTERNAL_ERROR: no space" in message
    assert len(writes(seen)) == 1


def play(bench: Bench, folder: Path, playbook: str, *options: str, **variables: Any) -> tuple[int, str]:
    """A playbook with the example's inventory; its exit code and what it printed."""
    inventory = folder / "inventory"
    if not inventory.exists():
        shutil.copytree(playbooks.ROOT / "inventories" / "example", inventory)
        (inventory / "group_vars" / "all" / "vault.yml.example").unlink()
    connection = {**bench.common, "credentials_contents": bench.key}
    given = folder / "given.json"
    given.write_text(json.dumps({"gcp_project": PROJECT, "gcp_connection": connection, **variables}))
    done = playbooks.run(playbook, inventory, f"-e@{given}", *options)
    return done.returncode, done.stdout + done.stderr


def test_the_playbook_makes_one_and_lists_all(furnished: Bench, tmp_path: Path) -> None:
    given = {"mlflow_instance": "db", "backend_store_backup_description": "before the upgrade"}
    with furnished.without_writes():
        returncode, printed = play(furnished, tmp_path, "playbooks/backup.yml", "--check", **given)
    assert (returncode, "changed=1" in printed) == (0, True), printed
    returncode, printed = play(furnished, tmp_path, "playbooks/backup.yml", **given)
    assert (returncode, "changed=1" in printed) == (0, True), printed
    rows = re.findall(r"^ +(\d{13}) +ON_DEMAND +SUCCESSFUL +\d{4}-\d\d-\d\d [\d:]{8} +[\d.]+ MB *(.*)$", printed, re.M)
    assert len(rows) == len(known(furnished)) - 1, printed
    assert rows[0][1] == "before the upgrade"


def test_the_operator_who_may_not_back_up_is_told(fresh: Bench) -> None:
    fresh.enable_all()
    fresh.run("sql_instance", **Bench.INSTANCE)
    set_roles(fresh, "roles/cloudsql.viewer", "roles/browser")
    entry = {"owner": "test", "module": "sql_backup", "params": BACKUP}
    with fresh.without_writes():
        assert named_in(fresh.fail("plan", resources=[entry])) == {"cloudsql.backupRuns.create"}
    assert "cloudsql.backupRuns.create" in fresh.fail("sql_backup", **BACKUP)
