"""Failures of a script: each provider reports them with their own kind, code and words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval import (
    Delay,
    Delta,
    ProviderServer,
    ProviderStatusError,
    ProviderStreamError,
    Raise,
    Script,
    faults,
    read_stream,
)
from pytest_streamval.errors import ProviderResponseError
from pytest_streamval.wire import ADAPTERS, ParsedRequest
from tests.server.clients import BODY, CLOSE, PATHS, chunks_of, exchange, parse, request

if TYPE_CHECKING:
    from pathlib import Path

every_protocol = pytest.mark.parametrize("protocol", PATHS)
OVERLOADED = ProviderStreamError("anthropic", "overloaded_error", "Overloaded")


def sent(protocol: str, *steps: Any, stream: bool = True) -> bytes:
    """Return the response to a request, with its head."""
    path = PATHS[protocol]
    if not stream:
        path = path.replace("streamGenerateContent?alt=sse", "generateContent")
    with ProviderServer(Script.of(*steps)) as server:
        return exchange(server, request({**BODY, "stream": stream}, path, CLOSE))


def frames(response: bytes) -> list[Any]:
    """Return the JSON of all frames of a stream."""
    lines = b"".join(chunks_of(response)).splitlines()
    return [json.loads(line.removeprefix(b"data: ")) for line in lines if b"{" in line]


ERRORS = {
    "openai": {
        "error": {"message": "Overloaded", "type": "overloaded_error", "param": None, "code": "overloaded_error"}
    },
    "anthropic": {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    "gemini": {"error": {"code": 529, "message": "Overloaded", "status": "overloaded_error"}},
    "ollama": {"error": "Overloaded"},
}
ERRORS["openai-responses"] = {"type": "error", **ERRORS["openai"], "sequence_number": 0}


@every_protocol
def test_an_error_of_a_stream_is_the_frame_of_the_provider_with_its_kind_and_words(protocol: str) -> None:
    response = sent(protocol, "Hel", Delay(0.001), Raise(OVERLOADED))
    *before, last = frames(response)
    assert before
    assert {**last, "sequence_number": 0} == {**ERRORS[protocol], "sequence_number": 0}
    reading = read_stream(protocol, b"".join(chunks_of(response)))
    assert isinstance(reading.error, ProviderStreamError)
    assert (reading.text, reading.error.message, reading.error.text) == ("Hel", "Overloaded", "Hel")
    assert protocol == "ollama" or reading.error.kind == "overloaded_error"


@every_protocol
def test_an_error_of_a_stream_can_be_its_first_frame(protocol: str) -> None:
    response = sent(protocol, Delay(0.001), Raise(OVERLOADED))
    assert response.startswith(b"HTTP/1.1 200 ")
    assert frames(response) == [ERRORS[protocol]]


@every_protocol
def test_an_error_of_a_stream_is_a_status_in_a_response_that_is_not_streamed(protocol: str) -> None:
    status, body = parse(sent(protocol, "Hel", Raise(OVERLOADED), stream=False))
    own = ERRORS["openai" if protocol == "openai-responses" else protocol]
    assert (status, body) == (529, own)


@pytest.mark.parametrize(
    ("protocol", "kind", "status"),
    [
        ("anthropic", "rate_limit_error", 429),
        ("anthropic", "api_error", 500),
        ("gemini", "RESOURCE_EXHAUSTED", 429),
        ("gemini", "FAILED_PRECONDITION", 400),
        ("openai", "server_is_overloaded", 503),
        ("openai", "insufficient_quota", 429),
        ("openai", "RESOURCE_EXHAUSTED", 429),
        ("openai", "no_such_kind", 500),
    ],
)
def test_the_status_of_an_error_follows_from_its_kind(protocol: str, kind: str, status: int) -> None:
    assert parse(sent(protocol, Raise(ProviderStreamError(protocol, kind, "No.")), stream=False))[0] == status


def refusal(status: int, body: object) -> ProviderStatusError:
    text = body if isinstance(body, str) else json.dumps(body)
    return ProviderStatusError("a provider", "http://x", status, text)


@every_protocol
def test_a_status_before_the_first_delta_is_the_status_of_the_response(protocol: str) -> None:
    for stream in (True, False):
        status, body = parse(sent(protocol, Raise(refusal(529, "Too busy")), stream=stream))
        assert status == 529
        assert b"Too busy" in json.dumps(body).encode()
        assert ADAPTERS[protocol].own_error(json.dumps(body)) is not None


OWN = {
    "openai": {"error": {"message": "m", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}},
    "openai-responses": {"error": {"message": "m", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}},
    "anthropic": {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}, "request_id": "req_1"},
    "gemini": {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [{"a": 1}]}},
    "ollama": {"error": "m"},
}


@every_protocol
def test_a_status_has_the_providers_own_body_if_it_is_one(protocol: str) -> None:
    for stream in (True, False):
        assert parse(sent(protocol, Raise(refusal(429, OWN[protocol])), stream=stream)) == (429, OWN[protocol])


@every_protocol
def test_a_status_after_the_first_delta_is_a_frame_of_the_fitting_kind(protocol: str) -> None:
    last = frames(sent(protocol, "Hel", Raise(refusal(429, "Slow down"))))[-1]
    kinds = {"anthropic": "rate_limit_error", "gemini": "RESOURCE_EXHAUSTED", "ollama": "Slow down"}
    assert kinds.get(protocol, "rate_limit_error") in json.dumps(last)
    assert "Slow down" in json.dumps(last)
    own = frames(sent(protocol, "Hel", Raise(refusal(429, OWN[protocol]))))[-1]
    assert {**own, **OWN[protocol]} == own


def test_the_body_of_another_provider_becomes_the_words_of_this_one() -> None:
    for protocol, others in (
        ("gemini", "anthropic"),
        ("anthropic", "openai"),
        ("openai", "gemini"),
        ("ollama", "gemini"),
    ):
        status, body = parse(sent(protocol, Raise(refusal(429, OWN[others]))))
        assert status == 429
        kind = {"gemini": "RESOURCE_EXHAUSTED", "ollama": "m"}.get(protocol, "rate_limit_error")
        assert kind in json.dumps(body)
        assert "message" not in str(ADAPTERS[protocol].parse_error(json.dumps(body).encode()).message)


def test_a_body_that_cannot_be_sent_again_becomes_words() -> None:
    status, body = parse(sent("ollama", Raise(refusal(400, '{"error": "\\ud800"}'))))
    assert (status, type(body["error"])) == (400, str)


RECORDED = {
    "openai": b'data: {"error":{"message":"No room","type":"server_error","param":null,"code":null}}\n\n',
    "openai-responses": b'event: response.failed\ndata: {"type":"response.failed","response":{"id":"resp_1","status":'
    b'"failed","error":{"code":"rate_limit_exceeded","message":"Slow down"}},"sequence_number":0}\n\n',
    "anthropic": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy",'
    b'"details":null},"request_id":"req_9"}\n\n',
    "gemini": b'data: {"error":{"code":503,"message":"Busy","status":"UNAVAILABLE","details":[]}}\r\n\r\n',
    "ollama": b'{"error":"Busy","status_code":500}\n',
}


@every_protocol
def test_an_error_frame_of_a_recording_is_sent_again_as_it_came(protocol: str, tmp_path: Path) -> None:
    began = ADAPTERS[protocol].encoder(ParsedRequest("m"))
    body = began.encode("Hel") + RECORDED[protocol]
    cassette = tmp_path / "one.jsonl"
    header = {"protocol": protocol, "provider": protocol, "status": 200}
    cassette.write_text("\n".join(map(json.dumps, (header, {"at": 0.0, "text": body.decode()}))) + "\n")
    script = Script.from_cassette(cassette)
    assert isinstance(script.steps[-1], Raise)
    last = frames(sent(protocol, *script.steps))[-1]
    recorded = json.loads(RECORDED[protocol][RECORDED[protocol].index(b"{") :])
    last.pop("sequence_number", None)
    recorded.pop("sequence_number", None)
    assert last == recorded

    script.dump(tmp_path / "script.jsonl")
    loaded = Script.load(tmp_path / "script.jsonl")
    assert loaded.text == "Hel"
    again = frames(sent(protocol, *loaded.steps))[-1]
    again.pop("sequence_number", None)
    assert again == recorded


def test_an_error_frame_that_is_no_json_is_sent_with_its_words() -> None:
    reading = read_stream("openai", b"data: [ERROR] out of memory\n\n")
    assert isinstance(reading.error, ProviderStreamError)
    last = frames(sent("openai", "Hel", Raise(reading.error)))[-1]
    assert last["error"]["message"] == "[ERROR] out of memory"


def test_an_error_of_a_whole_answer_keeps_its_kind() -> None:
    error = ProviderResponseError("anthropic", "rate_limit_error", "Slow down")
    assert parse(sent("anthropic", Raise(error))) == (
        429,
        {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}},
    )


def test_failures_of_providers_are_written_to_a_script_file(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    Script.of(Delta("a"), Raise(OVERLOADED)).dump(path)
    assert path.read_text() == (
        '{"text": "a"}\n{"raise": {"type": "pytest_streamval.errors.wire:ProviderStreamError", '
        '"args": ["anthropic", "overloaded_error", "Overloaded", ""]}}\n'
    )
    Script.of(Raise(refusal(529, "Busy"))).dump(path)
    step = Script.load(path).steps[0]
    assert isinstance(step, Raise)
    assert isinstance(step.exc, ProviderStatusError)
    assert (step.exc.status, step.exc.body) == (529, "Busy")
    path.write_text('{"raise": {"type": "pytest_streamval:ProviderStreamError", "args": ["openai", "k", "m"]}}\n')
    assert frames(sent("openai", *Script.load(path).steps))[-1]["error"]["type"] == "k"


OVERLOADS = {
    "openai": (503, "service_unavailable_error"),
    "openai-responses": (503, "server_is_overloaded"),
    "anthropic": (529, "overloaded_error"),
    "gemini": (503, "UNAVAILABLE"),
    "ollama": (503, "server busy, please try again."),
}


@every_protocol
def test_the_overloaded_fault_is_the_answer_of_each_provider(protocol: str) -> None:
    with ProviderServer("a", fault=faults.overloaded()) as server:
        status, body = parse(exchange(server, request(BODY, PATHS[protocol], CLOSE)))
    assert status == OVERLOADS[protocol][0]
    assert OVERLOADS[protocol][1] in json.dumps(body)
