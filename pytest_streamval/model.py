"""The values that producers, decoders and errors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Usage:
    """The token counts of a provider. Each report is cumulative, so the last one is used."""

    input_tokens: int | None = None
    """Tokens of the prompt, or None if the provider did not report them."""
    output_tokens: int | None = None
    """Tokens generated so far, or None if the provider did not report them."""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A fragment of one tool call. Fragments with the same `index` belong together."""

    index: int = 0
    """The position of the call among the calls of this output, from 0."""
    id: str | None = None
    """The provider's identifier, usually in the first fragment only."""
    name: str | None = None
    """The tool's name, usually in the first fragment only."""
    arguments: str = ""
    """The next piece of the arguments' JSON text."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete tool call."""

    id: str | None
    """The provider's identifier of this call."""
    name: str | None
    """The tool's name."""
    arguments: str
    """The arguments as JSON text, exactly as streamed."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The smallest part of a stream. A plain `str` stands for `Delta(text=...)`."""

    text: str = ""
    """Output text, exactly as the producer sent it."""
    thinking: str = ""
    """Reasoning text, which is not part of the output."""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    """Fragments of tool calls."""
    usage: Usage | None = None
    """The provider's token counts so far."""
    finish_reason: str | None = None
    """The reason why generation ended, in the provider's word."""

    @classmethod
    def of_output(
        cls,
        text: str,
        thinking: str = "",
        tool_calls: Iterable[ToolCall] = (),
        usage: Usage | None = None,
        finish_reason: str | None = None,
    ) -> Delta:
        """Return a complete output as one delta. Its tool calls are numbered from 0."""
        calls = (ToolCallDelta(index, call.id, call.name, call.arguments) for index, call in enumerate(tool_calls))
        return cls(text, thinking, tuple(calls), usage, finish_reason)


def merge_tool_calls(fragments: list[ToolCallDelta]) -> tuple[ToolCall, ...]:
    """Join the fragments of each index to a call, in the order in which the calls started."""
    calls: dict[int, list[ToolCallDelta]] = {}
    for fragment in fragments:
        calls.setdefault(fragment.index, []).append(fragment)
    return tuple(
        ToolCall(
            id=next((part.id for part in parts if part.id is not None), None),
            name=next((part.name for part in parts if part.name is not None), None),
            arguments="".join(part.arguments for part in parts),
        )
        for parts in calls.values()
    )
