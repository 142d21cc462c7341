"""Requirements that check chunks of their own, beside the chunks that a run releases.

The order of the checks must not depend on the deltas. A boundary is decided at the latest at the end of the next word,
so a chunk is checked when the word after it is complete. Until then, a chunk that ends before it may be undecided.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pytest_streamval.engine.attempt import AttemptState
from pytest_streamval.engine.chunking import Chunk, Chunker
from pytest_streamval.engine.events import ChunkEvent
from pytest_streamval.engine.output_text import TextReader
from pytest_streamval.engine.requirement import PartialValidationResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.engine.validators import Part

_UNKNOWN = PartialValidationResult("unknown")

Results: TypeAlias = "tuple[PartialValidationResult, ...]"

Decided: TypeAlias = "tuple[int, int, int, Chunk]"
"""A chunk with its order: its end, the negative of its start, and the index of its track."""


def _end_of(track: Track) -> int:
    return track.end


class Track:
    """One way to chunk the output, and the requirements that check these chunks."""

    __slots__ = ("checked", "chunker", "end", "known", "part")

    def __init__(self, chunker: Chunker, part: Part) -> None:
        self.chunker = chunker
        self.part = part
        self.checked = 0
        """The number of chunks that were checked."""
        self.end = 0
        """The offset after the last of them."""
        self.known: tuple[Results, Results] = ((), ())
        """The results of its last check, and the same with one for each requirement of the run."""


class CombinedChunker(Chunker):
    """The chunkers of all tracks. It returns their chunks in the order of their ends, and of two the shorter first."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self.joins_deltas = all(track.chunker.joins_deltas for track in tracks)  # type: ignore[misc]  # of this object
        self.unsettled = ""
        """The text after `unsettled_start`, as far as it was fed."""
        self.unsettled_start = 0
        self._tracks = tracks
        self._decided: list[Decided] = []
        self._offset = 0  # the length of the text that was fed
        self._word_start = 0  # of the word at the end of that text
        self._in_word = False  # whether the word at its end may continue
        self._certain_end = 0  # the start of the last complete word: no new chunk will end before it

    def feed(self, text: str) -> list[Decided]:  # type: ignore[override]  # the chunks with their order
        """Add the next text, and return the chunks before which no other chunk can end."""
        self.unsettled += text
        self._find_words(text)
        for index, track in enumerate(self._tracks):
            for chunk in track.chunker.feed(text):
                self._decided.append((chunk.end, -chunk.start, index, chunk))
        self._decided.sort()
        return self._taken(bisect_left(self._decided, (self._certain_end + 1,)))

    def flush(self) -> list[Decided]:  # type: ignore[override]  # as in feed
        """Return all other chunks."""
        for index, track in enumerate(self._tracks):
            for chunk in track.chunker.flush():
                self._decided.append((chunk.end, -chunk.start, index, chunk))
        self._decided.sort()
        return self._taken(len(self._decided))

    def settle(self, end: int) -> None:
        """Forget the unsettled text up to an offset."""
        if end > self.unsettled_start:
            self.unsettled = self.unsettled[end - self.unsettled_start :]
            self.unsettled_start = end

    def _taken(self, count: int) -> list[Decided]:
        taken, self._decided = self._decided[:count], self._decided[count:]
        return taken

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


class _Edit(NamedTuple):
    """A part of the output that was replaced, by its offsets in the output, and the text in its place."""

    start: int
    end: int
    text: str


class OwnChunksAttempt(AttemptState):
    """An attempt whose requirements check chunks of their own. Text is released when all of them have checked it."""

    __slots__ = (
        *("_checking", "_edits", "_reader", "_settled", "_so_far"),
        *("blocking", "combined", "has_joined", "tracks", "waiting"),
    )

    tracks: Sequence[Track]
    """The ways to chunk the output. The first one makes the chunks that are released."""
    combined: CombinedChunker

    def use(self, tracks: Sequence[Track]) -> None:
        """Set the tracks."""
        self.tracks = tracks
        self.chunker = self.combined = CombinedChunker(tracks)
        self._checking = [track for track in tracks if track.part.positions]
        self.has_joined = False
        """Whether the kept text was joined to the first chunk."""
        self.waiting: deque[Chunk] = deque()
        """The chunks to release that a requirement has not checked completely."""
        self.blocking: Track | None = None
        """The only track whose next check can release one of them, if that is known."""
        self._edits: list[_Edit] = []  # of the unsettled text, in order
        self._settled = 0  # the offset in the output after the text that no edit can change any more
        self._reader = TextReader(self.text)
        self._so_far = ""

    def text_so_far(self) -> str:
        """Return the text up to and including the chunk that is checked."""
        so_far, self._so_far = self._so_far, ""
        so_far += self._reader.read_to(self._settled + self.text.shift)
        self._so_far = so_far
        return so_far + self._edited(self._settled, self.checked.end)

    def text_of(self, chunk: Chunk) -> str:
        """Return the text of a chunk with the replacements in it."""
        if not self._edits or self._edits[-1].end <= chunk.start:
            return chunk.text
        settled = chunk.text[: max(0, self._settled - chunk.start)]
        return settled + self._edited(max(chunk.start, self._settled), chunk.end)

    def text_to_continue(self) -> str:
        """Return the released text with the white space after it, for the next attempt to continue."""
        if self.natural_end or self._held or not self.released_end:
            return super().text_to_continue()
        rest = self.combined.unsettled[self._settled - self.combined.unsettled_start :]
        return self.text.up_to(self._settled + self.text.shift) + rest[: len(rest) - len(rest.lstrip())]

    def join(self, first: Chunk) -> None:
        """Join the first chunk to the kept text, without the white space before it if the kept text ends with some."""
        self.has_joined = True
        if self.kept[-1:].isspace():
            self._settled = first.start + len(first.text) - len(first.text.lstrip())
            self.text.replace(0, self._settled, "")
        else:
            super().join(first)

    def _put(self, chunk: Chunk, replacement: str, *, again: bool) -> None:
        del again
        self.is_plain = False
        self.checked = chunk._replace(text=replacement)
        start = max(chunk.start, self._settled)
        while self._edits and self._edits[-1].end > start:  # the requirement has seen this replacement in the chunk
            start = min(start, self._edits.pop().start)
        self._edits.append(_Edit(start, chunk.end, replacement))

    def _edited(self, start: int, end: int) -> str:
        """Return a part of the unsettled text with the replacements in it."""
        base, parts = self.combined.unsettled_start, []
        text = self.combined.unsettled
        for edit in self._edits:
            if edit.end > start and edit.start < end:
                parts += [text[max(0, start - base) : max(0, edit.start - base)], edit.text]
                start = max(start, edit.end)
        return "".join([*parts, text[max(0, start - base) : max(0, end - base)]])

    # The release

    def expanded(self, track: Track, results: Results) -> Results:
        """Return a result for each requirement of the run: `"unknown"` for those that check other chunks."""
        if track.known[0] is not results:
            known = dict(zip(track.part.positions, results, strict=True))
            count = len(self.validators.requirements)
            track.known = results, tuple(known.get(position, _UNKNOWN) for position in range(count))
        return track.known[1]

    def settle(self, *, at_end: bool = False) -> Iterator[ChunkEvent]:
        """Release the chunks that every requirement has checked, or all of them at the end of the output."""
        last = min(self._checking, key=_end_of)
        checked_end = last.end
        while self.waiting and (count := self._settled_count(checked_end, at_end=at_end)):
            chunks = [self.waiting.popleft() for _ in range(count)]
            if self.is_plain:
                [(text, start, end)] = chunks
                index, self.chunks_checked = self.chunks_checked, self.chunks_checked + 1
                self.chunks_released = self.chunks_checked
                self._settled = self.released_end = end
                yield ChunkEvent(text, index, self.number, start, end)
            else:
                yield from self._release(chunks)
        self.blocking = last if self.is_plain and self.waiting else None
        if at_end:
            self._apply(self._edits)
            self._edits = []

    def forget_settled(self) -> None:
        """Forget the text that no edit can change any more."""
        self.combined.settle(self._settled)

    def _settled_count(self, checked_end: int, *, at_end: bool) -> int:
        """Return the number of waiting chunks that are released as one, because a replacement connects them."""
        count = end = 0
        for chunk in self.waiting:
            if count and chunk.start >= end:
                return count
            if not at_end and chunk.start + (len(chunk.text.rstrip()) or len(chunk.text)) > checked_end:
                return 0  # white space after a chunk need not be checked
            if not self._edits:
                return 1
            count, end = count + 1, max(end, chunk.end)
            end = max([end, *(edit.end for edit in self._edits if edit.start < end)])
            if end <= chunk.end:
                return count
        return count if at_end else 0

    def _release(self, chunks: Sequence[Chunk]) -> Iterator[ChunkEvent]:
        start, end = chunks[0].start, chunks[-1].end
        edits = [edit for edit in self._edits if edit.start < end]
        self._edits = self._edits[len(edits) :]
        between = [edit for edit in edits if edit.end <= start]
        inside = edits[len(between) :]
        self._apply(between)
        self.chunks_checked += 1
        if not inside:
            text = chunks[0].text[max(0, self._settled - start) :]
            self._settled = end
            yield from self.hold(text, (start, end), replaced=False)
            return
        start, end = min(start, inside[0].start), max(end, inside[-1].end)
        self._so_far += self._reader.read_to(start + self.text.shift)
        self._apply(inside)
        self._settled = end
        text = self._reader.read_to(end + self.text.shift)
        self._so_far += text
        yield from self.hold(text, (start, end), replaced=True)

    def _apply(self, edits: Sequence[_Edit]) -> None:
        for edit in edits:
            self.text.replace(edit.start, edit.end, edit.text)
