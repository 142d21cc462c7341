"""Everything that a script can hold arrives at the client: raw frames, tool calls in pieces, refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_streamval import Delay, Delta, ProviderServer, Raise, RawFrame, Script, Stall, StreamReading, read_stream
from tests.server.clients import (
    CHAT,
    CLOSE,
    PATHS,
    PROTOCOLS,
    ask,
    chunks_of,
    connect,
    exchange,
    parse,
    receive_until,
    request,
)

PING = RawFrame(b": ping\n\n")


def stream_of(script: Script, protocol: str = "openai", **options: Any) -> bytes:
    """Return the body of a streamed response."""
    with ProviderServer(script, **options) as server:
        found = exchange(server, request({"model": "m", "stream": True}, PATHS[protocol], CLOSE))
        assert list(server.unmet()) == []
    return b"".join(chunks_of(found))


def answer_of(script: Script, protocol: str) -> tuple[int, Any]:
    """Return the status and the body of a response that is not streamed."""
    path = PATHS[protocol].replace("streamGenerateContent?alt=sse", "generateContent")
    with ProviderServer(script) as server:
        return parse(exchange(server, request({"model": "m", "stream": False}, path, CLOSE)))


def output_of(script: Script, protocol: str) -> StreamReading:
    """Return the output that a client reads."""
    reading = read_stream(protocol, stream_of(script, protocol))
    assert (reading.error, reading.deviations) == (None, ())
    return reading


# Raw frames


@pytest.mark.usefixtures("same_second")
@pytest.mark.parametrize("protocol", PATHS)
def test_a_raw_frame_is_written_at_its_place(protocol: str) -> None:
    frame = b"\n" if protocol == "ollama" else b": a\xff comment \xe2\x82\xac\n\n"
    raw = RawFrame(frame)
    with_frames = Script.of(raw, "Hel", raw, raw, "lo.", raw)
    plain = stream_of(Script.of("Hel", "lo."), protocol)
    found = stream_of(with_frames, protocol)
    assert found.startswith(frame)
    assert found.replace(frame, b"") == plain.replace(frame, b"")
    inside = found[found.index(b"Hel") : found.index(b"lo.")]
    assert inside.count(frame) == 2 + (protocol == "ollama")  # the line of the text ends with one, too


@pytest.mark.parametrize("cut", [None, "whole", "chars", "words", "3", "17"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_raw_frame_is_kept_under_every_cut(protocol: str, cut: str | None) -> None:
    frame = b"\n" if protocol == "ollama" else b": do not cut me\n\n"
    with ProviderServer(Script.of("Hello ", RawFrame(frame), "there."), cut=cut) as server:
        assert ask(server, protocol) == ("Hello there.", None)
        sent = server.requests[0].bytes_sent
    with ProviderServer(Script.of("Hello ", "there."), cut=cut) as server:
        ask(server, protocol)
        if cut is None:
            assert sent - server.requests[0].bytes_sent == len(frame)


def test_a_raw_frame_keeps_its_place_between_other_steps() -> None:
    data = stream_of(Script.of("a", Delay(0), PING, Delay(0), "b", PING, Raise(ValueError("no"))))
    assert data.count(PING.data) == 2
    assert data.index(PING.data) < data.index(b'"b"') < data.rindex(PING.data) < data.index(b"no")


def test_a_raw_frame_before_a_failure_begins_the_stream() -> None:
    with ProviderServer(Script.of(PING, "x", Raise(ValueError("no")))) as server:
        found = exchange(server, request(None, CHAT, CLOSE))
    assert found.startswith(b"HTTP/1.1 200 ")
    with ProviderServer(Script.of(PING, Stall())) as server, connect(server) as client:
        client.sendall(request())
        assert PING.data in receive_until(client, PING.data)


def test_a_doubled_end_can_be_written_as_a_raw_frame() -> None:
    end = b"data: [DONE]\n\n"
    assert stream_of(Script.of("Hi.", RawFrame(end))).count(end) == 2


@pytest.mark.parametrize("stream", [True, False])
def test_a_script_of_raw_frames_alone_is_the_complete_body(stream: bool) -> None:
    script = Script.of(RawFrame(b'{"choices": '), Delay(0), RawFrame(b"[]}"))
    with ProviderServer(script) as server:
        found = exchange(server, request({"model": "m", "stream": stream}, CHAT, CLOSE))
        assert server.requests[0].deltas_sent == 0
    body = b"".join(chunks_of(found)) if stream else found.partition(b"\r\n\r\n")[2]
    assert body == b'{"choices": []}'


def test_a_response_that_is_not_streamed_has_no_raw_frames() -> None:
    status, body = answer_of(Script.of("Hel", PING, "lo."), "openai")
    assert (status, body["choices"][0]["message"]["content"]) == (200, "Hello.")


# Tool calls


@pytest.mark.parametrize("pieces", [1, 2, 40])
@pytest.mark.parametrize("protocol", PATHS)
def test_a_tool_call_arrives_in_every_protocol(protocol: str, pieces: int) -> None:
    script = Script.tool_call("weather", {"city": "Ulm", "days": [1, 2]}, id="call_7", pieces=pieces)
    (call,) = output_of(script, protocol).tool_calls
    assert json.loads(call.arguments) == {"city": "Ulm", "days": [1, 2]}
    assert call.name == "weather"
    if protocol != "ollama":
        assert call.id == "call_7"


def test_the_arguments_of_a_tool_call_come_in_as_many_frames() -> None:
    data = stream_of(Script.tool_call("weather", {"city": "Ulm"}, pieces=4))
    frames = [json.loads(line[6:]) for line in data.decode().splitlines() if line.startswith("data: {")]
    calls = [
        choice["delta"]["tool_calls"][0]
        for frame in frames
        for choice in frame["choices"]
        if choice["delta"].get("tool_calls")
    ]
    assert len(calls) == 4
    assert [choice["finish_reason"] for frame in frames for choice in frame["choices"] if choice["finish_reason"]] == [
        "tool_calls"
    ]


# Refusals


REFUSAL = Script.of(Delta(refusal="I cannot "), Delta(refusal="do that."))


@pytest.mark.parametrize("protocol", ["openai", "openai-responses"])
def test_a_refusal_is_streamed_apart_from_the_text(protocol: str) -> None:
    found = output_of(REFUSAL, protocol)
    assert (found.text, found.refusal) == ("", "I cannot do that.")


def test_a_refusal_is_a_field_of_a_response_that_is_not_streamed() -> None:
    message = answer_of(REFUSAL, "openai")[1]["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "I cannot do that.")
    (item,) = answer_of(REFUSAL, "openai-responses")[1]["output"]
    assert item["content"] == [{"type": "refusal", "refusal": "I cannot do that."}]
