"""What a producer hands over: one `Delta` at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the provider; every report is cumulative, the last one counts."""

    input_tokens: int | None = None
    """Tokens of the prompt, or None where the provider did not say."""
    output_tokens: int | None = None
    """Tokens generated so far, or None where the provider did not say."""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A fragment of one tool call; fragments of equal `index` belong together."""

    index: int = 0
    """Position of the call among the calls of this output, from 0."""
    id: str | None = None
    """The provider's identifier, usually in the first fragment only."""
    name: str | None = None
    """The tool's name, usually in the first fragment only."""
    arguments: str = ""
    """The next piece of the arguments' JSON text."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call put together from its fragments."""

    id: str | None
    """The provider's identifier of this call."""
    name: str | None
    """The tool's name."""
    arguments: str
    """The arguments as JSON text, exactly as streamed."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The smallest thing a stream brings; a plain `str` is taken for `Delta(text=...)`."""

    text: str = ""
    """Output text, never stripped or joined."""
    thinking: str = ""
    """Reasoning text, which is not part of the output."""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    """Fragments of tool calls."""
    usage: Usage | None = None
    """The provider's token count so far."""
    finish_reason: str | None = None
    """Why generation ended, in the provider's own word."""


def merge_tool_calls(fragments: list[ToolCallDelta]) -> tuple[ToolCall, ...]:
    """Put fragments together, one call for each index, in the order in which the calls began."""
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
