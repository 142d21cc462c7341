"""`streamval serve` and `streamval faults`."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Script, faults
from pytest_streamval.cli import main
from tests.server.clients import CHAT, CLOSE, receive_all, request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run `streamval serve` in a process, and yield the process and its addresses."""
    code = "from pytest_streamval.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-W", "error", "-c", code, "serve", *arguments, "--port", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(5)]
            yield process, dict(re.findall(r"(\w+)\s+(http://\S+)", "".join(lines)))
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""


def fetch(url: str, path: str = CHAT) -> bytes:
    """Return the response to a request."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(request(None, path, CLOSE))
        return receive_all(client)


def test_serve_plays_a_text_until_an_interrupt(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Hello there.", encoding="utf-8")
    with serving(str(tmp_path / "text.txt")) as (process, urls):
        assert list(urls) == ["openai", "anthropic", "gemini", "ollama"]
        for _ in range(2):
            assert b'"Hell"' in fetch(urls["openai"])
        assert b'"o th"' in fetch(urls["ollama"], "/api/chat")
        assert process.stdout is not None
        assert process.stdout.readline() == "POST /v1/chat/completions 'Hi'\n"


def test_serve_plays_scripts_and_cassettes_with_faults_and_cuts(tmp_path: Path, streams: Path) -> None:
    Script.of("Scripted", " words.").dump(tmp_path / "script.jsonl")
    with serving(str(tmp_path / "script.jsonl"), "--cut", "whole") as (_, urls):
        assert b"Scripted words." in fetch(urls["openai"])
    cassette = next(path for path in sorted(streams.glob("*.jsonl")) if Script.from_cassette(path).text)
    with serving(str(cassette), "--fast", "--fault", "truncate") as (_, urls):
        found = fetch(urls["openai"])
        assert b"200" in found
        assert b"[DONE]" not in found


def test_serve_prints_refused_requests_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Hello there.", encoding="utf-8")
    with serving(str(tmp_path / "text.txt")) as (process, urls):
        assert b" 400 " in fetch(urls["openai"], "/v1/embeddings")
        port = int(urls["ollama"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"hello \x1b[31m\r\n\r\n")
            assert b" 400 " in receive_all(client)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
    assert lines[:3] == [
        "POST /v1/embeddings 'Hi': 400\n",
        "  refused: Invalid input: None. It must be a text, or a list of texts.\n",
        "hello \\x1b[31m: 400\n",
    ]
    assert lines[3].startswith("  refused: The request is not HTTP/1.1")


def test_serve_answers_the_hosts_and_the_pages_that_its_options_allow(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Hello there.", encoding="utf-8")
    options = ["--allow-host", "model.test", "--allow-origin", "https://app.test"]
    with serving(str(tmp_path / "text.txt"), *options) as (_, urls):
        port = int(urls["ollama"].rpartition(":")[2])
        for host, origin, status in (
            ("model.test", "https://app.test", b"200"),
            ("other.test", "https://app.test", b"403"),
            ("model.test", "https://other.test", b"403"),
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(
                    f"GET /api/version HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\n{CLOSE}\r\n\r\n".encode()
                )
                assert receive_all(client).split(b" ")[1] == status


REFUSED = {
    "a missing file": (["nothing.txt"], "No such file"),
    "an unknown fault": (["text.txt", "--fault", "nothing"], "It must be one of refuse, bad_request"),
    "an unknown cut": (["text.txt", "--cut", "nothing"], "must be whole, chars, words, a number from 1"),
    "a high port": (["text.txt", "--port", "99999"], "a whole number up to 65535"),
    "an origin that is none": (["text.txt", "--allow-origin", "app.test"], "Each must be like https://app.test"),
    "a broken script": (["broken.jsonl"], "A script file is JSONL"),
    "a broken cassette": (["cassette.jsonl"], "It must be one of"),
    "an empty text": (["empty.txt"], "empty.txt: The file is empty"),
    "an empty script": (["empty.jsonl"], "empty.jsonl:1:1: The file has no step, it is empty"),
    "not a text": (["binary.txt"], "codec can't decode"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_serve_refuses_invalid_arguments(
    case: tuple[list[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = case
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("Hello.", encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text("no JSON\n", encoding="utf-8")
    (tmp_path / "cassette.jsonl").write_text('{"protocol": "other"}\n', encoding="utf-8")
    for name in ("empty.txt", "empty.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(SystemExit) as caught:
        main(["serve", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_faults_lists_all_faults_with_their_effects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [fault.name for fault in faults.all()]
    assert lines[0] == "refuse                 all connections are refused"
    assert main(["faults", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first == {"name": "refuse", "what": "all connections are refused", "ruins": True}
