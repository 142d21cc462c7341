"""The rules of Ollama, most of which are those of its parser of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.server.request_rules.rule import (
    Fault,
    RequestRule,
    dict_in,
    dicts_in,
    is_integer,
    is_number,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.server.request_rules.rule import Body, Check

_ROUTES = "https://github.com/ollama/ollama/blob/main/server/routes.go"
_TYPES = "https://github.com/ollama/ollama/blob/main/api/types.go"
_KINDS = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_MOST_LOGPROBS = 20
_NO_BASE64 = ("http://", "https://", "data:")  # the beginnings of images that are addresses


def _wrong(value: object, field: str, kind: str) -> Fault:
    """Return the fault of a value that Go cannot put into a field."""
    return Fault(
        f"json: cannot unmarshal {_KINDS.get(type(value), 'null')} into Go struct field {field} of type {kind}"
    )


def _typed(request: str, name: str, kind: str, kinds: type | tuple[type, ...]) -> Check:
    """Return the check of the type of a field. Null counts as missing."""

    def check(body: Body) -> Iterator[Fault]:
        value = body.get(name)
        if value is not None and not isinstance(value, kinds):
            yield _wrong(value, f"{request}.{name}", kind)

    return check


def _model(body: Body) -> Iterator[Fault]:
    if not body.get("model"):
        yield Fault("model is required")


def _messages(body: Body) -> Iterator[Fault]:
    messages = body.get("messages")
    if messages is not None and not isinstance(messages, list):
        yield _wrong(messages, "ChatRequest.messages", "[]api.Message")
    for each in messages if isinstance(messages, list) else ():
        if each is not None and not isinstance(each, dict):
            yield _wrong(each, "ChatRequest.messages", "api.Message")
    for _, message in dicts_in(messages):
        for name in ("role", "content", "thinking", "tool_name"):
            if message.get(name) is not None and not isinstance(message[name], str):
                yield _wrong(message[name], f"ChatRequest.messages.{name}", "string")


def _calls(body: Body) -> Iterator[Fault]:
    path = "ChatRequest.messages.tool_calls"
    for _, message in dicts_in(body.get("messages")):
        if message.get("tool_calls") is not None and not isinstance(message["tool_calls"], list):
            yield _wrong(message["tool_calls"], path, "[]api.ToolCall")
        for _, call in dicts_in(message.get("tool_calls")):
            arguments = dict_in(call.get("function")).get("arguments")
            if arguments is not None and not isinstance(arguments, dict):
                yield _wrong(arguments, f"{path}.function.arguments", "api.ToolCallFunctionArguments")


def _images(body: Body) -> Iterator[Fault]:
    owners = [body, *(message for _, message in dicts_in(body.get("messages")))]
    for owner in owners:
        images = owner.get("images")
        for image in images if isinstance(images, list) else ():
            if isinstance(image, str) and image.startswith(_NO_BASE64):
                yield Fault(f"illegal base64 data at input byte {image.index(':')}")


def _tools(body: Body) -> Iterator[Fault]:
    for _, tool in dicts_in(body.get("tools")):
        properties = dict_in(dict_in(tool.get("function")).get("parameters")).get("properties")
        if properties is not None and not isinstance(properties, dict):
            yield _wrong(properties, ".tools.function.parameters.properties", "map[string]api.ToolProperty")


def _think(body: Body) -> Iterator[Fault]:
    think = body.get("think")
    if isinstance(think, str) and think not in ("low", "medium", "high", "max"):
        yield Fault(f'invalid think value: "{shown(think)}" (must be "high", "medium", "low", "max", true, or false)')
    elif think is not None and not isinstance(think, bool | str):
        yield Fault('think must be a boolean or string ("high", "medium", "low", "max", true, or false)')


def _logprobs(body: Body) -> Iterator[Fault]:
    value = body.get("top_logprobs")
    if is_number(value) and not (is_integer(value) and value in range(_MOST_LOGPROBS + 1)):
        yield Fault(f"top_logprobs must be between 0 and {_MOST_LOGPROBS}")


def _shared(request: str) -> tuple[RequestRule, ...]:
    """Return the rules of both endpoints."""
    options = "map[string]interface {}"
    return (
        RequestRule("The model has a name.", _TYPES, _typed(request, "model", "string", str)),
        RequestRule("stream is true or false.", _TYPES, _typed(request, "stream", "bool", bool)),
        RequestRule("Options are an object.", _TYPES, _typed(request, "options", options, dict)),
        RequestRule("Thinking is on, off or one of the known levels.", _TYPES, _think),
        RequestRule("Images are base64, and not addresses.", _TYPES, _images),
        RequestRule("top_logprobs is a whole number from 0 to 20.", _ROUTES, _logprobs),
    )


CHAT_RULES = (
    *_shared("ChatRequest"),
    RequestRule("A request has a model.", _ROUTES, _model),
    RequestRule(
        "Messages are a list of objects, whose content is a text.",
        "https://github.com/ollama/ollama/issues/6451",
        _messages,
    ),
    RequestRule("The arguments of a call are an object.", "https://github.com/aliasrobotics/cai/issues/76", _calls),
    RequestRule("Tools are a list.", _TYPES, _typed("ChatRequest", "tools", "api.Tools", list)),
    RequestRule("The properties of a tool are an object.", "https://github.com/ollama/ollama/issues/10328", _tools),
)
"""The rules of `/api/chat`, in the order in which they are checked."""
GENERATE_RULES = (
    *_shared("GenerateRequest"),
    RequestRule("The prompt is a text.", _TYPES, _typed("GenerateRequest", "prompt", "string", str)),
    RequestRule("The system prompt is a text.", _TYPES, _typed("GenerateRequest", "system", "string", str)),
)
"""The rules of `/api/generate`, in the order in which they are checked."""
