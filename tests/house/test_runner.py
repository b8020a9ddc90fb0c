"""`make test` counts honestly: what cannot run has failed, and a failed stage is never a passed one."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from scripts import test as runner
from scripts.test import LINE, STAGES, Outcome, Runner, Stage, chosen, count, failures, report, run_all

SUITE = (
    '<testsuites><testsuite name="pytest" errors="{1}" failures="{2}" skipped="{3}" tests="{0}" time="1.5"></testsuite>'
)


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LOGS", tmp_path)
    monkeypatch.setattr(runner, "ROOT", tmp_path)


def counted(returncode: int, *numbers: int) -> tuple[int, int, int]:
    stage = Stage("s", "s", (), junit=True)
    stage.results.write_text(SUITE.format(*numbers))
    return count(stage, returncode)


def test_pytest_results_are_counted() -> None:
    assert counted(0, 10, 0, 0, 2) == (8, 0, 2)
    assert counted(1, 10, 1, 2, 3) == (4, 3, 3)


def test_a_failure_beside_the_results_counts() -> None:
    """Such as a scenario whose tests passed and whose destroy did not, or a run that was killed."""
    assert counted(1, 10, 0, 0, 0) == (10, 1, 0)


def failed(log: str) -> list[str]:
    stage = Stage("s", "s", ())
    stage.log.write_text(log)
    return failures(Outcome(stage, 1, 0.0, 0, 1, 0))


@pytest.mark.parametrize(
    "line",
    [
        "FAILED tests/test_a.py::test_b - assert 1 == 2",
        "ERROR tests/test_a.py::test_b - AssertionError: {'container /mlflow'}",
        'fatal: [localhost]: FAILED! => {"msg": "no such network"}',
        "[ERROR]: Task failed: no such network",
        "CRITICAL Idempotence test failed because of the following tasks:",
    ],
)
def test_what_failed_is_named(line: str) -> None:
    assert failed(f"1 + 1\n\n{line}\nPLAY RECAP\n") == [line]


def test_a_command_that_names_no_failure_has_its_last_words() -> None:
    assert failed("one\n\n  two\n") == ["one", "two"]


def test_what_failed_is_named_at_the_very_end() -> None:
    said = io.StringIO()
    good, bad = Stage("good", "g", ()), Stage("bad", "g", ())
    bad.log.write_text("FAILED tests/test_a.py::test_b - assert 1 == 2\n")
    report([Outcome(bad, 1, 1.0, 4, 1, 0), Outcome(good, 0, 1.0, 2, 0, 0)], 2.0, Console(file=said, width=200))
    assert said.getvalue().splitlines()[-2:] == [
        "bad: FAILED tests/test_a.py::test_b - assert 1 == 2",
        "6 passed, 1 failed",
    ]


def test_a_long_reason_keeps_its_ends() -> None:
    line = failed(f"fatal: begin {'x' * 10_000} end\n")[0]
    assert line.startswith("fatal: begin")
    assert line.endswith("end")
    assert len(line) < LINE + 10


def test_what_is_skipped_is_said() -> None:
    said = io.StringIO()
    stage = Stage("s", "s", ("sh", "-c", "echo 'SKIPPED [1] test_x.py:3: NOT TESTED: no gcloud here'"))
    assert run_all([stage], Console(file=said))[0].ok
    assert "NOT TESTED: no gcloud here" in said.getvalue()


def test_what_is_measured_is_said() -> None:
    said = io.StringIO()
    stage = Stage("s", "s", ("sh", "-c", "echo '[load] 200 clients at once: 900 calls/s'; echo other"))
    assert run_all([stage], Console(file=said))[0].ok
    assert "[load] 200 clients at once" in said.getvalue()
    assert "other" not in said.getvalue()


def test_no_tests_are_a_failure() -> None:
    assert counted(0, 0, 0, 0, 0) == (0, 1, 0)
    assert count(Stage("without-results", "s", (), junit=True), 0) == (0, 1, 0)


def test_a_command_counts_as_one() -> None:
    assert count(Stage("s", "s", ()), 0) == (1, 0, 0)
    assert count(Stage("s", "s", ()), 2) == (0, 1, 0)


def test_stages_run_and_report() -> None:
    output = io.StringIO()
    stages = [
        Stage("good", "g", ("true",)),
        Stage("bad", "g", ("sh", "-c", "echo why; exit 3")),
        Stage("missing", "g", ("no-such-program",)),
    ]
    outcomes = run_all(stages, Console(file=output))
    assert [(outcome.stage.name, outcome.ok) for outcome in outcomes] == [
        ("good", True),
        ("bad", False),
        ("missing", False),
    ]
    assert "    why" in output.getvalue()
    assert "no-such-program: No such file" in output.getvalue()


def test_nothing_starts_once_stopped() -> None:
    stopped = Runner(Console(file=io.StringIO()))
    stopped.stop()
    assert not stopped.run(Stage("late", "g", ("true",))).ok


def test_stages_are_chosen_by_name_or_group() -> None:
    assert chosen([]) == list(STAGES)
    assert {stage.group for stage in chosen(["lint"])} == {"lint"}
    assert [stage.name for stage in chosen(["unit"])] == ["unit"]
    with pytest.raises(SystemExit, match="no stage named nonsense: choose from"):
        chosen(["nonsense"])
