"""An instance without a public address: the proxy takes its private one, and says in its own words if it does not."""

import json
from typing import Any

from testinfra.host import Host

NETWORK = "projects/mlflow-sandbox/global/networks/default"
PRIVATE = ("-e", f"mlflow_private_network={NETWORK}")
RESTART = ("-e", "backend_store_allow_restart=true")
PUBLIC = {"backend_store_settings": {"ip_configuration": {"ipv4_enabled": True, "authorized_networks": []}}}


def addresses(operator: Any) -> list[str]:
    """The kinds of addresses that the instance has."""
    returncode, output = operator.run(
        "ansible", "localhost", "-m", "mlflow_ops.gcp.sql_instance_info", "-a", "name=mlflow-metadata"
    )
    assert returncode == 0, output
    return [kind for kind in ("PRIMARY", "PRIVATE") if f"type: {kind}" in output]


def test_it_restarts_so_it_wants_leave(operator: Any) -> None:
    returncode, output = operator.plays("site.yml", *PRIVATE)
    assert returncode != 0
    assert "set backend_store_allow_restart (option allow_restart) to true when that is fine" in output
    assert addresses(operator) == ["PRIMARY"]


def test_with_leave_the_public_address_goes_and_the_chain_holds(operator: Any, stage: Any, host: Host) -> None:
    returncode, output = operator.plays("site.yml", *PRIVATE, *RESTART)
    assert returncode == 0, output
    assert addresses(operator) == ["PRIVATE"]
    assert "--private-ip" in host.check_output(
        "docker inspect --format '{{json .Config.Cmd}}' mlflow-cloud-sql-proxy-1"
    )
    stage.finds_nothing(*PRIVATE)


def test_without_the_option_the_proxy_says_what_is_missing(operator: Any) -> None:
    returncode, output = operator.plays("playbooks/deploy.yml", "-e", "tracking_server_start_timeout=5")
    assert returncode != 0
    assert 'instance does not have IP of type "PUBLIC"' in output
    assert "Set mlflow_private_network where the instance has a private address alone" in output


def test_the_way_back(operator: Any, stage: Any) -> None:
    """The private network stays: Google cannot take it away."""
    returncode, output = operator.plays("site.yml", "-e", json.dumps(PUBLIC), *RESTART)
    assert returncode == 0, output
    assert addresses(operator) == ["PRIMARY", "PRIVATE"]
    stage.finds_nothing()
