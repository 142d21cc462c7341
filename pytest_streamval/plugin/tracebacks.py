"""Tracebacks without the frames of this package, unless its code is wrong."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dis import opmap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    import pytest

_PACKAGE = "pytest_streamval"
_LINE = 400  # characters of a line of an assertion, so that messages of errors stay complete
_VERBOSE = 2  # -vv shows everything


def shorten_tracebacks() -> None:
    """Hide the frames of all loaded modules of this package from pytest's tracebacks, except under `--full-trace`.

    pytest reads `__tracebackhide__` in the globals of a frame too. It is set only after a failure.
    """
    for name, module in sys.modules.copy().items():
        if name.partition(".")[0] == _PACKAGE:
            vars(module).setdefault("__tracebackhide__", _is_hidden)


def _is_hidden(excinfo: pytest.ExceptionInfo[BaseException] | None) -> bool:
    """Return whether an error comes from a `raise` statement, or from code outside this package.

    A failure without a traceback keeps its frames, because pytest would add a line about hidden frames.
    """
    if excinfo is not None and getattr(excinfo.value, "pytrace", True) is False:
        return False
    trace: TracebackType | None = None if excinfo is None else excinfo.value.__traceback__
    if trace is None:
        return True
    while trace.tb_next is not None:
        trace = trace.tb_next
    code, package = trace.tb_frame.f_code, str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
    return package != _PACKAGE or code.co_code[trace.tb_lasti] == opmap["RAISE_VARARGS"]


@contextmanager
def short_tracebacks(config: pytest.Config) -> Iterator[None]:
    """Make tracebacks short, unless an option asks for another style."""
    style = config.option.tbstyle
    config.option.tbstyle = "short" if style == "auto" and config.get_verbosity() < _VERBOSE else style
    try:
        yield
    finally:
        config.option.tbstyle = style


def shorten_assertion(report: pytest.TestReport, config: pytest.Config) -> None:
    """Leave out the empty lines of a failed assertion, and the middle of long ones, unless options ask for all."""
    entries: list[Any] = getattr(getattr(report.longrepr, "reprtraceback", None), "reprentries", [])
    if config.option.tbstyle != "auto" or config.get_verbosity() >= _VERBOSE:
        return
    for entry in entries:
        entry.lines = [_elided(line) for line in entry.lines if line.strip() != "E"]


def _elided(line: str) -> str:
    """Return a line without its middle if it is long."""
    return line if len(line) <= _LINE else f"{line[: _LINE // 2]} ... {line[-_LINE // 2 :]}"
