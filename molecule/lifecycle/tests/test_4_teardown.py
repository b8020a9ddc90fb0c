"""backup.yml makes a backup; destroy.yml refuses without the instance's name, deletes with it, leaves a last backup."""

import re
import sys
from typing import Any

from testinfra.host import Host

DESTROY = "playbooks/destroy.yml"
CONFIRMED = ("--extra-vars", "confirm_delete=mlflow-metadata")
BUCKET = ("--extra-vars", "confirm_delete_bucket=df_traffic_cyclist1")
EMPTY = """from google.cloud.storage import Client
bucket = Client().bucket("df_traffic_cyclist1")
bucket.delete_blobs(list(bucket.list_blobs()))"""
CONTAINERS = "docker ps --quiet --filter label=com.docker.compose.project=mlflow"


def test_a_backup_before(operator: Any) -> None:
    returncode, output = operator.plays("playbooks/backup.yml", "-e", "backend_store_backup_description=before")
    assert returncode == 0, output
    assert re.search(r"\d{13} ON_DEMAND SUCCESSFUL [-\d]{10} [:\d]{8} [\d.]+ MB before", output), output


def test_it_refuses_without_the_name(operator: Any, host: Host) -> None:
    returncode, output = operator.plays(DESTROY)
    assert returncode != 0
    assert "Nothing was changed. To do it: -e confirm_delete=mlflow-metadata" in output
    assert "its 1 backups, automated and on demand but first a last backup is made" in output
    assert "gcloud storage rm --recursive gs://df_traffic_cyclist1" in output
    assert host.check_output(CONTAINERS).count("\n") == 1


def test_a_server_that_keeps_its_runs_on_its_machine_is_left(operator: Any) -> None:
    output = operator.plays(DESTROY, "--extra-vars", "mlflow_backend_store=sqlite")[1]
    assert "Goes: Cloud SQL instance mlflow-metadata" in output
    assert "the containers" not in output


def test_it_shows_the_same_in_check_mode(operator: Any, host: Host) -> None:
    returncode, output = operator.plays(DESTROY, *CONFIRMED, "--check")
    assert returncode == 0, output
    assert host.check_output(CONTAINERS).count("\n") == 1


def test_it_refuses_a_bucket_with_artifacts_before_anything_goes(operator: Any, host: Host) -> None:
    returncode, output = operator.plays(DESTROY, *CONFIRMED, *BUCKET)
    assert returncode != 0
    assert "is not empty: remove its objects first" in output
    assert "Nothing was changed. Without confirm_delete_bucket the bucket stays, and the rest goes." in output
    assert host.check_output(CONTAINERS).count("\n") == 1


def test_it_deletes_what_was_named(operator: Any, host: Host) -> None:
    """The containers too, though somebody has taken the file away that they were made from."""
    host.check_output("rm /opt/mlflow/compose.yml")
    returncode, output = operator.plays(DESTROY, *CONFIRMED)
    assert returncode == 0, output
    assert re.search(r"FINAL SUCCESSFUL .* \(kept until \d{4}-\d\d-\d\d\)", output), output
    assert host.check_output("ls --almost-all /opt/mlflow") == "store"
    for path in ("/usr/local/bin/mlflow-health", "/etc/systemd/system/mlflow-clients.service"):
        assert not host.file(path).exists
    assert "MLFLOW-CLIENTS" not in host.check_output("iptables --table raw --list-rules")
    assert host.check_output("docker ps --all --quiet") == ""
    returncode, output = operator.run(
        "ansible", "localhost", "-m", "mlflow_ops.gcp.sql_instance_info", "-a", "name=mlflow-metadata"
    )
    assert returncode == 0, output
    assert "instance: null" in output


def test_again_it_changes_nothing_but_the_bucket_when_that_is_named(operator: Any) -> None:
    returncode, output = operator.plays(DESTROY, *CONFIRMED)
    assert returncode == 0, output
    assert output.count("changed=0") == 2
    assert operator.run(sys.executable, "-c", EMPTY)[0] == 0
    for changes in (1, 0):
        returncode, output = operator.plays(DESTROY, *CONFIRMED, *BUCKET)
        assert returncode == 0, output
        assert re.search(rf"localhost : ok=\d+ changed={changes} ", output), output
