"""The values that a producer puts into a stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """The provider's token count. Every report is cumulative, so the last one counts."""

    input_tokens: int | None = None
    """The number of tokens in the prompt, or None if the provider did not report it."""
    output_tokens: int | None = None
    """The number of tokens generated so far, or None if the provider did not report it."""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A fragment of one tool call. Fragments with an equal `index` belong together."""

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
    """A complete tool call, joined from its fragments."""

    id: str | None
    """The provider's identifier of this call."""
    name: str | None
    """The tool's name."""
    arguments: str
    """The arguments as JSON text, exactly as streamed."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The smallest unit of a stream. A plain `str` is short for `Delta(text=...)`."""

    text: str = ""
    """Output text, never stripped or joined."""
    thinking: str = ""
    """Reasoning text, which is not part of the output."""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    """Fragments of tool calls."""
    usage: Usage | None = None
    """The provider's token count so far."""
    finish_reason: str | None = None
    """The reason why generation ended, in the provider's own word."""


def merge_tool_calls(fragments: list[ToolCallDelta]) -> tuple[ToolCall, ...]:
    """Join fragments into one call for each index, in the order in which the calls began."""
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
