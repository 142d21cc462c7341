"""The observers of the pages of all clients, also of those that no fixture makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import deque

    from pytest_streamval.app.page import Page
    from pytest_streamval.app.websocket import AppWebSocket
    from pytest_streamval.fuzzing.recutting import ScriptRecutter


class PageObserver(Protocol):
    """The test that a page belongs to."""

    @property
    def pages(self) -> deque[Page | AppWebSocket]:
        """The last pages and WebSockets."""

    @property
    def recutter(self) -> ScriptRecutter | None:
        """The recutter of the reads of pages, in a variant of `--streamval-fuzz`."""


observers: list[PageObserver] = []
"""The observers. The last one is that of the running test."""
