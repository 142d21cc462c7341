"""The fixture that all tests of the server share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.server import handler
from tests.server.clients import server_threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _server_thread_ends() -> Iterator[None]:
    yield
    assert server_threads() == []


@pytest.fixture
def same_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every response the same time of creation, so that the bytes of two responses can be compared."""
    monkeypatch.setattr(handler, "time", SimpleNamespace(time=lambda: 1_700_000_000.0))
