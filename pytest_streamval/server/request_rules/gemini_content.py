"""The rules of Gemini's generateContent."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.server.request_rules.rule import Fault, RequestRule, dict_in, is_integer, is_number, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.server.request_rules.rule import Body, Check

_REFERENCE = "https://ai.google.dev/api/generate-content"
_FUNCTIONS = "https://ai.google.dev/gemini-api/docs/function-calling"
_CONFIG = "https://ai.google.dev/api/generate-content#generationconfig"
_SIGNATURES = "https://ai.google.dev/gemini-api/docs/thought-signatures"
_ROLES = ("user", "model", "function", "tool")  # the last two are old names for a turn of the user with results
_MODES = ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")
_MEDIA_TYPES = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")
_OF_OTHERS = (
    "messages",
    "input",
    "prompt",
    "n",
    "stream",
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "response_format",
)
_OF_OTHER_CONFIGS = ("n", "max_tokens", "maxTokens", "stop", "response_format")
# the fields of a part that are not its data
_NO_DATA = {"thought", "thoughtSignature", "thought_signature", "videoMetadata", "video_metadata", "partMetadata"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_SIGNED = re.compile(r"(?:models/)?gemini-3.*")  # models that check the signatures of calls


class _Turn(NamedTuple):
    """A content, with its place and the numbers of its calls and results."""

    place: int
    role: str
    parts: list[dict[str, object]]
    calls: int
    results: int


def _field(body: Body, name: str) -> object:
    """Return a field that may have its name in either form: `toolConfig` or `tool_config`."""
    value = body.get(name)
    return value if value is not None else body.get(_snake(name))


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


def _listed(value: object) -> list[object]:
    """Return the items of a list. The provider takes a single object for a list of one."""
    return [value] if isinstance(value, dict) else value if isinstance(value, list) else []


def _dicts(value: object) -> Iterator[tuple[int, dict[str, object]]]:
    for place, each in enumerate(_listed(value)):
        if isinstance(each, dict):
            yield place, each


def _turns(body: Body) -> list[_Turn]:
    turns: list[_Turn] = []
    for place, content in _dicts(body.get("contents")):
        parts = [part for _, part in _dicts(content.get("parts"))]
        calls = sum(_field(part, "functionCall") is not None for part in parts)
        results = sum(_field(part, "functionResponse") is not None for part in parts)
        turns.append(_Turn(place, str(content.get("role") or "user"), parts, calls, results))
    return turns


def _contents(body: Body) -> Iterator[Fault]:
    value = body.get("contents")
    if not value:
        yield Fault("* GenerateContentRequest.contents: contents is not specified\n")
    elif not isinstance(value, list | dict):
        yield Fault("Invalid value at 'contents' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content)")
    for place, content in enumerate(_listed(value)):
        if not isinstance(content, dict):
            kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.Content"
            yield Fault(f"Invalid value at 'contents[{place}]' ({kind})")
        elif not isinstance(content.get("parts"), list | dict) or content.get("parts") == []:
            yield Fault(f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty.\n")


def _parts(body: Body) -> Iterator[Fault]:
    for turn in _turns(body):
        for number, part in enumerate(turn.parts):
            if not part.keys() - _NO_DATA or part == {"text": ""}:
                path = f"GenerateContentRequest.contents[{turn.place}].parts[{number}].data"
                yield Fault(f"* {path}: required oneof field 'data' must have one initialized field\n")


def _roles(body: Body) -> Iterator[Fault]:
    for _, content in _dicts(body.get("contents")):
        if content.get("role") not in (None, "", *_ROLES):
            yield Fault("Please use a valid role: user, model.")


def _steps(body: Body) -> list[tuple[int, int, bool]]:
    """Return the calls and the results of each step, and whether it is the model's. Contents in a row are one step."""
    steps: list[tuple[int, int, bool]] = []
    for turn in _turns(body):
        is_model = turn.role == "model"
        if steps and steps[-1][2] == is_model:
            calls, results, _ = steps.pop()
            steps.append((calls + turn.calls, results + turn.results, is_model))
        else:
            steps.append((turn.calls, turn.results, is_model))
    return steps


def _order(body: Body) -> Iterator[Fault]:
    calls_before = 0
    for number, (calls, results, _) in enumerate(_steps(body)):
        if calls and not number:
            words = "Please ensure that function call turn comes immediately after a user turn"
            yield Fault(f"{words} or after a function response turn.")
        if results and not calls_before:
            yield Fault("Please ensure that function response turn comes immediately after a function call turn.")
        calls_before = calls


def _pairs(body: Body) -> Iterator[Fault]:
    for (calls, _, _), (_, results, _) in pairwise(_steps(body)):
        if calls and calls != results:
            words = "Please ensure that the number of function response parts is equal to the number of function"
            yield Fault(f"{words} call parts of the function call turn.")


def _signatures(body: Body) -> Iterator[Fault]:
    model = body.get("model")
    if not isinstance(model, str) or _SIGNED.fullmatch(model) is None:
        return
    turns = _turns(body)
    starts = [number for number, turn in enumerate(turns) if turn.role != "model" and not turn.results]
    for turn in turns[starts[-1] :] if starts else turns:
        calls = [part for part in turn.parts if _field(part, "functionCall") is not None]
        if calls and _field(calls[0], "thoughtSignature") is None:
            name = dict_in(_field(calls[0], "functionCall")).get("name")
            words = f"Function call `{shown(name)}` in the `{turn.place + 1}.` content block"
            yield Fault(f"{words} is missing a `thought_signature`. This is required for tools to work correctly.")


def _unknown_names(body: Body) -> Iterator[Fault]:
    words = "Invalid JSON payload received. Unknown name"
    yield from (Fault(f'{words} "{name}": Cannot find field.') for name in _OF_OTHERS if name in body)
    config = dict_in(_field(body, "generationConfig"))
    for name in _OF_OTHER_CONFIGS:
        if name in config:
            yield Fault(f"{words} \"{name}\" at 'generation_config': Cannot find field.")


def _declared(body: Body) -> list[object]:
    tools = [tool for _, tool in _dicts(body.get("tools"))]
    return [each.get("name") for tool in tools for _, each in _dicts(_field(tool, "functionDeclarations"))]


def _tools(body: Body) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, name in enumerate(_declared(body)):
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            path = f"* GenerateContentRequest.tools[0].function_declarations[{number}].name"
            yield Fault(f"{path}: Invalid function name. Must start with a letter or an underscore.\n")
        elif name in seen:
            yield Fault(f"Duplicate function declaration found: {shown(name)}")
        seen.update([name] if isinstance(name, str) else ())


def _tool_config(body: Body) -> Iterator[Fault]:
    config = dict_in(_field(dict_in(_field(body, "toolConfig")), "functionCallingConfig"))
    mode, allowed = config.get("mode"), _listed(_field(config, "allowedFunctionNames"))
    if isinstance(mode, str) and mode.upper() not in _MODES:
        yield Fault(f"Invalid value at 'tool_config.function_calling_config.mode', \"{shown(mode)}\"")
    declared = {name for name in _declared(body) if isinstance(name, str)}
    if any(isinstance(name, str) and name not in declared for name in allowed):
        yield Fault("allowed_function_names should be a subset of the provided function_declarations.")


def _unknown_calls(body: Body) -> Iterator[Fault]:
    declared = {name for name in _declared(body) if isinstance(name, str)}
    for turn in _turns(body) if declared else ():
        for part in turn.parts:
            name = dict_in(_field(part, "functionCall")).get("name")
            if isinstance(name, str) and name not in declared:
                call = f"The call `{shown(name)}` in contents[{turn.place}]"
                yield Fault(f"{call} names no function of this request or an earlier one.", tool=name)


def _number(name: str, lowest: float, highest: float | None = None, *, whole: bool = False) -> Check:
    """Return the check of a number in the configuration, both ends included."""
    path = f"generation_config.{_snake(name)}"

    def check(body: Body) -> Iterator[Fault]:
        value = _field(dict_in(_field(body, "generationConfig")), name)
        if value is None or isinstance(value, str):  # numbers may also be strings in the JSON of protocol buffers
            return
        if not isinstance(value, int | float) or not is_number(value) or (whole and not is_integer(value)):
            kind = "TYPE_INT32" if whole else "TYPE_FLOAT"
            yield Fault(f"Invalid value at '{path}' ({kind}), {shown(value)}")
        elif value < lowest or (highest is not None and value > highest):
            end = f"[{lowest:g}, {highest:g}]" if highest is not None else f"[{lowest:g}, ∞)"
            yield Fault(f"* GenerateContentRequest.{path}: {_snake(name)} must be in the range {end}.\n")

    return check


def _media_type(body: Body) -> Iterator[Fault]:
    value = _field(dict_in(_field(body, "generationConfig")), "responseMimeType")
    if isinstance(value, str) and value and value not in _MEDIA_TYPES:
        names = ", ".join(f"`{each}`" for each in _MEDIA_TYPES[:-1])
        path = "* GenerateContentRequest.generation_config.response_mime_type"
        yield Fault(f"{path}: allowed mimetypes are {names} and `{_MEDIA_TYPES[-1]}`.\n")


RULES = (
    RequestRule("Fields of other protocols do not exist here.", _REFERENCE, _unknown_names),
    RequestRule("A request has contents with parts.", _REFERENCE, _contents),
    RequestRule("The roles are user and model.", _REFERENCE, _roles),
    RequestRule("Every part has data.", _REFERENCE, _parts),
    RequestRule(
        "A call comes after a turn of the user, and a result after its call.",
        "https://github.com/google-gemini/gemini-cli/issues/11814",
        _order,
    ),
    RequestRule(
        "Every call has its result in the next turn.", "https://github.com/google-gemini/gemini-cli/issues/5443", _pairs
    ),
    RequestRule("The calls of Gemini 3 have their signatures.", _SIGNATURES, _signatures),
    RequestRule("Every function has a valid name of its own.", _FUNCTIONS, _tools),
    RequestRule("The mode of calls is known, and the allowed functions are declared.", _FUNCTIONS, _tool_config),
    RequestRule(
        "A call in the history names a function that this request or an earlier one declares.",
        _FUNCTIONS,
        _unknown_calls,
    ),
    RequestRule("The temperature is a number from 0 to 2.", _CONFIG, _number("temperature", 0, 2)),
    RequestRule("topP is a number from 0 to 1.", _CONFIG, _number("topP", 0, 1)),
    RequestRule("candidateCount is a whole number from 1 to 8.", _CONFIG, _number("candidateCount", 1, 8, whole=True)),
    RequestRule("maxOutputTokens is a whole number of 1 or more.", _CONFIG, _number("maxOutputTokens", 1, whole=True)),
    RequestRule("The type of the response is known.", _CONFIG, _media_type),
)
"""The rules of generateContent, in the order in which they are checked."""
