"""The strategy that splits prose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pytest_streamval.engine.chunking_strategy import Chunker, ChunkingStrategy
from pytest_streamval.engine.prose.boundaries import BoundaryScanner
from pytest_streamval.engine.prose.languages import LANGUAGES
from pytest_streamval.engine.prose.rules import Rules
from pytest_streamval.errors import (
    InvalidArgumentError,
    excerpt,
    invalid_limit_error,
    unknown_language_error,
)

_ABBREVIATION: Final = re.compile(r"\A(?=.*[^\W\d_])(?:[^\s.!?…]+\.)*[^\s.!?…]*\w\.?")
"""A word with optional periods in it and after it, but not before it and not two together."""

MAX_CHARS: Final = 32_768
"""The default of `max_chars`: longer than any sentence, and than most code."""


class ProseChunker(ChunkingStrategy):
    """A strategy that splits prose into sentences as a reader sees them.

    It knows abbreviations, initials, numbers, ellipses, quotes, brackets, lists, Markdown, code and the full stops of
    other scripts. One word after a terminator is enough to decide. A blank line always ends a chunk, a fenced code
    block is one chunk, and so is each line of a table and each heading. Chunks have no surrounding whitespace.

    Args:
        language: The language of the text, an ISO 639-1 code. `languages.LANGUAGES` holds the known languages.
        max_chars: The length of the longest chunk, in characters. A longer text without a boundary is split after its
            last whitespace within that length.
        abbreviations: Further abbreviations, such as `"approx."` or `"z.B."`, which end no sentence. The final period
            is optional. An abbreviation with a capital is only recognized with that capital.

    Raises:
        UnknownNameError: If the language is unknown.
        InvalidArgumentError: If `max_chars` is less than 1.
        InvalidArgumentError: If an abbreviation is not a word.
    """

    def __init__(self, language: str = "en", *, max_chars: int = MAX_CHARS, abbreviations: Iterable[str] = ()) -> None:
        if language not in LANGUAGES:
            raise unknown_language_error(language, sorted(LANGUAGES))
        if max_chars < 1:
            raise invalid_limit_error("max_chars", max_chars)
        self.language = language
        self.max_chars = max_chars
        self.abbreviations = _checked_abbreviations(abbreviations)
        self._rules = Rules(LANGUAGES[language], self.abbreviations)

    def split(self, accumulated_text: str) -> list[str]:
        """Return the complete sentences of the text."""
        return [chunk.text for chunk in self._scanner().feed(accumulated_text)]

    def flush(self, accumulated_text: str) -> list[str]:
        """Return the sentences that only the end of the text completes."""
        scanner = self._scanner()
        scanner.feed(accumulated_text)
        return [chunk.text for chunk in scanner.flush()]

    def chunker(self) -> Chunker:
        """Return a new `Chunker` for one stream."""
        return self._scanner()

    def _scanner(self) -> BoundaryScanner:
        """Return the scanner of `split` and `flush`. They cannot use `chunker`, which calls them in some subclasses."""
        return BoundaryScanner(self._rules, self.max_chars)

    def __repr__(self) -> str:
        own = f"abbreviations={list(self.abbreviations)}, " if self.abbreviations else ""
        return f"{type(self).__name__}({self.language!r}, {own}max_chars={self.max_chars})"


def _checked_abbreviations(abbreviations: Iterable[str]) -> tuple[str, ...]:
    """Return the abbreviations without their final periods, or raise if one is not a word."""
    rule = 'It must be a list of words, such as ["approx.", "z.B."].'
    given: object = abbreviations
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidArgumentError("abbreviations", excerpt(given), rule)
    words = tuple(given)
    for word in words:
        if not isinstance(word, str) or not _ABBREVIATION.fullmatch(word.strip()):
            rule = f"{rule} {excerpt(word)} is not a word with a letter and at most one period at its end."
            raise InvalidArgumentError("abbreviations", excerpt(words), rule)
    return tuple(word.strip().removesuffix(".") for word in words)
