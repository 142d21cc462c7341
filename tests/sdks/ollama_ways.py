"""The client of Ollama: chat, and the endpoint for a bare prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ollama import AsyncClient, Client

from tests.sdks.ways import MESSAGES, MODEL, PROMPT, Patience, Way, both

if TYPE_CHECKING:
    from tests.sdks.heard import Heard


def _client(url: str, patience: Patience, is_async: bool) -> Any:
    return (AsyncClient if is_async else Client)(host=url, timeout=patience.seconds)


def _chat(heard: Heard, line: Any) -> None:
    assert line.message.role == "assistant"
    heard.texts.append(line.message.content or "")
    heard.thoughts.append(line.message.thinking or "")
    for call in line.message.tool_calls or []:
        heard.call(len(heard.fragments), call.function.name, dict(call.function.arguments))
    _end(heard, line)


def _generated(heard: Heard, line: Any) -> None:
    heard.texts.append(line.response)
    heard.thoughts.append(line.thinking or "")
    _end(heard, line)


def _end(heard: Heard, line: Any) -> None:
    if line.done:
        heard.reason = line.done_reason
        heard.usage = (line.prompt_eval_count, line.eval_count)


def _ask(client: Any, *, stream: bool) -> Any:
    return client.chat(model=MODEL, messages=MESSAGES, stream=stream)


def _ask_generate(client: Any, *, stream: bool) -> Any:
    return client.generate(model=MODEL, prompt=PROMPT, stream=stream)


WAYS = both(
    Way(
        "ollama",
        "chat(stream=True)",
        "ollama",
        "stream",
        _client,
        lambda client: _ask(client, stream=True),
        _chat,
    ),
    Way(
        "ollama",
        "chat()",
        "ollama",
        "whole",
        _client,
        lambda client: _ask(client, stream=False),
        _chat,
    ),
    Way(
        "ollama",
        "generate(stream=True)",
        "ollama",
        "stream",
        _client,
        lambda client: _ask_generate(client, stream=True),
        _generated,
    ),
    Way(
        "ollama",
        "generate()",
        "ollama",
        "whole",
        _client,
        lambda client: _ask_generate(client, stream=False),
        _generated,
    ),
)
