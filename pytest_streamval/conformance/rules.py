"""The rules of the contracts of strategies and backends, as the errors show them."""

from __future__ import annotations

from typing import NamedTuple

from pytest_streamval.errors import described


class ContractRule(NamedTuple):
    """A rule of a contract, and the advice for code that breaks it."""

    words: str
    way_out: str


def show_exception(error: BaseException) -> str:
    """Return the class and the message of an exception."""
    message = described(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


# Chunking strategies

MONOTONE = ContractRule(
    "1, monotone: an emitted chunk is never taken back",
    "Withhold text whose boundary is not certain yet, as an emitted chunk may have been shown already.",
)
INVARIANT = ContractRule(
    "2, delta-invariant: the chunks depend on the text alone, never on its cuts",
    "Withhold the possible beginning of a boundary until the next delta decides, and search it for every boundary.",
)
DELAY = ContractRule(
    "3, bounded delay: a boundary is decided at the latest at the end of the next word",
    "Emit the chunk when that word is complete. For a strategy that needs more text, use "
    "check_chunker(strategy, bounded_delay=False).",
)
LINEAR = ContractRule(
    "4, linear: no character is read more than a constant number of times",
    "Continue at the end of the last delta, and keep only the part of a boundary that may be incomplete. Or leave out "
    "chunker(): this rule does not apply to a strategy that has only split() and flush().",
)
AGREE = ContractRule(
    "4, split and chunker agree, after every delta and at the end",
    "Return from split() and flush() the chunks that the chunker emits for the complete text in one delta.",
)
LISTS = ContractRule(
    "feed() and flush() return lists of Chunk",
    "Return a list of Chunk(text, start, end), or an empty one if no chunk is complete.",
)
PLACES = ContractRule(
    "a chunk is not empty, and full_text[start:end] == text",
    "Count start and end in characters from the beginning of the stream, not of the delta.",
)
SPLITS = ContractRule(
    "split() and flush() return lists of str, non-empty pieces of the text in order, without changes",
    "Strip, translate or reformat in the requirement instead.",
)
RELEASE = ContractRule(
    "flush() releases the withheld fragment or nothing",
    "Return the text after the last complete chunk, or an empty list.",
)
EMPTY = ContractRule(
    "an empty delta changes nothing",
    "Return an empty list for it. Models send empty deltas, also at the beginning and inside a word.",
)
NEW_CHUNKER = ContractRule(
    "chunker() returns a new Chunker for each stream",
    "Return a new object from each call: an instance of a subclass of Chunker that has the state of one stream.",
)
STATELESS = ContractRule(
    "a strategy has no state: it serves many streams, and the same text always has the same chunks",
    "Keep the state of a stream in the Chunker that chunker() returns. split() and flush() receive the complete text.",
)
ANY_TEXT = ContractRule(
    "a strategy accepts any text and raises no exception, as a model may write anything",
    "Treat unexpected text as a chunk or a part of one, and let a requirement reject it.",
)

# Backends

STREAMS = ContractRule(
    "with ModelOption.STREAM it returns (output, context) while the output is still being generated",
    "Create a ModelOutputThunk, start its producer with thunk.start(produce), and return both at once.",
)
CONTEXT = ContractRule(
    "the context that it receives is unchanged, and the context that it returns also has the action and the output",
    "Return ctx.add(action).add(thunk).",
)
OPTIONS = ContractRule(
    "model_options belong to the caller and are unchanged",
    "Use a copy: options = dict(model_options or {}).",
)
PRODUCES_TEXT = ContractRule(
    "a generation produces some text and ends",
    "Put deltas with `await thunk.put(delta)` in the producer that thunk.start() runs. Its return ends the output. Use "
    "a factory of backends that produce some text. Slow ones need check_backend(factory, timeout=...).",
)
KEEPS_TEXT = ContractRule(
    "the text is the same if it is read piece by piece, at once, or late",
    "Put each delta once with `await thunk.put(delta)`, which waits for room. A delta that try_put() refused is lost.",
)
REPORTS_STREAMING = ContractRule(
    "the metadata of a streamed output report that it was streamed",
    "Set thunk.generation.streaming = True if ModelOption.STREAM is set.",
)
WAITS = ContractRule(
    "the producer waits for its reader",
    "Put deltas with `await thunk.put(delta)` into an output of the default capacity.",
)
STOPS = ContractRule(
    "cancel_generation() ends the producer, and the value is the text that was read",
    "Run the producer with thunk.start(produce), do not catch CancelledError in it, and make its `finally` end by "
    "itself.",
)
LEAVES_NOTHING = ContractRule(
    "no task outlives the generation that started it",
    "Start the producer with thunk.start(produce). If the producer starts tasks, let it cancel and await them in a "
    "`finally` or an asyncio.TaskGroup.",
)
SHARES_NOTHING = ContractRule(
    "generations share nothing, at the same time or one after the other",
    "Keep the state of a generation in local variables of generate_from_context() and of its producer.",
)
RUNS = ContractRule(
    "a run of stream_with_chunking() reaches its natural end, with the complete text",
    "If there is an error, the producer or generate_from_context() raised it.",
)
WITHOUT_STREAMING = ContractRule(
    "without ModelOption.STREAM, avalue() returns the text",
    "Return the finished output, ModelOutputThunk(text), or one that is still being generated.",
)
