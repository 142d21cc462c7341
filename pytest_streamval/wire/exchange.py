"""What goes over the wire, as plain values that all protocols share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCall, Usage, merge_tool_calls
from pytest_streamval.wire.json_values import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable

Messages: TypeAlias = str | Sequence[Mapping[str, object]]
"""What a model is asked: a prompt, or turns with a `role` and a `content` each."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request to a provider, ready to be sent once its key is added."""

    method: str
    """The HTTP method."""
    path: str
    """The path behind the provider's address, with its query."""
    headers: Mapping[str, str]
    """All headers but the one with the key; names in lower case."""
    body: Mapping[str, object]
    """What is sent as JSON."""
    auth_header: str
    """The name of the header that takes the key."""
    auth_prefix: str = ""
    """What stands before the key in that header."""

    @property
    def content(self) -> bytes:
        """The body as it is sent.

        Raises:
            InvalidArgumentError: If an option or a message holds what JSON cannot.
        """
        try:
            return json_text(self.body).encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidArgumentError("body", excerpt(self.body), f"It must be sent as JSON ({error}).") from error

    def authorized(self, key: str) -> dict[str, str]:
        """Return the headers with a key."""
        return {**self.headers, self.auth_header: f"{self.auth_prefix}{key}"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request to a provider asks for, as far as the form of the answer depends on it."""

    model: str = ""
    """The model's name, which answers repeat."""
    stream: bool = True
    """Whether the answer is to be streamed."""
    usage: bool = True
    """Whether a stream is to report the count of tokens."""
    endpoint: str = ""
    """Which of the provider's endpoints was asked, where the form differs between them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole output: what a buffered answer holds, and what the deltas of a stream come to."""

    text: str = ""
    """The output text."""
    thinking: str = ""
    """Reasoning text, which is not part of the output."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls, in the order in which they began."""
    usage: Usage | None = None
    """The provider's token count."""
    finish_reason: str | None = None
    """Why generation ended, in the provider's own word."""

    @classmethod
    def of(cls, deltas: Iterable[Delta]) -> Answer:
        """Put deltas together."""
        whole = list(deltas)
        return cls(
            "".join(delta.text for delta in whole),
            "".join(delta.thinking for delta in whole),
            merge_tool_calls([call for delta in whole for call in delta.tool_calls]),
            reduce(latest_counts, (delta.usage for delta in whole), None),
            next((delta.finish_reason for delta in reversed(whole) if delta.finish_reason is not None), None),
        )


def latest_counts(before: Usage | None, report: Usage | None) -> Usage | None:
    """The counts after a report; what it leaves out stays as it was reported before."""
    if before is None or report is None:
        return report or before
    return Usage(
        before.input_tokens if report.input_tokens is None else report.input_tokens,
        before.output_tokens if report.output_tokens is None else report.output_tokens,
    )
