"""Rendering: scripts and errors in the format of a protocol, as actions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_streamval.errors import ProviderStatusError, StreamTruncatedError, described
from pytest_streamval.model import Delta, Usage
from pytest_streamval.scripting.steps import Delay, Raise, RawFrame, Stall, is_raw_body, place_of_stall, text_of_step
from pytest_streamval.server.actions import Disconnect, Hang, SendData, SendHead, Sleep
from pytest_streamval.wire.exchange import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_streamval.scripting.script import Script
    from pytest_streamval.scripting.steps import Step
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.wire.adapter import Adapter
    from pytest_streamval.wire.exchange import ParsedRequest

JSON = "application/json"
"""The content type of every response that is not a stream."""

_CHARACTERS_PER_TOKEN = 4  # roughly, in a language such as English
_ERROR_KINDS = {
    "openai": {
        401: "authentication_error",
        404: "not_found_error",
        429: "rate_limit_error",
        500: "server_error",
        529: "server_error",
    },
    "anthropic": {
        401: "authentication_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        500: "api_error",
        529: "overloaded_error",
    },
    "gemini": {
        401: "UNAUTHENTICATED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        529: "UNAVAILABLE",
    },
}
_OTHER_KINDS = {"gemini": "INVALID_ARGUMENT"}  # for any other error of the client


def error_kind(protocol: str, status: int) -> str:
    """Return the name that a provider gives to errors with this status."""
    kinds = _ERROR_KINDS.get(protocol, _ERROR_KINDS["openai"])
    return kinds.get(status) or _OTHER_KINDS.get(protocol, "invalid_request_error")


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
    size: int = 0
    """The bytes of the request's body, from which the tokens of the prompt are estimated."""
    accept_encoding: str = ""
    """The content codings that the client accepts, for the fault that compresses."""

    @property
    def streams(self) -> bool:
        """Whether the response is streamed."""
        return self.request.stream

    def render(self, script: Script) -> Actions:
        """Return the actions that play a script, streamed or not, as the request says."""
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
        wait = () if retry_after is None else (("retry-after", f"{retry_after:g}"),)
        return send_error(self.adapter, status, message, headers=(*headers, *wait))

    def _stream(self, script: Script) -> Actions:
        encoder = self.adapter.encoder(self.request, ident=self.ident, created=self.created)
        is_raw = is_raw_body(script.steps)
        steps = script.steps if is_raw else with_usage(script, self.size)
        first = next((at for at, step in enumerate(steps) if not isinstance(step, Delay)), len(steps))
        yield from (Sleep(step.seconds) for step in steps[:first] if isinstance(step, Delay))
        if first < len(steps) and isinstance(failure := steps[first], Raise):
            yield from self._refuse(failure)
            return
        yield SendHead(200, self.adapter.media_type)
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
                kind = error_kind(self.adapter.protocol, 500)
                yield _disconnect_for(error) or SendData(encoder.fail(kind, _message_of(error)))
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
        steps = with_usage(script, self.size)
        deltas = [step if isinstance(step, Delta) else Delta(step) for step in steps if isinstance(step, (str, Delta))]
        answer = Answer.of(deltas)
        body = self.adapter.encode_response(answer, self.request, ident=self.ident, created=self.created)
        yield from send_all(200, body, deltas=len(deltas) if _has_deltas(script) else 0)

    def _refuse(self, step: Raise) -> Actions:
        """Yield the actions of a failure before the first delta."""
        error = _exception_of(step)
        if isinstance(error, ProviderStatusError):
            yield from self.render_error(error.status, error.body, retry_after=error.retry_after)
        elif (disconnect := _disconnect_for(error)) is not None:
            yield disconnect
        else:
            yield from self.render_error(500, _message_of(error))


def with_usage(script: Script, size: int) -> Sequence[Step]:
    """Return the steps of a script with usage: the script's own, or an estimate from the number of characters.

    Args:
        script: The script.
        size: The bytes of the request's body.
    """
    steps = list(script.steps)
    places = [at for at, step in enumerate(steps) if isinstance(step, (str, Delta))]
    if any(isinstance(step, Delta) and step.usage for step in steps):
        return steps
    if not places:
        return [*steps, Delta(usage=Usage(_estimate_tokens(size), 0))]
    prompt, output = _estimate_tokens(size), _estimate_tokens(sum(map(_count_characters, steps)))
    # like providers, which know the prompt at the beginning and the complete output at the end
    for at, usage in ((places[0], Usage(prompt, 1)), (places[-1], Usage(prompt, output))):
        step = steps[at]
        steps[at] = replace(step if isinstance(step, Delta) else Delta(text_of_step(step)), usage=usage)
    return steps


def _exception_of(step: Raise) -> BaseException:
    return step.exc if isinstance(step.exc, BaseException) else step.exc()


def _disconnect_for(error: BaseException) -> Disconnect | None:
    """Return the end of the connection that an error of the network stands for, or None for any other error."""
    if isinstance(error, ConnectionResetError):
        return Disconnect("reset")
    return Disconnect("closed") if isinstance(error, (ConnectionError, EOFError, StreamTruncatedError)) else None


def _message_of(error: BaseException) -> str:
    return described(error) or type(error).__name__


def _has_deltas(script: Script) -> bool:
    return any(isinstance(step, (str, Delta)) for step in script.steps)


def _count_characters(step: Step) -> int:
    if isinstance(step, str):
        return len(step)
    if not isinstance(step, Delta):
        return 0
    texts = (step.text, step.thinking, step.refusal, *(call.arguments for call in step.tool_calls))
    return sum(map(len, texts))


def _estimate_tokens(characters: int) -> int:
    return max(1, round(characters / _CHARACTERS_PER_TOKEN))
