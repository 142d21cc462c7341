"""`streamval check` in processes of its own: captured files become readable facts, exit codes and cassettes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

import httpx2
import pytest

from pytest_streamval import (
    Cassette,
    LiveBackend,
    ModelOption,
    ProviderServer,
    Script,
    SimpleContext,
    StreamReading,
    read_stream,
    replaying,
)
from pytest_streamval.cli import main
from tests.loopback import openai_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-c", "from pytest_streamval.cli import main; raise SystemExit(main())", "check"]
BODIES = sorted((Path(__file__).parent / "data" / "wire").glob("*.body"))
KEY = "sk-planted-0123456789abcdef"
FINE = b"".join(openai_frames("It rains. ", "Take a coat."))
ODD = FINE.removesuffix(b"data: [DONE]\n\n")
FAILED = FINE + b'data: {"error": {"message": "\x1b[31mover capacity", "type": "server_error"}}\n\n'
PROTOCOLS = ("openai", "openai-responses", "anthropic", "gemini", "ollama")


def check(
    *arguments: object, stdin: bytes = b"", cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    command = [*COMMAND, *map(str, arguments)]
    own = {**os.environ, "COLUMNS": "80", "PYTHONUTF8": "1", **environment}
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120, cwd=cwd, env=own, check=False)


def facts_of(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    path = tmp_path / "captured.txt"
    path.write_bytes(FINE)
    return path


# Output and exit codes


def test_check_shows_what_a_captured_stream_says(captured: Path) -> None:
    done = check(captured.name, cwd=captured.parent)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (
        "protocol  openai, found by its frames\n"
        "file      captured.txt\n"
        "request   (openai)\n"
        "ended     complete\n"
        "finish    stop\n"
        "\n"
        "It rains. Take a coat.\n"
        "\n"
        "The stream follows its protocol.\n"
    )


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 3)])
def test_check_shows_deviations_with_their_offsets_and_fails_for_them_if_strict(
    captured: Path, strict: tuple[str, ...], code: int
) -> None:
    captured.write_bytes(ODD)
    done = check(captured, *strict)
    (deviation,) = read_stream("openai", ODD).deviations
    assert done.returncode == code
    assert f"odd       byte {deviation.offset}: " in done.stdout.decode()
    assert f"({deviation.kind})" in done.stdout.decode()
    assert "1 deviation, which lost nothing." in done.stdout.decode()


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_check_exits_with_1_for_an_error_inside_the_stream(captured: Path, strict: tuple[str, ...]) -> None:
    captured.write_bytes(FAILED.replace(b"data: [DONE]\n\n", b""))
    done = check(captured, *strict)
    assert done.returncode == 1
    assert b"error     ProviderStreamError: " in done.stdout
    assert b"It rains. Take a coat." in done.stdout
    assert b"The stream failed." in done.stdout
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("data", "arguments", "fault"),
    [
        (None, (), b"No such file"),
        (b"", (), b"captured.txt: the file is empty."),
        (b"<html>", (), b"no frame tells its protocol. Name it with --protocol: openai, openai-responses"),
        (b"\xff" * 99, ("--protocol", "openai"), b"its body is not text"),
        (b'{"protocol": "x"}\n', (), b'Invalid "protocol"'),
        (FINE, ("--entry", "2"), b"it has no entry 2"),
        (FINE, ("--protocol", "smoke"), b"invalid choice"),
        (b'{"protocol": "openai"}\n', ("--entry", "1"), b"it has no entry 1, as it is a cassette"),
    ],
)
def test_check_exits_with_2_for_a_file_that_it_cannot_read(captured: Path, data, arguments, fault: bytes) -> None:
    captured.unlink() if data is None else captured.write_bytes(data)
    done = check(captured, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert fault in done.stderr
    assert b"Traceback" not in done.stderr


def test_check_exits_with_2_for_a_cassette_that_it_cannot_write(captured: Path) -> None:
    done = check(captured, "-o", captured / "it.jsonl")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Traceback" not in done.stderr


def test_check_reads_a_pipe(tmp_path: Path) -> None:
    done = check("-", "-o", tmp_path / "it.jsonl", stdin=b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\n" + FINE)
    assert done.returncode == 0
    assert b"answer    200" in done.stdout
    assert b"it.jsonl: a cassette with 1 read, " in done.stderr
    assert Cassette.load(tmp_path / "it.jsonl").body == FINE


def test_check_escapes_characters_that_standard_output_cannot_print(captured: Path) -> None:
    captured.write_bytes(b"".join(openai_frames("\u2603 \x1b[31m")))
    done = check(captured, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\n\\u2603 \\x1b[31m\n" in done.stdout


def test_check_takes_the_protocol_that_it_is_given(captured: Path) -> None:
    done = check(captured, "--protocol", "ollama")
    assert b"protocol  ollama, as --protocol says" in done.stdout
    assert done.returncode == 1


# Files of all kinds


@pytest.mark.parametrize("body", BODIES, ids=lambda path: path.stem)
def test_check_reads_a_reported_stream_as_read_stream_does_and_so_does_its_cassette(
    body: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol = json.loads(body.with_suffix(".json").read_bytes())["protocol"]
    reading = read_stream(protocol, body.read_bytes())
    cassette = tmp_path / "it.jsonl"
    codes = [main(["check", str(body), "--json", "--strict", "-o", str(cassette)])]
    codes.append(main(["check", str(cassette), "--json", "--strict"]))
    assert codes == [_code(reading)] * 2
    for line in capsys.readouterr().out.splitlines():
        facts = json.loads(line)
        assert (facts["protocol"], facts["text"], facts["thinking"]) == (protocol, reading.text, reading.thinking)
        assert [(each["kind"], each["offset"]) for each in facts["deviations"]] == [
            (each.kind, each.offset) for each in reading.deviations
        ]
        assert (facts["error"] or "").partition(":")[0] == (type(reading.error).__name__ if reading.error else "")


def _code(reading: StreamReading) -> int:
    return 1 if reading.error else 3 if reading.deviations else 0


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer(lambda request: Script.of("It rains. ", "Take a 🧥.")) as served:
        yield served


def request_of(server: ProviderServer, protocol: str) -> tuple[str, dict[str, object]]:
    """Return the address and the body of a request for a stream."""
    adapter = LiveBackend(f"{protocol}:m")._adapter
    request = adapter.stream_request("Weather?", model="m")
    return f"http://127.0.0.1:{server.port}{request.path}", dict(request.body)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_stream_that_check_has_captured_becomes_a_test(
    protocol: str, server: ProviderServer, tmp_path: Path
) -> None:
    url, body = request_of(server, protocol)
    with httpx2.stream("POST", url, json=body, timeout=30) as response:
        head = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
        (tmp_path / "it.txt").write_bytes(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + response.read())
    done = check("it.txt", "--strict", "-o", "it.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"protocol  {protocol}, found by its frames".encode() in done.stdout
    backend = replaying(LiveBackend(f"{protocol}:m"), tmp_path / "it.jsonl")
    output, _ = await backend.generate_from_context(
        "Anything?", SimpleContext(), model_options={ModelOption.STREAM: True}
    )
    assert await output.avalue() == "It rains. Take a 🧥."
    assert Script.from_cassette(tmp_path / "it.jsonl").text == "It rains. Take a 🧥."


def test_check_reads_all_answers_of_a_har_export_and_writes_a_cassette_for_each(tmp_path: Path) -> None:
    def entry(path: str, text: str, status: int = 200) -> dict[str, object]:
        headers = [{"name": "authorization", "value": f"Bearer {KEY}"}]
        request = {"method": "POST", "url": f"https://x.example{path}", "headers": headers}
        request["postData"] = {"text": json.dumps({"messages": [{"role": "user", "content": f"{path} {KEY}"}]})}
        return {
            "time": 250,
            "request": request,
            "response": {"status": status, "headers": [], "content": {"text": text}},
        }

    entries = [
        entry("/page", "<html>"),
        entry("/v1/chat/completions", FINE.decode()),
        entry("/v1/messages", json.dumps({"type": "error", "error": {"type": "x", "message": f"no {KEY}"}}), 429),
        entry("/api/v1/chat/completions", ODD.decode()),
    ]
    (tmp_path / "it.har").write_text(json.dumps({"log": {"entries": entries}}))
    done = check("it.har", "-o", "out/it.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    assert [line for line in done.stdout.decode().splitlines() if line.startswith("entry")] == [
        "entry     2",
        "entry     3",
        "entry     4",
    ]
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == ["it.2.jsonl", "it.3.jsonl", "it.jsonl"]
    for path in written:
        assert "planted" not in path.read_text()
    assert b"planted" not in done.stdout
    first = Cassette.load(tmp_path / "out" / "it.jsonl")
    assert (first.header["path"], first.reads[0].at) == ("/v1/chat/completions", 0.25)
    assert Cassette.load(tmp_path / "out" / "it.2.jsonl").ending.how == "refused"
    (facts,) = facts_of(check("it.har", "--entry", "4", "--json", "--strict", cwd=tmp_path))
    assert (facts["entry"], facts["protocol"], facts["text"]) == (4, "openai", "It rains. Take a coat.")
    assert check("it.har", "--entry", "1", cwd=tmp_path).returncode == 2


def test_check_prints_harmless_text_about_hostile_files(tmp_path: Path) -> None:
    nasty = "\u202eevil\u202c \x1b]0;title\x07\x1b[2J\x9b31m\x85\rnul\x00 end"
    request = {"method": "POST", "url": f"https://x.example/v1/chat/completions?{nasty}", "headers": []}
    request["postData"] = {"text": json.dumps({"model": nasty, "messages": [{"role": "user", "content": nasty}]})}
    frames = [
        {"choices": [{"delta": {"content": nasty, "tool_calls": [{"function": {"name": nasty, "arguments": nasty}}]}}]},
        {"choices": [{"delta": {}, "finish_reason": nasty}], "usage": {"prompt_tokens": nasty}},
        {"error": {"type": nasty, "message": nasty}},
    ]
    body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames)
    response = {"status": 200, "headers": [{"name": "content-type", "value": nasty}], "content": {"text": body}}
    for number, data in enumerate(
        (body, json.dumps({"log": {"entries": [{"request": request, "response": response}]}}))
    ):
        path = tmp_path / f"{number}-\u202e\x1b[2J.txt"
        path.write_text(data)
        for arguments in ([path], [path, "--json"], [path, "-o", f"{path}.jsonl"], [path, "--entry", "9"]):
            done = check(*arguments)
            output = (done.stdout + done.stderr).decode()
            assert "Traceback" not in output
            assert output
            assert not {each for each in output if category(each) in {"Cc", "Cf", "Cs"}} - {"\n"}
