"""Turns of a conversation with tool calls, in the format of each protocol.

A turn of the assistant that called tools is sent back with its thoughts and their signatures, as the providers require:
https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks,
https://ai.google.dev/gemini-api/docs/thought-signatures,
https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context. A thought without a signature is
left out where the provider would refuse it. All other turns stay as they are given.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_streamval.model import Delta, ToolCall
    from pytest_streamval.wire.encoding import Json

MADE_UP = "call_without_id_"
"""The start of the identifiers of calls that came without one, for protocols that need them."""
_THOUGHTS, _CALLS = "thoughts", "calls"  # the fields of a turn that called tools


def calling_turn(text: str, thoughts: Sequence[Delta], calls: Sequence[ToolCall]) -> Json:
    """Return a turn of the assistant that called tools, for `Adapter.build_request`.

    Args:
        text: Its text.
        thoughts: Its thoughts, with their signatures.
        calls: Its calls, each with an identifier.
    """
    return {"role": "assistant", "content": text, _THOUGHTS: tuple(thoughts), _CALLS: tuple(calls)}


def result_turn(call: ToolCall, result: str) -> Json:
    """Return the turn with the result of a call, for `Adapter.build_request`."""
    return {"role": "tool", "content": result, "tool_call_id": call.id, _CALLS: (call,)}


def chat_turns(turns: Iterable[Json]) -> list[Json]:
    """Return turns in the format of OpenAI's chat completions."""
    return [_chat_turn(turn) for turn in turns]


def ollama_turns(turns: Iterable[Json]) -> list[Json]:
    """Return turns in the format of Ollama."""
    return [_ollama_turn(turn) for turn in turns]


def anthropic_turns(turns: Iterable[Json]) -> list[Json]:
    """Return turns in the format of Anthropic. The results of one turn's calls are one message."""
    return [_anthropic_turn(group) for group in _groups(turns)]


def gemini_turns(turns: Iterable[Json]) -> list[Json]:
    """Return turns in the format of Gemini, with roles as given. The results of one turn's calls are one message."""
    return [_gemini_turn(group) for group in _groups(turns)]


def responses_items(turns: Iterable[Json]) -> list[Json]:
    """Return turns as the items of OpenAI's responses."""
    return [item for turn in turns for item in _items(turn)]


def _thoughts(turn: Mapping[str, object]) -> Sequence[Delta]:
    found = turn.get(_THOUGHTS, ())
    assert isinstance(found, tuple)  # noqa: S101  # for the type checker
    return found


def _calls(turn: Mapping[str, object]) -> Sequence[ToolCall]:
    found = turn.get(_CALLS, ())
    assert isinstance(found, tuple)  # noqa: S101  # for the type checker
    return found


def _groups(turns: Iterable[Json]) -> list[list[Json]]:
    """Return the turns, with results that follow each other together."""
    groups: list[list[Json]] = []
    for turn in turns:
        if _is_result(turn) and groups and _is_result(groups[-1][0]):
            groups[-1].append(turn)
        else:
            groups.append([turn])
    return groups


def _is_result(turn: Json) -> bool:
    return turn["role"] == "tool" and _CALLS in turn


def _is_calling(turn: Json) -> bool:
    return _THOUGHTS in turn


# Chat completions


def _chat_turn(turn: Json) -> Json:
    if _is_result(turn):
        return {name: value for name, value in turn.items() if name != _CALLS}
    if not _is_calling(turn):
        return turn
    signed = [thought for thought in _thoughts(turn) if thought.signature]
    details = [{"type": "reasoning.text", "text": each.thinking, "signature": each.signature} for each in signed]
    return {
        "role": "assistant",
        "content": turn["content"] or None,
        "tool_calls": [_chat_call(call) for call in _calls(turn)],
        **({"reasoning_details": details} if details else {}),
    }


def _chat_call(call: ToolCall) -> Json:
    kind, words = ("custom", "input") if call.kind == "custom" else ("function", "arguments")
    return {"id": call.id, "type": kind, kind: {"name": call.name, words: call.arguments}}


# Ollama


def _ollama_turn(turn: Json) -> Json:
    if _is_result(turn):
        return {"role": "tool", "content": turn["content"], "tool_name": _calls(turn)[0].name}
    if not _is_calling(turn):
        return turn
    thinking = "".join(thought.thinking for thought in _thoughts(turn))
    calls = [{"function": {"name": call.name, "arguments": _object(call.arguments)}} for call in _calls(turn)]
    field = {"thinking": thinking} if thinking else {}
    return {"role": "assistant", "content": turn["content"], **field, "tool_calls": calls}


# Anthropic


def _anthropic_turn(group: list[Json]) -> Json:
    turn = group[0]
    if _is_result(turn):
        results = [
            {"type": "tool_result", "tool_use_id": each["tool_call_id"], "content": each["content"]} for each in group
        ]
        return {"role": "user", "content": results}
    return {"role": "assistant", "content": [*_blocks(turn)]} if _is_calling(turn) else turn


def _blocks(turn: Json) -> Iterator[Json]:
    for thought in _thoughts(turn):
        if thought.signature:
            yield {"type": "thinking", "thinking": thought.thinking, "signature": thought.signature}
        elif thought.redacted:
            yield {"type": "redacted_thinking", "data": thought.redacted}
    if str(turn["content"]).strip():  # a block without text is refused
        yield {"type": "text", "text": turn["content"]}
    for call in _calls(turn):
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)}


# Gemini


def _gemini_turn(group: list[Json]) -> Json:
    turn = group[0]
    if _is_result(turn):
        answers = [
            {"name": _calls(each)[0].name, "response": {"result": each["content"]}, **_gemini_id(_calls(each)[0])}
            for each in group
        ]
        return {"role": "user", "content": [{"functionResponse": answer} for answer in answers]}
    return {"role": "model", "content": _parts(turn)} if _is_calling(turn) else turn


def _parts(turn: Json) -> list[Json]:
    """Return the parts of a turn. Its signatures belong to its calls, and the thoughts themselves are not sent."""
    parts: list[Json] = [{"text": turn["content"]}] if turn["content"] else []
    signatures = [thought.signature for thought in _thoughts(turn) if thought.signature]
    for position, call in enumerate(_calls(turn)):
        signature = {"thoughtSignature": signatures[position]} if position < len(signatures) else {}
        arguments = _object(call.arguments)
        parts.append({"functionCall": {"name": call.name, "args": arguments, **_gemini_id(call)}, **signature})
    return parts


def _gemini_id(call: ToolCall) -> Json:
    """Return the field with the identifier of a call. Some servers of the protocol have none."""
    return {} if (call.id or "").startswith(MADE_UP) else {"id": call.id}


# Responses


def _items(turn: Json) -> Iterator[Json]:
    if _is_result(turn):
        yield _result_item(turn, _calls(turn)[0])
        return
    if not _is_calling(turn):
        yield _message_item(turn)
        return
    for thought in _thoughts(turn):
        if thought.signature:
            summary = [{"type": "summary_text", "text": thought.thinking}] if thought.thinking else []
            yield {"type": "reasoning", "summary": summary, "encrypted_content": thought.signature}
    if turn["content"]:
        yield _message_item({"role": "assistant", "content": turn["content"]})
    yield from map(_call_item, _calls(turn))


def _message_item(turn: Json) -> Json:
    """Return a message as an item. An answer has the form of a response, because some servers accept no other form."""
    if turn["role"] != "assistant" or not isinstance(turn.get("content"), str):
        return turn
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": turn["content"]}]}


def _call_item(call: ToolCall) -> Json:
    match call.kind:
        case "mcp_approval_request":
            return {"type": call.kind, "id": call.id, "name": call.name, "arguments": call.arguments}
        case "custom":
            return {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.arguments}
        case "function" | "function_call":
            return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
    field = "operation" if call.kind == "apply_patch" else "action"
    return {"type": f"{call.kind}_call", "call_id": call.id, "status": "completed", field: _object(call.arguments)}


def _result_item(turn: Json, call: ToolCall) -> Json:
    if call.kind == "mcp_approval_request":
        approves = str(turn["content"]).strip().lower() in {"yes", "true", "approved", "approve"}
        return {"type": "mcp_approval_response", "approval_request_id": call.id, "approve": approves}
    kind = {"function": "function", "function_call": "function", "custom": "custom_tool"}.get(call.kind, call.kind)
    return {"type": f"{kind}_call_output", "call_id": call.id, "output": turn["content"]}


def _object(arguments: str) -> Json:
    """Return arguments as an object. A model can send others, which are kept as a text in one."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}
