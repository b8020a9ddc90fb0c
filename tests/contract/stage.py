"""What a test of the modules does behind their back: break requests, look into PostgreSQL, play tasks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml

from tests.contract.bench import PROJECT, Bench
from tests.contract.playbooks import ROOT
from tests.contract.test_playbook import environment


def manage(bench: Bench, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """A request to the emulator's own port, and its answer."""
    answer = requests.request(method, f"{bench.management_url}{path}", json=body, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


@contextmanager
def faults(bench: Bench, *rules: dict[str, Any]) -> Iterator[None]:
    """What goes wrong in a block; each rule must strike at least once."""
    manage(bench, "POST", "faults", {"rules": list(rules)})
    try:
        yield
        struck = [rule["hits"] for rule in manage(bench, "GET", "faults")]
        assert all(struck), f"rules that never struck: {struck}"
    finally:
        manage(bench, "DELETE", "faults")


def holds(bench: Bench) -> bool:
    """Whether a rule holds a request just now."""
    return any(rule["held"] for rule in manage(bench, "GET", "faults"))


def socket(bench: Bench) -> str:
    """Where PostgreSQL of the only instance listens on this machine."""
    (found,) = Path(manage(bench, "GET", "health")["state"]).glob("postgresql/*/socket")
    return str(found)


def logs_in(bench: Bench, user: str, password: str) -> bool:
    """Whether PostgreSQL takes the password."""
    try:
        psycopg.connect(host=socket(bench), user=user, password=password, dbname="postgres").close()
    except psycopg.OperationalError as error:
        assert "authentication failed" in str(error)
        return False
    return True


def play(folder: Path, bench: Bench, tasks: list[dict[str, Any]], *options: str, **variables: Any) -> str:
    """Everything that ansible-playbook prints of these tasks, as the operator; they must succeed."""
    connection = {**bench.common, "credentials_contents": bench.key}
    written = {"hosts": "localhost", "gather_facts": False, "tasks": tasks, "vars": variables}
    written["module_defaults"] = {"group/mlflow_ops.gcp.all": connection}
    (folder / "play.yml").write_text(yaml.safe_dump([written]))
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, "-i", "localhost,", "-c", "local", str(folder / "play.yml"), *options]
    done = subprocess.run(command, env=environment(folder), text=True, capture_output=True, check=False, timeout=180)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed


# The login program of MLflow's image, run here instead of in a container, and on PostgreSQL's own socket instead of
# through the proxy: psycopg 3 stands in for the image's psycopg2 (the same calls, the same libpq).
_LOGIN = """
import pathlib, runpy, sys, psycopg
sys.modules["psycopg2"] = psycopg
sys.argv = sys.argv[1:]
sys.path.insert(0, "{image}")
pathlib.Path.read_text = lambda path: "the image's schema"
runpy.run_path("{image}/login.py", run_name="__main__")
"""


def play_login(folder: Path, bench: Bench, user: str, password: str, *options: str) -> int:
    """The tasks by which tracking_server logs in and repairs a refused password; how many changed something."""
    image = ROOT / "roles" / "tracking_server" / "files" / "image"
    # Extra variables alone are above a role's own.
    instead = {"tracking_server__one_shot": [sys.executable, "-c", _LOGIN.format(image=image)]}
    given = {"gcp_project": PROJECT, "backend_store_instance": "db", "backend_store_region": "europe-west3"}
    given |= {"backend_store_user": user, "backend_store_password": password}
    given |= {"tracking_server_database": "postgres", "tracking_server_database_user": user}
    given |= {"tracking_server_password": password, "tracking_server_instance_connection": "p:europe-west3:db"}
    role = {"name": "mlflow_ops.gcp.tracking_server", "tasks_from": "login.yml"}
    where = {"PGHOST": socket(bench), "PGUSER": user, "PGDATABASE": "postgres"}
    task = {"ansible.builtin.include_role": {**role, "apply": {"environment": where}}}
    printed = play(folder, bench, [task], "-e", json.dumps(instead), *options, **given)
    return int(re.findall(r"changed=(\d+)", printed)[0])
