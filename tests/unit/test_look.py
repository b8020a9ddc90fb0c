"""The program that compares the machine with what is wanted: for each difference a key and words."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "tracking_server" / "files" / "look.py"
TEXT = "name: mlflow\n"
PROXY, BUILT = "gcr.io/proxy:2", "mlflow-tracking-server:abc"
COMPOSE = "com.docker.compose."
# Answers by the beginning of the arguments, out of answers.json; anything else fails as Docker does.
DOCKER = """#!{python}
import json, pathlib, sys
answers = json.loads(pathlib.Path("{answers}").read_text())
said = [text for words, text in answers.items() if " ".join(sys.argv[1:]).startswith(words)]
sys.exit(1) if not said else print(said[0])
"""


def container(service: str, image: str, status: str = "running", health: str = "healthy") -> dict[str, Any]:
    labels = {f"{COMPOSE}service": service, f"{COMPOSE}config-hash": f"hash-of-{service}", f"{COMPOSE}oneoff": "False"}
    state = {"Status": status, "Health": {"Status": health}}
    return {"Image": image, "State": state, "Config": {"Labels": labels}}


class Machine:
    """A folder that stands for the machine, and what Docker answers there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uid = os.getuid()
        self.compose_file = folder / "compose.yml"
        self.key = folder / "keys" / "k1.json"
        self.key.parent.mkdir(mode=0o700)
        self.compose_file.write_text(TEXT)
        self.key.write_text("key")
        self.compose_file.chmod(0o644)
        self.key.chmod(0o600)
        self.containers = [container("cloud-sql-proxy", "sha256:p"), container("mlflow", "sha256:m")]
        self.images: dict[str, Any] = {
            PROXY: {"Id": "sha256:p", "Config": {"Labels": None}},
            BUILT: {"Id": "sha256:m", "Config": {"Labels": {"mlflow_ops.gcp.built_as": BUILT}}},
        }
        self.hashes = "cloud-sql-proxy hash-of-cloud-sql-proxy\nmlflow hash-of-mlflow\nschema other"
        self.runs = True
        self.command = folder / "health"
        self.command.write_text("health")
        self.question = self.clients = ""

    def wanted(self) -> dict[str, Any]:
        key = {"path": str(self.key.parent), "mode": "700", "uid": self.uid, "file": "k1.json"}
        return {
            "compose_file": str(self.compose_file),
            "compose": TEXT,
            "paths": [key, {"path": str(self.compose_file), "mode": "644", "uid": str(self.uid)}],
            "keys": [{**key, "sha256": hashlib.sha256(b"key").hexdigest()}],
            "contents": {str(self.command): hashlib.sha256(b"health").hexdigest()},
            "client_question": self.question,
            "clients": self.clients,
            "unwanted": [str(self.folder / "secrets")],
            "images": {"cloud-sql-proxy": PROXY, "mlflow": BUILT},
            "built": BUILT,
        }

    def looks(self) -> dict[str, Any]:
        answers = {f"image inspect {name}": json.dumps([image]) for name, image in self.images.items()}
        if self.runs:
            ids = " ".join(str(number) for number, _ in enumerate(self.containers))
            answers |= {"ps --all": ids, "inspect": json.dumps(self.containers)}
        if self.hashes:
            answers["compose --file - config --hash *"] = self.hashes
        (self.folder / "answers.json").write_text(json.dumps(answers))
        docker = self.folder / "bin" / "docker"
        docker.parent.mkdir(exist_ok=True)
        docker.write_text(DOCKER.format(python=sys.executable, answers=self.folder / "answers.json"))
        docker.chmod(0o755)
        command = [sys.executable, "-c", PROGRAM.read_text()]
        path = {**os.environ, "PATH": f"{docker.parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            command, input=json.dumps(self.wanted()), text=True, capture_output=True, check=True, env=path
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_as_wanted_differs_in_nothing(machine: Machine) -> None:
    nothing: dict[str, list[str]] = {"missing": [], "differences": [], "old_keys": []}
    assert machine.looks() == {**nothing, "has_folder": True, "can_log_in": True}


def edit_compose(machine: Machine) -> None:
    machine.compose_file.write_text("services: {}\n")


def open_the_key(machine: Machine) -> None:
    machine.key.chmod(0o644)


def replace_the_key(machine: Machine) -> None:
    machine.key.write_text("other")


def stop(machine: Machine) -> None:
    machine.containers[1]["State"] = {"Status": "exited"}


def remove(machine: Machine) -> None:
    del machine.containers[0]


def spoil(machine: Machine) -> None:
    machine.containers[0]["State"]["Health"]["Status"] = "unhealthy"


def recreate_otherwise(machine: Machine) -> None:
    machine.containers[1]["Config"]["Labels"][f"{COMPOSE}config-hash"] = "another"


def retag_the_proxy(machine: Machine) -> None:
    machine.images[PROXY]["Id"] = "sha256:x"


def retag_the_server(machine: Machine) -> None:
    machine.images[BUILT] = {"Id": "sha256:x", "Config": {"Labels": {}}}


def remove_an_image(machine: Machine) -> None:
    del machine.images[PROXY]


def add_another(machine: Machine) -> None:
    machine.containers.append(container("debug", "sha256:x"))


def leave_secrets(machine: Machine) -> None:
    (machine.folder / "secrets").mkdir()


def edit_the_command(machine: Machine) -> None:
    machine.command.write_text("other")


def let_everybody_in(machine: Machine) -> None:
    machine.question, machine.clients = "echo clients x", "clients y"


def leave_a_limit(machine: Machine) -> None:
    machine.question = "echo clients left"


TABLE: dict[Callable[[Machine], None], tuple[list[str], str]] = {
    edit_compose: (["content {folder}/compose.yml"], "{folder}/compose.yml has another content"),
    open_the_key: (["path {key} 600 {uid}"], "{key} has mode 644 and owner {uid} instead of 600 and {uid}"),
    replace_the_key: (["content {key}"], "{key} has another content"),
    stop: (["up mlflow"], "the container mlflow does not run (exited)"),
    remove: (["up cloud-sql-proxy"], "the container cloud-sql-proxy is not there"),
    spoil: (["up cloud-sql-proxy"], "the container cloud-sql-proxy is unhealthy"),
    recreate_otherwise: (["up mlflow"], "the container mlflow was made from another compose.yml"),
    retag_the_proxy: (
        [f"image {PROXY}", "up cloud-sql-proxy"],
        f"the image {PROXY} is not the one that the container cloud-sql-proxy was made from",
    ),
    retag_the_server: ([f"image {BUILT}", "up mlflow"], f"the image {BUILT} is another one by that name"),
    remove_an_image: ([f"image {PROXY}", "up cloud-sql-proxy"], f"the image {PROXY} is not there"),
    add_another: (["up debug"], "the container debug is not wanted"),
    edit_the_command: (["content {folder}/health"], "{folder}/health has another content"),
    let_everybody_in: (["clients y"], "who may reach MLflow is not limited as tracking_server_allowed_networks says"),
    leave_a_limit: (["no clients"], "who may reach MLflow is limited, though it is published on loopback alone"),
    leave_secrets: (["no {folder}/secrets"], "{folder}/secrets is there, and nothing uses it"),
}


@pytest.mark.parametrize("tampering", TABLE, ids=lambda tampering: tampering.__name__)
def test_each_difference_has_its_key_and_its_words(machine: Machine, tampering: Callable[[Machine], None]) -> None:
    keys, words = TABLE[tampering]
    tampering(machine)
    names = {"folder": machine.folder, "key": machine.key, "uid": machine.uid}
    seen = machine.looks()
    assert seen["missing"] == [key.format(**names) for key in keys]
    assert seen["differences"] == [words.format(**names)]


def test_a_stopped_docker_is_one_difference_though_everything_is_to_be_looked_at(machine: Machine) -> None:
    machine.runs = False
    seen = machine.looks()
    assert seen["differences"] == ["Docker does not answer, so its images and containers are not known"]
    assert seen["missing"] == ["docker", f"image {PROXY}", f"image {BUILT}", "up cloud-sql-proxy", "up mlflow"]
    assert not seen["can_log_in"]


def test_without_compose_nothing_is_claimed_of_containers(machine: Machine) -> None:
    machine.hashes = ""
    seen = machine.looks()
    assert seen["missing"] == ["up cloud-sql-proxy", "up mlflow"]
    assert all(words.endswith("is not known without docker compose") for words in seen["differences"])
    assert not seen["can_log_in"], "a client is one of compose's containers"


def test_containers_for_one_command_are_no_matter(machine: Machine) -> None:
    machine.containers.append(container("check", "sha256:m"))
    machine.containers[-1]["Config"]["Labels"][f"{COMPOSE}oneoff"] = "True"
    assert machine.looks()["differences"] == []


def test_a_bare_machine_lacks_everything_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.runs, machine.hashes, machine.images = False, "", {}
    machine.key.unlink()
    machine.key.parent.rmdir()
    machine.compose_file.unlink()
    seen = machine.looks()
    assert seen["differences"] == [
        f"{machine.key.parent} is not there",
        f"{machine.compose_file} is not there",
        f"{machine.key} is not there",
        "Docker does not answer, so its images and containers are not known",
    ]


def test_old_keys_are_those_that_lie_beside_the_wanted_one(machine: Machine) -> None:
    (machine.key.parent / "k0.json").write_text("old")
    assert machine.looks()["old_keys"] == [str(machine.key.parent / "k0.json")]
