"""Requirements that check chunks of their own, beside the chunks that a run releases.

The order of the checks must not depend on the deltas. A boundary is decided at the latest at the end of the next word,
so a chunk is checked when the word after it is complete. Until then, a chunk that ends before it may be undecided.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from math import inf
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.engine.attempt import AttemptState
from pytest_streamval.engine.chunking_strategy import Chunk, Chunker
from pytest_streamval.engine.events import make_chunk, make_own_check
from pytest_streamval.engine.output_text import TextReader
from pytest_streamval.engine.unsettled_text import UnsettledText

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_streamval.engine.events import ChunkEvent, StreamEvent
    from pytest_streamval.engine.unsettled_text import Edit
    from pytest_streamval.engine.validators import Part


class Track:
    """One way to chunk the output, and the requirements that check these chunks."""

    __slots__ = ("checked", "chunker", "decided", "end", "number", "part")

    def __init__(self, number: int, chunker: Chunker, part: Part) -> None:
        self.number = number
        """Its number, from 0. The first one makes the chunks that are released."""
        self.chunker = chunker
        self.part = part
        self.decided: list[Chunk] = []
        """The chunks before which a chunk of another track may still end."""
        self.checked = 0
        """The number of chunks that were checked."""
        self.end = 0
        """The offset after the last of them."""


Batch: TypeAlias = "tuple[Track, Sequence[Chunk]]"
"""Chunks of one track, between which no chunk of another track ends."""

_END_OF_CHUNK = itemgetter(2)
_END_OF_TRACK = attrgetter("end")


class CombinedChunker(Chunker):
    """The chunkers of all tracks. It returns their chunks in the order of their ends, and of two the shorter first."""

    def __init__(self, tracks: Sequence[Track], unsettled: UnsettledText) -> None:
        self.joins_deltas = all(track.chunker.joins_deltas for track in tracks)  # type: ignore[misc]  # of this object
        self._tracks = tracks
        self._words = next((track for track in tracks if track.chunker.finds_words), None)
        self._add = unsettled.add
        self._offset = 0  # the length of the text that was fed
        self._word_start = 0  # of the word at the end of that text
        self._in_word = False  # whether the word at its end may continue
        self._certain_end = 0  # the start of the last complete word: no new chunk will end before it

    def feed(self, text: str) -> list[Batch]:  # type: ignore[override]  # the chunks with their tracks
        """Add the next text, and return the chunks before which no other chunk can end."""
        self._add(text)
        words = self._words
        ready: list[Batch] = []
        if words is None:
            self._find_words(text)
        elif chunks := words.chunker.feed(text):
            words.decided += chunks
            self._certain_end = chunks[-1].start
        for track in self._tracks:
            decided = track.decided
            if track is not words and (chunks := track.chunker.feed(text)):
                decided += chunks
            if not decided:
                continue
            # the last word is the last complete one
            count = len(decided) - 1 if track is words else bisect_right(decided, self._certain_end, key=_END_OF_CHUNK)
            if count:
                ready.append((track, decided[:count]))
                del decided[:count]
        return _in_order(ready)

    def flush(self) -> list[Batch]:  # type: ignore[override]  # as in feed
        """Return all other chunks."""
        rest = [(track, [*track.decided, *track.chunker.flush()]) for track in self._tracks]
        return _in_order([(track, chunks) for track, chunks in rest if chunks])

    def _find_words(self, text: str) -> None:
        """Find the last complete word. Only the last two words of a text matter."""
        offset, self._offset = self._offset, self._offset + len(text)
        continues = self._in_word and not text[:1].isspace()
        if self._in_word and not continues:
            self._certain_end, self._in_word = self._word_start, False
        words = text.rsplit(None, 2)  # the last two, and the text before them
        if not words:
            return
        end = len(text.rstrip())
        last = end - len(words[-1])
        last_start = self._word_start if continues and len(words) == 1 else offset + last
        if end < len(text):
            self._certain_end, self._in_word = last_start, False
            return
        if len(words) > 1:
            previous = len(text[:last].rstrip()) - len(words[-2])
            self._certain_end = self._word_start if continues and len(words) == 2 else offset + previous  # noqa: PLR2004
        self._word_start, self._in_word = last_start, True


def _in_order(ready: list[Batch]) -> list[Batch]:
    """Divide lists of chunks, so that the chunks of all of them are in order."""
    if len(ready) < 2:  # noqa: PLR2004
        return ready
    longest = ready[0]
    for batch in ready:
        if len(batch[1]) > len(longest[1]):
            longest = batch
    track, chunks = longest
    others = [(other, chunk) for other, found in ready if other is not track for chunk in found]
    if len(others) > 1:
        others.sort(key=_order)
    batches: list[Batch] = []
    place = 0
    for other, chunk in others:
        end = chunk[2]
        count = bisect_left(chunks, end, place, key=_END_OF_CHUNK)
        if count < len(chunks) and chunks[count][2] == end and _order((track, chunks[count])) < _order((other, chunk)):
            count += 1
        if count > place:
            batches.append((track, chunks[place:count]))
            place = count
        batches.append((other, (chunk,)))
    if place < len(chunks):
        batches.append((track, chunks[place:]))
    return batches


def _order(chunk: tuple[Track, Chunk]) -> tuple[int, int, int]:
    track, (_, start, end) = chunk
    return end, -start, track.number


class OwnChunksAttempt(AttemptState):
    """An attempt whose requirements check chunks of their own. Text is released when all of them have checked it."""

    __slots__ = (
        *("_blocking", "_checking", "_has_joined", "_reader", "_settled", "_so_far", "_so_far_end"),
        *("_unsettled", "tracks", "waiting"),
    )

    tracks: Sequence[Track]
    """The ways to chunk the output. The first one makes the chunks that are released."""

    def use(self, tracks: Sequence[Track]) -> None:
        """Set the tracks."""
        self.tracks = tracks
        self._unsettled = UnsettledText()
        self.chunker = CombinedChunker(tracks, self._unsettled)
        self._checking = [track for track in reversed(tracks) if track.part.positions]
        self._has_joined = False
        self.waiting: list[Chunk] = []
        """The chunks to release that a requirement has not checked completely."""
        # the only track whose next check can release one, if that is known, or a new chunk that begins before its end
        self._blocking: Track | None = None
        self._settled = 0  # the offset in the output after the text that no edit can change any more
        self._reader = TextReader(self.text)
        self._so_far = ""  # the text so far at the last call
        self._so_far_end = 0  # its end in the output

    async def check(
        self,
        emit: Callable[[StreamEvent], None],
        emit_all: Callable[[Sequence[StreamEvent]], None],
        batches: list[Batch],
    ) -> bool:
        """Check chunks in order, up to the first that stops the stream (False), and release those of the run.

        Args:
            emit: Emits an event.
            emit_all: Emits events that happen at the same time.
            batches: The chunks.
        """
        number, waiting, start_check = self.number, self.waiting, self.validators.start_check
        self._join_first(batches)
        for track, chunks in batches:
            part, positions, is_released = track.part, track.part.positions, not track.number
            releasable = self._releasable(track)
            for index, chunk in enumerate(chunks, track.checked):
                text, start, end = chunk
                if not self.is_plain:
                    text = self._text_of(chunk)
                if positions and text:
                    self.checked = chunk
                    results, rest = start_check(text, part)
                    if rest is not None:
                        results = await rest
                    passed, expanded = part.passed, part.expanded
                    if not passed:
                        results, expanded = await self.replace(chunk, results, positions), None
                    results = expanded or part.expand(results)
                    emit(make_own_check(time.time(), (positions, start, end), index, number, passed, results))
                    if not passed and self.failures:
                        return False
                if is_released:
                    waiting.append(chunk)
                if waiting and start <= releasable:
                    track.end = end
                    emit_all(self.settle())
                    releasable = self._releasable(track)
            track.checked += len(chunks)
            track.end = end
        return True

    def _releasable(self, track: Track) -> float:
        """Return the last offset at which a chunk of a track may begin, so that its check can release a chunk."""
        blocking = self._blocking
        if blocking is None or blocking is track:
            return inf
        return -1 if track.number else blocking.end

    def _join_first(self, batches: Sequence[Batch]) -> None:
        if self.kept and batches and not self._has_joined:
            self._has_joined = True
            self.join(batches[0][1][0])

    def text_so_far(self) -> str:
        """Return the text up to and including the chunk that is checked."""
        so_far, self._so_far = self._so_far, ""  # so that this is the only reference, and CPython appends in place
        if self._so_far_end < self._settled or not so_far:
            self._reader.read_to(len(so_far))  # the text of the last call
            so_far += self._reader.read_to(self._settled + self.text.shift)
            self._so_far_end = self._settled
        end = self.checked.end
        if self._so_far_end < end:
            so_far += self._unsettled.edited(self._so_far_end, end)
            self._so_far_end = end
        self._so_far = so_far
        return so_far

    def _text_of(self, chunk: Chunk) -> str:
        """Return the text of a chunk with the replacements in it."""
        if not self._unsettled.is_edited(chunk.start):
            return chunk.text
        settled = chunk.text[: max(0, self._settled - chunk.start)]
        return settled + self._unsettled.edited(max(chunk.start, self._settled), chunk.end)

    def text_to_continue(self) -> str:
        """Return the released text with the white space after it, for the next attempt to continue."""
        if self.natural_end or self._held or not self.released_end:
            return super().text_to_continue()
        rest = self._unsettled.plain(self._settled, self._unsettled.end)
        return self.text.up_to(self._settled + self.text.shift) + rest[: len(rest) - len(rest.lstrip())]

    def join(self, first: Chunk) -> None:
        """Join the first chunk to the kept text, without the white space before it if the kept text ends with some."""
        if self.kept[-1:].isspace():
            self._settled = first.start + len(first.text) - len(first.text.lstrip())
            self.text.replace(0, self._settled, "")
        else:
            super().join(first)

    def _put(self, chunk: Chunk, replacement: str, *, again: bool) -> None:
        del again
        self.is_plain = False
        self.checked = chunk._replace(text=replacement)
        start = self._unsettled.start_of(max(chunk.start, self._settled))
        if start < self._so_far_end:
            length = len(self._unsettled.edited(start, self._so_far_end))
            self._so_far = self._so_far[: len(self._so_far) - length]
            self._so_far_end = start
        self._unsettled.replace(start, chunk.end, replacement)

    # The release

    def settle(self, *, at_end: bool = False) -> Sequence[ChunkEvent]:
        """Release the chunks that every requirement has checked, or all of them at the end of the output."""
        last = min(self._checking, key=_END_OF_TRACK)
        end, waiting = last.end, self.waiting
        if not self.is_plain:
            self._blocking = None
            return self._settle_edited(end, at_end=at_end)
        count = len(waiting)
        if not at_end and waiting and waiting[-1].end > end:
            count = bisect_right(waiting, end, key=_END_OF_CHUNK)
            while count < len(waiting) and _is_checked(waiting[count], end):
                count += 1
        released, index = waiting[:count], self.chunks_checked
        del waiting[:count]
        self._blocking = last
        if released:
            self.chunks_checked = self.chunks_released = index + count
            self._settled = self.released_end = released[-1].end
            self._unsettled.forget(self._settled)
        number, now = self.number, time.time()
        return [make_chunk(now, text, at, number, start, end) for at, (text, start, end) in enumerate(released, index)]

    def _settle_edited(self, checked_end: int, *, at_end: bool) -> Sequence[ChunkEvent]:
        events: list[ChunkEvent] = []
        waiting, place = self.waiting, 0
        while count := self._settled_count(place, checked_end, at_end=at_end):
            events += self._release(waiting[place : place + count])
            place += count
        del waiting[:place]
        self._unsettled.forget(self._settled)
        if at_end:
            self._apply(self._unsettled.take_edits(self._unsettled.end))
        return events

    def _settled_count(self, place: int, checked_end: int, *, at_end: bool) -> int:
        """Return the number of waiting chunks that are released as one, because a replacement connects them."""
        count = end = 0
        for index in range(place, len(self.waiting)):
            chunk = self.waiting[index]
            if count and chunk.start >= end:
                return count
            if not (at_end or _is_checked(chunk, checked_end)):
                return 0
            count, end = count + 1, max(end, chunk.end)
            end = max(end, self._unsettled.end_of_edits(end))
            if end <= chunk.end:
                return count
        return count if at_end else 0

    def _release(self, chunks: Sequence[Chunk]) -> Sequence[ChunkEvent]:
        start, end = self._unsettled.start_of(chunks[0].start), chunks[-1].end
        end = max(end, self._unsettled.end_of_edits(end))
        text = self._unsettled.edited(max(start, self._settled), end)
        edits = self._unsettled.take_edits(end)
        self._apply(edits)
        self._settled = end
        self.chunks_checked += 1
        replaced = bool(edits) and edits[-1].end > start
        return self.hold(text, (start, end), replaced=replaced)

    def _apply(self, edits: Sequence[Edit]) -> None:
        for edit in edits:
            self.text.replace(edit.start, edit.end, edit.text)


def _is_checked(chunk: Chunk, checked_end: int) -> bool:
    """Return whether a chunk was checked up to an offset. White space at its end need not be checked."""
    return chunk.end <= checked_end or chunk.start + (len(chunk.text.rstrip()) or len(chunk.text)) <= checked_end
