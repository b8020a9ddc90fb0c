"""The way back to a store on the machine, and forth again: Cloud SQL is left alone, and each store keeps its runs."""

import re
from typing import Any

import pytest
from testinfra.host import Host

PLAYBOOK = "playbooks/local_store.yml"
RUNNING = "docker ps --all --filter label=com.docker.compose.project=mlflow --format '{{.Names}}' | sort"
BOTH = ["mlflow-cloud-sql-proxy-1", "mlflow-mlflow-1"]
DATABASE, RUN_FILES = "/opt/mlflow/store/mlflow.db", "/opt/mlflow/store/mlruns"
COUNT = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM runs').fetchone())"
PASSFILE = "/opt/mlflow/secrets/pg/passfile"
FILES = "find /opt/mlflow -type f -not -path '*/spool/*' -exec sha256sum {} + | sort"


def store(kind: str) -> tuple[str, str]:
    return "--extra-vars", f"mlflow_backend_store={kind}"


class Change:
    """Has the server use another store, and tells what was said before and asked of Cloud SQL meanwhile."""

    def __init__(self, operator: Any, cloud: Any, in_cloud_sql: Any) -> None:
        self.operator, self.cloud, self.in_cloud_sql = operator, cloud, in_cloud_sql

    def to(self, kind: str) -> tuple[str, set[str]]:
        before = len(self.cloud.requests())
        returncode, output = self.operator.plays(PLAYBOOK, *store(kind))
        assert returncode == 0, output
        said, _, rest = output.partition("PLAY [Look at the machines]")
        assert rest, output
        asked = {request["path"] for request in self.cloud.requests()[before:]}
        return said, {path for path in asked if re.search(r"/instances|/secrets", path)}


@pytest.fixture(scope="module")
def change(operator: Any, cloud: Any, jobs: Any) -> Change:
    jobs.log_run()
    jobs.log_run()
    return Change(operator, cloud, jobs.counts())


@pytest.fixture
def machine(host: Host) -> Any:
    return lambda: (host.check_output(FILES), host.check_output(RUNNING))


def test_site_yml_never_changes_the_store_by_itself(change: Change, machine: Any) -> None:
    before = machine()
    returncode, output = change.operator.plays("site.yml", *store("sqlite"))
    assert returncode != 0
    assert "keeps its runs in Cloud SQL" in output
    assert "Nothing was changed. To change it, run playbooks/local_store.yml" in output
    assert machine() == before


def test_a_check_tells_what_is_kept_and_writes_nothing(change: Change, machine: Any) -> None:
    before, asked = machine(), len(change.cloud.requests())
    returncode, output = change.operator.plays(PLAYBOOK, *store("sqlite"), "--check", "--diff")
    assert returncode == 0, output
    assert "from Cloud SQL (mlflow of " in output
    assert machine() == before
    assert [request for request in change.cloud.requests()[asked:] if request["mutating"]] == []


def test_to_sqlite_leaves_cloud_sql_alone(change: Change, stage: Any, jobs: Any, host: Host) -> None:
    said, asked = change.to("sqlite")
    assert f"to SQLite ({DATABASE})" in said
    assert asked == set()
    assert host.check_output(RUNNING).split() == ["mlflow-mlflow-1"]
    assert not host.file(PASSFILE).exists
    assert jobs.counts() == jobs.NOTHING
    jobs.log_run()
    assert jobs.counts() == jobs.ONE_RUN
    stage.finds_nothing(*store("sqlite"))


def test_to_mlflows_files(change: Change, stage: Any, jobs: Any) -> None:
    change.to("file")
    assert jobs.counts() == jobs.NOTHING
    jobs.log_run()
    assert jobs.counts() == jobs.ONE_RUN
    stage.finds_nothing(*store("file"))


def test_forth_again_all_of_it_is_there(change: Change, stage: Any, jobs: Any, host: Host) -> None:
    said, _ = change.to("cloud_sql")
    assert f"from MLflow's files ({RUN_FILES}) to Cloud SQL" in said
    assert host.check_output(RUNNING).split() == BOTH
    assert jobs.counts() == change.in_cloud_sql
    stage.finds_nothing()


def test_the_local_stores_still_have_their_runs(host: Host) -> None:
    """Read past MLflow, which is on Cloud SQL now."""
    assert host.check_output("python3 -c %s %s", COUNT, DATABASE) == "1"
    assert host.check_output("find %s -mindepth 2 -name meta.yaml | wc -l", f"{RUN_FILES}/0") == "1"


def test_only_stores_that_there_are(change: Change, machine: Any) -> None:
    before = machine()
    returncode, output = change.operator.plays("site.yml", *store("mysql"))
    assert returncode != 0
    assert "is mysql, and MLflow's runs can be kept in one of cloud_sql, sqlite, file" in output
    assert machine() == before
