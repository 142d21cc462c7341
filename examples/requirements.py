"""The requirements of this application, which are checked while a model writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_streamval import PartialValidationResult, Requirement

if TYPE_CHECKING:
    from pytest_streamval import Backend, Context

OK = PartialValidationResult("pass")


class MaxSentences(Requirement):
    """Limits the number of sentences, if chunks are sentences."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} sentences")
        self.limit = limit
        self.seen = 0

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Count a sentence."""
        self.seen += 1
        if self.seen > self.limit:
            return PartialValidationResult("fail", reason=f"sentence {self.seen} of at most {self.limit}: {chunk}")
        return OK


class ForbiddenWord(Requirement):
    """Fails a word that must not reach the reader, if chunks have complete words."""

    def __init__(self, word: str) -> None:
        super().__init__(f"never say {word!r}")
        self.pattern = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Look for the word."""
        found = self.pattern.search(chunk)
        return PartialValidationResult("fail", reason=f"said {found[0]!r}") if found else OK


class MaxParagraphLength(Requirement):
    """Limits the length of paragraphs, if chunks are paragraphs."""

    def __init__(self, characters: int) -> None:
        super().__init__(f"paragraphs of at most {characters} characters")
        self.characters = characters

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Measure a paragraph."""
        if len(chunk) > self.characters:
            return PartialValidationResult("fail", reason=f"{len(chunk)} characters", score=len(chunk))
        return OK


class NumberedSteps(Requirement):
    """Requires steps numbered 1, 2, 3, … that do not repeat each other, if chunks are items of a numbered list."""

    def __init__(self) -> None:
        super().__init__("numbered steps, each a new one")
        self.texts: list[str] = []

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Check the number of a step, and whether its headline is new."""
        number, _, text = chunk.partition(". ")
        if int(number) != len(self.texts) + 1:
            return PartialValidationResult("fail", reason=f"step {number} follows step {len(self.texts)}")
        headline = text.partition(":")[0].strip("*")
        if headline in self.texts:
            earlier = self.texts.index(headline) + 1
            return PartialValidationResult("fail", reason=f"step {number} repeats step {earlier}: {headline}")
        self.texts.append(headline)
        return OK
