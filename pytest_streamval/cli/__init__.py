"""The command `streamval`: one module for each subcommand."""

from pytest_streamval.cli.command import main

__all__ = ["main"]
