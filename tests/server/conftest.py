"""The fixture that all tests of the server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.clients import server_threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _server_thread_ends() -> Iterator[None]:
    yield
    assert server_threads() == []
