"""State machines of Hypothesis: for chunkers, and for runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pytest_streamval.engine.backend import Backend
from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy, new_chunker
from pytest_streamval.engine.component import Action, as_action
from pytest_streamval.engine.context import Context, SimpleContext
from pytest_streamval.engine.events import CompletedEvent, ErrorEvent
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.engine.simple_chunkers import resolve_chunking
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.fuzzing.text_strategies import texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_streamval.engine.requirement import Requirement
    from pytest_streamval.engine.result import StreamChunkingResult

_FAILURES: Final = (ConnectionResetError, TimeoutError, ValueError)


class ChunkerMachine(RuleBasedStateMachine):
    """Feeds any texts to a chunker, ends streams, and begins others.

    Subclass it, set `chunking`, and let pytest collect its `TestCase`. It checks after each step that the chunks are
    pieces of the text, in order, and at the end of each stream that they are those of the text in one piece.
    """

    chunking: ClassVar[str | ChunkingStrategy] = "sentence"
    """The strategy, or its alias."""

    def __init__(self) -> None:
        super().__init__()
        self._strategy = _strategy_of(type(self))
        self._begin()

    def _begin(self) -> None:
        self.chunker: Chunker = new_chunker(self._strategy)
        """The chunker of the current stream."""
        self.text = ""
        """The text that it has received."""
        self.chunks: list[Chunk] = []
        """The chunks that it has returned."""

    @rule(text=texts(max_size=40))
    def feed(self, text: str) -> None:
        """Feed the next text."""
        self.text += text
        self.chunks += self.chunker.feed(text)

    @rule()
    def flush(self) -> None:
        """End the stream, compare its chunks with those of the text in one piece, and begin another one."""
        self.chunks += self.chunker.flush()
        alone = new_chunker(self._strategy)
        expected = [*alone.feed(self.text), *alone.flush()]
        assert self.chunks == expected, (  # noqa: S101  # the assertion of a test
            f"{self._strategy!r}: the chunks depend on the cuts of the text {self.text!r}. In pieces: {self.chunks}. "
            f"In one piece: {expected}."
        )
        self._begin()

    @rule()
    def reset(self) -> None:
        """Leave the stream before its end, and begin another one."""
        self._begin()

    @invariant()
    def has_pieces_of_its_text(self) -> None:
        """Check the offsets of all chunks."""
        end = 0
        for chunk in self.chunks:
            assert end <= chunk.start < chunk.end <= len(self.text), chunk  # noqa: S101  # as above
            assert chunk.text == self.text[chunk.start : chunk.end], chunk  # noqa: S101  # as above
            end = chunk.end


def _strategy_of(kind: type[Any]) -> ChunkingStrategy:
    strategy = resolve_chunking(kind.chunking)
    if strategy is None:
        raise InvalidArgumentError("chunking", excerpt(kind.chunking), "It must be a ChunkingStrategy or its alias.")
    return strategy


class RunMachine(RuleBasedStateMachine):
    """Runs a stream whose producer sends any texts, and which ends, fails, is left or is cancelled at any time.

    Subclass it, set `requirements` and `chunking`, add rules and invariants of your own, and let pytest collect its
    `TestCase`. It checks that the consumer received the beginning of the text only, and that each run ends once, with a
    `CompletedEvent` and a producer that has stopped.
    """

    chunking: ClassVar[str | ChunkingStrategy | None] = "sentence"
    """The chunking of the run."""
    requirements: ClassVar[Sequence[Requirement]] = ()
    """The requirements of the run."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._backend = _OpenBackend()
        self._consumer: asyncio.Task[None] | None = None
        self.sent = ""
        """The text that the producer has sent."""
        self.received: list[str] = []
        """The chunks that the consumer has received."""
        self.run: StreamChunkingResult
        """The run."""

    @initialize()
    def start(self) -> None:
        """Start the run, and its consumer."""
        self._runner.run(self._start())

    @precondition(lambda self: self.run.outcome is not None)
    @rule()
    def start_again(self) -> None:
        """Start another run."""
        self.sent, self.received = "", []
        self._backend = _OpenBackend()
        self._runner.run(self._start())

    async def _start(self) -> None:
        self.run = await stream_with_chunking(
            "go", self._backend, SimpleContext(), requirements=list(self.requirements), chunking=self.chunking
        )
        self._consumer = asyncio.create_task(self._consume(), name="consumer of a RunMachine")
        await _settle()

    async def _consume(self) -> None:
        async for chunk in self.run.astream():
            self.received.append(chunk)

    @precondition(lambda self: self.run.outcome is None)
    @rule(text=texts(min_size=1, max_size=40))
    def release(self, text: str) -> None:
        """Let the producer send a text, and the run take it."""
        self.sent += text
        self._runner.run(self._send(text))

    @precondition(lambda self: self.run.outcome is None)
    @rule()
    def end(self) -> None:
        """Let the producer end."""
        self._runner.run(self._end(None))

    @precondition(lambda self: self.run.outcome is None)
    @rule(kind=st.sampled_from(_FAILURES))
    def fail(self, kind: type[Exception]) -> None:
        """Let the producer fail."""
        self._runner.run(self._end(kind("of a RunMachine")))
        assert self.run.outcome in {"failed", "stopped"}, self.run.outcome  # noqa: S101  # the assertion of a test

    @precondition(lambda self: self.run.outcome is None)
    @rule()
    def leave(self) -> None:
        """Leave the run before its end."""
        self._runner.run(self._leave())
        assert self.run.outcome == "left", self.run.outcome  # noqa: S101  # as above

    @precondition(lambda self: self.run.outcome is None)
    @rule()
    def cancel(self) -> None:
        """Cancel a task that waits for the end of the run."""
        self._runner.run(self._cancel())
        assert self.run.outcome == "left", self.run.outcome  # noqa: S101  # as above

    @invariant()
    def receives_the_beginning_of_the_text(self) -> None:
        """Check the chunks that the consumer has received."""
        at = 0
        for chunk in self.received:
            found = self.sent.find(chunk, at)
            assert found >= 0, f"{chunk!r} is not in {self.sent[at:]!r}"  # noqa: S101  # as above
            at = found + len(chunk)

    @invariant()
    def ends_once(self) -> None:
        """Check the events and the producer of a run that has ended."""
        ends = [event for event in self.run.history if isinstance(event, CompletedEvent)]
        if self.run.outcome is None:
            assert not ends, ends  # noqa: S101  # as above
            return
        assert ends == [self.run.history[-1]], list(self.run.history)  # noqa: S101  # as above
        errors = [event for event in self.run.history if isinstance(event, ErrorEvent)]
        assert bool(errors) is (self.run.outcome == "failed"), errors  # noqa: S101  # as above
        assert self._backend.has_stopped, "the producer still runs"  # noqa: S101  # as above

    def teardown(self) -> None:
        """Close the run and its event loop."""
        try:
            if self._consumer is not None:
                self._runner.run(self._leave())
        finally:
            self._runner.close()

    async def _send(self, text: str) -> None:
        self._backend.parts.put_nowait(text)
        await _settle()
        if self.run.outcome is not None:  # a requirement has failed the text
            await self._end_consumer()

    async def _end(self, error: Exception | None) -> None:
        self._backend.parts.put_nowait(error)
        await self.run.aexception()
        await self._end_consumer()

    async def _leave(self) -> None:
        await self.run.aclose()
        await self._end_consumer()

    async def _cancel(self) -> None:
        waiting = asyncio.create_task(self.run.acomplete(), name="waiting task of a RunMachine")
        await _settle()
        waiting.cancel()
        await asyncio.wait([waiting])
        await self._end_consumer()

    async def _end_consumer(self) -> None:
        """Wait for the consumer, to which the error of the run is raised as well."""
        consumer = self._consumer
        if consumer is not None:
            await asyncio.wait([consumer])
            if not consumer.cancelled():
                consumer.exception()
        await _settle()


class _OpenBackend(Backend):
    """A backend whose only output has the parts that are put into a queue. None ends it, an error fails it."""

    def __init__(self) -> None:
        self.parts: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self._thunk: ModelOutputThunk | None = None

    @property
    def has_stopped(self) -> bool:
        producer = None if self._thunk is None else self._thunk.producer
        return producer is not None and producer.done()

    async def generate_from_context(
        self,
        action: Action | str,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # as in Backend
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        del format, model_options
        action = as_action(action)
        self._thunk = thunk = ModelOutputThunk(action=action)
        thunk.start(self._produce)
        return thunk, ctx.add(action).add(thunk)

    async def _produce(self, thunk: ModelOutputThunk) -> None:
        while (part := await self.parts.get()) is not None:
            if isinstance(part, Exception):
                raise part
            await thunk.put(part)


async def _settle() -> None:
    """Let the tasks of the event loop run until all of them wait. None of them waits for time."""
    loop: Any = asyncio.get_running_loop()
    await asyncio.sleep(0)
    while loop._ready:  # noqa: ASYNC110  # the callbacks that can run, of which nothing else tells
        await asyncio.sleep(0)
