"""The protocol of a captured response is found by its frames, or by the path of its request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_streamval.model import Delta, Usage
from pytest_streamval.wire.detection import protocol_of_body, protocol_of_path
from pytest_streamval.wire.registry import ADAPTERS
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest

BODIES = sorted((Path(__file__).parent.parent / "data" / "wire").glob("*.body"))
REQUEST = ParsedRequest(model="m")
every_protocol = pytest.mark.parametrize("protocol", ADAPTERS)


def streamed(protocol: str) -> list[bytes]:
    encoder = ADAPTERS[protocol].encoder(REQUEST)
    frames = [encoder.begin(), encoder.encode(Delta("Hi.", usage=Usage(3, 5))), encoder.encode(Delta(thinking="Hm."))]
    return list(filter(None, [*frames, encoder.finish()]))


@pytest.mark.parametrize("body", BODIES, ids=lambda path: path.stem)
def test_the_protocol_of_a_reported_stream_is_found(body: Path) -> None:
    assert protocol_of_body(body.read_bytes()) == json.loads(body.with_suffix(".json").read_bytes())["protocol"]


@every_protocol
def test_the_protocol_of_a_stream_is_found_by_any_of_its_frames(protocol: str) -> None:
    for frame in streamed(protocol):
        lines = frame.strip().splitlines()
        assert protocol_of_body(frame) == protocol
        assert protocol_of_body(b"\xef\xbb\xbf: a comment\n\n" + b"\r\n".join(lines)) == protocol


@every_protocol
def test_the_protocol_of_an_answer_that_was_not_streamed_is_found(protocol: str) -> None:
    answer = Answer("Hi.", usage=Usage(3, 5))
    body = ADAPTERS[protocol].encode_response(answer, ParsedRequest(model="m", stream=False))
    assert protocol_of_body(body) == protocol
    assert protocol_of_body(json.dumps(json.loads(body), indent=2).encode()) == protocol


@pytest.mark.parametrize(
    ("report", "protocol"),
    [
        ({"error": {"message": "x", "type": "server_error"}}, "openai"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, "anthropic"),
        ({"type": "error", "code": "server_error", "message": "x"}, "openai-responses"),
        ({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}, "gemini"),
        ({"error": "model not found"}, "ollama"),
        ({"error": 5}, None),
        ({"anything": 5}, None),
    ],
)
def test_the_protocol_of_a_report_is_found_unless_a_frame_is_clearer(report, protocol) -> None:
    body = json.dumps(report).encode()
    assert protocol_of_body(body) == protocol
    assert protocol_of_body(b"data: " + body + b"\n\n") == protocol
    assert protocol_of_body(b"data: " + body + b'\n\ndata: {"candidates": []}\n\n') == "gemini"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"{", b'"x"', b"\xff\x00", b"{" * 100_000, b"data: 5\n\n"])
def test_the_protocol_of_anything_else_is_not_found(body: bytes) -> None:
    assert protocol_of_body(body) is None


def test_a_stream_of_nothing_but_its_end_is_openais() -> None:
    assert protocol_of_body(b"data: [DONE]\n\n") == "openai"


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/v1/chat/completions", "openai"),
        ("https://openrouter.ai/api/v1/chat/completions?x=1", "openai"),
        ("/openai/deployments/m/chat/completions?api-version=2024", "openai"),
        ("/v1/responses", "openai-responses"),
        ("/v1/projects/p/publishers/google/models/m:streamGenerateContent?alt=sse", "gemini"),
        ("/v1beta/models/m:generateContent", "gemini"),
        ("/proxy/anthropic/v1/messages", "anthropic"),
        ("http://localhost:11434/api/chat", "ollama"),
        ("/v1/models", None),
    ],
)
def test_the_protocol_of_a_path_is_found_behind_the_prefix_of_a_gateway(path, protocol) -> None:
    assert protocol_of_path(path) == protocol
