"""The fixtures that all tests of the clients share."""

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

_SECONDS = 2.0  # until closed threads and sockets must be gone
_PAUSE = 0.01  # seconds between two looks


@pytest.fixture(autouse=True, scope="session")
def _certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few_certificates(tmp_path_factory.mktemp("certificates"), patch.setenv)
        yield


@pytest.fixture(autouse=True)
def _threads_and_sockets_end() -> Iterator[None]:
    """Compare the threads and the sockets before and after each test."""
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
    """Return the sockets of this process, by the system's names."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue  # the descriptor of this listing
        if target.startswith("socket:"):
            found.add(target)
    return found
