"""The text of an attempt as its consumer gets it: the text of the output, with replacements, after a kept text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_streamval.engine.thunk import ModelOutputThunk


class _Source(Protocol):
    """A text that grows in pieces."""

    @property
    def value(self) -> str | None:
        """The complete text, if `pieces` contains it no longer."""

    @property
    def pieces(self) -> list[str]:
        """The text so far."""


class _Cursor:
    """A reader of a growing text, which returns each character once."""

    __slots__ = ("_piece", "_piece_offset", "_pieces", "_source", "offset")

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.offset = 0
        """The offset of the next character."""
        self._pieces: list[str] | None = None  # the list to which the next two attributes belong
        self._piece = 0  # the index of the piece that contains the next character
        self._piece_offset = 0  # its offset in that piece

    def read_to(self, end: int) -> str:
        """Return the text up to an offset."""
        start, self.offset = self.offset, max(end, self.offset)
        if (value := self._source.value) is not None:
            return value[start : self.offset]
        if self._pieces is not self._source.pieces:  # another list since the last call, with the same text
            self._pieces, self._piece, self._piece_offset = self._source.pieces, 0, 0
            self._take(start)
        return self._take(self.offset - start)

    def _take(self, missing: int) -> str:
        parts = []
        pieces = self._source.pieces
        while missing > 0:
            piece = pieces[self._piece]
            part = piece[self._piece_offset : self._piece_offset + missing]
            parts.append(part)
            missing -= len(part)
            self._piece_offset += len(part)
            if self._piece_offset == len(piece):
                self._piece += 1
                self._piece_offset = 0
        return "".join(parts)


class OutputText:
    """The text of an attempt as its consumer gets it. All offsets but those of `replace` are offsets in this text.

    Until something is replaced, and if no text is kept, this is the text of the output itself, of which it has no copy.
    """

    __slots__ = ("_copy", "_length", "_source", "_thunk", "shift")

    def __init__(self, thunk: ModelOutputThunk, kept: str = "") -> None:
        """Create the text.

        Args:
            thunk: The output.
            kept: The text of earlier attempts, which the output continues.
        """
        self._thunk = thunk
        self._source: _Cursor | None = None  # of the text that has not been copied
        self._copy: list[str] | None = [kept] if kept else None
        self._length = len(kept)  # of the copy
        self.shift = len(kept)
        """The difference between an offset in this text and the one in the output, after the last replacement."""

    @property
    def is_edited(self) -> bool:
        """Whether this is not the text of the output itself."""
        return self._copy is not None

    @property
    def value(self) -> str | None:
        """The complete text of the output, if that is this text."""
        return self._thunk.value if self._copy is None else None

    @property
    def pieces(self) -> list[str]:
        """The text so far in pieces, at least up to the offset of the last call of `copy_to`."""
        return self._thunk.pieces if self._copy is None else self._copy

    def copy_to(self, end: int) -> None:
        """Make `pieces` contain the text up to an offset, at which nothing will be replaced any more."""
        if self._copy is not None and end > self._length:
            source = self._uncopied()
            self._append(source.read_to(source.offset + end - self._length))

    def replace(self, start: int, end: int, replacement: str) -> None:
        """Replace a part of the output, by its offsets in the output. Replacements come in order."""
        if self._copy is None:
            self._copy = []
        source = self._uncopied()
        self._append(source.read_to(start))
        source.read_to(end)
        self._append(replacement)
        self.shift = self._length - end

    def replace_again(self, replacement: str) -> None:
        """Put another text in the place of the last replacement."""
        pieces = self.pieces
        self._length += len(replacement) - len(pieces[-1])
        self.shift += len(replacement) - len(pieces[-1])
        pieces[-1] = replacement

    def up_to(self, end: int | None = None) -> str:
        """Return the text up to an offset, or all text that has been read."""
        if self._copy is None:
            text = self._thunk.text_read
            return text if end is None else text[:end]
        if end is not None:
            self.copy_to(end)
            return "".join(self._copy)[:end]
        return "".join(self._copy) + self._thunk.text_read[self._uncopied().offset :]

    def _uncopied(self) -> _Cursor:
        if self._source is None:
            self._source = _Cursor(self._thunk)
        return self._source

    def _append(self, text: str) -> None:
        self.pieces.append(text)
        self._length += len(text)


class TextReader:
    """A reader of the text of an attempt, which returns each character once."""

    def __init__(self, text: OutputText) -> None:
        self._text = text
        self._cursor = _Cursor(text)

    def read_to(self, end: int) -> str:
        """Return the text from the last offset up to this one."""
        self._text.copy_to(end)
        return self._cursor.read_to(end)

    def followed_by(self, text: OutputText, *, continues: bool) -> TextReader:
        """Return a reader of the text of the next attempt, from the same offset if it continues this text."""
        reader = TextReader(text)
        if continues:
            reader.skip_to(self._cursor.offset)
        return reader

    def skip_to(self, end: int) -> None:
        """Go to an offset without reading the text before it."""
        self._cursor.offset = end


class TextSoFar:
    """The text up to and including a chunk that may still be replaced, joined only as far as it was asked for."""

    def __init__(self, text: OutputText) -> None:
        self._reader = TextReader(text)
        self._joined = ""

    def with_chunk(self, start: int, chunk: str) -> str:
        """Return the text before an offset, and the chunk at this offset. The offsets of the calls never decrease."""
        joined, self._joined = self._joined, ""  # so that this is the only reference, and CPython appends in place
        if len(joined) <= start:
            self._reader.read_to(len(joined))  # the chunk of the last call
            joined += self._reader.read_to(start)
            joined += chunk
        self._joined = joined
        return joined

    def forget_from(self, start: int) -> None:
        """Forget the chunk at an offset, because it is replaced."""
        self._joined = self._joined[:start]
