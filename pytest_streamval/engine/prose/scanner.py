"""Reading a stream: what is kept of it, what has to be looked at, and how chunks leave it."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_streamval.engine.chunking import Chunk, Chunker
from pytest_streamval.engine.prose.characters import (
    BULLETS,
    CLOSING,
    DASHES,
    FULL_STOPS,
    LEFT,
    LOOK,
    TERMINATORS,
    WAIT,
)
from pytest_streamval.engine.prose.nesting import NESTING, Nesting

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.engine.prose.markers import Marker

_DECISIVE: Final = rf"{TERMINATORS}{FULL_STOPS}{BULLETS}\n)\"”"
_QUICK: Final = re.compile(f"[{_DECISIVE}]").search
"""What can make or move a boundary: text without any of it is put aside unread."""

CANDIDATES: Final = re.compile(
    rf"[{TERMINATORS}{FULL_STOPS}{BULLETS}\n{re.escape(NESTING)}](?!(?<=\.)[a-z]|(?<=[^\W_]['’])[^\W_])"
)
"""What is looked at, in order, but for a period before a small letter and an apostrophe, which decide nothing.

It begins with a plain class, because that is what `re` searches fastest.
"""

LINE_ENDS: Final = re.compile(r"\n")
"""All that is looked at in a line that stands for itself, and in a fence."""

_TEXT: Final = re.compile(r"\S").search

_SURPLUS: Final = 2 * LEFT
"""How much decided text the window keeps before it is shortened to `LEFT`: to copy it each time costs more."""

_new: Final = tuple.__new__
"""Makes a `Chunk` as its class does, in a third of the time."""

_SPACES: Final = " \n\t\u3000"
"""Where a chunk that is too long may be cut."""


_PUT_ASIDE: Final = re.compile(
    rf"""
    [^{_DECISIVE}]*
    (?: (?: ["”](?<=[^{DASHES}].)                        # a quote behind no dash
          | \)(?<=[^\W\d_][^\W\d_ivxIVX]\))               # a bracket behind what is no label
          | \.(?:(?=[a-z]) | (?<=[A-Z]\.)(?=[A-Z]))        # a period within a word
        )
        [^{_DECISIVE}]*
    )*
    (?P<open>
        [{FULL_STOPS})"”\n]
      | [{TERMINATORS}]{{1,8}}[{re.escape(CLOSING)}]{{0,8}}
      | (?:[!?] | \.(?<=[^\W\d_][^\W\d_ivxIVX]\.))[{re.escape(CLOSING)}]{{0,8}}\s
    )?\Z""",
    re.VERBOSE,
).match
"""A delta that decides nothing before the next character is there; `open` is a candidate that asks for it.

The label of a list item, such as "b.", decides something as soon as it is followed by a space: it cuts.
"""


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
        self._waits = False  # whether a candidate needs the next character, whatever that is
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
        if self._waits or (_QUICK(text) is not None and self._decides(text)):
            return self._read()
        self._room -= len(text)
        return [] if self._room >= 0 else self._read()

    def flush(self) -> list[Chunk]:
        """Return what the end of the text completes; nothing is fed afterwards."""
        self._final = True
        chunks = self._read()
        self._cut(len(self._window), len(self._window))
        return chunks

    # Reading

    def _decides(self, text: str) -> bool:
        """Whether a delta may decide something before the next one is there."""
        if self._meets is not CANDIDATES:
            return "\n" in text
        found = _PUT_ASIDE(text)
        if found is None:
            return True
        self._waits = found.lastgroup is not None
        return False

    def _read(self) -> list[Chunk]:
        """Read what is fresh, and return the chunks that it completes."""
        fresh = self._fresh
        self._window += fresh[0] if len(fresh) == 1 else "".join(fresh)
        fresh.clear()
        chunks: list[Chunk] = []
        self._found = chunks
        self._waits = self._advance()
        if self._at > _SURPLUS:
            self._forget(self._at - LEFT)
        self._room = self._max - (self._base + len(self._window) - self._start)
        return chunks

    def _advance(self) -> bool:
        """Decide as much of the window as can be decided, and return whether a candidate waits for more."""
        window = self._window
        handlers = self._handlers
        too_long = self._base + len(window) - self._start > self._max
        while True:
            if self._between and not self._skip():
                return False
            if self._heading and not self._classify():
                return True
            met = self._meets.search(window, self._at)
            self._at = place = met.start() if met else len(window)
            if too_long and self._base + place - self._start > self._max:
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
        found = _TEXT(self._window, self._at)
        end = found.start() if found else len(self._window)
        self._heading = self._heading or "\n" in self._window[self._at : end]
        self._at = end
        self._start = self._base + end
        self._between = found is None
        return found is not None

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

    def _last_word(self, place: int) -> str:
        """Return what stands between the last space and `place`, as far as a decision may see."""
        begin = self._start - self._base
        begin = max(begin, place - LEFT)
        space = self._window.rfind(" ", begin, place)
        return self._window[begin if space < 0 else space + 1 : place]

    def _before(self, place: int) -> str:
        """Return the character before `place` in the open chunk, `""` where the chunk begins."""
        return self._window[place - 1] if self._base + place > self._start else ""

    # Cutting

    def _cut(self, end: int, start: int) -> int:
        """End the open chunk at `end` and begin the next at `start`; both are places in the window. Return `start`."""
        offset = self._start
        begin = offset - self._base
        if begin < 0 or end - begin > self._max:
            self._cut_long(end)
        else:
            self._emit(self._window[begin:end], offset)
        self._start = self._base + start
        self._item = ()
        self._nesting.open.clear()
        return start

    def _cut_long(self, end: int) -> None:
        """End a chunk that began before the window, or that is too long."""
        text = self._open_text(end)
        offset = self._start
        while len(text) > self._max:
            cut = self._limit(text)
            self._emit(text[:cut], offset)
            text, offset = text[cut:], offset + cut
        self._emit(text, offset)
        self._done.clear()

    def _emit(self, text: str, offset: int) -> None:
        """Add a chunk without the whitespace around it, if anything is left."""
        shown = text.strip()
        if shown:
            if len(shown) < len(text):
                offset += len(text) - len(text.lstrip())
            self._found.append(_new(Chunk, (shown, offset, offset + len(shown))))

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
        self._done.clear()
        self._item = ()
        self._nesting.open.clear()
        self._start += cut
        if self._start < self._base:
            self._done.append(text[cut : cut + self._base - self._start])
