"""Short tracebacks: pytest shows the frames of the test, and those of this package only for a fault in it."""

from __future__ import annotations

import sys
from dis import opmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    import pytest

_PACKAGE = "pytest_streamval"


def shorten_tracebacks() -> None:
    """Have pytest leave out the frames of all modules of this package that are loaded.

    pytest looks for `__tracebackhide__` in the globals of a frame, too. Set once something has failed, it costs nothing
    else. `--full-trace` shows the frames all the same.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == _PACKAGE:
            vars(module).setdefault("__tracebackhide__", _is_meant)


def _is_meant(excinfo: pytest.ExceptionInfo[BaseException] | None) -> bool:
    """Return whether an error comes from a `raise` statement, or from code outside this package.

    A failure that has no traceback to show anyway keeps its frames: pytest adds a line about hidden frames otherwise.
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
