"""The parts of a request that tests look at, in each protocol."""

from __future__ import annotations

import re
from typing import Any, NamedTuple


class SecondTurn(NamedTuple):
    """The second request of a conversation with a tool."""

    results: list[str]
    """The results of tools."""
    thinking: list[str]
    """The thinking of the first turn."""
    signatures: list[str]
    """The signatures of the thinking, which the provider requires."""


def offered_tools(protocol: str, body: Any) -> list[str]:
    """Return the names of the tools that a request offers to the model."""
    tools = body.get("tools") or []
    match protocol:
        case "openai" | "ollama":
            return [tool["function"]["name"] for tool in tools]
        case "gemini":
            return [each["name"] for tool in _camel_case(tools) for each in tool["functionDeclarations"]]
        case _:
            return [tool["name"] for tool in tools]


def second_turn(protocol: str, body: Any) -> SecondTurn:
    """Return the parts of a second request."""
    readers = {"anthropic": _anthropic, "gemini": _gemini, "openai-responses": _responses}
    return readers.get(protocol, _messages)(body)


def _messages(body: Any) -> SecondTurn:
    """Read chat completions, and the chat of Ollama."""
    results = [_text(each["content"]) for each in body["messages"] if each["role"] == "tool"]
    turns = [each for each in body["messages"] if each["role"] == "assistant"]
    thinking = [each.get(key) for each in turns for key in ("reasoning_content", "reasoning", "thinking")]
    return SecondTurn(results, [thought for thought in thinking if thought], [])


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _anthropic(body: Any) -> SecondTurn:
    found = SecondTurn([], [], [])
    for message in body["messages"]:
        for block in [] if isinstance(message["content"], str) else message["content"]:
            match block["type"]:
                case "tool_result":
                    found.results.append(_text(block["content"]))
                case "thinking":
                    assert message["role"] == "assistant"
                    found.thinking.append(block["thinking"])
                    found.signatures.append(block.get("signature"))
    return found


def _gemini(body: Any) -> SecondTurn:
    found = SecondTurn([], [], [])
    for content in body["contents"]:
        for part in _camel_case(content["parts"]):
            if "functionResponse" in part:
                found.results.append(str(part["functionResponse"]["response"]))
            if part.get("thought"):
                found.thinking.append(part["text"])
            if "thoughtSignature" in part:
                found.signatures.append(part["thoughtSignature"])
    return found


def _camel_case(value: Any) -> Any:
    """Return JSON with the keys that Gemini documents. It also takes the names of protocol buffers, with `_`."""
    if isinstance(value, dict):
        return {
            re.sub("_([a-z])", lambda found: found[1].upper(), key): _camel_case(each) for key, each in value.items()
        }
    return [_camel_case(each) for each in value] if isinstance(value, list) else value


def _responses(body: Any) -> SecondTurn:
    found = SecondTurn([], [], [])
    for item in body["input"]:
        match item.get("type"):
            case "function_call_output":
                found.results.append(_text(item["output"]))
            case "reasoning":
                found.thinking.extend(part["text"] for part in item["summary"])
                found.signatures.append(item.get("encrypted_content"))
    return found
