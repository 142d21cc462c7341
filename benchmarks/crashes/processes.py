"""Processes that write a file, and are killed or have no room for it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

DONE, REPORTED, FAILED = 0, 3, 4
"""The exit codes of a process: it wrote, it raised an error that names the file, it raised another error."""

_NOBODY = 65_534  # a user for whom permissions count


def run(work: Callable[[], object], *, prepare: Callable[[], object] = lambda: None) -> int:
    """Run a function in a forked process, and return its exit code, or the negative number of the signal that ended it.

    Args:
        work: The function.
        prepare: A function that is called before it.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    code = FAILED
    try:
        prepare()
        work()
        code = DONE
    except OSError as error:
        code = REPORTED if error.filename is not None and ".tmp" not in str(error.filename) else FAILED
    except BaseException:  # noqa: BLE001  # the process ends here
        traceback.print_exc()
    finally:
        sys.setprofile(None)
        os._exit(code)


def count_steps(work: Callable[[], object]) -> int:
    """Return the number of beginnings and ends of calls of C functions, such as `os.write`, during a function."""
    steps = 0

    def count(_frame: FrameType, event: str, _function: object) -> None:
        nonlocal steps
        steps += event in {"c_call", "c_return"}

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return steps


def kill_at_step(number: int) -> Callable[[], None]:
    """Return a function that makes its process kill itself at the beginning or the end of a call of a C function."""

    def begin() -> None:
        left = number

        def count(_frame: FrameType, event: str, _function: object) -> None:
            nonlocal left
            left -= event in {"c_call", "c_return"}
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)

    return begin


def limit_files(size: int, *, kill: bool) -> Callable[[], None]:
    """Return a function that limits the files of its process to a size.

    Args:
        size: The most bytes of a file. A longer write is cut there.
        kill: Whether the next write kills the process. Otherwise it is an error.
    """

    def begin() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if kill else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return begin


def without_permission(folder: Path) -> Callable[[], None]:
    """Return a function that takes the permission to write in a folder from its process."""

    def begin() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        else:
            folder.chmod(0o555)

    return begin


def kill_at_any_moment(work: Callable[[], object], seconds: float) -> int:
    """Kill a process that calls a function again and again, and return its exit code as `run` does."""
    child = os.fork()
    if child:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    try:
        while True:
            work()
    except BaseException:  # noqa: BLE001  # the process ends here
        traceback.print_exc()
    finally:
        os._exit(FAILED)
