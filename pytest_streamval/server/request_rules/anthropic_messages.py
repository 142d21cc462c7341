"""The rules of Anthropic's messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.server.request_rules.anthropic_words import forbidden, numbers, required, typed
from pytest_streamval.server.request_rules.rule import Fault, RequestRule, dict_in, dicts_in, is_number, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.server.request_rules.rule import Body

_REFERENCE = "https://platform.claude.com/docs/en/api/messages/create"
_TOOLS = "https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use"
_THINKING = "https://platform.claude.com/docs/en/build-with-claude/extended-thinking"
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_NAME_RULE = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"
_TOOL_CHOICES = ("auto", "any", "tool", "none")
_FORCED = ("any", "tool")
# models that know no system messages after the first one
_BEFORE_SYSTEM_MESSAGES = re.compile(r"claude-(?:[23]|instant|(?:opus|sonnet|haiku)-4-(?:[0-7](?!\d)|20\d{6})).*")
_OF_OPENAI = ("n", "stop", "seed", "response_format", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs")
_ALSO_OF_OPENAI = ("max_completion_tokens", "parallel_tool_calls", "functions", "input", "contents", "prompt")


class _Turn(NamedTuple):
    """The blocks of messages of one role that follow each other, which the provider joins."""

    place: int
    role: object
    blocks: list[tuple[str, dict[str, object]]]
    """The blocks with their paths."""


def _turns(body: Body) -> list[_Turn]:
    turns: list[_Turn] = []
    for place, message in dicts_in(body.get("messages")):
        blocks = [(f"messages.{place}.content.{n}", block) for n, block in dicts_in(message.get("content"))]
        if isinstance(text := message.get("content"), str):
            blocks = [(f"messages.{place}.content", {"type": "text", "text": text})]
        if turns and turns[-1].role == message.get("role"):
            turns[-1].blocks.extend(blocks)
        else:
            turns.append(_Turn(place, message.get("role"), blocks))
    return turns


def _messages(body: Body) -> Iterator[Fault]:
    messages = body.get("messages")
    if messages is not None and not isinstance(messages, list):
        yield Fault("messages: Input should be a valid list")
    elif messages == []:
        yield Fault("messages: at least one message is required")
    for place, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, dict):
            yield Fault(f"messages.{place}: Input should be a valid dictionary")
            continue
        yield from (
            Fault(f"messages.{place}.{name}: Field required") for name in ("role", "content") if name not in message
        )
        if "content" in message and not isinstance(message["content"], str | list):
            yield Fault(f"messages.{place}.content: Input should be a valid list")


def _roles(body: Body) -> Iterator[Fault]:
    model = body.get("model")
    is_old = isinstance(model, str) and _BEFORE_SYSTEM_MESSAGES.fullmatch(model) is not None
    for place, message in dicts_in(body.get("messages")):
        role = message.get("role")
        if role == "system" and (is_old or place == 0):
            words = 'The Messages API accepts a top-level `system` parameter, not "system" as an input message role.'
            yield Fault(f'messages: Unexpected role "system". {words}')
        elif role not in ("user", "assistant", "system", None):
            yield Fault(f'messages: Unexpected role "{shown(role)}". Allowed roles are "user" or "assistant"')


def _first(body: Body) -> Iterator[Fault]:
    first = next(dicts_in(body.get("messages")), (0, {}))[1]
    if first.get("role") == "assistant":
        yield Fault('messages: first message must use the "user" role')


def _contents(body: Body) -> Iterator[Fault]:
    messages = body.get("messages")
    last = len(messages) - 1 if isinstance(messages, list) else 0
    for place, message in dicts_in(messages):
        content = message.get("content")
        if content in ("", []) and not (place == last and message.get("role") == "assistant"):
            words = "all messages must have non-empty content except for the optional final assistant message"
            yield Fault(f"messages.{place}: {words}")
        for number, block in dicts_in(content):
            if not isinstance(block.get("type"), str):
                yield Fault(f"messages.{place}.content.{number}.type: Field required")
            elif block["type"] == "text" and block.get("text") == "":
                yield Fault("messages: text content blocks must be non-empty")
            elif block["type"] == "tool_use":
                yield from _call(f"messages.{place}.content.{number}.tool_use", block)


def _call(path: str, block: dict[str, object]) -> Iterator[Fault]:
    yield from (Fault(f"{path}.{name}: Field required") for name in ("id", "name", "input") if block.get(name) is None)
    if block.get("input") is not None and not isinstance(block["input"], dict):
        yield Fault(f"{path}.input: Input should be a valid dictionary")


def _idents(turn: _Turn | None, kind: str, field: str) -> list[tuple[str, str]]:
    """Return the ids in the blocks of a kind, with the paths of the blocks."""
    found = (
        [] if turn is None else [(path, block.get(field)) for path, block in turn.blocks if block.get("type") == kind]
    )
    return [(path, ident) for path, ident in found if isinstance(ident, str)]


def _pairs(body: Body) -> Iterator[Fault]:
    turns = _turns(body)
    before: _Turn | None = None
    seen: set[str] = set()
    for number, turn in enumerate(turns):
        calls = _idents(turn, "tool_use", "id") if turn.role == "assistant" else []
        after = turns[number + 1] if number + 1 < len(turns) else None
        answered = {ident for _, ident in _idents(after, "tool_result", "tool_use_id")}
        if missing := [ident for _, ident in calls if ident not in answered]:
            words = "`tool_use` ids were found without `tool_result` blocks immediately after"
            rule = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            yield Fault(f"messages.{turn.place}: {words}: {', '.join(map(shown, missing))}. {rule}")
        for path, ident in calls:
            if ident in seen:
                yield Fault(f"{path}: `tool_use` ids must be unique")
            seen.add(ident)
        known = {ident for _, ident in _idents(before, "tool_use", "id")}
        for path, ident in _idents(turn, "tool_result", "tool_use_id"):
            if ident not in known:
                words = f"unexpected `tool_use_id` found in `tool_result` blocks: {shown(ident)}."
                rule = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                yield Fault(f"{path}: {words} {rule}")
        before = turn


def _results_first(body: Body) -> Iterator[Fault]:
    for place, message in dicts_in(body.get("messages")):
        kinds = [block.get("type") for _, block in dicts_in(message.get("content"))]
        if "tool_result" in kinds and "text" in kinds[: kinds.index("tool_result")]:
            words = "`tool_use` ids were found without `tool_result` blocks immediately after"
            yield Fault(f"messages.{place - 1}: {words}: a text comes before the results in messages.{place}.")


def _blocks_need_tools(body: Body) -> Iterator[Fault]:
    kinds = [block.get("type") for turn in _turns(body) for _, block in turn.blocks]
    if not body.get("tools") and ("tool_use" in kinds or "tool_result" in kinds):
        yield Fault("Requests which include `tool_use` or `tool_result` blocks must define tools.")


def _tools(body: Body) -> Iterator[Fault]:
    tools, seen = body.get("tools"), set[str]()
    if tools is not None and not isinstance(tools, list):
        yield Fault("tools: Input should be a valid list")
    for place, tool in dicts_in(tools):
        name = tool.get("name")
        if tool.get("type") not in (None, "custom"):
            continue  # a tool of the provider itself
        yield from (
            Fault(f"tools.{place}.custom.{field}: Field required")
            for field in ("name", "input_schema")
            if tool.get(field) is None
        )
        if isinstance(name, str) and _NAME.fullmatch(name) is None:
            yield Fault(f"tools.{place}.custom.name: {_NAME_RULE}")
        elif isinstance(name, str) and name in seen:
            yield Fault("tools: Tool names must be unique.")
        schema = tool.get("input_schema")
        if isinstance(schema, dict) and schema.get("type") is None:
            yield Fault(f"tools.{place}.custom.input_schema.type: Field required")
        seen.update([name] if isinstance(name, str) else ())


def _offered(body: Body) -> set[str]:
    return {name for _, tool in dicts_in(body.get("tools")) if isinstance(name := tool.get("name"), str)}


def _tool_choice(body: Body) -> Iterator[Fault]:
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not isinstance(choice, dict):
        yield Fault("tool_choice: Input should be a valid dictionary or object to extract fields from")
        return
    kind, name = choice.get("type"), choice.get("name")
    if kind not in _TOOL_CHOICES:
        tags = ", ".join(f"'{each}'" for each in _TOOL_CHOICES)
        yield Fault(
            f"tool_choice: Input tag '{shown(kind)}' found using 'type' does not match any of the expected tags: {tags}"
        )
    elif not body.get("tools") and not body.get("mcp_servers"):
        yield Fault(f"tool_choice.{kind}: may only be specified while providing tools")
    elif kind == "tool" and name is None:
        yield Fault("tool_choice.tool.name: Field required")
    elif kind == "tool" and isinstance(name, str) and name not in _offered(body) and not body.get("mcp_servers"):
        yield Fault(f"Tool '{shown(name)}' not found in provided tools")


def _unknown_calls(body: Body) -> Iterator[Fault]:
    offered = _offered(body)
    for turn in _turns(body) if offered else ():
        for path, block in turn.blocks:
            name = block.get("name")
            if block.get("type") == "tool_use" and isinstance(name, str) and name not in offered:
                words = f"{path}: the call '{shown(name)}' names no tool of this request or an earlier one"
                yield Fault(words, tool=name)


def _budget(body: Body) -> Iterator[Fault]:
    thinking = dict_in(body.get("thinking"))
    budget, limit = thinking.get("budget_tokens"), body.get("max_tokens")
    if thinking.get("type") != "enabled":
        return
    if budget is None:
        yield Fault("thinking.enabled.budget_tokens: Field required")
    # interleaved thinking, with tools, may use more than max_tokens
    elif isinstance(budget, int) and isinstance(limit, int) and budget >= limit and not body.get("tools"):
        yield Fault("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _with_thinking(body: Body) -> Iterator[Fault]:
    if dict_in(body.get("thinking")).get("type") != "enabled":
        return
    temperature, top_p = body.get("temperature"), body.get("top_p")
    if is_number(temperature) and temperature != 1:
        yield Fault("`temperature` may only be set to 1 when thinking is enabled.")
    if isinstance(top_p, int | float) and top_p < 0.95:  # noqa: PLR2004  # the provider's limit
        yield Fault("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
    if body.get("top_k") is not None:
        yield Fault("`top_k` must be unset when thinking is enabled.")
    if dict_in(body.get("tool_choice")).get("type") in _FORCED:
        yield Fault("Thinking may not be enabled when tool_choice forces tool use.")


def _ending(body: Body) -> Iterator[Fault]:
    turns = _turns(body)
    if turns and turns[-1].role == "assistant" and turns[-1].blocks:
        text = turns[-1].blocks[-1][1].get("text")
        if isinstance(text, str) and text != text.rstrip():
            yield Fault("messages: final assistant content cannot end with trailing whitespace")


RULES = (
    RequestRule(
        "A request has a model, messages and max_tokens.", _REFERENCE, required("model", "messages", "max_tokens")
    ),
    RequestRule("Messages are a list of at least one object with a role and a content.", _REFERENCE, _messages),
    RequestRule(
        "The roles are user and assistant, and for newer models system after a message of the user.",
        "https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages",
        _roles,
    ),
    RequestRule("The first message is one of the user.", "https://github.com/tonyljx/TextWordExplain/issues/2", _first),
    RequestRule(
        "Messages and blocks of text are not empty, and a call has an object as its input.", _REFERENCE, _contents
    ),
    RequestRule("Options of OpenAI do not exist here.", _REFERENCE, forbidden(*_OF_OPENAI, *_ALSO_OF_OPENAI)),
    RequestRule(
        "Every call has its result in the next message, and every result its call in the previous one.",
        "https://github.com/anthropics/claude-code/issues/18947",
        _pairs,
    ),
    RequestRule("The results of calls come before any text of a message.", _TOOLS, _results_first),
    RequestRule(
        "A request with calls offers tools. (Newer models accept it without.)",
        "https://github.com/vercel/ai/pull/16987",
        _blocks_need_tools,
        refuses=False,
    ),
    RequestRule("Every tool has a valid name of its own and a schema with a type.", _TOOLS, _tools),
    RequestRule("A tool choice is an object, and names a tool of the request.", _TOOLS, _tool_choice),
    RequestRule(
        "A call in the history names a tool that this request or an earlier one offers.", _TOOLS, _unknown_calls
    ),
    RequestRule("max_tokens is a whole number that is not negative.", _REFERENCE, numbers("max_tokens", 0, whole=True)),
    RequestRule("The temperature is a number from 0 to 1.", _REFERENCE, numbers("temperature", 0, 1)),
    RequestRule("top_p is a number from 0 to 1.", _REFERENCE, numbers("top_p", 0, 1)),
    RequestRule("top_k is a whole number that is not negative.", _REFERENCE, numbers("top_k", 0, whole=True)),
    RequestRule("stream is true or false.", _REFERENCE, typed("boolean", bool, "stream")),
    RequestRule("The system prompt is a text or a list of blocks.", _REFERENCE, typed("list", (str, list), "system")),
    RequestRule("Stop sequences are a list.", _REFERENCE, typed("list", list, "stop_sequences")),
    RequestRule(
        "A budget of thinking is 1024 or more.",
        _THINKING,
        numbers("thinking.budget_tokens", 1024, whole=True, label="thinking.enabled.budget_tokens"),
    ),
    RequestRule("A budget of thinking is less than max_tokens.", _THINKING, _budget),
    RequestRule("Thinking allows no other temperature, no top_k and no forced tool.", _THINKING, _with_thinking),
    RequestRule(
        "An answer that the model continues does not end with white space. (Some models accept it.)",
        "https://platform.claude.com/docs/en/build-with-claude/prompt-engineering/prefill-claudes-response",
        _ending,
        refuses=False,
    ),
)
"""The rules of messages, in the order in which they are checked."""
