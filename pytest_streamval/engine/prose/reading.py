"""Reading a stream: what is kept of it, what has to be looked at, and how chunks leave it."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_streamval.engine.chunking import Chunk, Chunker
from pytest_streamval.engine.prose.characters import (
    BLANK,
    BULLETS,
    DASHES,
    FULL_STOPS,
    LEFT,
    LOOK,
    TERMINATORS,
    WAIT,
    sure,
)
from pytest_streamval.engine.prose.nesting import NESTING, Nesting

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.engine.prose.markers import Marker

_QUICK: Final = re.compile(rf"[{TERMINATORS}{FULL_STOPS}{BULLETS}\n)\"”]")
"""What can make or move a boundary: text without any of it is put aside unread."""

CANDIDATES: Final = re.compile(rf"[{TERMINATORS}{FULL_STOPS}{BULLETS}\n{re.escape(NESTING)}]")
"""What is looked at, in order. A plain class, because that is what `re` searches fastest."""

LINE_ENDS: Final = re.compile(r"\n")
"""All that is looked at in a line that stands for itself, and in a fence."""

_PATIENT: Final = frozenset(TERMINATORS + FULL_STOPS + ')"”')
"""Candidates that decide nothing before the next character is there."""

_FOUND_CANDIDATE: Final = _QUICK.search
_FOUND_LINE_END: Final = LINE_ENDS.search
_FOUND_ANYTHING: Final = re.compile("").search

_SURPLUS: Final = 2 * LEFT
"""How much decided text the window keeps before it is shortened to `LEFT`: to copy it each time costs more."""

_SPACES: Final = " \n\t\u3000"
"""Where a chunk that is too long may be cut."""


def _can_wait(text: str, found: re.Match[str]) -> bool:
    """Whether the first candidate of a delta is its end, and decides nothing before the next character is there.

    It need not be read then: the next delta asks. Behind a period and a space that holds as well, unless the word
    could be the label of a list item, which would cut right here.
    """
    rest = len(text) - found.end()
    if rest == 0:
        return found[0] in _PATIENT
    if rest != 1 or len(text) < 4 or text[-1] != " " or text[-2] not in TERMINATORS:  # noqa: PLR2004  # two letters
        return False
    return text[-4:-2].isalpha() and text[-4:-2].islower() and text[-3] not in "ivx"


def _is_idle(text: str, found: re.Match[str]) -> bool:
    """Whether a candidate can decide nothing: a quote behind no dash, a bracket behind what is no label."""
    at = found.start()
    if found[0] == ")":
        return text[max(at - 2, 0) : at].isalpha() and at > 1 and text[at - 1] not in "ivxIVX"
    return at > 0 and found[0] in ('"', "”") and text[at - 1] not in DASHES


class Reading(Chunker):
    """One stream of text, read for candidates.

    It is read in three steps, so that most deltas cost one search and one append: what holds no candidate is put
    aside (`_fresh`); with the next candidate it is joined to the window and read once, for candidates, quotes and
    brackets; what is decided leaves the window but for `LEFT` characters of context. A candidate that needs more text
    stays where it is, and the next delta asks again: it may see `LOOK` characters, so it asks a limited number of
    times.
    """

    joins_deltas = True
    _handlers: ClassVar[dict[str, Callable[..., int]]] = {}
    """Which method looks at which character. It returns the place in the window to go on at, or `WAIT`."""

    def __init__(self, max_chars: int) -> None:
        self._max = max_chars
        self._fresh: list[str] = []  # not read yet: no candidate in it
        self._room = max_chars  # characters until the limit has to be looked at
        self._quick = _FOUND_CANDIDATE
        self._done: list[str] = []  # of the open chunk, what left the window
        self._window = ""
        self._base = 0  # offset of the window in the full text
        self._at = 0  # place in the window: what stands before is decided
        self._start = 0  # offset of the open chunk
        self._between = True  # whether whitespace is being skipped
        self._heading = True  # whether a line begins here that is not classified yet
        self._meets = CANDIDATES
        self._nesting = Nesting()
        self._item: tuple[Marker, ...] = ()  # what the marker that the open chunk begins with can mean
        self._final = False
        self._found: list[Chunk] = []

    @abstractmethod
    def _classify(self) -> bool:
        """Find out what kind of line begins at `_at`, and return False where more text decides."""

    def feed(self, text: str) -> list[Chunk]:
        """Take the next text and return the chunks that it completed, in order."""
        self._fresh.append(text)
        found = self._quick(text)
        if found is not None and not (_is_idle(text, found) and self._quick(text, found.end()) is None):
            if not _can_wait(text, found):
                return self._read()
            self._quick = _FOUND_ANYTHING
        self._room -= len(text)
        return [] if self._room >= 0 else self._read()

    def flush(self) -> list[Chunk]:
        """Return what the end of the text completes; nothing is fed afterwards."""
        self._final = True
        chunks = self._read()
        self._cut(len(self._window), len(self._window))
        return chunks

    # Reading

    def _read(self) -> list[Chunk]:
        """Read what is fresh, and return the chunks that it completes."""
        fresh = self._fresh
        self._window += fresh[0] if len(fresh) == 1 else "".join(fresh)
        fresh.clear()
        chunks: list[Chunk] = []
        self._found = chunks
        if self._advance():
            self._quick = _FOUND_ANYTHING
        else:
            self._quick = _FOUND_CANDIDATE if self._meets is CANDIDATES else _FOUND_LINE_END
        if self._at > _SURPLUS:
            self._forget(self._at - LEFT)
        self._room = self._max - (self._base + len(self._window) - self._start)
        return chunks

    def _advance(self) -> bool:
        """Decide as much of the window as can be decided, and return whether a candidate waits for more."""
        window = self._window
        handlers = self._handlers
        while True:
            if self._between and not self._skip():
                return False
            if self._heading and not self._classify():
                return True
            met = self._meets.search(window, self._at)
            self._at = place = met.start() if met is not None else len(window)
            if self._base + place - self._start > self._max:
                self._cut_hard()
            elif met is None:
                return False
            else:
                place = handlers[window[place]](self, place)
                if place == WAIT:
                    return True
                self._at = place

    def _skip(self) -> bool:
        """Skip the whitespace between two chunks, and return whether something stands behind it."""
        end = sure(BLANK.match(self._window, self._at)).end()
        self._heading = self._heading or "\n" in self._window[self._at : end]
        self._at = end
        self._start = self._base + end
        self._between = end == len(self._window)
        return not self._between

    def _forget(self, surplus: int) -> None:
        """Let go of `surplus` characters; what stays in front is the context that the next decision may want."""
        start = self._start - self._base
        if start < surplus:
            self._done.append(self._window[max(start, 0) : surplus])
        self._window = self._window[surplus:]
        self._base += surplus
        self._at -= surplus

    def _view(self, place: int) -> tuple[str, bool]:
        """Return what a decision at `place` may see, and whether it may wait for more."""
        view = self._window[place : place + LOOK]
        return view, len(view) < LOOK and not self._final

    def _left(self, place: int) -> str:
        """Return what stands before `place` in the open chunk, as far as a decision may see."""
        return self._window[max(place - LEFT, self._start - self._base, 0) : place]

    # Cutting

    def _cut(self, end: int, start: int) -> int:
        """End the open chunk at `end` and begin the next at `start`; both are places in the window. Return `start`."""
        text = self._open_text(end)
        offset = self._start
        while len(text) > self._max:
            cut = self._limit(text)
            self._emit(text[:cut], offset)
            text, offset = text[cut:], offset + cut
        self._emit(text, offset)
        self._begin(self._base + start)
        return start

    def _begin(self, start: int) -> None:
        """Begin a chunk at the offset `start`."""
        self._done.clear()
        self._start = start
        self._item = ()
        if self._nesting.open:
            self._nesting.reset()

    def _emit(self, text: str, offset: int) -> None:
        """Add a chunk without the whitespace around it, if anything is left."""
        shown = text.strip()
        if len(shown) == len(text) > 0:
            self._found.append(Chunk(text, offset, offset + len(text)))
        elif shown:
            at = offset + len(text) - len(text.lstrip())
            self._found.append(Chunk(shown, at, at + len(shown)))

    def _limit(self, text: str) -> int:
        """Return where to cut a text that is too long: behind the last whitespace, or where the limit is."""
        return max(text.rfind(space, 0, self._max) for space in _SPACES) + 1 or self._max

    def _open_text(self, end: int) -> str:
        if self._start >= self._base:
            return self._window[self._start - self._base : end]
        return "".join(self._done) + self._window[:end]

    def _end(self, end: int) -> int:
        """End the open chunk at `end`; whitespace, and what follows it, comes next."""
        self._between = True
        return self._cut(end, end)

    def _cut_hard(self) -> None:
        """Cut the open chunk at the limit: behind the last whitespace within, or where the limit is."""
        text = self._open_text(self._start + self._max - self._base)
        cut = self._limit(text)
        self._emit(text[:cut], self._start)
        self._begin(self._start + cut)
        if self._start < self._base:
            self._done.append(text[cut : cut + self._base - self._start])
