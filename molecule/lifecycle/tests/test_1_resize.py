"""Another tier and back, with runs logged between: none is lost, and the server never holds more than there is."""

import json
from typing import Any

from testinfra.host import Host

RESIZE = "playbooks/resize.yml"
SMALL = ("-e", "mlflow_tier=db-g1-small")
RESTART = ("-e", "backend_store_allow_restart=true")
CHANGE, DEPLOY = "Create or correct the Cloud SQL instance", "Start the containers"
# How many connections the database takes, as whoever logs in there sees it, and the server's pools.
SHOWN = """import os, psycopg2
cursor = psycopg2.connect("").cursor()
cursor.execute("SHOW max_connections")
pools = (os.environ["MLFLOW_SQLALCHEMYSTORE_" + name] for name in ("POOL_SIZE", "MAX_OVERFLOW"))
print(cursor.fetchone()[0], *pools)"""


def limits(host: Host) -> str:
    shown: str = host.check_output("docker exec mlflow-mlflow-1 python3 -c %s", SHOWN)
    return shown


def test_it_shows_what_it_does_and_costs_and_asks_first(operator: Any, host: Host) -> None:
    for options, code in (((), 2), (("--check", *RESTART), 0)):
        returncode, output = operator.plays(RESIZE, *SMALL, *options)
        assert returncode == code, output
        for words in (
            "tier: db-f1-micro -> db-g1-small: restarts the database",
            "Connections: 25 -> 50",
            "is not known: Google gives no time for it",
            "europe-west3, machine: unknown -> unknown",
            "in us-central1, machine: 7.67 USD -> 25.55 USD (Google's price page as quoted on 2026-09-30",
        ):
            assert words in output
        assert ("set backend_store_allow_restart (option allow_restart) to true" in output) == (not options)
    assert limits(host) == "25 2 1"


def test_there_and_back_nothing_is_lost(operator: Any, stage: Any, host: Host, jobs: Any) -> None:
    jobs.log_run()
    returncode, output = operator.plays(RESIZE, *SMALL, *RESTART)
    assert returncode == 0, output
    assert output.index(CHANGE) < output.index(DEPLOY), "first more connections, then those who use them"
    assert limits(host) == "50 4 3"
    assert jobs.counts() == jobs.ONE_RUN
    jobs.log_run()
    returncode, output = operator.plays(RESIZE, *RESTART)
    assert returncode == 0, output
    assert output.index(DEPLOY) < output.index(CHANGE), "first fewer users, then fewer connections"
    assert limits(host) == "25 2 1"
    jobs.log_run()
    assert jobs.counts() == jobs.ONE_RUN + jobs.ONE_RUN + jobs.ONE_RUN
    stage.finds_nothing()


def test_a_bigger_disk_and_a_standby(operator: Any) -> None:
    recovery = {"enabled": True, "point_in_time_recovery_enabled": True}
    bigger = {"data_disk_size_gb": 20, "availability_type": "REGIONAL", "backup_configuration": recovery}
    given = ("-e", json.dumps({"backend_store_settings": bigger}))
    returncode, output = operator.plays(RESIZE, *given, *RESTART)
    assert returncode == 0, output
    assert "data_disk_size_gb: 10 -> 20: made at once, and a disk can't shrink again" in output
    assert "availability_type: ZONAL -> REGIONAL: restarts the database" in output
    assert "europe-west3, disk: 2.04 USD -> 8.16 USD" in output
    returncode, output = operator.plays(RESIZE, *given)
    assert (returncode, output.count("changed=0")) == (0, 2), output
    assert "nothing: the instance is as the inventory wants it" in output
