"""Replies: scripts in the words of a protocol, as steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_streamval.errors import ProviderStatusError, StreamTruncatedError, described
from pytest_streamval.model import Delta, Usage
from pytest_streamval.scripting.steps import Delay, Raise, Stall, place_of_stall, text_of_step
from pytest_streamval.server.actions import Break, Frame, Head, Pause, Silence
from pytest_streamval.wire.exchange import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_streamval.scripting.script import Script
    from pytest_streamval.scripting.steps import Step
    from pytest_streamval.server.actions import Steps
    from pytest_streamval.wire.adapter import Adapter
    from pytest_streamval.wire.encoding import FrameEncoder
    from pytest_streamval.wire.exchange import ParsedRequest

JSON = "application/json"
"""The content type of everything that is no stream."""

_CHARACTERS = 4  # of a token, roughly, in a language such as English
_KINDS = {
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
_USUAL = {"gemini": "INVALID_ARGUMENT"}  # any other error of the client, elsewhere an invalid_request_error


@dataclass(frozen=True, slots=True)
class Question:
    """A request, as far as the answer depends on it."""

    adapter: Adapter
    """The protocol."""
    asked: ParsedRequest
    """What is asked for."""
    ident: str = "1"
    """Tells the answer from others."""
    created: float = 0.0
    """When it is made, in seconds since the epoch."""
    size: int = 0
    """The bytes of the request, from which the tokens of the prompt are reckoned."""

    def refusal(self, status: int, message: str, *, retry_after: float | None = None) -> Steps:
        """Yield an answer in the provider's own form of an error."""
        headers = () if retry_after is None else (("retry-after", f"{retry_after:g}"),)
        body = self.adapter.encode_error(kind_of(self.adapter.protocol, status), message)
        return answered(status, body, headers=headers)

    def reply(self, script: Script) -> Steps:
        """Yield what a script comes to, as a stream or whole, as the client asked for."""
        return _streamed(self, script) if self.asked.stream else _whole(self, script)


def kind_of(protocol: str, status: int) -> str:
    """Return what a provider calls an error of this status."""
    kinds = _KINDS.get(protocol, _KINDS["openai"])
    return kinds.get(status) or _USUAL.get(protocol, "invalid_request_error")


def answered(
    status: int, body: bytes, media_type: str = JSON, *, headers: Iterable[tuple[str, str]] = (), deltas: int = 0
) -> Steps:
    """Yield an answer that comes as a whole."""
    yield Head(status, media_type, tuple(headers), len(body))
    yield Frame(body, deltas)


def counted(script: Script, size: int) -> Sequence[Step]:
    """Return the steps of a script that reports usage: its own, or a plausible one, reckoned from the characters.

    Args:
        script: what is played.
        size: the bytes of the request.
    """
    steps = list(script.steps)
    places = [at for at, step in enumerate(steps) if isinstance(step, (str, Delta))]
    if any(isinstance(step, Delta) and step.usage for step in steps):
        return steps
    if not places:
        return [*steps, Delta(usage=Usage(_tokens(size), 0))]
    prompt, output = _tokens(size), _tokens(sum(map(_characters, steps)))
    # as providers do, who know the prompt at the beginning and the whole output at the end
    for at, usage in ((places[0], Usage(prompt, 1)), (places[-1], Usage(prompt, output))):
        step = steps[at]
        steps[at] = replace(step if isinstance(step, Delta) else Delta(text_of_step(step)), usage=usage)
    return steps


def _streamed(question: Question, script: Script) -> Steps:
    encoder = question.adapter.encoder(question.asked, ident=question.ident, created=question.created)
    steps = counted(script, question.size)
    waits = next((at for at, step in enumerate(steps) if not isinstance(step, Delay)), len(steps))
    yield from (Pause(step.seconds) for step in steps[:waits] if isinstance(step, Delay))
    if waits < len(steps) and isinstance(failure := steps[waits], Raise):
        yield from _refused(question, failure)
        return
    yield Head(200, question.adapter.media_type)
    each = int(_speaks(script))  # what reports the usage of a script without deltas is none of these
    for step in steps[waits:]:
        if isinstance(step, str):
            yield Frame(encoder.encode(step), each, step)
        elif isinstance(step, Delta):
            yield Frame(encoder.encode(step), each, step.text)
        elif isinstance(step, Delay):
            yield Pause(step.seconds)
        elif isinstance(step, Stall):
            yield Silence(place_of_stall(script.steps))
        else:
            yield _failed(question, encoder, _raised(step))
            return
    yield Frame(encoder.finish())


def _failed(question: Question, encoder: FrameEncoder, error: BaseException) -> Frame | Break:
    """Return what a failure comes to in the middle of a stream."""
    broken = _broken(error)
    return Frame(encoder.fail(kind_of(question.adapter.protocol, 500), _told(error))) if broken is None else broken


def _whole(question: Question, script: Script) -> Steps:
    for step in script.steps:
        if isinstance(step, Delay):
            yield Pause(step.seconds)
        elif isinstance(step, Stall):
            yield Silence(place_of_stall(script.steps))
        elif isinstance(step, Raise):
            yield from _refused(question, step)
            return
    steps = counted(script, question.size)
    deltas = [step if isinstance(step, Delta) else Delta(step) for step in steps if isinstance(step, (str, Delta))]
    answer = Answer.of(deltas)
    body = question.adapter.encode_response(answer, question.asked, ident=question.ident, created=question.created)
    yield from answered(200, body, deltas=len(deltas) if _speaks(script) else 0)


def _refused(question: Question, step: Raise) -> Steps:
    """Yield what a failure comes to before anything was said."""
    error = _raised(step)
    if isinstance(error, ProviderStatusError):
        yield from question.refusal(error.status, error.body, retry_after=error.retry_after)
    elif (how := _broken(error)) is not None:
        yield how
    else:
        yield from question.refusal(500, _told(error))


def _raised(step: Raise) -> BaseException:
    return step.exc if isinstance(step.exc, BaseException) else step.exc()


def _broken(error: BaseException) -> Break | None:
    """Return how a failure ends the connection, where it is one of the network."""
    if isinstance(error, ConnectionResetError):
        return Break("reset")
    return Break("closed") if isinstance(error, (ConnectionError, EOFError, StreamTruncatedError)) else None


def _told(error: BaseException) -> str:
    return described(error) or type(error).__name__


def _speaks(script: Script) -> bool:
    return any(isinstance(step, (str, Delta)) for step in script.steps)


def _characters(step: Step) -> int:
    if isinstance(step, str):
        return len(step)
    if not isinstance(step, Delta):
        return 0
    return len(step.text) + len(step.thinking) + sum(len(call.arguments) for call in step.tool_calls)


def _tokens(characters: int) -> int:
    return max(1, round(characters / _CHARACTERS))
