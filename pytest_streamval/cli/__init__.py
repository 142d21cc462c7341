"""The command `streamval`: a module for each thing it does."""

from pytest_streamval.cli.command import main

__all__ = ["main"]
