"""An emulator whose project can be set back, and operators who run playbooks against it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.bench import PROJECT, Bench
from tests.contract.emulators import running
from tests.faults.plays.operators import Operator
from tests.faults.plays.project import EMPTY, IDENTIFIED, STORED, P, Project

_SECOND = f"second-operator@{PROJECT}.iam.gserviceaccount.com"
_TAGS = {IDENTIFIED: "identities", STORED: "identities,backend_store"}
_SERVICES = ("cloudresourcemanager", "iam")


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """The emulator of the tests with playbooks; what it exchanges must fit Google's discovery documents."""
    with running(3) as bench:
        yield bench


@dataclass(frozen=True)
class Beginning:
    """An empty project, but for a second operator with the first one's roles: the snapshot EMPTY."""

    second_key: dict[str, Any]
    bindings: list[dict[str, Any]]


@pytest.fixture(scope="session")
def beginning(bench: Bench) -> Beginning:
    """What every test begins with."""
    project = Project(bench, [])
    bench.reset()
    bench.enable(*_SERVICES)
    google = bench.google()
    first = f"serviceAccount:{bench.key['client_email']}"
    before = project.policy()
    owner = {"role": "roles/owner", "members": [first]}
    google.write("POST", "cloudresourcemanager", f"{P}:setIamPolicy", {"policy": {"bindings": [*before, owner]}})
    google.write("POST", "iam", f"{P}/serviceAccounts", {"accountId": "second-operator"})
    made = google.write("POST", "iam", f"{P}/serviceAccounts/{_SECOND}/keys", {})
    both = [{**one, "members": [*one["members"], f"serviceAccount:{_SECOND}"]} for one in before]
    google.write("POST", "cloudresourcemanager", f"{P}:setIamPolicy", {"policy": {"bindings": both}})
    for service in _SERVICES:
        google.write("POST", "serviceusage", f"{P}/services/{service}.googleapis.com:disable", {})
    project.save(EMPTY)
    return Beginning(json.loads(b64decode(made["privateKeyData"])), both)


@pytest.fixture
def project(bench: Bench, beginning: Beginning) -> Iterator[Project]:
    """The project, empty at first."""
    project = Project(bench, beginning.bindings)
    project.restore(EMPTY)
    yield project
    project.clear()


@pytest.fixture
def operator(bench: Bench, tmp_path: Path) -> Iterator[Operator]:
    """Who provisions it."""
    (tmp_path / "first").mkdir()
    operator = Operator(bench, tmp_path / "first", bench.key)
    yield operator
    operator.leave()


@pytest.fixture
def second_operator(bench: Bench, tmp_path: Path, beginning: Beginning) -> Iterator[Operator]:
    """A colleague with an account of their own."""
    (tmp_path / "second").mkdir()
    operator = Operator(bench, tmp_path / "second", beginning.second_key)
    yield operator
    operator.leave()


@pytest.fixture
def begin(project: Project, operator: Operator) -> Callable[[str], Project]:
    """Sets the project to one of the beginnings; what it takes to get there is run once and kept as a snapshot."""

    def at(name: str) -> Project:
        if name not in project.snapshots():
            made = operator.play("--tags", _TAGS[name])
            assert made.code == 0, made.output
            project.save(name)
        project.restore(name)
        return project

    return at


@pytest.fixture
def begun(begin: Callable[[str], Project], case: Any) -> Project:
    """The project at the case's beginning."""
    return begin(case.begin)
