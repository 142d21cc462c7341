"""`MemberRun`: one member's answer to one prompt, streamed at the pace of the reader."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from pytest_streamval.council.events import CouncilEvent, EventType
from pytest_streamval.council.redacted_keys import describe_error, redact
from pytest_streamval.council.results import ModelAnswer
from pytest_streamval.engine.attempt_starter import checked_answer
from pytest_streamval.engine.backend import Backend, ModelOption
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.events import ChunkEvent, QuickCheckEvent
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import MemberTimeoutError, NotStreamingError, ProviderStatusError
from pytest_streamval.model import Delta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.council.event_channel import EventChannel
    from pytest_streamval.council.members import Member
    from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.requirement import Requirement
    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.run_view import RunView

Role: TypeAlias = Literal["member", "synthesis"]

_DELTA: dict[Role, EventType] = {"member": "member_delta", "synthesis": "synthesis_delta"}
_DONE: dict[Role, EventType] = {"member": "member_done", "synthesis": "synthesis_done"}

# A provider that cannot stream answers `"stream": true` with one of these statuses and names the option in the body.
_REFUSALS = {400, 404, 405, 406, 415, 422, 501}
_NAMES_STREAMING = re.compile(r"\bstream", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AskOptions:
    """The options of the requests to members."""

    requirements: tuple[Requirement, ...] = ()
    """The requirements on each answer."""
    chunking: str | ChunkingStrategy | None = "sentence"
    """The chunks in which requirements check an answer."""
    validation_backend: Backend | None = None
    """The backend for requirements that ask a model, or None for the member itself."""
    model_options: Mapping[str, object] = field(default_factory=dict)
    """The model options of every request."""
    timeout: float | None = None
    """The longest silence of a member in seconds, or None for no limit."""


@dataclass(kw_only=True, eq=False, repr=False)
class MemberRun:
    """One member's answer to one prompt. `run` sends the request, and `answer` can be read at any time."""

    member: Member
    prompt: str
    options: AskOptions
    role: Role
    """The role of the member, which decides the types of its events."""
    streams: bool
    """Whether the member sends a stream or a complete answer."""
    channel: EventChannel | None
    """Receives the events."""
    cached: ModelAnswer | None
    """The cached answer of this member, which replaces the request. The requirements still check it."""
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _began: float = field(default=0.0, init=False)  # in the time of the loop
    _answer: ModelAnswer | None = field(default=None, init=False)
    _result: StreamChunkingResult | None = field(default=None, init=False)
    _forwarded: int = field(default=0, init=False)  # events of the engine's run that `_forward` has processed
    _caught_up: asyncio.Future[None] | None = field(default=None, init=False)
    _timer: asyncio.Handle | None = field(default=None, init=False)
    _timed_out: MemberTimeoutError | None = field(default=None, init=False)

    @property
    def answer(self) -> ModelAnswer:
        """The answer, or before the end an answer with the text released so far and an error."""
        return self._answer or self._make_answer("CancelledError: stopped before the end of the answer")

    async def run(self) -> None:
        """Ask the member. Every error becomes the error of the answer. Only a cancellation passes through."""
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        error = await self._error_of_request(streams=self.streams)
        if self.streams and self._refuses_streaming(error):
            error = await self._error_of_request(streams=False)
        self._answer = self._make_answer(None if error is None else describe_error(error))
        if self.channel is not None:
            self.channel.send(CouncilEvent(_DONE[self.role], self.member.name, answer=self._answer))

    async def _error_of_request(self, *, streams: bool) -> BaseException | None:
        try:
            return await self._ask(streams=streams)
        except asyncio.CancelledError as error:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            if task.cancelling():
                raise
            return error  # raised by the backend: this task is not being cancelled
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # no error of one member may reach the others
            return error

    async def _ask(self, *, streams: bool) -> BaseException | None:
        """Ask, forward the events, and return the error that ended the answer, if any."""
        backend, options = self.member.backend, self.options
        if backend is None:
            return self.member.fault
        self._forwarded = 0
        limit = asyncio.timeout(options.timeout)
        try:
            async with limit:
                result = await stream_with_chunking(
                    self.prompt,
                    _OptionsBackend(backend, options.model_options, streams=streams)
                    if self.cached is None
                    else _CachedBackend(self.cached),
                    SimpleContext(),
                    requirements=options.requirements,
                    chunking=options.chunking if options.requirements else None,  # unchecked text need not wait
                    validation_backend=options.validation_backend or backend,
                    validator_timeout=options.timeout,
                    pace=self._wait_for_reader,
                )
        except TimeoutError as error:
            return self._timeout_error() if limit.expired() else error
        self._result = result
        try:
            if self.channel is not None:
                await self._forward(result, self.channel)
            failure = await result.aexception()
            return self._timed_out or failure
        finally:
            self._stop_timer()
            with suppress(Exception):  # aexception() has returned the first error; a failed clean-up comes second
                await result.aclose()

    async def _forward(self, result: StreamChunkingResult, channel: EventChannel) -> None:
        """Send the events of the engine's run to the channel until the run ends."""
        name, delta = self.member.name, _DELTA[self.role]
        pieces = result.astream(lossless=True) if self.options.requirements else None
        length = 0
        async for event in result.events():
            if isinstance(event, ChunkEvent):
                text = event.text if pieces is None else await anext(pieces)
                length += len(text)
                channel.send(CouncilEvent(delta, name, text))
            elif isinstance(event, QuickCheckEvent):
                channel.send(CouncilEvent("member_check", name, check=event))
            self._forwarded += 1
            if self._caught_up is not None and not self._caught_up.done():
                self._caught_up.set_result(None)
        if rest := result.full_text[length:]:
            channel.send(CouncilEvent(delta, name, rest))

    # Pace and timeout

    async def _wait_for_reader(self, run: RunView) -> None:
        """Wait until the reader has processed all events so far, then limit the wait for the next delta."""
        self._stop_timer()
        loop = asyncio.get_running_loop()
        if self.channel is not None:
            while self._forwarded < len(run.history):
                self._caught_up = loop.create_future()
                await self._caught_up
            await self.channel.drained()
        if self.options.timeout is not None:
            waiting = run.thunk, run.thunk.deltas_read
            # deltas that arrive in the same turn of the loop as the timeout are read in that turn, before `_expire`
            self._timer = loop.call_later(self.options.timeout, self._expire_next_turn, *waiting)

    def _expire_next_turn(self, thunk: ModelOutputThunk, deltas_read: int) -> None:
        self._timer = asyncio.get_running_loop().call_soon(self._expire, thunk, deltas_read)

    def _expire(self, thunk: ModelOutputThunk, deltas_read: int) -> None:
        self._timer = None
        if thunk.deltas_read == deltas_read:
            self._timed_out = self._timeout_error()
            thunk.abandon(self._timed_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timeout_error(self) -> MemberTimeoutError:
        return MemberTimeoutError(self.member.name, self.options.timeout or 0.0)

    # The answer

    def _refuses_streaming(self, error: BaseException | None) -> bool:
        if self._result is not None and self._result.deltas_read:
            return False
        if isinstance(error, ProviderStatusError):
            return error.status in _REFUSALS and _NAMES_STREAMING.search(error.body) is not None
        return isinstance(error, NotStreamingError | NotImplementedError)

    def _make_answer(self, error: str | None) -> ModelAnswer:
        """Return an answer with the text released so far."""
        name, model, result = self.member.name, self.member.model, self._result
        if self.cached is not None:
            seconds = self.cached.latency_s
        else:
            seconds = 0.0 if self._loop is None else self._loop.time() - self._began
        if result is None:
            return ModelAnswer(name, model, error=error, latency_s=seconds)
        failed = _failed_requirements(result)
        if not result.finished:
            return ModelAnswer(name, model, result.full_text, error, failed, seconds)
        output = result.as_thunk
        known = output.generation
        return ModelAnswer(
            name,
            known.model or model,
            result.full_text,
            error,
            failed,
            seconds,
            output.latest_usage,
            known.finish_reason,
            output.thinking,
            output.tool_calls,
            output.refusal,
            output.signature,
        )


def _failed_requirements(result: StreamChunkingResult) -> str | None:
    final = zip(result.requirements, result.final_validations, strict=False)
    failures = [*result.streaming_failures, *((each, verdict) for each, verdict in final if not verdict)]
    lines = [each.name if verdict.reason is None else f"{each.name}: {verdict.reason}" for each, verdict in failures]
    return redact("; ".join(lines)) if lines else None


class _OptionsBackend(Backend):
    """A member's backend with the council's model options, which makes a stream of a finished output."""

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
        options = {**self._options, **(model_options or {})}
        if not self._streams:
            del options[ModelOption.STREAM]
        answer = await self._backend.generate_from_context(action, ctx, format=format, model_options=options)
        thunk, ctx = await checked_answer(answer, type(self._backend).__name__)
        return (_as_stream(thunk) if thunk.is_computed() else thunk), ctx


class _CachedBackend(Backend):
    """A backend that replays a cached answer as a stream of one delta."""

    def __init__(self, answer: ModelAnswer) -> None:
        self._answer = answer

    async def generate_from_context(
        self,
        action: Action,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # as in Backend
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        del format, model_options
        answer, thunk = self._answer, ModelOutputThunk(action=action)
        thunk.generation.model = answer.model
        delta = Delta.of_output(
            answer.text,
            answer.thinking,
            answer.tool_calls,
            answer.usage,
            answer.finish_reason,
            refusal=answer.refusal,
            signature=answer.signature,
        )
        thunk.try_put(delta)
        thunk.close()
        return thunk, ctx.add(action).add(thunk)


def _as_stream(computed: ModelOutputThunk) -> ModelOutputThunk:
    """Return an output that streams a finished output as one delta."""
    thunk, known = ModelOutputThunk(), computed.generation
    thunk.generation.model, thunk.generation.provider = known.model, known.provider
    thunk.generation.deviations, thunk.generation.response = known.deviations, known.response
    thunk.try_put(computed.as_delta())
    if computed.error is None:
        thunk.close()
    else:
        thunk.fail(computed.error)
    return thunk
