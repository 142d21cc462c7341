"""The client of OpenAI: chat completions and responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai import AsyncOpenAI, OpenAI

from tests.sdks.ways import MESSAGES, MODEL, PROMPT, Patience, Way, both

if TYPE_CHECKING:
    from tests.sdks.heard import Heard


def _client(url: str, patience: Patience, is_async: bool) -> Any:
    options: dict[str, Any] = {} if patience.retries is None else {"max_retries": patience.retries}
    return (AsyncOpenAI if is_async else OpenAI)(api_key="none", base_url=url, timeout=patience.seconds, **options)


def _chunk(heard: Heard, chunk: Any) -> None:
    for choice in chunk.choices:
        delta = choice.delta
        heard.texts.append(delta.content or "")
        heard.thoughts.append(getattr(delta, "reasoning_content", None) or "")
        for call in delta.tool_calls or []:
            if call.id:
                heard.call(call.index, call.function.name)
            heard.fragments[call.index].append(call.function.arguments or "")
        heard.reason = choice.finish_reason or heard.reason
    _counts(heard, chunk.usage)


def _counts(heard: Heard, usage: Any) -> None:
    if usage:
        heard.usage = (usage.prompt_tokens, usage.completion_tokens)


def _chat_event(heard: Heard, event: Any) -> None:
    if event.type == "chunk":
        _chunk(heard, event.chunk)


def _completion(heard: Heard, completion: Any) -> None:
    choice = completion.choices[0]
    heard.texts.append(choice.message.content or "")
    heard.thoughts.append(getattr(choice.message, "reasoning_content", None) or "")
    for call in choice.message.tool_calls or []:
        heard.call(call.id, call.function.name, call.function.arguments)
    heard.reason = choice.finish_reason
    _counts(heard, completion.usage)


def _event(heard: Heard, event: Any) -> None:
    match event.type:
        case "response.output_text.delta":
            heard.texts.append(event.delta)
        case "response.reasoning_summary_text.delta":
            heard.thoughts.append(event.delta)
        case "response.output_item.added" if event.item.type == "function_call":
            heard.call(event.output_index, event.item.name, event.item.arguments)
        case "response.function_call_arguments.delta":
            heard.fragments[event.output_index].append(event.delta)
        case "response.completed" | "response.incomplete":
            _end(heard, event.response)


def _response(heard: Heard, response: Any) -> None:
    heard.texts.append(response.output_text)
    for index, item in enumerate(response.output):
        if item.type == "reasoning":
            heard.thoughts.extend(part.text for part in item.summary)
        if item.type == "function_call":
            heard.call(index, item.name, item.arguments)
    _end(heard, response)


def _end(heard: Heard, response: Any) -> None:
    details = response.incomplete_details
    heard.reason = details.reason if details else response.status
    if response.usage:
        heard.usage = (response.usage.input_tokens, response.usage.output_tokens)


def _ask_chat(client: Any, **options: Any) -> Any:
    return client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)


_COUNTED = {"stream_options": {"include_usage": True}}
WAYS = both(
    Way(
        "openai",
        "chat.completions.create(stream=True)",
        "openai",
        "stream",
        _client,
        lambda client: _ask_chat(client, stream=True, **_COUNTED),
        _chunk,
    ),
    Way(
        "openai",
        "chat.completions.stream()",
        "openai",
        "helper",
        _client,
        lambda client: client.chat.completions.stream(model=MODEL, messages=MESSAGES, **_COUNTED),
        _chat_event,
        lambda stream: stream.get_final_completion(),
    ),
    Way("openai", "chat.completions.create()", "openai", "whole", _client, _ask_chat, _completion),
    Way(
        "openai",
        "responses.create(stream=True)",
        "openai-responses",
        "stream",
        _client,
        lambda client: client.responses.create(model=MODEL, input=PROMPT, stream=True),
        _event,
    ),
    Way(
        "openai",
        "responses.stream()",
        "openai-responses",
        "helper",
        _client,
        lambda client: client.responses.stream(model=MODEL, input=PROMPT),
        _event,
        lambda stream: stream.get_final_response(),
    ),
    Way(
        "openai",
        "responses.create()",
        "openai-responses",
        "whole",
        _client,
        lambda client: client.responses.create(model=MODEL, input=PROMPT),
        _response,
    ),
)
