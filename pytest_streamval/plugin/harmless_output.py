"""Harmless output: this plugin's lines, and pytest's lines about failures, without characters that act on a terminal.

A failure quotes the text of a model in many ways: in the message of an exception of any library, in the operands of an
assertion, in the values of local variables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors.text import harmless

if TYPE_CHECKING:
    import pytest

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_OWN = "streamval"  # the beginning of the names of this plugin's sections


def write_line(terminal: pytest.TerminalReporter, line: str, **markup: bool) -> None:
    """Write a line to the terminal."""
    terminal.write_line(harmless(line), **markup)


def clean_report(report: pytest.TestReport, config: pytest.Config) -> None:
    """Make the lines about a failure harmless. What the test has printed itself stays as it is.

    If pytest prints colours, those in the lines stay, as pytest has added them to its comparisons.
    """
    has_colours = config.get_terminal_writer().hasmarkup
    report.longrepr = _cleaned(report.longrepr, has_colours=has_colours)
    report.sections = [
        (name, harmless(text)) if name.startswith(_OWN) else (name, text) for name, text in report.sections
    ]


def _cleaned(value: Any, *, has_colours: bool) -> Any:  # noqa: ANN401  # pytest has several kinds of it
    """Return text without harmful characters, and pytest's representation of a failure with such texts in it."""
    if isinstance(value, str):
        return _keeping_colours(value) if has_colours else harmless(value)
    if type(value) in {list, tuple}:
        return type(value)(_cleaned(each, has_colours=has_colours) for each in value)
    if type(value).__module__.startswith("_pytest."):
        for name, part in vars(value).items():
            setattr(value, name, _cleaned(part, has_colours=has_colours))
    return value


def _keeping_colours(text: str) -> str:
    return "".join(part if _COLOUR.fullmatch(part) else harmless(part) for part in _COLOUR.split(text))
