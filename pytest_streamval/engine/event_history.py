"""`EventHistory`: the events of a run. Those of a long run are packed, and take little more memory than their text."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate, chain, count, repeat
from operator import attrgetter, sub
from typing import TYPE_CHECKING, Any, cast, overload

from pytest_streamval.engine.events import ChunkEvent, QuickCheckEvent, StreamEvent, make_check, make_chunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_streamval.engine.requirement import PartialValidationResult

BLOCK = 4_096
"""The number of events that are packed together."""

FEW = 2 * BLOCK
"""The number of events that are kept as objects, if they come faster than any reader reads them."""
MANY = 16 * BLOCK
"""The same for all other runs. Packing costs a tenth of the time of a run, and few runs have so many events."""
_LIMIT = 2**32  # of the numbers in a column
_TEXT, _START, _END, _TIME, _INDEX, _ATTEMPT = map(
    attrgetter, ("text", "start", "end", "timestamp", "chunk_index", "attempt")
)


class EventHistory(Sequence[StreamEvent]):
    """A list of events, to which a run appends.

    A `ChunkEvent` of ten characters takes 250 bytes as an object, and about 30 when it is packed. A packed event is
    made again, equal to the first one, whenever it is read.
    """

    __slots__ = ("_blocks", "append", "extend", "packed", "recent")

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self.packed = 0
        """The number of packed events."""
        self.recent: list[StreamEvent] = []
        """The events after them."""
        self.append = self.recent.append
        """Add an event."""
        self.extend = self.recent.extend
        """Add events."""

    def pack(self, most: int) -> None:
        """Pack older events while there are as many objects as `most`."""
        recent = self.recent
        while len(recent) >= most:
            self._blocks.append(_Block(recent[:BLOCK]))
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
        return self._blocks[index // BLOCK][index % BLOCK]

    def __iter__(self) -> Iterator[StreamEvent]:
        return chain(*self._blocks, self.recent[:])  # the events so far, also if others are packed meanwhile


class _Chunks:
    """The events of chunks that follow each other, in columns."""

    def __init__(self, first: ChunkEvent, starts: Iterable[int], texts: list[str], times: Iterable[float]) -> None:
        self._first = first
        self._starts = array("I", starts)  # from the start of the first chunk
        self._times = array("d", times)
        self._text = "".join(texts)
        self._ends = array("I", accumulate(map(len, texts)))  # in that text

    @classmethod
    def of(cls, events: Sequence[ChunkEvent]) -> _Chunks | Sequence[ChunkEvent]:
        """Return columns, or the events themselves if columns cannot express them."""
        first, texts = events[0], list(map(_TEXT, events))
        starts, ends = list(map(_START, events)), list(map(_END, events))
        if None in starts or None in ends or not _is_row(events):
            return events
        if list(map(sub, ends, starts)) != list(map(len, texts)) or ends[-1] - starts[0] >= _LIMIT:
            return events
        return cls(first, map(sub, starts, repeat(starts[0])), texts, map(_TIME, events))

    def __getitem__(self, row: int) -> ChunkEvent:
        first = self._first
        text = self._text[self._ends[row - 1] if row else 0 : self._ends[row]]
        start = (first.start or 0) + self._starts[row]
        return make_chunk(self._times[row], text, first.chunk_index + row, first.attempt, start, start + len(text))


class _Checks:
    """The events of checks that follow each other, in columns. Equal results are kept once."""

    def __init__(self, events: Sequence[QuickCheckEvent]) -> None:
        self._first = events[0]
        self._times = array("d", map(_TIME, events))
        known: dict[tuple[int, ...], tuple[PartialValidationResult, ...]] = {}
        self._results = [known.setdefault(tuple(map(id, event.results)), event.results) for event in events]

    @classmethod
    def of(cls, events: Sequence[QuickCheckEvent]) -> _Checks | Sequence[QuickCheckEvent]:
        """Return columns, or the events themselves if columns cannot express them."""
        return cls(events) if _is_row(events) and all(event.passed is True for event in events) else events

    def __getitem__(self, row: int) -> QuickCheckEvent:
        first = self._first
        return make_check(self._times[row], first.chunk_index + row, first.attempt, True, self._results[row])  # noqa: FBT003  # passed


def _is_row(events: Sequence[ChunkEvent | QuickCheckEvent]) -> bool:
    """Return whether events of one attempt have consecutive chunks."""
    first = events[0].chunk_index
    is_consecutive = list(map(_INDEX, events)) == list(range(first, first + len(events)))
    return is_consecutive and len(set(map(_ATTEMPT, events))) == 1


class _Block:
    """Packed events: those of chunks and of checks in columns, and all others as they are."""

    __slots__ = ("_kinds", "_places")

    def __init__(self, events: Sequence[StreamEvent]) -> None:
        self._kinds: tuple[Any, ...]
        # most often there are only chunks, and then this is three times as fast
        if set(map(type, events)) == {ChunkEvent} and not any(map(_has_details, events)):
            self._kinds = (_Chunks.of(cast("list[ChunkEvent]", events)),)
            self._places = array("h", range(len(events)))
            return
        kinds = list(map(_kind_of, events))
        chunks, checks, others = (
            [cast("Any", event) for event, found in zip(events, kinds, strict=True) if found == kind]
            for kind in range(3)
        )
        self._kinds = (_Chunks.of(chunks) if chunks else (), _Checks.of(checks) if checks else (), others)
        self._places = array("h", _places(kinds))

    def __iter__(self) -> Iterator[StreamEvent]:
        return map(self.__getitem__, range(len(self._places)))

    def __getitem__(self, number: int) -> StreamEvent:
        row, kind = divmod(self._places[number], len(self._kinds))
        event: StreamEvent = self._kinds[kind][row]
        return event


def _kind_of(event: StreamEvent) -> int:
    """Return 0 for a chunk, 1 for a check, and 2 for any other event and those with details, which columns lack."""
    if _has_details(event):
        return 2
    return 0 if type(event) is ChunkEvent else 1 if type(event) is QuickCheckEvent else 2


def _has_details(event: StreamEvent) -> bool:
    return getattr(event, "_details", None) is not None


def _places(kinds: Iterable[int]) -> Iterator[int]:
    """Yield the place of each event: its kind, plus three times its number among the events of its kind."""
    numbers = (count(), count(), count())
    for kind in kinds:
        yield 3 * next(numbers[kind]) + kind
