"""Tracebacks without the frames of this package, unless its code is wrong."""

from __future__ import annotations

import sys
from dis import opmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    import pytest

_PACKAGE = "pytest_streamval"


def shorten_tracebacks() -> None:
    """Hide the frames of all loaded modules of this package from pytest's tracebacks, except under `--full-trace`.

    pytest reads `__tracebackhide__` in the globals of a frame too. It is set only after a failure.
    """
    for name, module in list(sys.modules.items()):
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
