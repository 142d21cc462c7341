"""The rules of OpenAI's chat completions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_streamval.server.request_rules.openai_words import (
    METADATA,
    at_most,
    empty_array,
    missing,
    numbers,
    open_objects,
    required,
    typed,
    wrong_type,
    wrong_value,
)
from pytest_streamval.server.request_rules.rule import Fault, RequestRule, dict_in, dicts_in, is_number, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_streamval.server.request_rules.rule import Body

_REFERENCE = "https://platform.openai.com/docs/api-reference/chat/create"
_FUNCTIONS = "https://platform.openai.com/docs/guides/function-calling"
_SCHEMAS = "https://platform.openai.com/docs/guides/structured-outputs#supported-schemas"
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_TOOL_CHOICES = ("none", "auto", "required")
_FORMATS = ("json_object", "json_schema", "text")
_NEED_TEXT = ("system", "developer", "user", "tool")  # roles whose messages have nothing else
# parts of the messages of other protocols, which are sent here by mistake
_FOREIGN_PARTS = ("input_text", "input_image", "output_text", "tool_use", "tool_result", "image", "thinking")
_PARTS = ("text", "image_url", "input_audio", "refusal", "audio", "file")
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_NAME = 64
REASONING = re.compile(r"o[134](?:-mini|-pro|-preview)?(?:-\d{4}-\d\d-\d\d)?")
"""The names of the models of the o series, which refuse some options."""


def _messages(body: Body) -> Iterator[Fault]:
    value = body.get("messages")
    if value is not None and not isinstance(value, list):
        yield wrong_type("messages", "an array of objects", value)
    elif value == []:
        yield empty_array("messages")
    for place, each in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(each, dict):
            yield wrong_type(f"messages[{place}]", "an object", each)


def _roles(body: Body) -> Iterator[Fault]:
    for place, message in dicts_in(body.get("messages")):
        role = message.get("role")
        if role is None:
            yield missing(f"messages[{place}].role")
        elif role not in _ROLES:
            yield wrong_value(f"messages[{place}].role", role, _ROLES)


def _contents(body: Body) -> Iterator[Fault]:
    for place, message in dicts_in(body.get("messages")):
        path, content = f"messages[{place}].content", message.get("content")
        if content is None:
            has_other = any(message.get(name) for name in ("tool_calls", "function_call", "refusal", "audio"))
            if message.get("role") in _NEED_TEXT or (message.get("role") == "assistant" and not has_other):
                words = "Invalid value for 'content': expected a string, got null."
                yield Fault(words, path) if "content" in message else missing(path)
        elif content == []:
            yield empty_array(path)
        elif not isinstance(content, str | list):
            yield wrong_type(path, "one of a string or array of objects", content)
        for number, part in dicts_in(content):
            if part.get("type") is None:
                yield missing(f"{path}[{number}].type")
            elif part["type"] in _FOREIGN_PARTS:
                yield wrong_value(f"{path}[{number}].type", part["type"], _PARTS)


def _calls(body: Body) -> Iterator[Fault]:
    for place, message in dicts_in(body.get("messages")):
        path, calls = f"messages[{place}].tool_calls", message.get("tool_calls")
        if calls == []:
            yield empty_array(path)
        elif calls is not None and not isinstance(calls, list):
            yield wrong_type(path, "an array of objects", calls)
        for number, call in dicts_in(calls):
            yield from (missing(f"{path}[{number}].{name}") for name in ("id", "type") if call.get(name) is None)
            arguments = dict_in(call.get("function")).get("arguments")
            if arguments is not None and not isinstance(arguments, str):
                yield wrong_type(f"{path}[{number}].function.arguments", "a string", arguments)


def _pairs(body: Body) -> Iterator[Fault]:
    """Yield the calls without a result and the results without a call."""
    calls: set[str] = set()
    open_calls: dict[str, None] = {}  # in order
    for place, message in dicts_in(body.get("messages")):
        if message.get("role") == "tool":
            yield from _result(place, message, calls)
            open_calls.pop(str(message.get("tool_call_id")), None)
            continue
        yield from _unanswered(open_calls, place)
        made = dicts_in(message.get("tool_calls") if message.get("role") == "assistant" else None)
        found = [ident for _, call in made if isinstance(ident := call.get("id"), str)]
        calls, open_calls = set(found), dict.fromkeys(found)
    messages = body.get("messages")
    yield from _unanswered(open_calls, len(messages) if isinstance(messages, list) else 0)


def _result(place: int, message: dict[str, object], calls: set[str]) -> Iterator[Fault]:
    ident = message.get("tool_call_id")
    if not calls:
        words = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
        yield Fault(f"Invalid parameter: {words}", f"messages.[{place}].role")
    elif ident is None:
        yield missing(f"messages[{place}].tool_call_id")
    elif not isinstance(ident, str) or ident not in calls:
        words = f"'tool_call_id' of '{shown(ident)}' not found in 'tool_calls' of previous message."
        yield Fault(f"Invalid parameter: {words}", f"messages.[{place}].tool_call_id")


def _unanswered(calls: dict[str, None], place: int) -> Iterator[Fault]:
    if calls:
        words = "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
        names = ", ".join(map(shown, calls))
        rest = f"'tool_call_id'. The following tool_call_ids did not have response messages: {names}"
        yield Fault(f"{words} {rest}", f"messages.[{place}].role")


def tool_faults(body: Body, function_faults: Callable[[dict[str, object], str], Iterator[Fault]]) -> Iterator[Fault]:
    """Yield the faults in the tools of a request.

    Args:
        body: The body of the request.
        function_faults: The faults of a tool that is a function, and of its path.
    """
    tools = body.get("tools")
    # An empty array is taken like none: LangChain and Strands send one with each request that offers no tool.
    if tools is not None and not isinstance(tools, list):
        yield wrong_type("tools", "an array of objects", tools)
    for place, tool in dicts_in(tools):
        path = f"tools[{place}]"
        if tool.get("type") is None:
            yield missing(f"{path}.type")
        elif tool["type"] == "function":
            yield from function_faults(tool, path)


def _tools(body: Body) -> Iterator[Fault]:
    return tool_faults(body, _function_faults)


def _function_faults(tool: dict[str, object], path: str) -> Iterator[Fault]:
    function = tool.get("function")
    if function is None:
        yield missing(f"{path}.function")
    elif isinstance(function, dict):
        yield from name_faults(function, f"{path}.function")


def name_faults(function: dict[str, object], path: str) -> Iterator[Fault]:
    """Yield the faults in the name of a function."""
    name = function.get("name")
    if name is None:
        yield missing(f"{path}.name")
    elif not isinstance(name, str):
        yield wrong_type(f"{path}.name", "a string", name)
    elif _NAME.fullmatch(name) is None:
        words = f"Invalid '{path}.name': string does not match pattern."
        yield Fault(
            f"{words} Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", f"{path}.name", "invalid_value"
        )
    elif len(name) > _LONGEST_NAME:
        words = f"Invalid '{path}.name': string too long. Expected a string with maximum length {_LONGEST_NAME}"
        code = "string_above_max_length"
        yield Fault(f"{words}, but got a string with length {len(name)} instead.", f"{path}.name", code)


def _offered(body: Body) -> set[str]:
    """Return the names of the functions and custom tools that a request offers."""
    tools = [tool for _, tool in dicts_in(body.get("tools"))]
    names = (dict_in(tool.get(kind)).get("name") for tool in tools for kind in ("function", "custom"))
    return {name for name in names if isinstance(name, str)}


def _tool_choice(body: Body) -> Iterator[Fault]:
    choice = body.get("tool_choice")
    if isinstance(choice, str) and choice not in _TOOL_CHOICES:
        yield wrong_value("tool_choice", choice, _TOOL_CHOICES)
    name = dict_in(dict_in(choice).get("function")).get("name")
    if body.get("tools") and isinstance(name, str) and name not in _offered(body):
        yield Fault(f"Tool choice '{shown(name)}' not found in 'tools' parameter.", "tool_choice")


def _only_with_tools(body: Body) -> Iterator[Fault]:
    for name in ("tool_choice", "parallel_tool_calls"):
        # "none" is the default without tools
        if body.get(name) not in (None, "none") and not body.get("tools"):
            words = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            yield Fault(words, name)


def _unknown_calls(body: Body) -> Iterator[Fault]:
    offered = _offered(body)
    for place, message in dicts_in(body.get("messages") if body.get("tools") else None):
        for number, call in dicts_in(message.get("tool_calls")):
            name = dict_in(call.get("function")).get("name")
            if isinstance(name, str) and name not in offered:
                path = f"messages[{place}].tool_calls[{number}].function.name"
                yield Fault(
                    f"The call '{shown(name)}' names no tool of this request or an earlier one.", path, tool=name
                )


def _stored_metadata(body: Body) -> Iterator[Fault]:
    if body.get("metadata") and body.get("store") is not True:
        yield Fault("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata")


def _stream_options(body: Body) -> Iterator[Fault]:
    if body.get("stream_options") is not None and body.get("stream") is not True:
        yield Fault("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


def _limits(body: Body) -> Iterator[Fault]:
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        words = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        yield Fault(words, "max_tokens", "invalid_parameter_combination")


def _reasoning(body: Body) -> Iterator[Fault]:
    if isinstance(model := body.get("model"), str) and REASONING.fullmatch(model):
        if body.get("max_tokens") is not None:
            words = "Unsupported parameter: 'max_tokens' is not supported with this model."
            rest = "Use 'max_completion_tokens' instead."
            yield Fault(f"{words} {rest}", "max_tokens", "unsupported_parameter")
        temperature = body.get("temperature")
        if is_number(temperature) and temperature != 1:
            words = f"Unsupported value: 'temperature' does not support {temperature} with this model."
            yield Fault(f"{words} Only the default (1) value is supported.", "temperature", "unsupported_value")


def _top_logprobs(body: Body) -> Iterator[Fault]:
    if body.get("top_logprobs") is not None and body.get("logprobs") is not True:
        words = "Invalid value for 'top_logprobs': 'top_logprobs' is only allowed when 'logprobs' is enabled."
        yield Fault(words, "top_logprobs")


def _response_format(body: Body) -> Iterator[Fault]:
    given = body.get("response_format")
    if given is None:
        return
    if not isinstance(given, dict):
        yield wrong_type("response_format", "an object", given)
        return
    kind = given.get("type")
    if kind is None:
        yield missing("response_format.type")
    elif kind not in _FORMATS:
        yield wrong_value("response_format.type", kind, _FORMATS)
    elif kind == "json_schema":
        schema = given.get("json_schema")
        if schema is None:
            yield missing("response_format.json_schema")
        elif isinstance(schema, dict) and schema.get("name") is None:
            yield missing("response_format.json_schema.name")


def _json_word(body: Body) -> Iterator[Fault]:
    if dict_in(body.get("response_format")).get("type") != "json_object":
        return
    texts = [message.get("content") for _, message in dicts_in(body.get("messages"))]
    parts = [part.get("text") for text in texts for _, part in dicts_in(text)]
    if not any(isinstance(text, str) and "json" in text.lower() for text in (*texts, *parts)):
        words = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        yield Fault(words, "messages")


def _strict_schemas(body: Body) -> Iterator[Fault]:
    given = dict_in(dict_in(body.get("response_format")).get("json_schema"))
    if given.get("strict") is True:
        yield from open_objects(given.get("schema"), f"response_format '{shown(given.get('name'))}'", "response_format")
    for place, tool in dicts_in(body.get("tools")):
        function = dict_in(tool.get("function"))
        if function.get("strict") is True:
            title, path = f"function '{shown(function.get('name'))}'", f"tools[{place}].function.parameters"
            yield from open_objects(function.get("parameters"), title, path, "invalid_function_parameters")


def _model(body: Body) -> Iterator[Fault]:
    if not body.get("model"):
        yield Fault("you must provide a model parameter")


RULES = (
    RequestRule("A request has a model.", _REFERENCE, _model),
    RequestRule("A request has messages.", _REFERENCE, required("messages")),
    RequestRule("Messages are a list of at least one object.", _REFERENCE, _messages),
    RequestRule("Every message has one of the known roles.", _REFERENCE, _roles),
    RequestRule(
        "A message has a content: a text or a list of parts.",
        "https://github.com/langchain-ai/langgraphjs/issues/506",
        _contents,
    ),
    RequestRule(
        "A list of tool calls is not empty, and each has an id, a type and arguments as a string.",
        "https://github.com/openai/openai-node/pull/1341",
        _calls,
    ),
    RequestRule(
        "Every tool call is followed by its result, and every result follows its call.",
        "https://github.com/dimagi/open-chat-studio/issues/1659",
        _pairs,
    ),
    RequestRule("Every tool has a type and a valid name.", _FUNCTIONS, _tools),
    RequestRule("A request has at most 128 tools.", _REFERENCE, at_most("tools", 128)),
    RequestRule("A tool choice names a tool of the request.", _REFERENCE, _tool_choice),
    RequestRule("Options of tools need tools.", "https://github.com/dapr/dapr-agents/issues/248", _only_with_tools),
    RequestRule(
        "A call in the history names a tool that this request or an earlier one offers.", _FUNCTIONS, _unknown_calls
    ),
    RequestRule(
        "Switches are true or false.",
        _REFERENCE,
        typed("a boolean", bool, "stream", "store", "logprobs", "parallel_tool_calls"),
    ),
    METADATA,
    RequestRule("Metadata needs store.", "https://github.com/spiceai/spiceai/pull/5231", _stored_metadata),
    RequestRule("The temperature is a number from 0 to 2.", _REFERENCE, numbers("temperature", 0, 2)),
    RequestRule("top_p is a number from 0 to 1.", _REFERENCE, numbers("top_p", 0, 1)),
    RequestRule("The frequency penalty is a number from -2 to 2.", _REFERENCE, numbers("frequency_penalty", -2, 2)),
    RequestRule("The presence penalty is a number from -2 to 2.", _REFERENCE, numbers("presence_penalty", -2, 2)),
    RequestRule("n is a whole number from 1 to 128.", _REFERENCE, numbers("n", 1, 128, whole=True)),
    RequestRule("max_tokens is a whole number of 1 or more.", _REFERENCE, numbers("max_tokens", 1, None, whole=True)),
    RequestRule(
        "max_completion_tokens is a whole number of 1 or more.",
        _REFERENCE,
        numbers("max_completion_tokens", 1, None, whole=True),
    ),
    RequestRule(
        "A request has one of max_tokens and max_completion_tokens.",
        "https://platform.openai.com/docs/api-reference/chat/create#chat_create-max_tokens",
        _limits,
    ),
    RequestRule("top_logprobs is a whole number from 0 to 20.", _REFERENCE, numbers("top_logprobs", 0, 20, whole=True)),
    RequestRule("top_logprobs needs logprobs.", _REFERENCE, _top_logprobs),
    RequestRule("A request has at most 4 stop sequences.", _REFERENCE, at_most("stop", 4)),
    RequestRule("stream_options needs stream.", _REFERENCE, _stream_options),
    RequestRule(
        "Models of the o series have max_completion_tokens, and no other temperature than 1.",
        "https://github.com/enoch3712/ExtractThinker/issues/327",
        _reasoning,
    ),
    RequestRule("A response format has a known type, and a schema has a name.", _REFERENCE, _response_format),
    RequestRule(
        "JSON mode needs the word JSON in a message.",
        "https://platform.openai.com/docs/guides/structured-outputs#json-mode",
        _json_word,
    ),
    RequestRule("A strict schema has closed objects that require all properties.", _SCHEMAS, _strict_schemas),
)
"""The rules of chat completions, in the order in which they are checked."""
