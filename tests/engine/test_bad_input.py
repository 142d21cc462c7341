"""Errors name the value, the rule and the way out. Nothing is left running, and no text is lost."""

import asyncio
from contextlib import suppress

import pytest

from pytest_streamval.engine.backend import Backend
from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.engine.requirement import Requirement
from pytest_streamval.engine.simple_chunkers import SentenceChunker
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError, StreamvalError
from pytest_streamval.scripting.mock import StreamingMockBackend

# Arguments: nothing starts


@pytest.mark.parametrize(
    ("arguments", "kind", "parts"),
    [
        (
            {"chunking": "sentances"},
            ValueError,
            ["'sentances'", "Choose from", "'sentence', 'word', 'paragraph', 'line', 'prose'"],
        ),
        ({"chunking": ""}, ValueError, ["''", "Choose from"]),
        ({"chunking": 7}, TypeError, ["Invalid chunking: 7.", "an instance of ChunkingStrategy, or None"]),
        (
            {"chunking": SentenceChunker},
            TypeError,
            ["SentenceChunker'>", "Pass an instance of the class, SentenceChunker()."],
        ),
        ({"chunking": str.split}, TypeError, ["method 'split'", "an alias"]),
        (
            {"requirements": ["be nice"]},
            TypeError,
            ["Invalid requirements[0]: 'be nice'.", "write Requirement('be nice')"],
        ),
        ({"requirements": "be nice"}, TypeError, ["Invalid requirements: 'be nice'.", "a list of Requirement"]),
        (
            {"requirements": [Requirement("a"), None]},
            TypeError,
            ["Invalid requirements[1]: None.", "an instance of Requirement"],
        ),
        ({"requirements": [Requirement]}, TypeError, ["Pass an instance of the class, Requirement(...)."]),
        (
            {"requirements": Requirement("a")},
            TypeError,
            ["Invalid requirements: Requirement('a').", "Put the requirement into a list"],
        ),
        (
            {"requirements": [len]},
            TypeError,
            ["Invalid requirements[0]: <built-in", "write Requirement(validation_fn=...)"],
        ),
        ({"requirements": 7}, TypeError, ["Invalid requirements: 7.", "a list of Requirement"]),
        ({"validator_timeout": 0}, TypeError, ["Invalid validator_timeout: 0.", "above 0, or None"]),
        ({"validator_timeout": -1.5}, TypeError, ["Invalid validator_timeout: -1.5.", "above 0, or None"]),
        ({"validator_timeout": float("nan")}, TypeError, ["Invalid validator_timeout: nan.", "above 0, or None"]),
        ({"validator_timeout": "5"}, TypeError, ["Invalid validator_timeout: '5'.", "above 0, or None"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_an_invalid_argument_is_refused_before_anything_starts(played, left, arguments, kind, parts):
    backend = played("One. ")
    with pytest.raises(kind) as caught:
        await stream_with_chunking("Tell.", backend, SimpleContext(), **arguments)
    assert isinstance(caught.value, StreamvalError)
    assert all(part in str(caught.value) for part in parts)
    assert backend.asked == []
    assert left() == set()


@pytest.mark.parametrize(
    ("action", "ctx", "message"),
    [
        (None, SimpleContext(), r"Invalid action: None\. .* a str, a CBlock or a Component"),
        (42, SimpleContext(), "Invalid action: 42"),
        ("Tell.", None, r"Invalid ctx: None\. .* for example SimpleContext\(\)"),
        ("Tell.", SimpleContext, "Invalid ctx: <class"),
    ],
    ids=["no action", "a number", "no context", "the class"],
)
async def test_an_invalid_action_or_context_is_refused(played, left, action, ctx, message):
    backend = played("One. ")
    with pytest.raises(TypeError, match=message):
        await stream_with_chunking(action, backend, ctx)
    assert backend.asked == []
    assert left() == set()


@pytest.mark.parametrize("argument", ["backend", "validation_backend"])
async def test_an_object_that_is_no_backend_is_refused(played, left, argument):
    backend = played("One. ")
    arguments = {"backend": backend, argument: "ollama"}
    with pytest.raises(TypeError, match=rf"Invalid {argument}: 'ollama'\. .*subclass of Backend"):
        await stream_with_chunking("Tell.", ctx=SimpleContext(), **arguments)
    assert backend.asked == []
    assert left() == set()


async def test_requirements_can_be_any_iterable(start, played, judge):
    result = await stream_with_chunking(
        "Tell.", played("One. "), SimpleContext(), requirements=(judge() for _ in range(2))
    )
    await result.acomplete()
    assert len(result.final_validations) == 2


# Backends


class Answering(Backend):
    """A backend that returns the given answer."""

    def __init__(self, answer):
        self.answer = answer

    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def generating():
    thunk = ModelOutputThunk()

    async def produce(thunk):
        await asyncio.get_running_loop().create_future()

    thunk.start(produce)
    return thunk


@pytest.mark.parametrize(
    ("answer", "kind", "parts"),
    [
        (
            lambda: (ModelOutputThunk("All at once."), SimpleContext()),
            RuntimeError,
            ["Answering returned", "computed already", "ModelOption.STREAM"],
        ),
        (lambda: ("text", SimpleContext()), TypeError, ["'text'", "must return (ModelOutputThunk, Context)"]),
        (lambda: None, TypeError, ["None", "must return (ModelOutputThunk, Context)"]),
        (lambda: "ab", TypeError, ["'ab'", "must return (ModelOutputThunk, Context)"]),
        (generating, TypeError, ["<ModelOutputThunk cancelled", "must return (ModelOutputThunk, Context)"]),
        (lambda: OSError("refused"), OSError, ["refused"]),
    ],
    ids=["computed thunk", "text and context", "None", "text", "thunk alone", "raises"],
)
async def test_a_backend_that_returns_no_stream_raises_and_leaves_no_task(left, turns, answer, kind, parts):
    with pytest.raises(kind) as caught:
        await stream_with_chunking("Tell.", Answering(answer()), SimpleContext(), requirements=[Requirement()])
    assert all(part in str(caught.value) for part in parts)
    assert left() == set()


@pytest.mark.streamval_not_cancelled  # it catches a cancellation
async def test_a_run_whose_backend_never_sends_can_be_ended_in_every_way(
    start, judge, never, turns, assert_over, loop_clock, spawn
):
    async def limited(result):
        async with asyncio.timeout(5):
            await result.acomplete()

    for end in ("aclose", "timeout", "task"):
        judges = [judge(), judge()]
        result, backend = await start([never], *judges)
        caller = spawn(limited(result))
        await turns(4)
        if end == "aclose":
            await result.aclose()
        elif end == "timeout":
            loop_clock.advance(6)
        else:
            result.task.cancel()
        with suppress(TimeoutError, asyncio.CancelledError):
            await caller
        assert backend.stopped
        assert (result.full_text, result.deltas_read) == ("", 0)
        assert_over(result, backend, *judges)


@pytest.mark.parametrize("requirements", [0, 1, 2])
@pytest.mark.parametrize("together", [False, True], ids=["read before", "read together"])
async def test_a_producer_that_raises_ends_the_run_after_its_last_delta(
    start, judge, shape, turns, assert_over, requirements, together
):
    judges = [judge() for _ in range(requirements)]
    pause = [] if together else [lambda: turns(3)]
    result, backend = await start(["One. ", "Two", *pause, OSError("line cut")], *judges)
    reader = result.astream()
    assert await anext(reader) == "One."
    with pytest.raises(OSError, match="line cut"):
        await anext(reader)
    assert shape(result.history)[-3:] == ["chunk 0 One.", "error OSError", "completed False"]
    assert result.history[-2].detail == "line cut"
    assert result.full_text == "One."
    assert result.as_thunk.value == "One."
    assert result.deltas_read == 2
    assert_over(result, backend, *judges)


@pytest.mark.parametrize("bad", [7, None, b"bytes", ["a"]], ids=repr)
async def test_a_delta_that_is_no_text_ends_the_run(start, judge, assert_over, bad):
    async def put_bad():
        await backend.thunk.put(bad)

    result, backend = await start(["One. ", "Tw", put_bad, "never"], judge())
    with pytest.raises(TypeError, match=r"It must be a str or a Delta, not of type ") as caught:
        await result.acomplete()
    assert repr(bad) in str(caught.value)
    assert type(bad).__name__ in str(caught.value)
    assert result.full_text == "One."
    assert backend.sent == ["One. ", "Tw"]
    assert result.history[-2].exception_type == "InvalidArgumentError"
    assert_over(result, backend)


# Text


@pytest.mark.parametrize("chunking", ["sentence", "word", "paragraph", "line", None])
@pytest.mark.parametrize(
    "steps",
    [
        ["\ud800", "\udc00", ". x"],
        ["a\udfff. ", "\ud83d"],
        ["👩‍", "👩‍👧", "! e", "\u0301 x"],
        ["\r", "\n\r", "\n"],
        ["a\u2028b\u00a0c\x85d\0e. f"],
    ],
    ids=ascii,
)
async def test_unusual_text_passes_unchanged(start, judge, assert_over, chunking, steps):
    result, backend = await start(steps, judge(), judge(), chunking=chunking)
    pieces = [piece async for piece in result.astream(lossless=True)]
    assert "".join(pieces) == result.full_text == "".join(steps)
    assert_over(result, backend)


@pytest.mark.parametrize("chunking", ["sentence", "word", "paragraph", "line", None])
@pytest.mark.parametrize("steps", [[], [""], ["", "", ""]], ids=str)
@pytest.mark.parametrize("requirements", [0, 1, 2])
async def test_an_empty_stream_ends_naturally(start, judge, shape, assert_over, chunking, steps, requirements):
    judges = [judge() for _ in range(requirements)]
    result, backend = await start(steps, *judges, chunking=chunking)
    assert [chunk async for chunk in result.astream(lossless=True)] == []
    assert shape(result.history) == ["done", *["validation passed"] * bool(requirements), "completed True"]
    assert result.full_text == ""
    assert_over(result, backend, *judges)


# Strategies


def strategy(split=None, flush=None):
    class Custom(ChunkingStrategy):
        def split(self, accumulated_text):
            first = ["One. "] if accumulated_text.startswith("One. ") else []
            return first + split(accumulated_text) if split and "!" in accumulated_text else first

        def flush(self, accumulated_text):
            return flush(accumulated_text) if flush else []

    return Custom()


def raises(text):
    raise LookupError("no idea")


@pytest.mark.parametrize(
    ("chunking", "kind", "parts"),
    [
        (
            strategy(lambda text: ["else"]),
            ValueError,
            ["Custom.split() returned 'else'", "not occur in the stream", "5"],
        ),
        (strategy(lambda text: ["One. "]), ValueError, ["Custom.split() returned 'One. '", "not occur", "offset 5"]),
        (strategy(lambda text: [""]), ValueError, ["Custom.split() returned", "''", "non-empty str"]),
        (strategy(lambda text: [7]), ValueError, ["Custom.split() returned", "7", "non-empty str"]),
        (strategy(lambda text: (text,)), TypeError, ["can only concatenate list"]),
        (strategy(raises), LookupError, ["no idea"]),
        (strategy(flush=lambda text: ["else"]), ValueError, ["Custom.flush() returned 'else'", "not occur"]),
        (strategy(flush=lambda text: [""]), ValueError, ["Custom.flush() returned ['']", "non-empty str"]),
        (strategy(flush=lambda text: None), ValueError, ["Custom.flush() returned None", "a list of the chunks"]),
        (strategy(flush=lambda text: "Two"), ValueError, ["Custom.flush() returned 'Two'", "a list of the chunks"]),
        (strategy(flush=raises), LookupError, ["no idea"]),
    ],
)
@pytest.mark.parametrize("requirements", [0, 1, 2])
async def test_a_strategy_that_breaks_its_contract_ends_the_run(
    start, judge, assert_over, never, chunking, kind, parts, requirements
):
    judges = [judge() for _ in range(requirements)]
    end = [] if "flush" in parts[0] or chunking.flush.__closure__[0].cell_contents else [never]
    result, backend = await start(["One. ", "Two!", *end], *judges, chunking=chunking)
    with pytest.raises(kind) as caught:
        await result.acomplete()
    assert all(part in str(caught.value) for part in parts)
    assert result.history[-2].detail == str(caught.value)
    assert result.full_text == "One. "
    assert [chunk async for chunk in result.astream()] == ["One. "]
    assert_over(result, backend, *judges)


async def test_a_strategy_that_takes_back_a_chunk_ends_the_run(start, assert_over):
    class Wavering(ChunkingStrategy):
        def split(self, accumulated_text):
            return [accumulated_text]

    result, backend = await start(["a", "b"], chunking=Wavering())
    with pytest.raises(ValueError, match=r"Wavering.split\(\) took back a chunk.*\['a'\].*\['ab'\]"):
        await result.acomplete()
    assert result.full_text == "a"
    assert_over(result, backend)


# Validators


class Silent(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        """Forget to answer."""


class Plain(Requirement):
    def stream_validate(self, chunk, *, backend, ctx):
        return "pass"


class Truthful(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return True


class Narrow(Requirement):
    async def stream_validate(self, chunk):
        """Take too little."""


class SilentAtLast(Requirement):
    async def validate(self, backend, ctx, *, format=None, model_options=None):  # noqa: A002
        """Forget to answer."""


class Unfinished(Requirement):
    """Does not call its base's constructor."""

    def __init__(self):
        pass

    async def stream_validate(self, chunk, *, backend, ctx):
        """Forget to answer."""


@pytest.mark.parametrize("peers", [0, 1, 2])
@pytest.mark.parametrize(
    ("requirement", "parts"),
    [
        (Silent("short"), ["Silent('short').stream_validate() returned None", "PartialValidationResult on every path"]),
        (Truthful(), ["Truthful.stream_validate() returned True", "PartialValidationResult on every path"]),
        (Plain(), ["Plain.stream_validate() returned 'pass' without being awaited", "async def stream_validate"]),
        (Narrow(), ["stream_validate() got an unexpected keyword argument"]),
        (Unfinished(), ["Unfinished.stream_validate() returned None"]),
        (SilentAtLast(), ["SilentAtLast.validate() returned None", "ValidationResult on every path"]),
        (
            Requirement("odd", lambda ctx: None),
            ["validation_fn of Requirement('odd') returned None", "bool or a Valid"],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_validator_that_returns_no_result_ends_the_run(start, judge, assert_over, peers, requirement, parts):
    judges = [judge() for _ in range(peers)]
    result, backend = await start(["One. "], *judges, requirement)
    with pytest.raises(TypeError) as caught:
        await result.acomplete()
    assert all(part in str(caught.value) for part in parts)
    assert result.history[-2].detail == str(caught.value)
    assert_over(result, backend, *judges)


def test_a_validation_fn_that_is_no_function_is_refused_at_once():
    with pytest.raises(InvalidArgumentError, match=r"Invalid validation_fn: 'short'\. It must be a function of"):
        Requirement("odd", "short")


async def test_a_pace_that_is_no_function_is_refused_before_generation_starts(start):
    with pytest.raises(InvalidArgumentError, match=r"Invalid pace: 5\. It must be an asynchronous function"):
        await start(["One. "], pace=5)


async def test_a_start_that_was_not_awaited_says_how_to_start_the_run():
    starting = stream_with_chunking("Go", StreamingMockBackend("One."), SimpleContext())
    with pytest.raises(AttributeError, match=r"no attribute 'astream'\. The run has not started\. Write `run = await"):
        starting.astream()
    with pytest.raises(AttributeError, match=r"no attribute 'stream'\.$"):
        _ = starting.stream
    with pytest.warns(RuntimeWarning, match="'stream_with_chunking' was never awaited"):
        del starting


async def test_a_factory_of_backends_is_refused_with_the_way_out():
    with pytest.raises(InvalidArgumentError, match=r"subclass of Backend\. Call it first: it makes backends\."):
        await stream_with_chunking("Go", StreamingMockBackend, SimpleContext())


async def test_the_repr_of_a_run_shows_its_outcome(start):
    result, _ = await start(["One. "])
    await result.acomplete()
    assert repr(result._run) == "<Run done, 3 events>"
