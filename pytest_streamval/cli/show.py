"""`streamval show`: show a cassette as text, or as a page."""

from __future__ import annotations

import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import add_cassette, add_json_option, print_json, print_text

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.recordings.cassette import Cassette


def add(commands: Commands) -> None:
    """Add the command."""
    show = commands.add_parser("show", help="show a cassette: its text, its reads, and their times")
    show.set_defaults(parser=show, run=_show)
    show.add_argument("--all", action="store_true", help="show every read of a long stream")
    show.add_argument("--html", action="store_true", help="make a page for a browser, printed or written to -o")
    show.add_argument("-o", "--output", metavar="PAGE", help="the file for the page")
    add_cassette(show)
    add_json_option(show)


def _show(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Show a cassette."""
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.recordings.terminal_view import View

    if options.output and not options.html:
        parser.error(f"-o {options.output} needs --html: only a page is written to a file.")
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
    for line in view.lines(get_terminal_size().columns, whole=options.all, blocks=_can_print_blocks()):
        print_text(line)
    return 0


def _page(cassette: Cassette, output: str | None) -> int:
    """Write or print the page of a cassette."""
    from pathlib import Path

    from pytest_streamval.files.writing import write_file
    from pytest_streamval.report.cassette_document import report_of
    from pytest_streamval.report.page import page_of

    page = page_of(report_of(cassette), title=Path(cassette.path).name).encode("utf-8", "backslashreplace")
    if output is None:
        sys.stdout.buffer.write(page)
    else:
        write_file(output, page)
    return 0


def _can_print_blocks() -> bool:
    """Return whether the encoding of standard output has the characters of the picture."""
    try:
        "█─┴…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
