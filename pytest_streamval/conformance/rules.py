"""The rules that strategies and backends keep, in the words in which a broken one is reported."""

from __future__ import annotations

from typing import NamedTuple

from pytest_streamval.errors import described


class Rule(NamedTuple):
    """A rule of the contract, and the way out for those who break it."""

    words: str
    way_out: str


def raised(error: BaseException) -> str:
    """Return an exception as a person reads it where nothing was to be raised."""
    message = described(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


# Of a chunking strategy

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

# Of a backend

STREAMS = Rule(
    "asked with ModelOption.STREAM it returns (output, context), and the output is still being generated",
    "Make a ModelOutputThunk, give it its producer with thunk.start(produce), and return both at once.",
)
CONTEXT = Rule(
    "the context that it was given stays as it is, and the one that it returns has the action and the output besides",
    "Return ctx.add(action).add(thunk).",
)
OPTIONS = Rule(
    "model_options belong to the caller and stay as they are",
    "Work on a copy: options = dict(model_options or {}).",
)
BRINGS_TEXT = Rule(
    "a generation brings some text and comes to its end",
    "Put deltas with `await thunk.put(delta)` in the producer that thunk.start() runs; its return ends the output. Let "
    "the factory make backends that answer with some text; slow ones need check_backend(factory, timeout=...).",
)
KEEPS_TEXT = Rule(
    "the text is the same however it is read: piece by piece, at once, or late",
    "Put each delta once with `await thunk.put(delta)`, which waits for room; what try_put() did not take is lost.",
)
SAYS_SO = Rule(
    "the metadata of a streamed output say that it was streamed",
    "Set thunk.generation.streaming = True where ModelOption.STREAM is set.",
)
WAITS = Rule(
    "the producer waits for its reader",
    "Put deltas with `await thunk.put(delta)` into an output of the usual capacity.",
)
STOPS = Rule(
    "cancel_generation() ends the producer, and the value is what was read",
    "Run the producer with thunk.start(produce), let CancelledError pass through it, and let its `finally` come to an "
    "end by itself.",
)
LEAVES_NOTHING = Rule(
    "no task outlives the generation that started it",
    "Let thunk.start(produce) start the producer, and let the producer cancel and await, in a `finally` or an "
    "asyncio.TaskGroup, whatever it starts itself.",
)
APART = Rule(
    "generations share nothing, neither those at the same time nor one after the other",
    "Keep what belongs to one generation in local variables of generate_from_context() and of its producer.",
)
RUNS = Rule(
    "a run of stream_with_chunking() comes to its natural end, with the whole text",
    "The error, if there is one, is what the producer or generate_from_context() raised.",
)
ANSWERS_AT_ONCE = Rule(
    "without ModelOption.STREAM, avalue() gives the text",
    "Return the finished output, ModelOutputThunk(text), or one that is still being generated.",
)
