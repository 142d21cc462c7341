"""`streamval scrub`: remove secrets from recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import add_json_option, print_json, print_text

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.recordings.cassette import Cassette


def add(commands: Commands) -> None:
    """Add the command."""
    scrub = commands.add_parser("scrub", help="remove secrets from cassettes, for example from old ones")
    scrub.set_defaults(parser=scrub, run=_scrub)
    scrub.add_argument("files", metavar="FILE", nargs="+", help="a cassette: a recorded stream, JSONL")
    scrub.add_argument(
        "--secret",
        metavar="NAME_OR_PATTERN",
        action="append",
        default=[],
        help="a name or a regular expression of further secrets, as in the ini value streamval_secrets; repeatable",
    )
    scrub.add_argument("--check", action="store_true", help="write nothing, and exit with 1 if a file has secrets")
    add_json_option(scrub)


def _scrub(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Remove the secrets from each file. A file without secrets is not written."""
    from pytest_streamval.http.secrets.declared_secrets import declared
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.recordings.scrubbing import scrubbed

    found = 0
    try:
        with declared(options.secret, "--secret"):
            pairs = [(each, scrubbed(each)) for each in map(Cassette.load, options.files)]
            for cassette, clean in pairs:
                changes = _changes(cassette, clean)
                found += bool(changes)
                if changes and not options.check:
                    clean.dump()
                _print(cassette.path, changes, options)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 1 if found and options.check else 0


def _changes(cassette: Cassette, clean: Cassette) -> list[str]:
    """Return the parts of a cassette that have secrets, in words."""
    parts = [f"header, {name}" for name, value in cassette.header.items() if clean.header[name] != value]
    reads = enumerate(zip(cassette.reads, clean.reads, strict=True), 1)
    return [*parts, *(f"read {number}" for number, (before, after) in reads if before != after)]


def _print(path: str, changes: list[str], options: argparse.Namespace) -> None:
    from pytest_streamval.errors import listed

    if options.json:
        print_json(file=path, secrets_in=changes, written=bool(changes) and not options.check)
    elif changes:
        verb = "has secrets in" if options.check else "secrets removed from"
        print_text(f"{path}: {verb} {listed(changes, 8)}")
    else:
        print_text(f"{path}: no secrets")
