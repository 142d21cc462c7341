"""The values that a producer puts into a stream."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def repr_without_defaults(value: Any) -> str:  # noqa: ANN401  # any dataclass
    """Return the call that makes a dataclass, without the arguments that have their default value."""
    facts = {each.name: (getattr(value, each.name), each.default) for each in fields(value)}
    shown = (f"{name}={fact!r}" for name, (fact, default) in facts.items() if fact != default)
    return f"{type(value).__qualname__}({', '.join(shown)})"


@dataclass(frozen=True, slots=True, repr=False)
class Usage:
    """The provider's token count. Every report is cumulative, so the last one counts."""

    input_tokens: int | None = None
    """The number of tokens in the prompt, or None if the provider did not report it."""
    output_tokens: int | None = None
    """The number of tokens generated so far, or None if the provider did not report it."""
    cached_tokens: int | None = None
    """The number of tokens of the prompt that came from the provider's cache, or None if there were none."""
    reasoning_tokens: int | None = None
    """The number of generated tokens that are thinking, or None if there were none."""

    __repr__ = repr_without_defaults


@dataclass(frozen=True, slots=True, repr=False)
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
    kind: str = "function"
    """The kind of the call, in its first fragment. See `ToolCall.kind`."""

    __repr__ = repr_without_defaults


@dataclass(frozen=True, slots=True, repr=False)
class ToolCall:
    """A complete tool call, joined from its fragments."""

    id: str | None
    """The provider's identifier of this call."""
    name: str | None
    """The tool's name."""
    arguments: str
    """The arguments as JSON text, exactly as streamed. Those of a "custom" call are any text."""
    kind: str = "function"
    """The kind of the call: "function", OpenAI's older "function_call", "custom" (free text as its input), or one that
    has no name, such as "local_shell", "shell", "apply_patch" or "computer". The arguments of the last are the JSON of
    the action. "mcp_approval_request" asks the client to approve a call of an MCP server."""

    __repr__ = repr_without_defaults


@dataclass(frozen=True, slots=True, repr=False)
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
    refusal: str = ""
    """The words with which the model refuses to answer, if the provider separates them from the text."""
    signature: str = ""
    """The provider's opaque signature of the thinking before it, or the encrypted thinking itself."""
    redacted: str = ""
    """Thinking that the provider sends as opaque data only: the `redacted_thinking` of Anthropic."""

    __repr__ = repr_without_defaults

    @classmethod
    def of_output(
        cls,
        text: str,
        thinking: str = "",
        tool_calls: Iterable[ToolCall] = (),
        usage: Usage | None = None,
        finish_reason: str | None = None,
        *,
        refusal: str = "",
        signature: str = "",
        redacted: str = "",
    ) -> Delta:
        """Return a complete output as one delta. Its tool calls are numbered from 0."""
        calls = tuple(
            ToolCallDelta(index, call.id, call.name, call.arguments, call.kind) for index, call in enumerate(tool_calls)
        )
        return cls(text, thinking, calls, usage, finish_reason, refusal, signature, redacted)


DeviationKind: TypeAlias = Literal[
    "call-identity",
    "call-not-ended",
    "different-whole",
    "end-of-another-protocol",
    "frame-after-end",
    "frame-without-choices",
    "keep-alive",
    "lone-surrogate",
    "missing-blank-line",
    "missing-end",
    "missing-finish-reason",
    "missing-pieces",
    "name-in-pieces",
    "not-streamed",
    "order-of-blocks",
    "repeated-choice",
    "repeated-end",
    "repeated-whole",
    "split-surrogate",
    "unframed-line",
    "usage-value",
    "value-type",
    "wrong-event",
]
"""The kinds of deviations. `docs/protocols.md` explains each one."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """A difference of a stream from its protocol that loses nothing, so that the stream was read all the same."""

    kind: DeviationKind
    """The kind of the difference, such as `"missing-end"`."""
    offset: int
    """The start of the frame, in bytes from the start of the body."""
    detail: str
    """The difference in words."""

    def __str__(self) -> str:
        return f"byte {self.offset}: {self.detail} ({self.kind})"


@dataclass(frozen=True, slots=True)
class ResponseInfo:
    """The facts about a provider's answer over HTTP, for reports to the provider and for the pace of requests."""

    status: int
    """The status code."""
    request_id: str | None = None
    """The provider's identifier of the request, which its support asks for. None if it sent none."""
    retry_after: float | None = None
    """The seconds to wait before another request, or None if the provider named none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The harmless headers, by name in lower case: identifiers, rate limits, times, the content type."""


def thoughts_in(deltas: Iterable[Delta]) -> tuple[Delta, ...]:
    """Return the thoughts in deltas: each one its thinking with its signature, or redacted thinking.

    A signature ends its thought. Other contents of the deltas are left out.
    """
    thoughts: list[Delta] = []
    pieces: list[str] = []
    for delta in deltas:
        pieces.append(delta.thinking)
        if delta.signature or delta.redacted:
            thinking = "".join(pieces)
            pieces.clear()
            if thinking or delta.signature:
                thoughts.append(Delta(thinking=thinking, signature=delta.signature))
            if delta.redacted:
                thoughts.append(Delta(redacted=delta.redacted))
    if rest := "".join(pieces):
        thoughts.append(Delta(thinking=rest))
    return tuple(thoughts)


def merge_tool_calls(fragments: list[ToolCallDelta]) -> tuple[ToolCall, ...]:
    """Join fragments into one call for each index, in the order in which the calls began.

    The pieces of a name join too, until the arguments begin, but a first name can come after them
    (https://github.com/vercel/ai/issues/14722). A fragment that repeats the name adds nothing to it. An empty object
    before the arguments of a function is left out: some servers send it first
    (https://github.com/openai/openai-agents-js/pull/712).
    """
    calls: dict[int, list[ToolCallDelta]] = {}
    for fragment in fragments:
        calls.setdefault(fragment.index, []).append(fragment)
    return tuple(
        ToolCall(
            id=next((part.id for part in parts if part.id is not None), None),
            name=_joined_name(parts),
            arguments=_joined_arguments(parts),
            kind=next((part.kind for part in parts if part.kind != "function"), "function"),
        )
        for parts in calls.values()
    )


def _joined_arguments(parts: list[ToolCallDelta]) -> str:
    pieces = [part.arguments for part in parts if part.arguments]
    is_json = all(part.kind in ("function", "function_call") for part in parts)
    if is_json and len(pieces) > 1 and pieces[0].strip() == "{}" and pieces[1][0] == "{":
        del pieces[0]
    return "".join(pieces)


def _joined_name(parts: list[ToolCallDelta]) -> str | None:
    pieces: list[str] = []
    length = 0
    for part in parts:
        name = part.name
        if name is not None and (not pieces or len(name) != length or name != "".join(pieces)):
            pieces.append(name)
            length += len(name)
        if pieces and (part.arguments or not pieces[0]):
            break  # a name after that is another name for the call, and an empty name is a name
    return "".join(pieces) if pieces else None
