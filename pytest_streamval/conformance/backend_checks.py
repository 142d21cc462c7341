"""What a backend is checked for: each check makes generations, reads or stops them, and raises a `ConformanceError`.

What the backend itself raises passes through them.
"""

from __future__ import annotations

import asyncio
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pytest_streamval.conformance.rules import (
    ANSWERS_AT_ONCE,
    APART,
    BRINGS_TEXT,
    CONTEXT,
    KEEPS_TEXT,
    OPTIONS,
    RUNS,
    SAYS_SO,
    STOPS,
    STREAMS,
    WAITS,
    Rule,
)
from pytest_streamval.engine.backend import Backend, ModelOption
from pytest_streamval.engine.component import Instruction
from pytest_streamval.engine.context import Context, SimpleContext
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import ConformanceError, InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from typing import Any, TypeAlias

    Factory: TypeAlias = Callable[[], Backend | Awaitable[Backend]]
    Check: TypeAlias = Callable[["Exam"], Coroutine[Any, Any, None]]

FACTORY = "factory()"
"""The call that makes a backend; what it raises is no fault of the backend."""
TURNS = 100
"""Turns of the event loop in which a producer does what it can do without a reader, and ends where it is to end."""

_PROMPT = "Write three short sentences about rivers."
_ACTION = Instruction(_PROMPT)

current_exam: ContextVar[Exam | None] = ContextVar("current_exam", default=None)
"""The exam in which the code runs; every task that the backend starts has inherited it."""


class Exam:
    """One check under way: it makes backends and generations, and knows what is being done, for the message."""

    def __init__(self, factory: Factory, known: list[str]) -> None:
        self.factory = factory
        self.known = known
        """The texts of whole generations so far, in all exams of the factory."""
        self.name = "The backend"
        self.doing = FACTORY
        """The call that is under way."""
        self.rule = BRINGS_TEXT
        """The rule that is broken where that call raises or does not return."""
        self._requests: list[tuple[Context, list[object], dict[str, object] | None]] = []

    def does(self, doing: str, rule: Rule = BRINGS_TEXT) -> None:
        """Note which call comes next."""
        self.doing, self.rule = doing, rule

    def broken(self, rule: Rule, expected: str, came: str) -> ConformanceError:
        """Return the error that says which rule is broken."""
        return ConformanceError(self.name, rule.words, self.doing, expected, came, rule.way_out)

    async def backend(self) -> Backend:
        """Return a fresh backend."""
        self.does(FACTORY)
        outside = current_exam.set(None)  # tasks that the factory starts are none of a generation
        try:
            made = self.factory()
            backend: object = await made if inspect.isawaitable(made) else made
        finally:
            current_exam.reset(outside)
        if not isinstance(backend, Backend):
            rule = "It returns a fresh instance of a subclass of Backend from each call."
            raise InvalidArgumentError(FACTORY, excerpt(backend), rule)
        self.name = type(backend).__name__
        return backend

    async def ask(self, *, stream: bool) -> tuple[ModelOutputThunk, Context]:
        """Return what a fresh backend answers, if that is an output and its context."""
        backend = await self.backend()
        ctx = SimpleContext().add("A question.").add(ModelOutputThunk("An answer."))
        options: dict[str, object] | None = {ModelOption.STREAM: True} if stream else None
        self._requests.append((ctx, [*ctx.as_list()], options))
        shown = ", model_options={ModelOption.STREAM: True}" if stream else ""
        self.does(f"generate_from_context(action, ctx{shown})", BRINGS_TEXT if stream else ANSWERS_AT_ONCE)
        answer: object = await backend.generate_from_context(_ACTION, ctx, model_options=options)
        match answer:
            case (ModelOutputThunk() as thunk, Context() as answer_ctx) if isinstance(answer, tuple):
                return thunk, answer_ctx
        raise self.broken(STREAMS if stream else ANSWERS_AT_ONCE, "(ModelOutputThunk, Context)", excerpt(answer))

    async def stream(self) -> ModelOutputThunk:
        """Return an output that is being generated, in answer to a streaming request."""
        thunk, ctx = await self.ask(stream=True)
        if thunk.is_computed():
            raise self.broken(STREAMS, "is_computed() is False", "True, before anything was read")
        self.check_requests()
        _, before, _ = self._requests[-1]
        entries = ctx.as_list()
        if entries[: len(before)] != before or _ACTION not in entries or ctx.last_output() is not thunk:
            expected = f"{_kinds([*before, _ACTION, thunk])}, the last one being the output"
            raise self.broken(CONTEXT, expected, f"{_kinds(entries)} in the context that it returned")
        return thunk

    async def read(self, thunk: ModelOutputThunk, *read: str) -> str:
        """Read an output to its end, and return its text if the pieces join to it."""
        pieces = [*read]
        while not thunk.is_computed():
            self.does("thunk.astream()")
            pieces.append(await thunk.astream())
        self.does("thunk.astream() until thunk.is_computed()")
        text: object = thunk.value
        if [type(piece) for piece in pieces] != [str] * len(pieces) or "".join(pieces) != text:
            raise self.broken(KEEPS_TEXT, f"pieces of the value {excerpt(text)}", excerpt(pieces))
        return "".join(pieces)

    def judge(self, rule: Rule, text: object) -> None:
        """Judge the text of a whole generation: there is some, and it is not the known one with letters lost or added.

        Where the first backends all said the same, that is the known text. A model may then still say something else,
        but not by chance the same with a part of it missing.
        """
        if not isinstance(text, str) or not text:
            raise self.broken(BRINGS_TEXT, "some text", excerpt(text))
        first, *others = self.known or [text]
        if others and set(others) == {first} and text != first:
            rule = APART if (is_more := _is_within(first, text)) else rule
            if is_more or _is_within(text, first):
                raise self.broken(rule, f"{excerpt(first)}, as from the other backends", excerpt(text))
        self.known.append(text)

    def check_requests(self) -> None:
        """Check that what was given to the backend is as it was."""
        for ctx, before, options in self._requests:
            if ctx.as_list() != before:
                raise self.broken(CONTEXT, f"{_kinds(before)} in the context that it was given", _kinds(ctx.as_list()))
            if options not in (None, {ModelOption.STREAM: True}):
                raise self.broken(OPTIONS, excerpt({ModelOption.STREAM: True}), excerpt(options))


async def is_read_piece_by_piece(exam: Exam) -> None:
    """Read an output as it comes, and once more when it is there."""
    thunk = await exam.stream()
    text = await exam.read(thunk)
    exam.judge(KEEPS_TEXT, text)
    if thunk.generation.streaming is not True:
        raise exam.broken(SAYS_SO, "generation.streaming is True", excerpt(thunk.generation.streaming))
    for again, reading in (("avalue()", thunk.avalue), ("astream()", thunk.astream)):
        exam.does(f"thunk.{again} once more, on the computed output", KEEPS_TEXT)
        if (repeated := await reading()) != text:
            raise exam.broken(KEEPS_TEXT, excerpt(text), excerpt(repeated))
    exam.does("a generation that was read to its end")


async def is_read_at_once(exam: Exam) -> None:
    """Wait for the whole text."""
    thunk = await exam.stream()
    exam.does("thunk.avalue()")
    exam.judge(KEEPS_TEXT, await thunk.avalue())


async def is_read_late(exam: Exam) -> None:
    """Let the producer run against a reader that does not read, and read then."""
    thunk = await exam.stream()
    await turn(TURNS)
    exam.does(f"thunk.read_deltas() {TURNS} turns of the event loop later")
    deltas = await thunk.read_deltas()
    capacity = ModelOutputThunk.capacity
    if len(deltas) > capacity:
        raise exam.broken(WAITS, f"{capacity} deltas at most", f"{len(deltas)} deltas in the first read")
    exam.judge(KEEPS_TEXT, await exam.read(thunk, *deltas))


async def stops_before_it_begins(exam: Exam) -> None:
    """Cancel a generation whose producer has not taken a step."""
    await _cancel(exam, await exam.stream(), "", "at once")


async def stops_while_it_waits(exam: Exam) -> None:
    """Cancel a generation whose producer has no room, or is at work."""
    thunk = await exam.stream()
    await turn(TURNS)
    await _cancel(exam, thunk, "", "after nobody read for a while")


async def stops_behind_what_was_read(exam: Exam) -> None:
    """Cancel a generation that is being read."""
    thunk = await exam.stream()
    exam.does("thunk.astream()")
    read = await thunk.astream()
    if not thunk.is_computed():
        await _cancel(exam, thunk, read, f"behind {excerpt(read)}")


async def stops_when_a_run_is_left(exam: Exam) -> None:
    """Leave a run behind its first chunk."""
    backend = await exam.backend()
    exam.does("stream_with_chunking(action, backend, ctx, chunking=None), left behind the first chunk", STOPS)
    async with await stream_with_chunking(_ACTION, backend, SimpleContext(), chunking=None) as result:
        await anext(result.astream(), None)


async def feeds_a_run_of_a_str(exam: Exam) -> None:
    """Follow a run of a text to its end."""
    await _run(exam, _PROMPT)


async def feeds_a_run_of_an_instruction(exam: Exam) -> None:
    """Follow a run of a component to its end."""
    await _run(exam, _ACTION)


async def generates_beside_another(exam: Exam) -> None:
    """Read two generations by turns."""
    thunks = [await exam.stream(), await exam.stream()]
    exam.does("generate_from_context(...) of two backends")
    if thunks[0] is thunks[1]:
        raise exam.broken(APART, "an output for each", "the same output twice")
    read: list[list[str]] = [[], []]
    exam.does("thunk.astream() of two outputs by turns", APART)
    while not all(thunk.is_computed() for thunk in thunks):
        for thunk, pieces in zip(thunks, read, strict=True):
            if not thunk.is_computed():
                pieces.append(await thunk.astream())
    for thunk, pieces in zip(thunks, read, strict=True):
        exam.judge(APART, await exam.read(thunk, *pieces))


async def goes_on_when_another_stops(exam: Exam) -> None:
    """Cancel one of two generations, and read the other."""
    other, thunk = await exam.stream(), await exam.stream()
    exam.does("thunk.astream() of two outputs", APART)
    read = await thunk.astream()
    await _cancel(exam, other, "", "while another output was read")
    text = await exam.read(thunk, read)
    exam.does("thunk.astream() while another output was cancelled")
    exam.judge(APART, text)


async def answers_without_streaming(exam: Exam) -> None:
    """Ask for the text alone."""
    thunk, _ = await exam.ask(stream=False)
    exam.does("thunk.avalue(), without ModelOption.STREAM", ANSWERS_AT_ONCE)
    text: object = await thunk.avalue()
    if not isinstance(text, str) or not text:
        raise exam.broken(ANSWERS_AT_ONCE, "some text", excerpt(text))


CHECKS: tuple[Check, ...] = (
    is_read_piece_by_piece,
    is_read_piece_by_piece,  # the texts of two backends tell whether the factory's all say the same
    is_read_at_once,
    is_read_late,
    stops_before_it_begins,
    stops_while_it_waits,
    stops_behind_what_was_read,
    stops_when_a_run_is_left,
    feeds_a_run_of_a_str,
    feeds_a_run_of_an_instruction,
    generates_beside_another,
    goes_on_when_another_stops,
    answers_without_streaming,
)


async def turn(count: int) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def _run(exam: Exam, action: Instruction | str) -> None:
    backend = await exam.backend()
    exam.does(f"stream_with_chunking({type(action).__name__}, backend, ctx, chunking='word')", RUNS)
    result = await stream_with_chunking(action, backend, SimpleContext(), chunking="word")
    await result.acomplete()
    exam.judge(RUNS, result.full_text)


async def _cancel(exam: Exam, thunk: ModelOutputThunk, read: str, when: str) -> None:
    exam.does(f"thunk.cancel_generation() {when}", STOPS)
    await thunk.cancel_generation()
    state = (thunk.is_computed(), thunk.cancelled, thunk.value)
    if state != (True, True, read):
        raise exam.broken(
            STOPS,
            f"is_computed() True, cancelled True, value {excerpt(read)}",
            f"is_computed() {state[0]}, cancelled {state[1]}, value {excerpt(state[2])}",
        )


def _is_within(part: str, text: str) -> bool:
    """Return whether a text is another one with some letters left out."""
    rest = iter(text)
    return all(letter in rest for letter in part)


def _kinds(entries: Sequence[object]) -> str:
    return f"[{', '.join(type(entry).__name__ for entry in entries)}]"
