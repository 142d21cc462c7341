"""`streamval show`: what was recorded, as a table and a picture."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import columns, print_json, takes_cassette, takes_json

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    show = commands.add_parser("show", help="show what was recorded: the text, the reads, and when they came")
    show.set_defaults(parser=show, run=_show)
    show.add_argument("--all", action="store_true", help="every read, of a long stream too")
    takes_cassette(show)
    takes_json(show)


def _show(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Show what was recorded."""
    from pytest_streamval.harness.cassette import Cassette
    from pytest_streamval.harness.cassette_view import View

    try:
        view = View.of(Cassette.load(options.file))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if options.json:
        print_json(**view.facts())
        return 0
    for line in view.lines(columns(), whole=options.all, blocks=_has_blocks()):
        print(line)
    return 0


def _has_blocks() -> bool:
    """Return whether what is printed can hold the characters of a picture."""
    try:
        "█─┴…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
