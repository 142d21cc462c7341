"""Rendering: scripts and errors in the format of a protocol, as actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.model import Delta
from pytest_streamval.scripting.steps import Delay, Raise, RawFrame, Stall, is_raw_body, place_of_stall
from pytest_streamval.server.actions import Hang, SendData, SendHead, Sleep
from pytest_streamval.server.provider_defaults import states_usage, with_signatures, with_usage
from pytest_streamval.server.scripted_failures import Failure, disconnect_for, failure_of
from pytest_streamval.wire.error_kinds import error_kind, overload_of
from pytest_streamval.wire.request_and_answer import Answer
from pytest_streamval.wire.unserved import unserved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_streamval.scripting.script import Script
    from pytest_streamval.scripting.steps import Step
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.wire.adapter import Adapter
    from pytest_streamval.wire.request_and_answer import ParsedRequest

JSON = "application/json"
"""The content type of every response that is not a stream."""


def send_all(
    status: int, body: bytes, media_type: str = JSON, *, headers: Iterable[tuple[str, str]] = (), deltas: int = 0
) -> Actions:
    """Yield the actions of a response that is not streamed."""
    yield SendHead(status, media_type, tuple(headers), len(body))
    yield SendData(body, deltas)


def send_error(adapter: Adapter, status: int, message: str, *, headers: Iterable[tuple[str, str]] = ()) -> Actions:
    """Return the actions of an error in a provider's format."""
    return send_all(status, adapter.encode_error(error_kind(adapter.protocol, status), message), headers=headers)


@dataclass(frozen=True, slots=True)
class Renderer:
    """A renderer of the responses to one request."""

    adapter: Adapter
    """The protocol."""
    request: ParsedRequest
    """The parsed request."""
    ident: str = "1"
    """The distinguishing part of the response's id."""
    created: float = 0.0
    """The time of the response, in seconds since the epoch."""
    prompt_tokens: int = 1
    """The estimated number of tokens in the prompt, for scripts without usage."""
    accept_encoding: str = ""
    """The content codings that the client accepts, for the fault that compresses."""

    @property
    def streams(self) -> bool:
        """Whether the response is streamed."""
        return self.request.stream

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers with the identifier of the request, as the provider sends it with every response."""
        name = self.adapter.request_id_header
        return ((name, f"req_{self.ident}"),) if name else ()

    def render(self, script: Script) -> Actions:
        """Return the actions that play a script, streamed or not, as the request says.

        A request for something that no script has is refused in the provider's format.
        """
        if reason := unserved(self.adapter.protocol, self.request.body):
            return self.render_error(400, reason)
        return self._stream(script) if self.streams else self._respond(script)

    def render_error(
        self,
        status: int,
        message: str,
        *,
        retry_after: float | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Actions:
        """Return the actions of an error in the provider's format."""
        kind = error_kind(self.adapter.protocol, status)
        failure = Failure(self.adapter, status, kind, message, retry_after=retry_after)
        return self._render_failure(failure, headers)

    def render_overload(self) -> Actions:
        """Return the actions of a provider that has no room for the request, in its own words."""
        return self._render_failure(Failure(self.adapter, *overload_of(self.adapter.protocol)))

    def _render_failure(self, failure: Failure, headers: Iterable[tuple[str, str]] = ()) -> Actions:
        wait = () if failure.retry_after is None else (("retry-after", f"{failure.retry_after:g}"),)
        return send_all(failure.status, failure.body, headers=(*self.headers, *headers, *wait))

    def _steps(self, script: Script) -> Sequence[Step]:
        """Return the steps of a script with defaults for values that the provider always sends."""
        if is_raw_body(script.steps):
            return script.steps
        steps = with_signatures(script.steps) if self.adapter.signs else script.steps
        return with_usage(steps, self.prompt_tokens) if self.request.usage or not self.streams else steps

    def _stream(self, script: Script) -> Actions:
        encoder = self.adapter.encoder(self.request, ident=self.ident, created=self.created)
        encoder.reports_usage = encoder.reports_usage or states_usage(script.steps)
        is_raw = is_raw_body(script.steps)
        steps = self._steps(script)
        first = next((at for at, step in enumerate(steps) if not isinstance(step, Delay)), len(steps))
        yield from (Sleep(step.seconds) for step in steps[:first] if isinstance(step, Delay))
        if first < len(steps) and isinstance(failing := steps[first], Raise) and self._refuses(failing):
            yield from self._refuse(failing)
            return
        yield SendHead(200, self.adapter.media_type, self.headers)
        count = int(_has_deltas(script))  # the usage of a script without deltas is not one of them
        for step in steps[first:]:
            if isinstance(step, str):
                yield SendData(encoder.encode(step), count, step)
            elif isinstance(step, Delta):
                yield SendData(encoder.encode(step), count, step.text)
            elif isinstance(step, Delay):
                yield Sleep(step.seconds)
            elif isinstance(step, RawFrame):
                yield SendData(step.data)
            elif isinstance(step, Stall):
                yield Hang(place_of_stall(script.steps))
            else:
                error = _exception_of(step)
                yield disconnect_for(error) or SendData(failure_of(error, self.adapter).end(encoder))
                return
        if not is_raw:
            yield SendData(encoder.finish())

    def _respond(self, script: Script) -> Actions:
        """Yield the actions of a response that is not streamed."""
        for step in script.steps:
            if isinstance(step, Delay):
                yield Sleep(step.seconds)
            elif isinstance(step, Stall):
                yield Hang(place_of_stall(script.steps))
            elif isinstance(step, Raise):
                yield from self._refuse(step)
                return
        if is_raw_body(script.steps):
            body = b"".join(step.data for step in script.steps if isinstance(step, RawFrame))
            yield from send_all(200, body)
            return
        steps = self._steps(script)
        deltas = [step if isinstance(step, Delta) else Delta(step) for step in steps if isinstance(step, (str, Delta))]
        answer = Answer.of(deltas)
        body = self.adapter.encode_response(answer, self.request, ident=self.ident, created=self.created)
        yield from send_all(200, body, headers=self.headers, deltas=len(deltas) if _has_deltas(script) else 0)

    def _refuses(self, step: Raise) -> bool:
        """Return whether a failure before the first delta is a response of its own, not a frame of the stream."""
        return not failure_of(_exception_of(step), self.adapter).is_of_stream

    def _refuse(self, step: Raise) -> Actions:
        """Return the actions of a failure that is the complete response."""
        error = _exception_of(step)
        disconnect = disconnect_for(error)
        return self._render_failure(failure_of(error, self.adapter)) if disconnect is None else iter([disconnect])


def _exception_of(step: Raise) -> BaseException:
    return step.exc if isinstance(step.exc, BaseException) else step.exc()


def _has_deltas(script: Script) -> bool:
    return any(isinstance(step, (str, Delta)) for step in script.steps)
