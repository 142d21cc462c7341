"""`streamval show`: what was recorded, as a table and a picture."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import columns, print_json, takes_cassette, takes_json

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.recordings.cassette import Cassette


def add(commands: Commands) -> None:
    """Add the command."""
    show = commands.add_parser("show", help="show what was recorded: the text, the reads, and when they came")
    show.set_defaults(parser=show, run=_show)
    show.add_argument("--all", action="store_true", help="every read, of a long stream too")
    show.add_argument("--html", action="store_true", help="as a page for a browser, printed or written to -o")
    show.add_argument("-o", "--output", metavar="PAGE", help="where the page goes")
    takes_cassette(show)
    takes_json(show)


def _show(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Show what was recorded."""
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.recordings.terminal_view import View

    if options.output and not options.html:
        parser.error(f"-o {options.output} does not fit: it is where a page goes, with --html.")
    try:
        cassette = Cassette.load(options.file)
        if options.html:
            return _page(cassette, options.output)
        view = View.of(cassette)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if options.json:
        print_json(**view.facts())
        return 0
    for line in view.lines(columns(), whole=options.all, blocks=_has_blocks()):
        print(line)
    return 0


def _page(cassette: Cassette, output: str | None) -> int:
    """Write or print the page of a cassette."""
    from pathlib import Path

    from pytest_streamval.recordings.files import put_file
    from pytest_streamval.report.page import page_of
    from pytest_streamval.report.recorded import report_of

    page = page_of(report_of(cassette), title=Path(cassette.path).name).encode("utf-8", "backslashreplace")
    if output is None:
        sys.stdout.buffer.write(page)
    else:
        put_file(Path(output), page)
    return 0


def _has_blocks() -> bool:
    """Return whether what is printed can hold the characters of a picture."""
    try:
        "█─┴…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
