"""Two sandboxes never share a name or a folder."""

from pathlib import Path

import pytest

from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox, sandbox
from sandbox.postgres.cluster import Cluster


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SANDBOX_NAME", raising=False)
    monkeypatch.setenv("SANDBOX_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SANDBOX_CACHE_HOME", str(tmp_path / "cache"))


def test_checkouts_and_names_are_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    ids = {sandbox(name, checkout).id for checkout in (first, second) for name in ("default", "molecule")}
    assert len(ids) == 4


def test_a_linked_checkout_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert sandbox("default", tmp_path / "link") == sandbox("default", tmp_path / "real")


def test_places(tmp_path: Path) -> None:
    place = sandbox(None, tmp_path)
    assert place.id.startswith("mlflow-sandbox-")
    assert place.id.endswith("-default")
    assert place.id == f"mlflow-sandbox-{place.state.name}"
    assert place.state.parent == tmp_path / "state"
    assert place.card == tmp_path / ".sandbox" / "default.json"
    assert place.cache == tmp_path / "cache"


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SANDBOX_NAME", "molecule")
    assert sandbox(None, tmp_path).name == "molecule"
    assert sandbox("other", tmp_path).name == "other"


@pytest.mark.parametrize("name", ["../x", "A", "with space", "-x", "x" * 40])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(SandboxError, match="is not usable"):
        sandbox(name)


def test_postgresqls_socket_fits_below_the_longest_name(tmp_path: Path) -> None:
    longest = "x" * 28
    assert sandbox(longest, tmp_path).name == longest
    place = Sandbox(longest, tmp_path, Path("/var/lib/mlflow-sandbox"), tmp_path)
    assert Cluster(place.state / "postgresql" / ("0" * 12), tmp_path).socket
    with pytest.raises(SandboxError, match="is not usable"):
        sandbox(longest + "x", tmp_path)
