"""The providers' rules about requests: strict servers refuse, and other servers warn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval import InvalidArgumentError, ProviderServer
from pytest_streamval.server.request_rules import RULES, broken_rules, refusal_of
from pytest_streamval.wire.registry import ADAPTERS
from tests.server.accepted_requests import ACCEPTED
from tests.server.clients import CLOSE, exchange, parse, request
from tests.server.sample_requests import CHAT, TEXT, USER, Request, chat, messages
from tests.server.wrong_requests import WRONG

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_streamval.wire.request_and_answer import ParsedRequest

ALL_RULES = [(key, rule) for key, rules in RULES.items() for rule in rules]


def send(server: ProviderServer, given: Request) -> bytes:
    return exchange(server, request(given.body, given.path, CLOSE))


def words_of(answer: Any) -> str:
    error = answer["error"]
    return error if isinstance(error, str) else error["message"]


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_strict_server_refuses_what_the_provider_refuses(wrong: Request) -> None:
    with ProviderServer("Hello.", token_size=9, strict=True) as server:
        status, answer = parse(send(server, wrong))
        (entry,) = server.requests
    assert status == 400
    assert wrong.words in words_of(answer)
    assert "https://" in words_of(answer)
    assert wrong.words in entry.refusal
    assert len(list(server.unmet())) == 1  # its script is still there


@pytest.mark.parametrize("accepted", ACCEPTED.values(), ids=ACCEPTED)
def test_a_strict_server_accepts_what_the_provider_accepts(accepted: Request) -> None:
    with ProviderServer("Hello.", token_size=9, strict=True) as server:
        response = send(server, accepted)
        (entry,) = server.requests
    assert b"Hello." in response, response
    assert (entry.status, entry.refusal) == (200, "")


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_another_server_answers_a_wrong_request_with_a_warning(wrong: Request) -> None:
    with ProviderServer("Hello.", token_size=9) as server:
        response = send(server, wrong)
        (entry,) = server.requests
    assert b"Hello." in response
    assert any(wrong.words in each and "https://" in each for each in entry.warnings)
    assert (entry.status, entry.refusal) == (200, "")


def test_every_rule_that_refuses_has_a_wrong_request() -> None:
    found = {id(each.rule) for wrong in WRONG.values() for each in broken_rules(*_parsed(wrong), stored=())}
    untested = [rule.words for _, rule in ALL_RULES if rule.refuses and id(rule) not in found]
    assert untested == []


def _parsed(given: Request) -> tuple[Any, ParsedRequest, dict[str, Any]]:
    for adapter in ADAPTERS.values():
        parsed = adapter.parse_request(given.path, given.body)
        if parsed is not None:
            return adapter, parsed, given.body
    raise AssertionError(given.path)


def test_every_rule_has_a_sentence_and_a_source() -> None:
    for _, rule in ALL_RULES:
        assert rule.words[-1] in ".)"
        assert rule.source.startswith("https://")


@pytest.mark.parametrize("name", [name for name in WRONG if "with a call of an unknown" in name])
def test_a_strict_server_accepts_the_call_of_a_tool_that_an_earlier_request_has_offered(name: str) -> None:
    wrong = WRONG[name]
    earlier = {key: value for key, value in wrong.body.items() if key not in ("messages", "input", "contents")}
    asked = (
        {"contents": [TEXT]} if "contents" in wrong.body else {"input" if "input" in wrong.body else "messages": [USER]}
    )
    tools = json.loads(json.dumps(wrong.body["tools"]).replace('"sub"', '"add"'))
    with ProviderServer("One.", "Two.", token_size=9, strict=True) as server:
        for body in ({**earlier, **asked, "tools": tools}, wrong.body):
            assert b" 200 " in send(server, Request(wrong.path, body)).partition(b"\r\n")[0]
        assert not server.requests[1].warnings


def test_an_error_of_openai_has_its_param_and_its_code() -> None:
    with ProviderServer(strict=True) as server:
        error = parse(send(server, chat(temperature=3)))[1]["error"]
    assert (error["param"], error["code"]) == ("temperature", "decimal_above_max_value")
    assert error["type"] == "invalid_request_error"


def test_an_error_of_anthropic_has_its_form() -> None:
    with ProviderServer(strict=True) as server:
        answer = parse(send(server, messages(max_tokens=None)))[1]
    assert (answer["type"], answer["error"]["type"]) == ("error", "invalid_request_error")


def test_a_warning_has_no_secrets() -> None:
    wrong = Request(f"{CHAT}?key=planted-secret-1", {**chat().body, "tool_choice": "planted-secret-1"})
    with ProviderServer("Hello.", token_size=9) as server:
        send(server, wrong)
        assert server.requests[0].warnings
        assert "planted-secret-1" not in str(server.requests[0].warnings)


def test_a_strict_server_holds_recorded_requests_to_the_rules_too(tmp_path: Path) -> None:
    with ProviderServer(cassettes=tmp_path, strict=True) as server:
        assert "Missing required parameter" in words_of(parse(send(server, chat(messages=None)))[1])


def test_strict_is_true_or_false() -> None:
    with pytest.raises(InvalidArgumentError, match="It must be True or False"):
        ProviderServer("Hello.", strict="yes")


# Any JSON

NAMES = sorted(
    {name for each in (*WRONG.values(), *ACCEPTED.values()) for name in json.dumps(each.body).split('"')[1::2]}
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=60)
@given(
    st.sampled_from([*WRONG.values(), *ACCEPTED.values()]), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4)
)
def test_no_rule_fails_for_any_json(start: Request, changes: dict[str, Any]) -> None:
    adapter, parsed, body = _parsed(start)
    refusal_of(broken_rules(adapter, parsed, {**body, **changes}))
    for name in body:
        for value in changes.values():
            refusal_of(broken_rules(adapter, parsed, {**body, name: value}))
            refusal_of(broken_rules(adapter, parsed, {**body, name: [value]}))


def test_the_time_of_the_rules_is_linear_in_the_number_of_messages() -> None:
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": "add", "arguments": "{}"}} for n in range(20_000)
    ]
    results = [{"role": "tool", "tool_call_id": f"call_{n}", "content": "3"} for n in range(20_000)]
    many = chat(messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": calls}, *results])
    assert broken_rules(*_parsed(many)) == []
