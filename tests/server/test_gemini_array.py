"""Gemini's stream without `alt=sse`, from the server to the package's own readers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Delta, ProviderServer, Raise, Script, faults, read_stream
from pytest_streamval.cli import main
from pytest_streamval.errors import ProviderStreamError
from tests.server.clients import CLOSE, chunks_of, exchange, parse, request

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/v1beta/models/m:streamGenerateContent"
BODY = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
SCRIPT = Script.of(Delta(thinking="Hm."), "One ", "two ", "thre\xe9.")
HARMLESS = [fault for fault in faults.all() if not fault.ruins and fault.name not in ("stall", "compressed")]


def streamed(server: ProviderServer) -> tuple[str, bytes]:
    """Return the head and the body of a stream."""
    found = exchange(server, request(BODY, PATH, CLOSE))
    return found.partition(b"\r\n\r\n")[0].decode().lower(), b"".join(chunks_of(found))


def test_a_server_streams_an_array_delta_by_delta() -> None:
    with ProviderServer(SCRIPT, strict=True) as server:
        head, body = streamed(server)
        assert server.requests[0].deltas_sent == 4
        assert server.requests[0].warnings == ()
    assert "content-type: application/json" in head
    reading = read_stream("gemini", body, strict=True)
    assert (reading.text, reading.thinking, reading.error) == (SCRIPT.text, "Hm.", None)
    assert len(json.loads(body)) == body.count(b"\r\n")
    assert reading.signature


@pytest.mark.parametrize("fault", HARMLESS, ids=lambda fault: fault.name)
def test_a_harmless_fault_leaves_an_array_whole(fault: faults.Fault) -> None:
    with ProviderServer(SCRIPT, fault=fault) as server:
        body = streamed(server)[1]
    assert json.loads(body)
    assert read_stream("gemini", body).text == SCRIPT.text


def test_a_cut_leaves_an_array_whole() -> None:
    for cut in ("chars", "words", "whole", "7"):
        with ProviderServer(SCRIPT, cut=cut) as server:
            assert json.loads(streamed(server)[1])


def test_an_error_inside_an_array_is_its_last_object() -> None:
    error = ProviderStreamError("gemini", "UNAVAILABLE", "No room.")
    with ProviderServer(Script.of("One ", Raise(error))) as server:
        body = streamed(server)[1]
    assert json.loads(body)[-1] == {"error": {"code": 503, "message": "No room.", "status": "UNAVAILABLE"}}
    reading = read_stream("gemini", body)
    assert reading.text == "One "
    assert isinstance(reading.error, ProviderStreamError)


def test_a_refused_request_for_an_array_gets_an_array() -> None:
    with ProviderServer(strict=True) as server:
        status, body = parse(exchange(server, request({}, PATH, CLOSE)))
    assert status == 400
    assert body[0]["error"]["status"] == "INVALID_ARGUMENT"


def test_an_array_is_recorded_and_replayed(tmp_path: Path) -> None:
    with ProviderServer(SCRIPT) as provider:
        address = f"http://127.0.0.1:{provider.port}"
        with ProviderServer(upstream=address, cassettes=tmp_path) as proxy:
            body = streamed(proxy)[1]
    assert read_stream("gemini", body).text == SCRIPT.text
    with ProviderServer(cassettes=tmp_path) as replaying:
        assert streamed(replaying)[1] == body
    (file,) = tmp_path.iterdir()
    assert Script.from_cassette(file).text == SCRIPT.text


def test_streamval_check_reads_an_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "array.txt"
    with ProviderServer(SCRIPT) as server:
        file.write_bytes(streamed(server)[1])
    assert main(["check", str(file)]) == 0
    assert "gemini" in (printed := capsys.readouterr().out)
    assert "thre\xe9." in printed
