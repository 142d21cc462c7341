"""The rules that a chunking strategy keeps, in the words in which a broken one is reported."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """A rule of the contract, and the way out for those who break it."""

    words: str
    way_out: str


MONOTONE = Rule(
    "1, monotone: what was emitted is never taken back",
    "Withhold text whose boundary is not certain yet: a chunk that was given may have been shown already.",
)
INVARIANT = Rule(
    "2, delta-invariant: the chunks depend on the text alone, never on where it was cut",
    "Keep what may be the beginning of a boundary until the next delta decides, and look for every boundary in it.",
)
DELAY = Rule(
    "3, bounded delay: a boundary is decided at the latest at the end of the next word",
    "Give the chunk once that word is complete. A strategy that has to wait for longer is checked with "
    "check_chunker(strategy, bounded_delay=False).",
)
LINEAR = Rule(
    "4, linear: no character is looked at more than a constant number of times",
    "Go on where the last delta ended, and keep no more than the part of a boundary that may be under way; or leave "
    "chunker() out: a strategy of split() and flush() alone is not asked for this.",
)
AGREE = Rule(
    "4, split and chunker agree, behind every delta and in what the end releases",
    "Let split() and flush() do what the chunker does with the whole text in one delta.",
)
LISTS = Rule(
    "feed() and flush() return lists of Chunk",
    "Return a list of Chunk(text, start, end), an empty one where nothing is complete.",
)
PLACES = Rule(
    "a chunk is not empty, and full_text[start:end] == text",
    "Count start and end in characters from the beginning of the stream, not of the delta.",
)
ANSWERS = Rule(
    "split() and flush() return lists of str, pieces of the text in order, letter for letter, none empty",
    "Strip, translate or reformat in the requirement instead.",
)
RELEASE = Rule(
    "flush() releases the withheld fragment or nothing, and nothing else",
    "Return what stands behind the last complete chunk, or an empty list.",
)
EMPTY = Rule(
    "an empty delta changes nothing",
    "Return an empty list for it: models put empty deltas, also at the beginning and inside a word.",
)
NEW_CHUNKER = Rule(
    "chunker() returns a new Chunker for each stream",
    "Derive a class from Chunker, with what one stream needs, and return a new object of it from each call.",
)
STATELESS = Rule(
    "a strategy keeps no state: it serves many streams, and the same text always gives the same chunks",
    "Keep what one stream needs in the Chunker that chunker() returns; split() and flush() are given the whole text.",
)
ANY_TEXT = Rule(
    "a strategy takes any text and raises nothing, as a model may write anything",
    "Take text that does not fit for what it is, a chunk or a part of one, and let a requirement judge it.",
)
