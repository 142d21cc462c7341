"""One member answering one prompt: through the engine, at the pace of whoever reads, and never by raising."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from pytest_streamval.council.events import CouncilEvent, EventType
from pytest_streamval.council.redaction import told
from pytest_streamval.council.results import ModelAnswer
from pytest_streamval.engine.backend import Backend, ModelOption
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.events import ChunkEvent, QuickCheckEvent
from pytest_streamval.engine.orchestrator import checked_answer, stream_with_chunking
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import MemberTimeoutError, NotStreamingError, ProviderStatusError
from pytest_streamval.model import Delta, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.council.event_channel import Floor
    from pytest_streamval.council.members import Member
    from pytest_streamval.engine.chunking import ChunkingStrategy
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.requirement import Requirement
    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.run_view import RunView

Role: TypeAlias = Literal["member", "synthesis"]

_DELTA: dict[Role, EventType] = {"member": "member_delta", "synthesis": "synthesis_delta"}
_DONE: dict[Role, EventType] = {"member": "member_done", "synthesis": "synthesis_done"}

# How a provider refuses a request because of `"stream": true`: it says so, in an answer of one of these kinds.
_CANNOT_STREAM = {400, 404, 405, 406, 415, 422, 501}
_ABOUT_STREAMING = re.compile(r"\bstream", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms members are asked."""

    requirements: tuple[Requirement, ...] = ()
    """What an answer has to fulfil."""
    chunking: str | ChunkingStrategy | None = "sentence"
    """In which pieces it is judged."""
    validation_backend: Backend | None = None
    """What requirements ask; None for the member itself."""
    model_options: Mapping[str, object] = field(default_factory=dict)
    """For every request."""
    timeout: float | None = None
    """For how many seconds a member may keep silent; None for any time."""


class Answering:
    """One member, one prompt, one answer, which is there from the beginning and grows."""

    def __init__(
        self,
        member: Member,
        prompt: str,
        terms: Terms,
        *,
        streams: bool,
        floor: Floor | None,
        role: Role = "member",
        kept: ModelAnswer | None = None,
    ) -> None:
        """Make an answer that `run` fills.

        Args:
            member: the member.
            prompt: its prompt.
            terms: how it is asked and judged.
            streams: whether it is asked for a stream.
            floor: who receives its events.
            role: its role in the council.
            kept: the answer that its model gave in an earlier run. The model is not asked again, but the answer is
                judged by the requirements of this run.
        """
        self.member = member
        self._prompt = prompt
        self._terms = terms
        self._kept = kept
        self._streams = streams
        self._floor = floor  # who is told of it, if anybody is
        self._role: Role = role
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = 0.0  # by the time of the loop
        self._answer: ModelAnswer | None = None
        self._result: StreamChunkingResult | None = None
        self._heard = 0  # events of the run that have been passed on
        self._caught_up: asyncio.Future[None] | None = None  # resolved when all have been
        self._silence: asyncio.Handle | None = None  # what ends it when it has lasted for too long
        self._late: MemberTimeoutError | None = None

    @property
    def answer(self) -> ModelAnswer:
        """The answer; before its end, what there is of it."""
        return self._answer or self._made("CancelledError: it was stopped before it had answered")

    async def run(self) -> None:
        """Have the member answer. Whatever goes wrong becomes its error; only a cancellation passes through."""
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        error = await self._errors_of(streams=self._streams)
        if self._streams and self._refuses_to_stream(error):
            error = await self._errors_of(streams=False)
        self._answer = self._made(None if error is None else told(error))
        if self._floor is not None:
            self._floor.tell(CouncilEvent(_DONE[self._role], self.member.name, answer=self._answer))

    # The run

    async def _errors_of(self, *, streams: bool) -> BaseException | None:
        """Ask, pass on what happens, and return what ended it if it was an error."""
        try:
            return await self._ask(streams=streams)
        except asyncio.CancelledError as error:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            if task.cancelling():
                raise
            return error  # a backend raised it, and nobody has cancelled anything
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # a member's fault, whatever it is, is the member's alone
            return error

    async def _ask(self, *, streams: bool) -> BaseException | None:
        backend, terms = self.member.backend, self._terms
        if backend is None:
            return self.member.fault
        self._heard = 0
        limit = asyncio.timeout(terms.timeout)
        try:
            async with limit:
                result = await stream_with_chunking(
                    self._prompt,
                    _Asked(backend, terms.model_options, streams=streams) if self._kept is None else _Kept(self._kept),
                    SimpleContext(),
                    requirements=terms.requirements,
                    chunking=terms.chunking if terms.requirements else None,  # where nothing is judged, nothing waits
                    validation_backend=terms.validation_backend or backend,
                    validator_timeout=terms.timeout,
                    pace=self._pace,
                )
        except TimeoutError as error:
            return MemberTimeoutError(self.member.name, terms.timeout or 0.0) if limit.expired() else error
        self._result = result
        try:
            if self._floor is not None:
                await self._follow(result, self._floor)
            failure = await result.aexception()
            return self._late or failure
        finally:
            self._end_silence()
            with suppress(Exception):  # what a clean-up raises comes second; aexception() has told what it was
                await result.aclose()

    async def _follow(self, result: StreamChunkingResult, floor: Floor) -> None:
        """Tell what happens in a run, until it is over."""
        name, delta = self.member.name, _DELTA[self._role]
        pieces = result.astream(lossless=True) if self._terms.requirements else None
        length = 0
        async for event in result.events():
            if isinstance(event, ChunkEvent):
                text = event.text if pieces is None else await anext(pieces)
                length += len(text)
                floor.tell(CouncilEvent(delta, name, text))
            elif isinstance(event, QuickCheckEvent):
                floor.tell(CouncilEvent("member_check", name, check=event))
            self._heard += 1
            if self._caught_up is not None and not self._caught_up.done():
                self._caught_up.set_result(None)
        if rest := result.full_text[length:]:
            floor.tell(CouncilEvent(delta, name, rest))

    # Its pace

    async def _pace(self, run: RunView) -> None:
        """Wait until whoever reads has taken all that has happened in the run so far."""
        self._end_silence()
        if self._floor is not None:
            while self._heard < len(run.history):
                self._caught_up = asyncio.get_running_loop().create_future()
                await self._caught_up
            await self._floor.taken()
        if self._terms.timeout is not None:
            waits_for = run.thunk, run.thunk.deltas_read
            self._silence = asyncio.get_running_loop().call_later(self._terms.timeout, self._silent, *waits_for)

    def _silent(self, thunk: ModelOutputThunk, deltas_read: int) -> None:
        """Stop an output that has brought nothing since the run began to wait for more."""
        # what came in the same turn of the loop as the end of the wait is read in this turn
        self._silence = asyncio.get_running_loop().call_soon(self._stop, thunk, deltas_read)

    def _stop(self, thunk: ModelOutputThunk, deltas_read: int) -> None:
        self._silence = None
        if thunk.deltas_read == deltas_read:
            self._late = MemberTimeoutError(self.member.name, self._terms.timeout or 0.0)
            thunk.abandon(self._late)

    def _end_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    # What came of it

    def _refuses_to_stream(self, error: BaseException | None) -> bool:
        """Return whether a member has said that it cannot stream; a buffered call may do."""
        if self._result is not None and self._result.deltas_read:
            return False
        if isinstance(error, ProviderStatusError):
            return error.status in _CANNOT_STREAM and _ABOUT_STREAMING.search(error.body) is not None
        return isinstance(error, NotStreamingError | NotImplementedError)

    def _made(self, error: str | None) -> ModelAnswer:
        """Return the answer as far as it has come."""
        seconds = 0.0 if self._loop is None else self._loop.time() - self._began
        if self._kept is not None:
            seconds = self._kept.latency_s
        name, model, result = self.member.name, self.member.model, self._result
        if result is None:
            return ModelAnswer(name, model, error=error, latency_s=seconds)
        failures = [(each.name, verdict.reason) for each, verdict in result.streaming_failures]
        verdicts = zip(result.requirements, result.final_validations, strict=False)
        failures += [(each.name, verdict.reason) for each, verdict in verdicts if not verdict]
        failed = "; ".join(name if reason is None else f"{name}: {reason}" for name, reason in failures)
        output = result.as_thunk if result.finished else None
        known = None if output is None else output.generation
        return ModelAnswer(
            name,
            (known.model if known is not None else None) or model,
            result.full_text,
            error,
            told(failed) if failed else None,
            seconds,
            None if known is None else known.usage,
            None if known is None else known.finish_reason,
            "" if output is None else output.thinking,
            () if output is None else output.tool_calls,
        )


class _Asked(Backend):
    """A member's backend as one run asks it: with the council's options, for a stream or for the whole."""

    def __init__(self, backend: Backend, model_options: Mapping[str, object], *, streams: bool) -> None:
        self._backend = backend
        self._options = model_options
        self._streams = streams

    async def generate_from_context(
        self,
        action: Action,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # as in Backend
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        """Ask; an output that is there at once becomes a stream of one delta."""
        options = {**self._options, **(model_options or {})}
        if not self._streams:
            del options[ModelOption.STREAM]
        answer = await self._backend.generate_from_context(action, ctx, format=format, model_options=options)
        thunk, answered_in = await checked_answer(answer, type(self._backend).__name__)
        return (_as_stream(thunk) if thunk.is_computed() else thunk), answered_in


class _Kept(Backend):
    """A backend that gives the answer of an earlier run once more, as a stream of one delta."""

    def __init__(self, kept: ModelAnswer) -> None:
        self._kept = kept

    async def generate_from_context(
        self,
        action: Action,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # as in Backend
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        """Return the answer; no model is asked."""
        del format, model_options
        kept, thunk = self._kept, ModelOutputThunk(action=action)
        calls = [ToolCallDelta(index, each.id, each.name, each.arguments) for index, each in enumerate(kept.tool_calls)]
        thunk.generation.model = kept.model
        thunk.try_put(Delta(kept.text, kept.thinking, tuple(calls), kept.usage, kept.finish_reason))
        thunk.close()
        return thunk, ctx.add(action).add(thunk)


def _as_stream(computed: ModelOutputThunk) -> ModelOutputThunk:
    """Return an output that brings what another one holds in one delta."""
    thunk, known = ModelOutputThunk(), computed.generation
    thunk.generation.model, thunk.generation.provider = known.model, known.provider
    thunk.try_put(Delta(str(computed), computed.thinking, (), known.usage, known.finish_reason))
    if computed.error is None:
        thunk.close()
    else:
        thunk.fail(computed.error)
    return thunk
