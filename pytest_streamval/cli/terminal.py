"""What every command shares: how it prints, complains and stops printing."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import argparse

    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def print_json(**values: object) -> None:
    """Print one value for machines, on a line."""
    print(json.dumps(values, ensure_ascii=False), flush=True)


def complain(message: str) -> None:
    """Say what went wrong, behind everything that was printed before."""
    try:
        sys.stdout.flush()
    finally:
        print(f"streamval: {message}", file=sys.stderr)


def stop_printing() -> None:
    """Let nothing more go where nobody reads; Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def columns() -> int:
    """Return how wide the terminal is, in characters."""
    from shutil import get_terminal_size

    return get_terminal_size().columns


def takes_json(parser: argparse.ArgumentParser) -> None:
    """Add the option of every command that a machine may call."""
    parser.add_argument("--json", action="store_true", help="for machines: JSON, one value a line")


def takes_cassette(parser: argparse.ArgumentParser) -> None:
    """Add the recording that a command is about."""
    parser.add_argument("file", metavar="FILE", help="a cassette: a recorded stream, JSONL")
