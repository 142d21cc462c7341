"""The entry point of the command, with its subcommands and exit codes."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, NoReturn

from pytest_streamval.cli import ask, check, faults, providers, record, replay, report, scrub, serve, show
from pytest_streamval.cli.terminal import discard_output, escape_unprintable
from pytest_streamval.errors.text import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

# In each module, `add(commands)` adds a parser, which names the function to run.
_COMMANDS = (ask, providers, record, show, check, replay, scrub, report, serve, faults)
_PIPE_CLOSED = 141  # the exit code that a shell gives to a command killed by SIGPIPE
_INTERRUPTED = 130  # the same for SIGINT
_NUMBER = re.compile(r"\A\[(?:Errno|WinError) -?\d+\] ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 if a stream failed. Wrong arguments exit with 2."""
    escape_unprintable(sys.stdout)
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options.parser, options)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are harmless in a terminal with any arguments."""

    def error(self, message: str) -> NoReturn:
        """Print an error, and exit with 2. The numbers of errors of the system say nothing to a reader."""
        super().error(harmless(_NUMBER.sub("", message)))


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = _Parser(prog="streamval", description="Record, replay, show and serve streams of models.")
    parser.add_argument("--version", action="version", version=f"pytest-streamval {version('pytest-streamval')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return parser
