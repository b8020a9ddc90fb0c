"""Which waits become lines, when, and that the pipe between module and action plugin goes away."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.progress import (
    ENVIRONMENT_VARIABLE,
    Progress,
    listen_up,
)
from ansible_collections.mlflow_ops.gcp.plugins.plugin_utils.live_action import listening
from ansible_collections.mlflow_ops.gcp.plugins.plugin_utils.live_lines import LiveLines, elapsed, parse

CREATE = {"begin": 1, "subject": "sql_instance db", "text": "CREATE, operation 12ab"}
TEXT = "sql_instance db: CREATE, operation 12ab"


def shown(events: dict[float, dict[str, Any]], until: float) -> list[tuple[float, str]]:
    """When which line is shown, as a reader does it that wakes for events and for what is due."""
    lines, now = LiveLines(), 0.0
    found: list[tuple[float, str]] = []
    times = sorted(events)
    while True:
        due = lines.next_due()
        now = min([moment for moment in (due, *times[:1]) if moment is not None], default=until + 1)
        if now > until:
            return found
        if times and now == times[0]:
            found += [(now, line) for line in lines.take(events[times.pop(0)], now)]
        found += [(now, line) for line in lines.tick(now)]


def test_a_creation_of_five_minutes_is_seen_at_growing_intervals() -> None:
    assert shown({0: CREATE, 300.5: {"end": 1}}, 1000) == [
        (2, f"{TEXT}, 2 s"),
        (5, f"{TEXT}, 5 s"),
        (15, f"{TEXT}, 15 s"),
        (30, f"{TEXT}, 30 s"),
        (60, f"{TEXT}, 1 min 0 s"),
        (120, f"{TEXT}, 2 min 0 s"),
        (180, f"{TEXT}, 3 min 0 s"),
        (240, f"{TEXT}, 4 min 0 s"),
        (300, f"{TEXT}, 5 min 0 s"),
    ]


def test_a_short_wait_is_not_worth_a_line() -> None:
    assert shown({0: CREATE, 1.9: {"end": 1}}, 1000) == []


def test_what_is_resumed_is_said_at_once() -> None:
    assert shown({0: CREATE | {"at_once": True}, 1: {"end": 1}}, 1000) == [(0, TEXT)]


def test_pauses_between_repetitions_are_one_wait() -> None:
    events: dict[float, dict[str, Any]] = {}
    for number in range(10):
        events |= {number * 1.5: {**CREATE, "begin": number}, number * 1.5 + 1: {"end": number}}
    assert [line for _, line in shown(events, 100)] == [f"{TEXT}, {seconds} s" for seconds in (2, 5)]


def test_the_same_wait_much_later_is_another_one() -> None:
    events: dict[float, dict[str, Any]] = {0: CREATE, 3: {"end": 1}, 100: {**CREATE, "begin": 2}, 104: {"end": 2}}
    assert [when for when, _ in shown(events, 200)] == [2, 102]


def test_waits_side_by_side_keep_their_own_time() -> None:
    other = {"begin": 2, "subject": "plan", "text": "429 to GET /v1: asking again"}
    found = shown({0: CREATE, 1: other, 4: {"end": 2}, 6: {"end": 1}}, 100)
    assert [(when, line.partition(":")[0]) for when, line in found] == [
        (2, "sql_instance db"),
        (3, "plan"),
        (5, "sql_instance db"),
    ]


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"end": []}', b'{"end": 7}', b'{"here": true}'])
def test_nonsense_is_no_event(line: bytes) -> None:
    lines = LiveLines()
    assert list(lines.take(parse(line), 0)) == []
    assert lines.next_due() is None


def test_a_line_is_one_line_whatever_google_answers() -> None:
    lines = LiveLines()
    event = {"begin": 1, "subject": "a\x1b[31m", "text": "b\nc" + "d" * 1000, "at_once": True}
    (line,) = lines.take(event, 0)
    assert line.startswith("a [31m: b c")
    assert len(line) == 300


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3725, "62 min 5 s")])
def test_elapsed(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_a_module_tells_through_a_private_pipe_that_is_gone_once_it_is_open(tmp_path: Path) -> None:
    seen: list[str] = []
    arrived = threading.Event()

    def show(line: str) -> None:
        seen.append(line)
        arrived.set()

    with listening(str(tmp_path), show) as path:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        progress = listen_up({ENVIRONMENT_VARIABLE: path})
        progress.subject = "sql_instance db"
        with progress.waiting("resumed operation 12ab", at_once=True):
            assert arrived.wait(5)
            assert list(tmp_path.iterdir()) == []
    assert seen == ["sql_instance db: resumed operation 12ab"]


def test_the_pipes_name_is_gone_as_soon_as_the_module_has_it(tmp_path: Path) -> None:
    """What the module starts, and other tasks, find nothing to write to."""
    with listening(str(tmp_path), pytest.fail) as path:
        progress = listen_up({ENVIRONMENT_VARIABLE: path})
        deadline = time.monotonic() + 5
        while list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(tmp_path.iterdir()) == []
        del progress


def test_a_block_ends_when_all_is_shown(tmp_path: Path) -> None:
    shown: list[str] = []

    def show(line: str) -> None:
        time.sleep(0.2)
        shown.append(line)

    with listening(str(tmp_path), show) as path:
        telling = listen_up({ENVIRONMENT_VARIABLE: path})
        with telling.waiting("the last thing", at_once=True):
            pass
    assert len(shown) == 1


def test_a_listener_that_nobody_talks_to_ends_at_once_and_cleans_up(tmp_path: Path) -> None:
    started = time.monotonic()
    with listening(str(tmp_path), pytest.fail):
        assert len(list(tmp_path.iterdir())) == 1
    assert time.monotonic() - started < 1
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), listening(str(tmp_path), pytest.fail):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_listener_that_is_gone_is_no_reason_to_fail(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    progress = listen_up({ENVIRONMENT_VARIABLE: str(pipe)})
    os.close(reader)
    with progress.waiting("anything", at_once=True):
        pass


def test_nothing_is_told_where_nobody_listens(tmp_path: Path) -> None:
    pipe, file, link = tmp_path / "pipe", tmp_path / "file", tmp_path / "link"
    os.mkfifo(pipe)
    file.write_text("untouched")
    link.symlink_to(file)
    for path in ("", str(pipe), str(file), str(link), str(tmp_path / "absent")):
        with listen_up({ENVIRONMENT_VARIABLE: path}).waiting("anything", at_once=True):
            pass
    with listen_up({}).waiting("anything"):
        pass
    assert file.read_text() == "untouched"


def test_a_wait_ends_with_its_block_also_after_an_error() -> None:
    events: list[dict[str, Any]] = []
    progress = Progress(lambda event: events.append(dict(event)))
    with pytest.raises(RuntimeError), progress.waiting("x"):
        raise RuntimeError
    assert events == [{"begin": 1, "subject": "", "text": "x", "at_once": False}, {"end": 1}]
