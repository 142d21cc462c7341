"""`TextIterator`: the iterator over the text of an output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


class Readable(Protocol):
    """The part of an output that the iterator uses."""

    def astream(self) -> Coroutine[Any, Any, str]:
        """Return the new text, or the complete text of a computed output."""

    async def read_deltas(self) -> list[str]:
        """Return the texts of the new deltas."""

    def is_computed(self) -> bool:
        """Return whether the output is final."""


class TextIterator:
    """An iterator over the new text of an output, or over its complete text if it is computed already."""

    def __init__(self, thunk: Readable) -> None:
        self._thunk = thunk
        self._has_begun = False

    def __aiter__(self) -> TextIterator:
        return self

    async def __anext__(self) -> str:
        if not self._has_begun:
            self._has_begun = True
            if text := await self._thunk.astream():
                return text
        # From here on only new text: astream() would return the complete text again once the output is computed.
        while not (text := "".join(await self._thunk.read_deltas())):
            if self._thunk.is_computed():
                raise StopAsyncIteration
        return text
