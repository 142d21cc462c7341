"""The scanner of a stream: the text that it keeps, its search for candidates, and its output of chunks."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_streamval.engine.chunking_strategy import Chunk, Chunker
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
"""The characters that can make or move a boundary. Text without any of them is kept unscanned."""

CANDIDATES: Final = re.compile(
    rf"[{TERMINATORS}{FULL_STOPS}{BULLETS}\n{re.escape(NESTING)}](?!(?<=\.)[a-z]|(?<=[^\W_]['’])[^\W_])"
)
"""The candidates: all such characters except a period before a small letter and an apostrophe in a word, which decide
nothing.

The pattern starts with a simple character class, which `re` searches fastest.
"""

LINE_ENDS: Final = re.compile(r"\n")
"""The candidates in a line that is a chunk of its own, and in a fenced code block."""

_TEXT: Final = re.compile(r"\S").search

_SURPLUS: Final = 2 * LEFT
"""The length of decided text at which the window is shortened to `LEFT`. Copying it for each delta costs more."""

_new: Final = tuple.__new__
"""The constructor of `Chunk` without the Python code of its class, three times as fast."""

_SPACES: Final = " \n\t\u3000"
"""The characters after which a chunk that is too long can be split."""


_PUT_ASIDE: Final = re.compile(
    rf"""
    \A [^{_DECISIVE}]*
    (?: (?: ["”](?<=[^{DASHES}].)                        # a quote without a dash before it
          | \)(?<=[^\W\d_][^\W\d_ivxIVX]\))               # a bracket after a word that is not a label
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
"""A delta that decides nothing before the next character. `open` is a candidate that needs that character.

The label of a list item, such as "b.", decides something as soon as a space follows.
"""


class TextScanner(Chunker):
    """The scanner of one stream.

    It works in three steps, so that most deltas cost one search and one append. Text without a candidate is kept
    unscanned (`_unscanned`). With the next candidate it is joined to the window and scanned once, for candidates,
    quotes and brackets. Decided text leaves the window, except for `LEFT` characters of context. A candidate that needs
    more text stays in the window until the next delta. It can see `LOOK` characters, so it is examined a limited number
    of times.
    """

    joins_deltas = True
    _handlers: ClassVar[dict[str, Callable[..., int]]] = {}
    """The method that handles each candidate character. It returns the place in the window to continue at, or `WAIT`.
   """

    def __init__(self, max_chars: int) -> None:
        self._max = max_chars
        self._unscanned: list[str] = []  # has no candidate
        self._room = max_chars  # characters until the limit has to be checked
        self._waits = False  # whether a candidate needs the next character
        self._before_window: list[str] = []  # the part of the open chunk before the window
        self._window = ""
        self._base = 0  # offset of the window in the full text
        self._at = 0  # place in the window: the text before it is decided
        self._start = 0  # offset of the open chunk
        self._in_gap = True  # whether whitespace is being skipped
        self._at_line_start = True  # whether a line starts here that is not classified yet
        self._candidates = CANDIDATES
        self._nesting = Nesting()
        self._item: tuple[Marker, ...] = ()  # the meanings of the marker at the start of the open chunk
        self._final = False
        self._chunks: list[Chunk] = []

    @abstractmethod
    def _classify(self) -> bool:
        """Classify the line that begins at `_at`. Return False if that needs more text."""

    def feed(self, text: str) -> list[Chunk]:
        """Take the next text and return the chunks that it completed, in order."""
        self._unscanned.append(text)
        if self._waits or (_QUICK(text) is not None and self._may_decide(text)):
            return self._scan()
        self._room -= len(text)
        return [] if self._room >= 0 else self._scan()

    def flush(self) -> list[Chunk]:
        """Return the chunks that the end of the text completes. No text can be fed afterwards."""
        self._final = True
        chunks = self._scan()
        self._cut(len(self._window), len(self._window))
        return chunks

    # Scanning

    def _may_decide(self, text: str) -> bool:
        """Return whether a delta can decide something before the next delta."""
        if self._candidates is not CANDIDATES:
            return "\n" in text
        found = _PUT_ASIDE(text)
        if found is None:
            return True
        self._waits = found.lastgroup is not None
        return False

    def _scan(self) -> list[Chunk]:
        """Scan the unscanned text, and return the chunks that it completes."""
        fresh = self._unscanned
        self._window += fresh[0] if len(fresh) == 1 else "".join(fresh)
        fresh.clear()
        chunks: list[Chunk] = []
        self._chunks = chunks
        self._waits = self._advance()
        if self._at > _SURPLUS:
            self._shorten_window(self._at - LEFT)
        self._room = self._max - (self._base + len(self._window) - self._start)
        return chunks

    def _advance(self) -> bool:
        """Decide as much of the window as possible, and return whether a candidate needs more text."""
        window = self._window
        handlers = self._handlers
        too_long = self._base + len(window) - self._start > self._max
        while True:
            if self._in_gap and not self._skip_whitespace():
                return False
            if self._at_line_start and not self._classify():
                return True
            met = self._candidates.search(window, self._at)
            self._at = place = met.start() if met else len(window)
            if too_long and self._base + place - self._start > self._max:
                self._cut_at_limit()
            elif met is None:
                return False
            else:
                place = handlers[window[place]](self, place)
                if place == WAIT:
                    return True
                self._at = place

    def _skip_whitespace(self) -> bool:
        """Skip the whitespace between two chunks, and return whether text follows it."""
        found = _TEXT(self._window, self._at)
        end = found.start() if found else len(self._window)
        self._at_line_start = self._at_line_start or "\n" in self._window[self._at : end]
        self._at = end
        self._start = self._base + end
        self._in_gap = found is None
        return found is not None

    def _shorten_window(self, surplus: int) -> None:
        """Remove the first `surplus` characters of the window. The rest is the context for the next decision."""
        start = self._start - self._base
        if start < surplus:
            self._before_window.append(self._window[max(start, 0) : surplus])
        self._window = self._window[surplus:]
        self._base += surplus
        self._at -= surplus

    def _view(self, place: int) -> tuple[str, bool]:
        """Return the text that a decision at `place` can see, and whether it can wait for more."""
        view = self._window[place : place + LOOK]
        return view, len(view) < LOOK and not self._final

    def _text_before(self, place: int) -> str:
        """Return the text before `place` in the open chunk, as far as a decision can see it."""
        return self._window[max(place - LEFT, self._start - self._base, 0) : place]

    def _last_word(self, place: int) -> str:
        """Return the text between the last space and `place`, as far as a decision can see it."""
        begin = self._start - self._base
        begin = max(begin, place - LEFT)
        space = self._window.rfind(" ", begin, place)
        return self._window[begin if space < 0 else space + 1 : place]

    def _character_before(self, place: int) -> str:
        """Return the character before `place` in the open chunk, or `""` at its start."""
        return self._window[place - 1] if self._base + place > self._start else ""

    # Cutting

    def _cut(self, end: int, start: int) -> int:
        """End the open chunk at `end` and return `start`, the place of the next one. Both are places in the window."""
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
        """End a chunk that starts before the window, or that is too long."""
        text = self._open_text(end)
        offset = self._start
        while len(text) > self._max:
            cut = self._place_of_cut(text)
            self._emit(text[:cut], offset)
            text, offset = text[cut:], offset + cut
        self._emit(text, offset)
        self._before_window.clear()

    def _emit(self, text: str, offset: int) -> None:
        """Add a chunk without its surrounding whitespace, if any text is left."""
        shown = text.strip()
        if shown:
            if len(shown) < len(text):
                offset += len(text) - len(text.lstrip())
            self._chunks.append(_new(Chunk, (shown, offset, offset + len(shown))))

    def _place_of_cut(self, text: str) -> int:
        """Return the place to split a text that is too long: after the last whitespace, or at the limit."""
        return max(text.rfind(space, 0, self._max) for space in _SPACES) + 1 or self._max

    def _open_text(self, end: int) -> str:
        if self._start >= self._base:
            return self._window[self._start - self._base : end]
        return "".join(self._before_window) + self._window[:end]

    def _end_chunk(self, end: int) -> int:
        """End the open chunk at `end`, and skip the whitespace after it."""
        self._in_gap = True
        return self._cut(end, end)

    def _cut_at_limit(self) -> None:
        """Split the open chunk at the limit: after the last whitespace within it, or exactly there."""
        text = self._open_text(self._start + self._max - self._base)
        cut = self._place_of_cut(text)
        self._emit(text[:cut], self._start)
        self._before_window.clear()
        self._item = ()
        self._nesting.open.clear()
        self._start += cut
        if self._start < self._base:
            self._before_window.append(text[cut : cut + self._base - self._start])
