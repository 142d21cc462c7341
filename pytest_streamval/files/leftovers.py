"""Temporary files: their names, and the removal of those whose process was killed."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from functools import cache
from hashlib import blake2s
from pathlib import Path
from uuid import uuid4

_NAME = re.compile(r"\.streamval-(?P<machine>[0-9a-f]{16})-(?P<process>[0-9]{1,9})-[0-9a-f]{32}\.tmp")


def temporary_name() -> str:
    """Return a new name for a file of this process."""
    return f".streamval-{_machine()}-{os.getpid()}-{uuid4().hex}.tmp"


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder that a killed process of this machine has left.

    A file of a process that lives stays, and so does one of another machine, whose processes cannot be seen.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (
                (name := _NAME.fullmatch(entry.name))
                and name["machine"] == _machine()
                and _is_dead(int(name["process"]))
            ):
                with suppress(OSError):  # it may be a folder, or gone
                    Path(entry).unlink()


def _is_dead(process: int) -> bool:
    if os.name != "posix":  # pragma: no cover  # Windows has no signal that only asks
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # a process of another user
        return False
    return False


@cache
def _machine() -> str:
    """Return a name for the processes that this one can see: those since the start of this machine or container."""
    facts = [platform.node()]
    for path, read in (("/proc/sys/kernel/random/boot_id", Path.read_text), ("/proc/self/ns/pid", os.readlink)):
        with suppress(OSError):
            facts.append(read(Path(path)))
    return blake2s("\n".join(facts).encode(), digest_size=8).hexdigest()
