"""`EventHistory`: the events of a run. Those of a long run are packed, and take little more memory than their text."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate, count
from typing import TYPE_CHECKING, overload

from pytest_streamval.engine.events import ChunkEvent, StreamEvent, set_time

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 4_096
"""The number of events that are packed together."""

_RECENT = 2 * BLOCK  # events that are kept as objects, so that only long runs are packed
_LIMIT = 2**32  # of the numbers in a column


class EventHistory(Sequence[StreamEvent]):
    """A list of events, to which a run appends.

    A `ChunkEvent` of ten characters takes 250 bytes as an object, and about 30 when it is packed. A packed event is
    made again, equal to the first one, whenever it is read.
    """

    __slots__ = ("_blocks", "append", "packed", "recent")

    def __init__(self) -> None:
        self._blocks: list[_Block | list[StreamEvent]] = []
        self.packed = 0
        """The number of packed events."""
        self.recent: list[StreamEvent] = []
        """The events after them."""
        self.append = self.recent.append
        """Add an event."""

    def pack(self) -> None:
        """Pack the older events if there are many."""
        recent = self.recent
        while len(recent) >= _RECENT:
            self._blocks.append(_packed(recent[:BLOCK]))
            del recent[:BLOCK]
            self.packed += BLOCK

    def __len__(self) -> int:
        return self.packed + len(self.recent)

    @overload
    def __getitem__(self, index: int) -> StreamEvent: ...

    @overload
    def __getitem__(self, index: slice) -> list[StreamEvent]: ...

    def __getitem__(self, index: int | slice) -> StreamEvent | list[StreamEvent]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))] if self._blocks else self.recent[index]
        if index < 0:
            index += len(self)
        if index >= self.packed:
            return self.recent[index - self.packed]
        if index < 0:
            raise IndexError(index)
        block = self._blocks[index // BLOCK]
        return block[index % BLOCK] if isinstance(block, list) else block.event(index % BLOCK)

    def __iter__(self) -> Iterator[StreamEvent]:
        return map(self.__getitem__, range(len(self)))


class _Block:
    """Packed events: those of chunks in columns, and all others as they are."""

    __slots__ = ("_ends", "_first", "_places", "_starts", "_text", "_times", "others")

    def __init__(self, events: Sequence[StreamEvent], chunks: list[ChunkEvent]) -> None:
        self.others = [event for event in events if type(event) is not ChunkEvent]
        """The other events."""
        self._first = chunks[0]
        first = chunks[0].start or 0
        self._starts = array("I", [(event.start or 0) - first for event in chunks])  # in the full text
        self._times = array("d", [event.timestamp for event in chunks])
        texts = [event.text for event in chunks]
        self._text = "".join(texts)
        self._ends = array("I", accumulate(map(len, texts)))  # in that text
        self._places = array("h", _places(events)) if self.others else None

    def event(self, number: int) -> StreamEvent:
        """Return the event with a number, from 0."""
        row = number if self._places is None else self._places[number]
        if row < 0:
            return self.others[~row]
        first = self._first
        text = self._text[self._ends[row - 1] if row else 0 : self._ends[row]]
        start = (first.start or 0) + self._starts[row]
        event = ChunkEvent(text, first.chunk_index + row, first.attempt, start, start + len(text))
        set_time(event, self._times[row])
        return event


def _packed(events: list[StreamEvent]) -> _Block | list[StreamEvent]:
    """Return events in a form that takes less memory, or the same list if their chunks do not follow each other."""
    chunks = [event for event in events if type(event) is ChunkEvent]
    if not chunks:
        return events
    numbers = [event.chunk_index for event in chunks]
    lengths = [-1 if event.end is None or event.start is None else event.end - event.start for event in chunks]
    fits = (
        numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        and lengths == [len(event.text) for event in chunks]
        and all(event.attempt == chunks[0].attempt for event in chunks)
        and (chunks[-1].end or 0) - (chunks[0].start or 0) < _LIMIT
    )
    return _Block(events, chunks) if fits else events


def _places(events: Sequence[StreamEvent]) -> Iterator[int]:
    """Yield the place of each event: the number of its chunk, or ~number among the others."""
    chunks, others = count(), count()
    for event in events:
        yield next(chunks) if type(event) is ChunkEvent else ~next(others)
