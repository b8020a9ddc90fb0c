"""Measures and prints; fails where a promise about requests or waiting is broken, or where the goal is missed."""

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from scripts.bench import growth, no_op, waiting
from scripts.bench.no_op import EMPTY, OURS, THEIRS, Contender
from scripts.bench.project import PROVISION, BenchError, running

DELAYS = (0.0, 0.1)
GOAL = 5.0
_LOG_WIDTH = 120
MISSING = (
    "SKIPPED: gcloud is not on this machine, so nothing is compared with today's tools. Install it "
    "(https://cloud.google.com/sdk/docs/install) and run again."
)
NOTE = (
    "All over TLS, under Google's own addresses. 100 ms: every request takes so much longer at the server, that for a "
    "token too; connecting does not. Processor: user and system time of ansible-playbook and all that it starts."
)


def table(*headings: str) -> Table:
    made = Table(box=None, pad_edge=False)
    for heading in headings:
        made.add_column(heading, justify="left" if heading == headings[0] else "right", no_wrap=True)
    return made


def print_no_op(console: Console, found: list[Contender]) -> None:
    """Seconds and requests of each contender at each delay."""
    shown = table("nothing to change", "delay", "median", "spread", "processor", "reads", "tokens", "writes")
    for one in found:
        reads = one.requests.total() - one.requests[no_op.TOKENS]
        spread = f"{one.spread[0]:.2f} - {one.spread[1]:.2f} s"
        figures = [f"{one.delay * 1000:.0f} ms", f"{one.seconds:.2f} s", spread, f"{one.processor_seconds:.2f} s"]
        shown.add_row(one.name, *figures, str(reads), str(one.requests[no_op.TOKENS]), "0")
    console.print(shown)
    for name in (OURS, THEIRS):
        by_api = next((one.requests for one in found if one.name == name), None)
        if by_api:
            console.print(f"  {name}: {', '.join(f'{api} {count}' for api, count in sorted(by_api.items()))}")


def missed(console: Console, found: list[Contender]) -> list[str]:
    """How many times faster ours is, and at which delay that is less than the goal."""
    below = []
    for delay in DELAYS:
        median = {one.name: one.seconds for one in found if one.delay == delay}
        worked = {one.name: one.processor_seconds for one in found if one.delay == delay}
        if THEIRS not in median:
            continue
        times = median[THEIRS] / median[OURS]
        net = (median[THEIRS] - median[EMPTY]) / (median[OURS] - median[EMPTY])
        console.print(
            f"  at {delay * 1000:.0f} ms ours is {times:.1f} times as fast (goal {GOAL:.0f}), "
            f"{net:.1f} times without what an empty playbook takes, "
            f"{worked[THEIRS] / worked[OURS]:.1f} times by processor"
        )
        if times < GOAL:
            below.append(f"{times:.1f} times as fast at {delay * 1000:.0f} ms")
    return below


def print_growth(console: Console, found: list[growth.Size]) -> None:
    """Reads and seconds by the number of instances."""
    shown = table("instances, each with database and user", "reads", "1 + 2N", "seconds")
    for size in found:
        shown.add_row(str(size.instances), str(size.reads), str(1 + 2 * size.instances), f"{size.seconds:.2f}")
    console.print(shown)


def print_waiting(console: Console, found: list[waiting.Wait]) -> None:
    """How late the end of an operation is noticed."""
    shown = table("operation", "noticed after", "1 s + 5 %", "polls")
    for wait in found:
        shown.add_row(f"{wait.seconds:.1f} s", f"{wait.over:.2f} s", f"{wait.allowed:.2f} s", str(wait.polls))
    console.print(shown)


def bench(console: Console, rounds: int) -> list[str]:
    """Everything, printed as it is measured; what was missed."""
    with running() as project:
        with telling(console) as say:
            say("provisioning a project of its own")
            project.play(PROVISION)
            found = [one for delay in DELAYS for one in no_op.measure(project, delay, rounds, say)]
        console.print(NOTE)
        print_no_op(console, found)
        below = missed(console, found)
        if not no_op.can_compare():
            console.print(MISSING, style="bold yellow")
        with telling(console) as say:
            say(f"growth: making {max(growth.SIZES)} instances")
            growth.make(project, max(growth.SIZES))
            sizes = growth.measure(project, say)
        print_growth(console, sizes)
        with telling(console) as say:
            waits = waiting.measure(project, say)
        print_waiting(console, waits)
    return below


@contextlib.contextmanager
def telling(console: Console) -> Iterator[Callable[[str], None]]:
    """A line that says what is measured now: on a terminal it comes and goes, in a log it stays."""
    if console.is_terminal:
        with console.status("") as status:
            yield status.update
    else:
        yield console.print


def main() -> int:
    """0 if all promises are kept and the goal is reached, else 1."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each no-op is run at each delay (default 5)")
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, width=_LOG_WIDTH)
    started = time.monotonic()
    for stopping in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stopping, signal.default_int_handler)
    try:
        below = bench(console, arguments.rounds)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except BenchError as error:
        console.print(f"bench: {error}", style="red", markup=False)
        return 1
    console.print(f"\nmeasured in {time.monotonic() - started:.0f} s")
    for line in below:
        console.print(f"The goal is missed: ours is only {line}.", style="red")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
