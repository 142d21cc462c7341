"""The providers' rules about requests, as tables: one module for each protocol.

A rule refuses only what its provider is known to refuse. An option that a provider ignores is no rule, and neither is a
combination about which nothing is known. One rule is stricter than the providers: a call in the history names a tool
that some request to the server has offered. No model has made any other call.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_streamval.server.request_rules.anthropic_messages import RULES as _ANTHROPIC
from pytest_streamval.server.request_rules.gemini_content import RULES as _GEMINI
from pytest_streamval.server.request_rules.ollama_requests import CHAT_RULES as _OLLAMA_CHAT
from pytest_streamval.server.request_rules.ollama_requests import GENERATE_RULES as _OLLAMA_GENERATE
from pytest_streamval.server.request_rules.openai_chat import RULES as _OPENAI
from pytest_streamval.server.request_rules.openai_responses import RULES as _RESPONSES
from pytest_streamval.server.request_rules.rule import BrokenRule
from pytest_streamval.wire.json_values import json_text

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from pytest_streamval.server.request_rules.rule import Body, Fault, RequestRule
    from pytest_streamval.wire.adapter import Adapter
    from pytest_streamval.wire.request_and_answer import ParsedRequest

RULES: Mapping[tuple[str, str], tuple[RequestRule, ...]] = {
    ("openai", ""): _OPENAI,
    ("openai-responses", ""): _RESPONSES,
    ("anthropic", ""): _ANTHROPIC,
    ("gemini", ""): _GEMINI,
    ("ollama", "chat"): _OLLAMA_CHAT,
    ("ollama", "generate"): _OLLAMA_GENERATE,
}
"""The rules by the protocol and its endpoint, in the order in which they are checked."""


def broken_rules(
    adapter: Adapter,
    request: ParsedRequest,
    body: Body,
    offered: Container[str] = (),
    stored: Container[str] | None = None,
) -> list[BrokenRule]:
    """Return the rules that a request breaks, each with the first place that breaks it.

    Args:
        adapter: The protocol.
        request: The parsed request. Its path may have the name of the model, if the body has none.
        body: The body of the request.
        offered: The tools that earlier requests have offered. A history may have calls of them, such as a handoff from
            one agent to another.
        stored: The identifiers of the responses that a request can refer to, or None if they are not known.
    """

    def is_known(fault: Fault) -> bool:
        return fault.tool in offered if fault.response is None else stored is None or fault.response in stored

    complete = {**body, "model": request.model} if request.model and not body.get("model") else body
    rules = RULES.get((adapter.protocol, request.endpoint), ())
    found = ((rule, next((each for each in rule.check(complete) if not is_known(each)), None)) for rule in rules)
    return [BrokenRule(rule, fault) for rule, fault in found if fault is not None]


def refusal_of(broken: Sequence[BrokenRule]) -> BrokenRule | None:
    """Return the first of the broken rules for which the provider refuses a request."""
    return next((each for each in broken if each.rule.refuses), None)


def error_body(adapter: Adapter, kind: str, broken: BrokenRule) -> bytes:
    """Return the body of the error for a refused request, in the provider's form, with the rule and its source.

    Args:
        adapter: The protocol.
        kind: The provider's name for the error.
        broken: The rule that the request breaks.
    """
    body = json.loads(adapter.encode_error(kind, str(broken)))
    error = body["error"] if isinstance(body, dict) else None  # Gemini has arrays too, without a field for these
    if isinstance(error, dict) and "param" in error:
        error.update(param=broken.fault.param, code=broken.fault.code)
    return json_text(body).encode()
