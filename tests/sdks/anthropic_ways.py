"""The client of Anthropic: messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anthropic import Anthropic, AsyncAnthropic

from tests.sdks.ways import MESSAGES, MODEL, Patience, Way, both

if TYPE_CHECKING:
    from tests.sdks.heard import Heard


def _client(url: str, patience: Patience, is_async: bool) -> Any:
    options: dict[str, Any] = {} if patience.retries is None else {"max_retries": patience.retries}
    kind = AsyncAnthropic if is_async else Anthropic
    return kind(api_key="none", base_url=url, timeout=patience.seconds, **options)


def _event(heard: Heard, event: Any) -> None:
    match event.type:
        case "message_start":
            _counts(heard, event.message.usage)
        case "content_block_start" if event.content_block.type == "tool_use":
            heard.call(event.index, event.content_block.name)
        case "content_block_delta":
            _delta(heard, event.index, event.delta)
        case "message_delta":
            heard.reason = event.delta.stop_reason
            _counts(heard, event.usage)


def _delta(heard: Heard, index: int, delta: Any) -> None:
    match delta.type:
        case "text_delta":
            heard.texts.append(delta.text)
        case "thinking_delta":
            heard.thoughts.append(delta.thinking)
        case "input_json_delta":
            heard.fragments[index].append(delta.partial_json)


def _message(heard: Heard, message: Any) -> None:
    for index, block in enumerate(message.content):
        match block.type:
            case "text":
                heard.texts.append(block.text)
            case "thinking":
                heard.thoughts.append(block.thinking)
            case "tool_use":
                heard.call(index, block.name, block.input)
    heard.reason = message.stop_reason
    _counts(heard, message.usage)


def _counts(heard: Heard, usage: Any) -> None:
    heard.usage = (usage.input_tokens, usage.output_tokens)


def _ask(client: Any, **options: Any) -> Any:
    return client.messages.create(model=MODEL, max_tokens=99, messages=MESSAGES, **options)


WAYS = both(
    Way(
        "anthropic",
        "messages.create(stream=True)",
        "anthropic",
        "stream",
        _client,
        lambda client: _ask(client, stream=True),
        _event,
    ),
    Way(
        "anthropic",
        "messages.stream()",
        "anthropic",
        "helper",
        _client,
        lambda client: client.messages.stream(model=MODEL, max_tokens=99, messages=MESSAGES),
        _event,
        lambda stream: stream.get_final_message(),
    ),
    Way("anthropic", "messages.create()", "anthropic", "whole", _client, _ask, _message),
)
