"""`streamval faults`: list the faults of a provider server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import add_json_option, print_json, print_text

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    faults = commands.add_parser("faults", help="list the faults that a provider server can have")
    faults.set_defaults(parser=faults, run=_list)
    add_json_option(faults)


def _list(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Print each fault on one line: its name and its effect."""
    del parser
    from pytest_streamval.server import faults

    for fault in faults.all():
        if options.json:
            print_json(name=fault.name, what=fault.description, ruins=fault.ruins)
        else:
            print_text(f"{fault.name:22} {fault.description}")
    return 0
