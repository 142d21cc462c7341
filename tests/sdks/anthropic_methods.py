"""The methods of Anthropic's client: messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anthropic import Anthropic, AsyncAnthropic

from tests.sdks.client_methods import MESSAGES, MODEL, ClientMethod, ClientOptions, both

if TYPE_CHECKING:
    from tests.sdks.received import Received


def _client(url: str, client_options: ClientOptions, is_async: bool) -> Any:
    options: dict[str, Any] = {} if client_options.retries is None else {"max_retries": client_options.retries}
    kind = AsyncAnthropic if is_async else Anthropic
    return kind(api_key="none", base_url=url, timeout=client_options.seconds, **options)


def _event(received: Received, event: Any) -> None:
    match event.type:
        case "message_start":
            _counts(received, event.message.usage)
        case "content_block_start" if event.content_block.type == "tool_use":
            received.add_call(event.index, event.content_block.name)
        case "content_block_delta":
            _delta(received, event.index, event.delta)
        case "message_delta":
            received.reason = event.delta.stop_reason
            _counts(received, event.usage)


def _delta(received: Received, index: int, delta: Any) -> None:
    match delta.type:
        case "text_delta":
            received.texts.append(delta.text)
        case "thinking_delta":
            received.thoughts.append(delta.thinking)
        case "input_json_delta":
            received.fragments[index].append(delta.partial_json)


def _message(received: Received, message: Any) -> None:
    for index, block in enumerate(message.content):
        match block.type:
            case "text":
                received.texts.append(block.text)
            case "thinking":
                received.thoughts.append(block.thinking)
            case "tool_use":
                received.add_call(index, block.name, block.input)
    received.reason = message.stop_reason
    _counts(received, message.usage)


def _counts(received: Received, usage: Any) -> None:
    received.usage = (usage.input_tokens, usage.output_tokens)


def _ask(client: Any, **options: Any) -> Any:
    return client.messages.create(model=MODEL, max_tokens=99, messages=MESSAGES, **options)


METHODS = both(
    ClientMethod(
        "anthropic",
        "messages.create(stream=True)",
        "anthropic",
        "stream",
        _client,
        lambda client: _ask(client, stream=True),
        _event,
    ),
    ClientMethod(
        "anthropic",
        "messages.stream()",
        "anthropic",
        "helper",
        _client,
        lambda client: client.messages.stream(model=MODEL, max_tokens=99, messages=MESSAGES),
        _event,
        lambda stream: stream.get_final_message(),
    ),
    ClientMethod("anthropic", "messages.create()", "anthropic", "whole", _client, _ask, _message),
)
