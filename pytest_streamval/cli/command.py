"""The command itself: what can be called, and its exit codes."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pytest_streamval.cli import ask, faults, providers, record, replay, report, serve, show
from pytest_streamval.cli.terminal import stop_printing

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (
    ask,
    providers,
    record,
    show,
    replay,
    report,
    serve,
    faults,
)  # modules: `add(commands)` makes the parser, which names the function to run
_PIPE_CLOSED = 141  # as a shell sees a command that SIGPIPE ended
_INTERRUPTED = 130  # and SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 for a stream that failed; a wrong call exits with 2."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options.parser, options)
        sys.stdout.flush()
    except BrokenPipeError:
        stop_printing()
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(prog="streamval", description="Streamed model output, recorded, cut and checked.")
    parser.add_argument("--version", action="version", version=f"pytest-streamval {version('pytest-streamval')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return parser
