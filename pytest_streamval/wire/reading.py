"""`read_stream`: the content of a recorded or captured stream, and its deviations from the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, WireError, excerpt
from pytest_streamval.wire.registry import ADAPTERS
from pytest_streamval.wire.request_and_answer import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.model import Delta, Deviation


@dataclass(frozen=True, slots=True)
class StreamReading(Answer):
    """The content of a stream. After an error, it is the content before the error."""

    error: WireError | None = None
    """The error that ended the reading: a truncated stream, a malformed frame, or the provider's report. None if the
    stream is complete."""
    deviations: tuple[Deviation, ...] = ()
    """The differences from the protocol that lose nothing, at most ten of each kind."""


def read_stream(protocol: str, data: bytes | Iterable[bytes], *, strict: bool = False) -> StreamReading:
    """Read a complete streamed response, as its provider's own client would read it.

    An error that the bytes hold is never raised. It is the `error` of the result.

    Args:
        protocol: The protocol: "openai", "openai-responses", "anthropic", "gemini" or "ollama".
        data: The body, or its reads, which can be split anywhere.
        strict: Whether the first deviation from the protocol is an error.

    Raises:
        InvalidArgumentError: If the protocol is unknown, or a read is not `bytes`.
    """
    if protocol not in list(ADAPTERS):  # a list, as the argument may be unhashable
        raise InvalidArgumentError(
            "protocol", excerpt(protocol), f"It must be one of {', '.join(map(repr, ADAPTERS))}."
        )
    decoder = ADAPTERS[protocol].decoder(strict=strict)
    deltas: list[Delta] = []
    error = None
    try:
        for read in [data] if isinstance(data, bytes | str) else data:  # feed refuses a str
            deltas += decoder.feed(read)
        deltas += decoder.close()
    except WireError as caught:
        deltas += caught.deltas
        error = caught
    answer = Answer.of(deltas)
    return StreamReading(
        answer.text,
        answer.thinking,
        answer.tool_calls,
        answer.usage,
        answer.finish_reason,
        answer.refusal,
        answer.signature,
        answer.redacted,
        error,
        tuple(decoder.deviations),
    )
