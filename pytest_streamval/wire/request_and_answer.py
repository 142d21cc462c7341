"""The requests and responses of all protocols, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCall, Usage, merge_tool_calls
from pytest_streamval.wire.json_values import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable

Messages: TypeAlias = str | Sequence[Mapping[str, object]]
"""A prompt, or messages with a `role` and a `content` each."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request to a provider, complete except for its API key."""

    method: str
    """The HTTP method."""
    path: str
    """The path after the provider's address, with its query."""
    headers: Mapping[str, str]
    """All headers except the one with the API key, with names in lower case."""
    body: Mapping[str, object]
    """The JSON object to send."""
    auth_header: str
    """The name of the header for the API key."""
    auth_prefix: str = ""
    """The prefix of the API key in that header, such as `Bearer `."""

    @property
    def content(self) -> bytes:
        """The body as bytes.

        Raises:
            InvalidArgumentError: If an option or a message holds a value that JSON does not have.
        """
        try:
            return json_text(self.body).encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidArgumentError("body", excerpt(self.body), f"It must be valid JSON ({error}).") from error

    def authorized(self, key: str) -> dict[str, str]:
        """Return the headers, including the one with the API key."""
        return {**self.headers, self.auth_header: f"{self.auth_prefix}{key}"}


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """The parts of a request to a provider that determine the format of the response."""

    model: str = ""
    """The model's name. Responses repeat it."""
    stream: bool = True
    """Whether the response is streamed."""
    usage: bool = True
    """Whether a stream reports the number of tokens."""
    endpoint: str = ""
    """The provider's endpoint, if the format depends on it."""
    signs: bool = field(default=True, repr=False, compare=False)
    """Whether the thinking is sent with its signature, which some providers do on request only."""
    body: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    """The JSON object of the request. Some responses repeat a part of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete output: the content of a response that was not streamed, or the sum of a stream's deltas."""

    text: str = ""
    """The output text."""
    thinking: str = ""
    """The reasoning text, which is not part of the output text."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The tool calls, in the order in which they started."""
    usage: Usage | None = None
    """The token counts of the provider."""
    finish_reason: str | None = None
    """The reason why generation ended, in the provider's word."""
    refusal: str = ""
    """The words of a refusal, if the provider separates them from the text."""
    signature: str = ""
    """The provider's signatures of the thinking."""
    redacted: str = ""
    """The thinking that the provider sent as opaque data only."""

    @classmethod
    def of(cls, deltas: Iterable[Delta]) -> Answer:
        """Return the sum of the deltas of a stream."""
        parts = list(deltas)
        return cls(
            "".join(delta.text for delta in parts),
            "".join(delta.thinking for delta in parts),
            merge_tool_calls([call for delta in parts for call in delta.tool_calls]),
            reduce(latest_counts, (delta.usage for delta in parts), None),
            next((delta.finish_reason for delta in reversed(parts) if delta.finish_reason is not None), None),
            "".join(delta.refusal for delta in parts),
            "".join(delta.signature for delta in parts),
            "".join(delta.redacted for delta in parts),
        )

    def to_delta(self) -> Delta:
        """Return the output as one delta."""
        return Delta.of_output(
            self.text,
            self.thinking,
            self.tool_calls,
            self.usage,
            self.finish_reason,
            refusal=self.refusal,
            signature=self.signature,
            redacted=self.redacted,
        )


def joined_deltas(deltas: Iterable[Delta]) -> Delta:
    """Return one delta with the content of several, whose tool calls keep their fragments."""
    parts = list(deltas)
    whole = Answer.of(parts)
    calls = tuple(call for delta in parts for call in delta.tool_calls)
    return replace(whole.to_delta(), tool_calls=calls)


def joined_or_none(deltas: Iterable[Delta | None]) -> Delta | None:
    """Return one delta for several that can be missing, or None for none."""
    found = [delta for delta in deltas if delta is not None]
    return joined_deltas(found) if len(found) > 1 else next(iter(found), None)


def latest_counts(before: Usage | None, report: Usage | None) -> Usage | None:
    """Return the token counts after a report. A count that the report leaves out keeps its value."""
    if before is None or report is None:
        return report or before
    return Usage(
        before.input_tokens if report.input_tokens is None else report.input_tokens,
        before.output_tokens if report.output_tokens is None else report.output_tokens,
        before.cached_tokens if report.cached_tokens is None else report.cached_tokens,
        before.reasoning_tokens if report.reasoning_tokens is None else report.reasoning_tokens,
    )
