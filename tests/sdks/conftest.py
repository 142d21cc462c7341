"""What the tests of the official clients share."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sdks.certificates import few_certificates

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 2.0  # for what was closed to be gone
_PAUSE = 0.01  # seconds between two looks


@pytest.fixture(autouse=True, scope="session")
def _certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few_certificates(tmp_path_factory.mktemp("certificates"), patch.setenv)
        yield


@pytest.fixture(autouse=True)
def _census() -> Iterator[None]:
    """Count threads and sockets before and after each test."""
    threads, sockets = _threads(), _sockets()
    yield
    end = time.monotonic() + _SECONDS
    while (_threads() - threads or _sockets() - sockets) and time.monotonic() < end:
        gc.collect()
        time.sleep(_PAUSE)
    assert not _threads() - threads
    assert not _sockets() - sockets


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def _sockets() -> set[str]:
    """The sockets that this process holds, by what the system calls them."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue  # the one that lists the others
        if target.startswith("socket:"):
            found.add(target)
    return found
