"""destroy.yml refuses without the instance's name, deletes with it, and finds nothing to do afterwards.

Runs last (files run in the order of their names).
"""

from typing import Any

from testinfra.host import Host

DESTROY = "playbooks/destroy.yml"
CONFIRMED = ("--extra-vars", "confirm_delete=mlflow-metadata")


def test_it_refuses_without_the_name(operator: Any, host: Host) -> None:
    returncode, output = operator.plays(DESTROY)
    assert returncode != 0
    assert "Nothing was changed. To do it: -e confirm_delete=mlflow-metadata" in output
    assert host.check_output("docker ps --quiet --filter label=com.docker.compose.project=mlflow").count("\n") == 1


def test_it_deletes_what_was_named(operator: Any, host: Host) -> None:
    returncode, output = operator.plays(DESTROY, *CONFIRMED)
    assert returncode == 0, output
    for path in ("/opt/mlflow", "/usr/local/bin/mlflow-health", "/etc/systemd/system/mlflow-clients.service"):
        assert not host.file(path).exists
    assert "MLFLOW-CLIENTS" not in host.check_output("iptables --table raw --list-rules")
    assert host.check_output("docker ps --all --quiet") == ""
    returncode, output = operator.run(
        "ansible", "localhost", "-m", "mlflow_ops.gcp.sql_instance_info", "-a", "name=mlflow-metadata"
    )
    assert returncode == 0, output
    assert "instance: null" in output


def test_again_it_changes_nothing(operator: Any) -> None:
    returncode, output = operator.plays(DESTROY, *CONFIRMED)
    assert returncode == 0, output
    assert output.count("changed=0") == 2
