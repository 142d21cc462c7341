"""The methods of Ollama's client: chat, and the endpoint for a bare prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ollama import AsyncClient, Client

from tests.sdks.client_methods import MESSAGES, MODEL, PROMPT, ClientMethod, ClientOptions, both

if TYPE_CHECKING:
    from tests.sdks.received import Received


def _client(url: str, client_options: ClientOptions, is_async: bool) -> Any:
    return (AsyncClient if is_async else Client)(host=url, timeout=client_options.seconds)


def _chat(received: Received, line: Any) -> None:
    assert line.message.role == "assistant"
    received.texts.append(line.message.content or "")
    received.thoughts.append(line.message.thinking or "")
    for call in line.message.tool_calls or []:
        received.add_call(len(received.fragments), call.function.name, dict(call.function.arguments))
    _end(received, line)


def _generated(received: Received, line: Any) -> None:
    received.texts.append(line.response)
    received.thoughts.append(line.thinking or "")
    _end(received, line)


def _end(received: Received, line: Any) -> None:
    if line.done:
        received.reason = line.done_reason
        received.usage = (line.prompt_eval_count, line.eval_count)


def _ask(client: Any, *, stream: bool) -> Any:
    return client.chat(model=MODEL, messages=MESSAGES, stream=stream)


def _ask_generate(client: Any, *, stream: bool) -> Any:
    return client.generate(model=MODEL, prompt=PROMPT, stream=stream)


METHODS = both(
    ClientMethod(
        "ollama",
        "chat(stream=True)",
        "ollama",
        "stream",
        _client,
        lambda client: _ask(client, stream=True),
        _chat,
    ),
    ClientMethod(
        "ollama",
        "chat()",
        "ollama",
        "whole",
        _client,
        lambda client: _ask(client, stream=False),
        _chat,
    ),
    ClientMethod(
        "ollama",
        "generate(stream=True)",
        "ollama",
        "stream",
        _client,
        lambda client: _ask_generate(client, stream=True),
        _generated,
    ),
    ClientMethod(
        "ollama",
        "generate()",
        "ollama",
        "whole",
        _client,
        lambda client: _ask_generate(client, stream=False),
        _generated,
    ),
)
