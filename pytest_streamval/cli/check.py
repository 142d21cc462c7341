"""`streamval check`: show the content and the deviations of a captured stream, and make a cassette of it."""

from __future__ import annotations

import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.cli.terminal import add_json_option, print_json, print_note, print_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.recordings.terminal_view import View

_PROTOCOLS = ("openai", "openai-responses", "anthropic", "gemini", "ollama")  # those of wire, which is slow to import
_FINE, _FAILED, _ODD = 0, 1, 3  # exit codes; a file that cannot be read is 2, as wrong arguments are
_STANDARD_INPUT = "-"


class _Found(NamedTuple):
    """A stream in a file."""

    cassette: Cassette
    source: str
    """The place that names its protocol."""
    entry: int | None
    """The number of its entry in a HAR export."""
    output: str | None
    """The file for its cassette."""


def add(commands: Commands) -> None:
    """Add the command."""
    check = commands.add_parser(
        "check",
        help="show the content and the oddities of a captured stream, and make a cassette of it",
        epilog="The exit code is 0 for a stream that can be read, 1 for an error in it, 2 for a file that cannot be "
        "read, and with --strict 3 for a stream that deviates from its protocol.",
    )
    check.set_defaults(parser=check, run=_check)
    check.add_argument("file", metavar="FILE", help="the output of curl -N, a HAR export or a cassette; - is a pipe")
    check.add_argument("--protocol", choices=_PROTOCOLS, help="the protocol; by default the file tells")
    check.add_argument("--strict", action="store_true", help="exit with 3 if a stream deviates from its protocol")
    check.add_argument("--entry", type=int, metavar="N", help="the only entry of a HAR export to read, from 1")
    check.add_argument("-o", "--output", metavar="CASSETTE", help="the cassette to write, without secrets")
    add_json_option(check)


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Read the streams of a file, show them, and write their cassettes."""
    from pytest_streamval.errors import plural
    from pytest_streamval.recordings.terminal_view import View

    try:
        found = list(_streams(options))
        views = [View.of(each.cassette) for each in found]
        for each in found:
            if each.output is not None:
                each.cassette.dump(each.output)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    for each, view in zip(found, views, strict=True):
        _show(each, view, options)
        if each.output is not None:
            size = plural(len(each.cassette.body), "byte")
            print_note(f"{each.output}: a cassette with {plural(len(view.rows), 'read')}, {size}")
    if any(view.error for view in views):
        return _FAILED
    return _ODD if options.strict and any(view.deviations for view in views) else _FINE


def _streams(options: argparse.Namespace) -> Iterator[_Found]:
    """Yield the streams in a file.

    Raises:
        InvalidFileError: A `ValueError`. If the file cannot be read as a stream.
        OSError: If it cannot be read at all.
    """
    from pathlib import Path

    from pytest_streamval.errors import invalid_capture_error
    from pytest_streamval.recordings.captured_responses import cassette_in, load_captures
    from pytest_streamval.recordings.stream_recorder import numbered

    path = "standard input" if options.file == _STANDARD_INPUT else options.file
    data = sys.stdin.buffer.read() if options.file == _STANDARD_INPUT else Path(path).read_bytes()
    given = "as --protocol says" if options.protocol else ""
    recorded = cassette_in(path, data, protocol=options.protocol)
    if recorded is not None and options.entry is not None:
        raise invalid_capture_error(path, f"it has no entry {options.entry}, as it is a cassette")
    if recorded is not None:
        yield _Found(recorded, given or "as the cassette says", None, options.output)
        return
    for number, capture in enumerate(load_captures(path, data, entry=options.entry), 1):
        protocol = options.protocol or capture.protocol
        if protocol is None:
            fault = f"no frame tells its protocol. Name it with --protocol: {', '.join(_PROTOCOLS)}"
            raise invalid_capture_error(path, fault)
        output = None if options.output is None else str(numbered(Path(options.output), number))
        yield _Found(capture.cassette(protocol, path), given or "found by its frames", capture.entry, output)


def _show(found: _Found, view: View, options: argparse.Namespace) -> None:
    if options.json:
        print_json(**view.facts(), protocol=found.cassette.header["protocol"], entry=found.entry)
        return
    if found.entry is not None:
        print_text(f"entry     {found.entry}")
    print_text(f"protocol  {found.cassette.header['protocol']}, {found.source}")
    for line in view.content_lines(get_terminal_size().columns):
        print_text(line)
    print_text("")
    print_text(_verdict(view))
    if found.entry is not None:
        print_text("")


def _verdict(view: View) -> str:
    from pytest_streamval.errors import plural

    odd = plural(len(view.deviations), "deviation")
    if view.error:
        return f"The stream failed. {odd} before that." if view.deviations else "The stream failed."
    return f"{odd}, which lost nothing." if view.deviations else "The stream follows its protocol."
