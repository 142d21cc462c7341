"""Planted bugs: code that reads a stream, each with one fault that only some cuts of the text show.

`PLANTED` has each bug with a text that shows it, and `CORRECT` has subjects without a fault. A subject is the argument
of `assert_boundary_invariant`. `result_of(subject, pieces)` runs it directly. This module imports only the package, so
that a test can copy it next to another test.
"""

from __future__ import annotations

import codecs
import html
import inspect
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement
from pytest_streamval.scripting.mock import StreamingMockBackend
from pytest_streamval.scripting.script import Script

Subject: TypeAlias = ChunkingStrategy | Callable[[list[str]], object]


@dataclass(frozen=True)
class Planted:
    """A bug, a text that shows it, and the smallest cut of that text that shows it."""

    subject: Subject
    text: str
    cut: tuple[str, ...]

    @property
    def name(self) -> str:
        return getattr(self.subject, "__name__", type(self.subject).__name__)

    @property
    def broken(self) -> str:
        """What is broken, as the subject's own docstring says."""
        return inspect.getdoc(self.subject) or ""


def played(subject: Subject, pieces: list[str]) -> object:
    """Return the result of a subject for the pieces of a text, or an awaitable of it."""
    if not isinstance(subject, ChunkingStrategy):
        return subject(list(pieces))
    chunker = subject.chunker()
    return [*(chunk for piece in pieces for chunk in chunker.feed(piece)), *chunker.flush()]


async def result_of(subject: Subject, pieces: list[str]) -> object:
    """Return the result of a subject for the pieces of a text."""
    result = played(subject, pieces)
    return await result if inspect.isawaitable(result) else result


# Chunkers


class Buffered(Chunker):
    """Keeps the text after the last chunk. A subclass returns the offset at which the buffer is cut after new text."""

    def __init__(self) -> None:
        self.buffer = ""
        self.offset = 0

    def taken(self, length: int, skip: int = 0) -> Chunk:
        """Take a chunk off the buffer, and skip the separator after it."""
        chunk = Chunk(self.buffer[:length], self.offset, self.offset + length)
        self.buffer = self.buffer[length + skip :]
        self.offset += length + skip
        return chunk

    def flush(self) -> list[Chunk]:
        return [self.taken(len(self.buffer))] if self.buffer else []


class Incremental(ChunkingStrategy):
    """A strategy that has only a chunker."""

    cuts: type[Chunker]

    def split(self, accumulated_text: str) -> list[str]:
        return [chunk.text for chunk in self.cuts().feed(accumulated_text)]

    def chunker(self) -> Chunker:
        return self.cuts()


class BoundaryInOneDelta(Incremental):
    """Misses a boundary whose full stop and space are in two deltas."""

    class cuts(Buffered):  # noqa: N801  # an attribute of the strategy
        def feed(self, text: str) -> list[Chunk]:
            before = len(self.buffer)
            self.buffer += text
            chunks = []
            for match in re.finditer(r"\. ", text):
                end = before + match.start() + 1
                chunks.append(self.taken(end, 1))
                before -= end + 1
            return chunks


class OneBoundaryInADelta(Incremental):
    """Cuts at the first boundary of a delta, and at the second one in the next delta."""

    class cuts(Buffered):  # noqa: N801  # an attribute of the strategy
        def feed(self, text: str) -> list[Chunk]:
            self.buffer += text
            match = re.search(r"\.\s", self.buffer)
            return [self.taken(match.start() + 1, 1)] if match else []


class BoundaryAtTheEnd(Incremental):
    """Is off by one at a delta that ends with a boundary, as it searches for text after the boundary."""

    class cuts(Buffered):  # noqa: N801  # an attribute of the strategy
        def __init__(self) -> None:
            super().__init__()
            self.seen = 0

        def feed(self, text: str) -> list[Chunk]:
            self.buffer += text
            chunks = []
            while match := re.compile(r"\.\s(?=.)", re.DOTALL).search(self.buffer, self.seen):
                chunks.append(self.taken(match.start() + 1, 1))
                self.seen = 0
            self.seen = max(0, len(self.buffer) - 1)
            return chunks


class EndTakenForABoundary(ChunkingStrategy):
    """Treats the end of the text so far as the end of the text, and takes the chunk back in the next delta."""

    def split(self, accumulated_text: str) -> list[str]:
        return re.findall(r"\S.*?[.!?](?=\s|$)", accumulated_text, re.DOTALL)


# Consumers of text


def counts_deltas(pieces: list[str]) -> list[tuple[int, str]]:
    """Number the lines by the deltas before them, not by the lines."""
    lines, rest = [], ""
    for number, piece in enumerate(pieces):
        *complete, rest = (rest + piece).split("\n")
        lines += [(number, line) for line in complete]
    return [*lines, (len(pieces), rest)]


def halves_line_ends(pieces: list[str]) -> list[str]:
    r"""Take the `\r` at the end of a delta for a line end, and the `\n` that follows for another one."""
    lines, rest = [], ""
    for piece in pieces:
        *complete, rest = re.split(r"\r\n|\r|\n", rest + piece)
        lines += complete
    return [*lines, rest]


def masks_in_each_delta(pieces: list[str]) -> str:
    """Search only the newest delta for the secret."""
    return "".join(re.sub(r"sk-\d+", "***", piece) for piece in pieces)


def keeps_one_too_few(pieces: list[str]) -> bool:
    """Search the newest delta and the end of earlier ones for a word, with one character too few of that end."""
    word, tail, found = "swordfish", "", False
    for piece in pieces:
        window = tail + piece
        found = found or word in window
        tail = window[-(len(word) - 2) :]
    return found


def fence_in_one_delta(pieces: list[str]) -> str:
    """Leave out code, and recognise a fence only in one delta."""
    prose, inside = "", False
    for piece in pieces:
        for part in re.split(r"(```)", piece):
            if part == "```":
                inside = not inside
            elif not inside:
                prose += part
    return prose


def strips_each_delta(pieces: list[str]) -> str:
    """Strip each delta instead of the complete answer."""
    return " ".join("".join(piece.strip() for piece in pieces).split())


def drops_blank_deltas(pieces: list[str]) -> str:
    """Leave out deltas of white space."""
    return "".join(piece for piece in pieces if piece.strip())


def normalises_each_delta(pieces: list[str]) -> str:
    """Normalise each delta, so that an accent in a later delta is not joined with its letter."""
    return "".join(unicodedata.normalize("NFC", piece) for piece in pieces)


def unescapes_each_delta(pieces: list[str]) -> str:
    """Unescape each delta, so that an entity that is cut remains."""
    return "".join(html.unescape(piece) for piece in pieces)


def curls_quotes_anew(pieces: list[str]) -> str:
    """Begin each delta with an opening quote."""
    text = ""
    for piece in pieces:
        opening = True
        for character in piece:
            if character == '"':
                text += "“" if opening else "”"
                opening = not opening
            else:
                text += character
    return text


def records_in_one_delta(pieces: list[str]) -> list[object]:
    """Read each delta as lines of JSON, and leave out lines that cannot be read."""
    records = []
    for line in (line for piece in pieces for line in piece.splitlines()):
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def strict_records(pieces: list[str]) -> list[object]:
    """Read each delta as lines of JSON, and fail for a line that cannot be read."""
    return [json.loads(line) for piece in pieces for line in piece.split("\n") if line]


def paragraph_is_a_delta(pieces: list[str]) -> int:
    """Count the paragraphs by the deltas that are blank lines."""
    return 1 + sum(piece == "\n\n" for piece in pieces)


def titles_the_first_delta(pieces: list[str]) -> str:
    """Return the first line of the first delta as the title."""
    return "".join(pieces[:1]).partition("\n")[0]


# Validators in a run of the engine


async def released(requirement: Requirement, pieces: list[str], chunking: str | None = "sentence") -> list[str]:
    """Return the chunks that pass a requirement."""
    backend = StreamingMockBackend(Script.of(*pieces))
    async with await stream_with_chunking(
        "Go on", backend, SimpleContext(), requirements=[requirement], chunking=chunking
    ) as result:
        return [chunk async for chunk in result.astream()]


async def judges_deltas(pieces: list[str]) -> bool:
    """Validate deltas instead of sentences, so that a word that is cut passes."""

    class NoSecret(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):  # type: ignore[no-untyped-def]
            return PartialValidationResult("fail" if "secret" in chunk else "pass")

    return "secret" in "".join(await released(NoSecret(), pieces, chunking=None))


async def judges_the_last_delta(pieces: list[str]) -> list[str]:
    """Validate a sentence by the delta that completed it."""
    deltas = iter(pieces)
    seen: list[str] = [""]

    class Calm(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):  # type: ignore[no-untyped-def]
            while chunk not in "".join(seen) and (delta := next(deltas, None)) is not None:
                seen.append(delta)
            return PartialValidationResult("fail" if "BAD" in seen[-1] else "pass")

    return await released(Calm(), pieces)


# Readers of bytes. strategies.byte_splits() finds their bugs, assert_boundary_invariant does not read bytes.


def decodes_each_read(reads: Iterable[bytes]) -> str:
    """Decode each read by itself, and replace characters that are cut."""
    return "".join(read.decode("utf-8", errors="replace") for read in reads)


def drops_what_is_cut(reads: Iterable[bytes]) -> str:
    """Decode each read by itself, and leave out characters that are cut."""
    return "".join(read.decode("utf-8", errors="ignore") for read in reads)


def lines_of_each_read(reads: Iterable[bytes]) -> list[str]:
    """Decode correctly, and treat the end of a read as the end of a line."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    return [line for read in reads for line in decoder.decode(read).split("\n")]


PLANTED = (
    Planted(BoundaryInOneDelta(), "One. Two. Three.", ("One.", " Two. Three.")),
    Planted(OneBoundaryInADelta(), "One. Two. Three.", ("One. ", "Two. Three.")),
    Planted(BoundaryAtTheEnd(), "One. Two.", ("One. ", "Two.")),
    Planted(EndTakenForABoundary(), "It is 1.5 now.", ("It is 1.", "5 now.")),
    Planted(counts_deltas, "One\nTwo", ("O", "ne\nTwo")),
    Planted(halves_line_ends, "One\r\nTwo", ("One\r", "\nTwo")),
    Planted(masks_in_each_delta, "The key is sk-12.", ("The key is s", "k-12.")),
    Planted(keeps_one_too_few, "It is swordfish.", ("It is swordfis", "h.")),
    Planted(fence_in_one_delta, "See:\n```\ncode\n```\nDone.", ("See:\n`", "``\ncode\n```\nDone.")),
    Planted(strips_each_delta, "One two", ("One", " two")),
    Planted(drops_blank_deltas, "One two", ("One", " ", "two")),
    Planted(normalises_each_delta, "cafe\u0301", ("cafe", "\u0301")),
    Planted(unescapes_each_delta, "Q &amp; A", ("Q &", "amp; A")),
    Planted(curls_quotes_anew, 'He said "yes".', ('He said "', 'yes".')),
    Planted(records_in_one_delta, '{"a": 1}\n{"b": 2}', ("{", '"a": 1}\n{"b": 2}')),
    Planted(strict_records, '{"a": 1}\n{"b": 2}', ("{", '"a": 1}\n{"b": 2}')),
    Planted(paragraph_is_a_delta, "One\n\nTwo", ("One", "\n\n", "Two")),
    Planted(titles_the_first_delta, "A title\n\nAnd more.", ("A", " title\n\nAnd more.")),
    Planted(judges_deltas, "It is secret.", ("It is s", "ecret.")),
    Planted(judges_the_last_delta, "BAD luck. Fine.", ("B", "AD luck. Fine.")),
)
"""Bugs that `assert_boundary_invariant` finds with their text."""

PLANTED_READERS = (decodes_each_read, drops_what_is_cut, lines_of_each_read)
"""Bugs in functions of a list of bytes."""


# Correct subjects for the same tasks


class SentenceCuts(Incremental):
    """Waits for the character after the space."""

    class cuts(Buffered):  # noqa: N801  # an attribute of the strategy
        def feed(self, text: str) -> list[Chunk]:
            self.buffer += text
            chunks = []
            while match := re.search(r"\.\s", self.buffer):
                chunks.append(self.taken(match.start() + 1, 1))
            return chunks


class SplitOnly(ChunkingStrategy):
    """A strategy without a chunker."""

    def split(self, accumulated_text: str) -> list[str]:
        return [line for line in accumulated_text.split("\n")[:-1] if line]

    def flush(self, accumulated_text: str) -> list[str]:
        return [line for line in accumulated_text.split("\n")[-1:] if line]


def lines(pieces: list[str]) -> list[tuple[int, str]]:
    r"""Number lines, withholding a `\r` until the next character is known."""
    found: list[str] = []
    rest = ""
    for piece in pieces:
        rest += piece
        held = "\r" if rest.endswith("\r") else ""
        *complete, rest = re.split(r"\r\n|\r|\n", rest.removesuffix("\r"))
        found += complete
        rest += held
    found += re.split(r"\r", rest)
    return list(enumerate(found))


def masks(pieces: list[str]) -> str:
    """Mask digits, withholding them until they end."""
    text, held = "", ""
    for piece in pieces:
        for character in piece:
            if character in "0123456789":
                held = "#"
            else:
                text += held + character
                held = ""
    return text + held


def outside_fences(pieces: list[str]) -> str:
    """Leave out code, withholding marks that may become a fence."""
    prose, inside, marks = "", False, 0
    for character in "".join(f"{piece}" for piece in pieces):
        marks = marks + 1 if character == "`" else 0
        if marks == 3:
            prose = prose if inside else prose[:-2]
            inside, marks = not inside, 0
        elif not inside:
            prose += character
    return prose


def words(pieces: list[str]) -> int:
    """Count words, with the state whether one is incomplete."""
    count, inside = 0, False
    for piece in pieces:
        for character in piece:
            count += not character.isspace() and not inside
            inside = not character.isspace()
    return count


def normalises_at_the_end(pieces: list[str]) -> str:
    """Normalise the complete text."""
    return unicodedata.normalize("NFC", "".join(pieces))


async def judges_sentences(pieces: list[str]) -> list[str]:
    """Validate each sentence when it is complete."""

    class NoSecret(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):  # type: ignore[no-untyped-def]
            return PartialValidationResult("fail" if "two" in chunk else "pass")

    return await released(NoSecret(), pieces)


CORRECT: tuple[Subject, ...] = (
    SentenceCuts(),
    SplitOnly(),
    lines,
    masks,
    outside_fences,
    words,
    normalises_at_the_end,
    judges_sentences,
)
"""Subjects of which the same comes however a text is cut."""
