"""The rules of OpenAI's responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.server.request_rules.openai_chat import REASONING, name_faults, tool_faults
from pytest_streamval.server.request_rules.openai_words import (
    METADATA,
    missing,
    numbers,
    open_objects,
    typed,
    wrong_type,
    wrong_value,
)
from pytest_streamval.server.request_rules.rule import Fault, RequestRule, dict_in, dicts_in, is_number, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.server.request_rules.rule import Body

_REFERENCE = "https://platform.openai.com/docs/api-reference/responses/create"
_MIGRATION = "https://platform.openai.com/docs/guides/migrate-to-responses"
_FUNCTIONS = "https://platform.openai.com/docs/guides/function-calling"
_SCHEMAS = "https://platform.openai.com/docs/guides/structured-outputs#supported-schemas"
_ROLES = ("assistant", "system", "developer", "user")
_STATE = ("previous_response_id", "conversation")  # fields that refer to earlier items
_TOOL_CHOICES = ("none", "auto", "required")
_FORMATS = ("json_object", "json_schema", "text")
_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
_OF_ASSISTANT, _OF_OTHERS = ("output_text", "refusal"), ("input_text", "input_image", "input_file")
# parts of the messages of other protocols, which are sent here by mistake
_FOREIGN_PARTS = ("text", "image_url", "image", "tool_use", "tool_result")
_MOVED = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "messages": "input",
}
_UNKNOWN = ("n", "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "functions")


def _input(body: Body) -> Iterator[Fault]:
    value = body.get("input")
    if not value and not any(body.get(name) for name in (*_STATE, "prompt")):
        if "input" not in body:
            yield missing("input")
        elif value is None or isinstance(value, str | list):
            words = "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided."
            yield Fault(words, None, "missing_required_parameter")
    if value is not None and not isinstance(value, str | list):
        yield wrong_type("input", "one of an array of objects or string", value)
    for place, item in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(item, dict):
            yield wrong_type(f"input[{place}]", "an object", item)


def _items(body: Body) -> Iterator[Fault]:
    for place, item in dicts_in(body.get("input")):
        role = item.get("role")
        if role is not None and role not in _ROLES:
            yield wrong_value(f"input[{place}].role", role, _ROLES)
        elif role is None and item.get("type") == "message":
            yield missing(f"input[{place}].role")
        elif item.get("type") is None and role is None and item.get("id") is None:
            yield missing(f"input[{place}].type")


def _parts(body: Body) -> Iterator[Fault]:
    for place, item in dicts_in(body.get("input")):
        if item.get("role") not in _ROLES:
            continue
        is_assistant = item["role"] == "assistant"
        own, others = (_OF_ASSISTANT, _OF_OTHERS) if is_assistant else (_OF_OTHERS, ())
        for number, part in dicts_in(item.get("content")):
            path, kind = f"input[{place}].content[{number}]", part.get("type")
            if kind is None:
                yield missing(f"{path}.type")
            elif kind in (*others, *_FOREIGN_PARTS):
                yield wrong_value(f"{path}.type", kind, own)


def _calls(body: Body) -> Iterator[Fault]:
    for place, item in dicts_in(body.get("input")):
        path = f"input[{place}]"
        if item.get("type") == "function_call":
            yield from (
                missing(f"{path}.{name}") for name in ("call_id", "name", "arguments") if item.get(name) is None
            )
            if item.get("arguments") is not None and not isinstance(item["arguments"], str):
                yield wrong_type(f"{path}.arguments", "a string", item["arguments"])
        elif item.get("type") == "function_call_output":
            yield from (missing(f"{path}.{name}") for name in ("call_id", "output") if item.get(name) is None)


def _pairs(body: Body) -> Iterator[Fault]:
    """Yield the outputs without a call and the calls without an output.

    Earlier responses, conversations and references may have their other halves.
    """
    items = [item for _, item in dicts_in(body.get("input"))]
    if any(body.get(name) for name in _STATE) or any(item.get("type") == "item_reference" for item in items):
        return
    for call, output in _CALLS.items():
        calls, outputs = _idents(items, call), _idents(items, output)
        for ident in outputs:
            if ident not in calls:
                yield Fault(f"No tool call found for function call output with call_id {shown(ident)}.", "input")
        for ident in calls:
            if ident not in outputs:
                yield Fault(f"No tool output found for function call {shown(ident)}.", "input")


def _idents(items: list[dict[str, object]], kind: str) -> dict[str, None]:
    """Return the ids of the items of a kind, in order."""
    found = (item.get("call_id") for item in items if item.get("type") == kind)
    return dict.fromkeys(ident for ident in found if isinstance(ident, str))


def _previous(body: Body) -> Iterator[Fault]:
    """Yield the reference to an earlier response, which may be known."""
    ident = body.get("previous_response_id")
    if isinstance(ident, str) and ident:
        words = f"Previous response with id '{shown(ident)}' not found."
        yield Fault(words, "previous_response_id", "previous_response_not_found", response=ident)


def _model(body: Body) -> Iterator[Fault]:
    if not body.get("model") and not body.get("prompt"):
        yield missing("model")


def _moved(body: Body) -> Iterator[Fault]:
    for name, place in _MOVED.items():
        if body.get(name) is not None:
            words = f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{place}'."
            yield Fault(f"{words} Try again with the new parameter.", name, "unsupported_parameter")


def _unknown(body: Body) -> Iterator[Fault]:
    for name in _UNKNOWN:
        if body.get(name) is not None:
            yield Fault(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def _tools(body: Body) -> Iterator[Fault]:
    return tool_faults(body, name_faults)


def _offered(body: Body) -> set[str]:
    tools = [tool for _, tool in dicts_in(body.get("tools"))]
    tools += [tool for group in tools for _, tool in dicts_in(group.get("tools"))]  # of a namespace
    names = (tool.get("name") for tool in tools if tool.get("type") in ("function", "custom"))
    return {name for name in names if isinstance(name, str)}


def _tool_choice(body: Body) -> Iterator[Fault]:
    choice = body.get("tool_choice")
    if isinstance(choice, str) and choice not in _TOOL_CHOICES:
        yield wrong_value("tool_choice", choice, _TOOL_CHOICES)
    given = dict_in(choice)
    name = given.get("name")
    if given.get("type") != "function" or body.get("prompt"):  # a prompt may have tools of its own
        return
    if isinstance(name, str) and name not in _offered(body):
        yield Fault(f"Tool choice '{shown(name)}' not found in 'tools' parameter.", "tool_choice")


def _unknown_calls(body: Body) -> Iterator[Fault]:
    offered = _offered(body)
    for place, item in dicts_in(body.get("input") if offered else None):
        name = item.get("name")
        if item.get("type") == "function_call" and isinstance(name, str) and name not in offered:
            words = f"The call '{shown(name)}' names no tool of this request or an earlier one."
            yield Fault(words, f"input[{place}].name", tool=name)


def _reasoning(body: Body) -> Iterator[Fault]:
    model, temperature = body.get("model"), body.get("temperature")
    if isinstance(model, str) and REASONING.fullmatch(model) and is_number(temperature) and temperature != 1:
        words = "Unsupported parameter: 'temperature' is not supported with this model."
        yield Fault(words, "temperature", "unsupported_parameter")


def _format(body: Body) -> Iterator[Fault]:
    given = dict_in(body.get("text")).get("format")
    if not isinstance(given, dict):
        return
    kind = given.get("type")
    if kind is None:
        yield missing("text.format.type")
    elif kind not in _FORMATS:
        yield wrong_value("text.format.type", kind, _FORMATS)
    elif kind == "json_schema":
        yield from (missing(f"text.format.{name}") for name in ("name", "schema") if given.get(name) is None)


def _strict_schemas(body: Body) -> Iterator[Fault]:
    given = dict_in(dict_in(body.get("text")).get("format"))
    if given.get("strict") is True:
        title = f"response_format '{shown(given.get('name'))}'"
        yield from open_objects(given.get("schema"), title, "text.format.schema", "invalid_json_schema")
    for place, tool in dicts_in(body.get("tools")):
        if tool.get("type") == "function" and tool.get("strict") is True:
            title, path = f"function '{shown(tool.get('name'))}'", f"tools[{place}].parameters"
            yield from open_objects(tool.get("parameters"), title, path, "invalid_function_parameters")


RULES = (
    RequestRule("Options of chat completions have other names here.", _MIGRATION, _moved),
    RequestRule("Some options of chat completions do not exist here.", _MIGRATION, _unknown),
    RequestRule("A request has a model.", _REFERENCE, _model),
    RequestRule("A request has an input, a text or a list of items.", _REFERENCE, _input),
    RequestRule("Every item has a type or one of the known roles.", _REFERENCE, _items),
    RequestRule("The parts of a message fit its role.", _REFERENCE, _parts),
    RequestRule("A call has a name and arguments as a string, and its output a call_id.", _REFERENCE, _calls),
    RequestRule(
        "Every call has its output, and every output follows its call.",
        "https://github.com/agentscope-ai/AgentTeams/issues/299",
        _pairs,
    ),
    RequestRule(
        'The previous response is one that this server has sent, without "store": false.',
        "https://github.com/maximhq/bifrost/issues/2441",
        _previous,
    ),
    RequestRule("Every tool has a type, and a function has a valid name.", _FUNCTIONS, _tools),
    RequestRule("A tool choice names a tool of the request.", _REFERENCE, _tool_choice),
    RequestRule(
        "A call in the history names a tool that this request or an earlier one offers.", _FUNCTIONS, _unknown_calls
    ),
    RequestRule(
        "Switches are true or false.",
        _REFERENCE,
        typed("a boolean", bool, "stream", "store", "parallel_tool_calls", "background"),
    ),
    METADATA,
    RequestRule("The instructions are a text.", _REFERENCE, typed("a string", (str, list), "instructions")),
    RequestRule("The temperature is a number from 0 to 2.", _REFERENCE, numbers("temperature", 0, 2)),
    RequestRule("top_p is a number from 0 to 1.", _REFERENCE, numbers("top_p", 0, 1)),
    RequestRule(
        "max_output_tokens is a whole number of 16 or more.",
        "https://github.com/vectorize-io/hindsight/issues/58",
        numbers("max_output_tokens", 16, None, whole=True),
    ),
    RequestRule("top_logprobs is a whole number from 0 to 20.", _REFERENCE, numbers("top_logprobs", 0, 20, whole=True)),
    RequestRule("Models of the o series have no temperature.", _REFERENCE, _reasoning),
    RequestRule("The format of the text has a known type, and a schema has a name.", _REFERENCE, _format),
    RequestRule("A strict schema has closed objects that require all properties.", _SCHEMAS, _strict_schemas),
)
"""The rules of responses, in the order in which they are checked."""
