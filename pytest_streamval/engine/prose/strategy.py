"""The strategy that cuts prose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pytest_streamval.engine.chunking import Chunker, ChunkingStrategy
from pytest_streamval.engine.prose.boundaries import ProseCuts
from pytest_streamval.engine.prose.languages import LANGUAGES
from pytest_streamval.engine.prose.rules import Rules
from pytest_streamval.errors import InvalidArgumentError, InvalidLimitError, UnknownLanguageError, excerpt

_ABBREVIATION: Final = re.compile(r"(?=.*[^\W\d_])(?:[^\s.!?…]+\.)*[^\s.!?…]*\w\.?")
"""A word, with periods in it and after it, but none before it and no two together."""

MAX_CHARS: Final = 32_768
"""The longest chunk, unless another limit is given: longer than any sentence, and than most code."""


class ProseChunker(ChunkingStrategy):
    """Cuts prose into sentences as a reader sees them.

    It knows abbreviations, initials, numbers, ellipses, quotes, brackets, lists, Markdown, code and the full stops of
    other scripts; one word behind a terminator decides. A blank line always ends a chunk, a fence of code is one
    chunk, each line of a table or heading is one. Chunks carry no surrounding whitespace.

    Args:
        language: the language of the text, an ISO 639-1 code; `languages.LANGUAGES` holds the known ones.
        max_chars: the longest chunk, in characters; text without a boundary is cut behind the last whitespace within.
        abbreviations: further abbreviations, such as `"approx."` or `"z.B."`, after which no sentence ends; the final
            period may be left out. One with a capital counts only with that capital.

    Raises:
        UnknownLanguageError: a `ValueError` that names the known languages.
        InvalidLimitError: a `ValueError`; `max_chars` leaves no room for a chunk.
        InvalidArgumentError: a `TypeError` and `ValueError`; an abbreviation is not a word.
    """

    def __init__(self, language: str = "en", *, max_chars: int = MAX_CHARS, abbreviations: Iterable[str] = ()) -> None:
        if language not in LANGUAGES:
            raise UnknownLanguageError(language, sorted(LANGUAGES))
        if max_chars < 1:
            raise InvalidLimitError("max_chars", max_chars)
        self.language = language
        self.max_chars = max_chars
        self.abbreviations = _checked(abbreviations)
        self._rules = Rules(LANGUAGES[language], self.abbreviations)

    def split(self, accumulated_text: str) -> list[str]:
        """Return the complete sentences of the text."""
        return [chunk.text for chunk in self._cuts().feed(accumulated_text)]

    def flush(self, accumulated_text: str) -> list[str]:
        """Return what the end of the text completes."""
        chunker = self._cuts()
        chunker.feed(accumulated_text)
        return [chunk.text for chunk in chunker.flush()]

    def chunker(self) -> Chunker:
        """Return a new `Chunker` for one stream."""
        return self._cuts()

    def _cuts(self) -> ProseCuts:
        """Return what `split` and `flush` ask: not `chunker`, which asks them in a subclass that redefines one."""
        return ProseCuts(self._rules, self.max_chars)

    def __repr__(self) -> str:
        own = f"abbreviations={list(self.abbreviations)}, " if self.abbreviations else ""
        return f"{type(self).__name__}({self.language!r}, {own}max_chars={self.max_chars})"


def _checked(abbreviations: Iterable[str]) -> tuple[str, ...]:
    """Return the abbreviations without their final periods, or raise for one that no text can have."""
    rule = 'It must be a list of words, such as ["approx.", "z.B."]'
    given: object = abbreviations
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidArgumentError("abbreviations", excerpt(given), f"{rule}.")
    words = tuple(given)
    for word in words:
        if not isinstance(word, str) or not _ABBREVIATION.fullmatch(word.strip()):
            rule = f"{rule}; {excerpt(word)} in it is not one word with a letter and at most one period at its end."
            raise InvalidArgumentError("abbreviations", excerpt(words), rule)
    return tuple(word.strip().removesuffix(".") for word in words)
