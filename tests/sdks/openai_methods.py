"""The methods of OpenAI's client: chat completions and responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai import AsyncOpenAI, OpenAI

from tests.sdks.client_methods import MESSAGES, MODEL, PROMPT, ClientMethod, ClientOptions, both

if TYPE_CHECKING:
    from tests.sdks.received import Received


def _client(url: str, client_options: ClientOptions, is_async: bool) -> Any:
    options: dict[str, Any] = {} if client_options.retries is None else {"max_retries": client_options.retries}
    return (AsyncOpenAI if is_async else OpenAI)(
        api_key="none", base_url=url, timeout=client_options.seconds, **options
    )


def _chunk(received: Received, chunk: Any) -> None:
    for choice in chunk.choices:
        delta = choice.delta
        received.texts.append(delta.content or "")
        received.thoughts.append(getattr(delta, "reasoning_content", None) or "")
        for call in delta.tool_calls or []:
            if call.id:
                received.add_call(call.index, call.function.name)
            received.fragments[call.index].append(call.function.arguments or "")
        received.reason = choice.finish_reason or received.reason
    _counts(received, chunk.usage)


def _counts(received: Received, usage: Any) -> None:
    if usage:
        received.usage = (usage.prompt_tokens, usage.completion_tokens)


def _chat_event(received: Received, event: Any) -> None:
    if event.type == "chunk":
        _chunk(received, event.chunk)


def _completion(received: Received, completion: Any) -> None:
    choice = completion.choices[0]
    received.texts.append(choice.message.content or "")
    received.thoughts.append(getattr(choice.message, "reasoning_content", None) or "")
    for call in choice.message.tool_calls or []:
        received.add_call(call.id, call.function.name, call.function.arguments)
    received.reason = choice.finish_reason
    _counts(received, completion.usage)


def _event(received: Received, event: Any) -> None:
    match event.type:
        case "response.output_text.delta":
            received.texts.append(event.delta)
        case "response.reasoning_summary_text.delta":
            received.thoughts.append(event.delta)
        case "response.output_item.added" if event.item.type == "function_call":
            received.add_call(event.output_index, event.item.name, event.item.arguments)
        case "response.function_call_arguments.delta":
            received.fragments[event.output_index].append(event.delta)
        case "response.completed" | "response.incomplete":
            _end(received, event.response)


def _response(received: Received, response: Any) -> None:
    received.texts.append(response.output_text)
    for index, item in enumerate(response.output):
        if item.type == "reasoning":
            received.thoughts.extend(part.text for part in item.summary)
        if item.type == "function_call":
            received.add_call(index, item.name, item.arguments)
    _end(received, response)


def _end(received: Received, response: Any) -> None:
    details = response.incomplete_details
    received.reason = details.reason if details else response.status
    if response.usage:
        received.usage = (response.usage.input_tokens, response.usage.output_tokens)


def _ask_chat(client: Any, **options: Any) -> Any:
    return client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)


_COUNTED = {"stream_options": {"include_usage": True}}
METHODS = both(
    ClientMethod(
        "openai",
        "chat.completions.create(stream=True)",
        "openai",
        "stream",
        _client,
        lambda client: _ask_chat(client, stream=True, **_COUNTED),
        _chunk,
    ),
    ClientMethod(
        "openai",
        "chat.completions.stream()",
        "openai",
        "helper",
        _client,
        lambda client: client.chat.completions.stream(model=MODEL, messages=MESSAGES, **_COUNTED),
        _chat_event,
        lambda stream: stream.get_final_completion(),
    ),
    ClientMethod("openai", "chat.completions.create()", "openai", "whole", _client, _ask_chat, _completion),
    ClientMethod(
        "openai",
        "responses.create(stream=True)",
        "openai-responses",
        "stream",
        _client,
        lambda client: client.responses.create(model=MODEL, input=PROMPT, stream=True),
        _event,
    ),
    ClientMethod(
        "openai",
        "responses.stream()",
        "openai-responses",
        "helper",
        _client,
        lambda client: client.responses.stream(model=MODEL, input=PROMPT),
        _event,
        lambda stream: stream.get_final_response(),
    ),
    ClientMethod(
        "openai",
        "responses.create()",
        "openai-responses",
        "whole",
        _client,
        lambda client: client.responses.create(model=MODEL, input=PROMPT),
        _response,
    ),
)
