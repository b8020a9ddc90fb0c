"""The README's picture is kept only where the page showed the run, and what is missing is said in one line."""

from pathlib import Path

import pytest

from scripts import screenshot

# Prints a page and takes a picture as Chromium does.
BROWSER = """#!/bin/sh
for word; do case $word in
  --dump-dom) echo '<td>judicious-worm-555</td>' ;;
  --screenshot=*) echo new > "${word#--screenshot=}" ;;
esac; done
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    browser = tmp_path / "chromium"
    browser.write_text(BROWSER)
    browser.chmod(0o755)
    monkeypatch.setattr(screenshot, "ROOT", tmp_path)
    monkeypatch.setattr(screenshot, "PICTURE", tmp_path / "mlflow.png")
    (tmp_path / "mlflow.png").write_text("old")
    return str(browser)


def test_a_page_with_the_run_is_kept(program: str) -> None:
    screenshot.take(program, "http://x/", ["judicious-worm-555"])
    assert screenshot.PICTURE.read_text() == "new\n"


def test_a_page_without_the_run_is_not(program: str) -> None:
    with pytest.raises(SystemExit, match=r"http://x/ does not show other-run; mlflow.png stays as it was"):
        screenshot.take(program, "http://x/", ["other-run"])
    assert screenshot.PICTURE.read_text() == "old"


def test_without_a_browser_the_way_to_one_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="On Debian: apt-get install --no-install-recommends chromium"):
        screenshot.browser()


def test_without_a_sandbox_the_demo_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshot, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="Run `make demo` first"):
        screenshot.server()
