"""Commands of the sandbox: `python -m sandbox COMMAND`.

A command is a module with `add_arguments(parser)` and `run(arguments)`; only the one asked for is imported.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from docker.errors import DockerException

from sandbox.machine import processes
from sandbox.machine.errors import SandboxError

_COMMANDS = {
    "up": ("sandbox.machine.up", "Bring everything to running: Docker, images, registry, emulator, target VM."),
    "down": ("sandbox.machine.down", "Remove a sandbox; images and caches stay."),
    "env": ("sandbox.machine.environment", "Print export lines that point Google's clients at the running sandbox."),
    "demo": ("sandbox.demo", "From nothing to training runs of a second machine, and the proof of them."),
    "permissions": ("sandbox.permissions", "Print which permission each emulated method asks for, and the source."),
    "serve": ("sandbox.serve", "Run the emulator alone, in the foreground."),
}
_INTERRUPTED = 130


def main() -> None:
    """Run a command and end with its exit code; what went wrong is one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local Google Cloud for this project.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    module = None
    for name, (path, text) in _COMMANDS.items():
        subparser = commands.add_parser(name, help=text, description=text)
        if sys.argv[1:2] == [name]:
            module = importlib.import_module(path)
            module.add_arguments(subparser)
    arguments = parser.parse_args()
    if module is None:
        parser.error("the command comes first")
    if arguments.command == "serve":  # it has its own way with signals
        sys.exit(module.run(arguments))
    _end(_guarded(module.run, arguments))


def _guarded(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        return run(arguments)
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except DockerException as error:
        print(f"sandbox: the Docker engine refused: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sandbox: interrupted; the same command goes on from here.", file=sys.stderr)
        return _INTERRUPTED


def _end(code: int) -> NoReturn:
    processes.stop_running()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a thread may still wait for Docker; whatever it leaves, the next command copes with


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
