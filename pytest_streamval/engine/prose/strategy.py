"""The strategy that cuts prose."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.chunking import Chunker, ChunkingStrategy
from pytest_streamval.engine.prose.languages import LANGUAGES, Group, Kind, Language
from pytest_streamval.engine.prose.machine import ProseCuts
from pytest_streamval.engine.prose.rules import Rules
from pytest_streamval.errors import InvalidArgumentError, InvalidLimitError, UnknownLanguageError, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        abbreviations: further abbreviations, with or without their final period: `"Abt."`, `"z.B."`. The sentence goes
            on after each of them unless a word follows that often begins sentences, such as "The". An abbreviation
            with a capital counts only with that capital.

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
        self._rules = Rules(_extended(LANGUAGES[language], self.abbreviations))

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
        own = f", abbreviations={self.abbreviations!r}" if self.abbreviations else ""
        return f"{type(self).__name__}({self.language!r}, max_chars={self.max_chars}{own})"


def _checked(abbreviations: Iterable[str]) -> tuple[str, ...]:
    """Return the abbreviations without their final periods, or raise for one that no text can have."""
    if isinstance(abbreviations, str) or not hasattr(abbreviations, "__iter__"):
        rule = 'It must be an iterable of str, such as ["Abt.", "z.B."].'
        raise InvalidArgumentError("abbreviations", excerpt(abbreviations), rule)
    given = tuple(abbreviations)
    for word in given:
        if not isinstance(word, str):
            raise InvalidArgumentError("abbreviations", excerpt(given), f"{excerpt(word)} in it must be a str.")
        if not _ABBREVIATION.fullmatch(word):
            rule = (
                f"{excerpt(word)} in it must be one word that ends with a letter or digit, or with a period after it. "
                'Write a form with several periods without spaces: "z.B.".'
            )
            raise InvalidArgumentError("abbreviations", excerpt(given), rule)
    return tuple(word.removesuffix(".") for word in given)


def _extended(language: Language, abbreviations: tuple[str, ...]) -> Language:
    """Return a language with further abbreviations; those after which its sentences always go on stay as they are."""
    new = [word for word in abbreviations if _kind(language, word) not in (Kind.NEVER, Kind.TITLE)]
    if not new:
        return language
    own = Group("the user's own", Kind.OFTEN, "the argument `abbreviations`", " ".join(new))
    return replace(language, groups=(*language.groups, own))


def _kind(language: Language, word: str) -> Kind | None:
    return language.kinds.get(word) or language.kinds.get(word.lower())
