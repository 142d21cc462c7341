"""The command `streamval`."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette
from pytest_streamval.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-c", "from pytest_streamval.cli import main; raise SystemExit(main())"]
ESCAPE = "\x1b[31m"


@pytest.fixture
def water(streams: Path) -> str:
    return str(streams / "openai-water.jsonl")


class Model(BaseHTTPRequestHandler):
    """A model whose answer depends on the prompt. It sends half of its answer to "wait"."""

    asked: list[dict[str, object]]
    ended: threading.Event

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        prompt = body["messages"][-1]["content"]
        self.send_response(503 if prompt == "refuse" else 200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for text in ("One. ", "Two." + (ESCAPE if prompt == "control" else "")):
            frame = {"choices": [{"index": 0, "delta": {"content": text}}]}
            self.wfile.write(f"data: {json.dumps(frame)}\n\n".encode())
            if prompt == "wait":
                self.rfile.read(1)  # until the client has left
                self.ended.set()
                return
        if prompt != "break":
            self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Model]]:
    """Serve a model at the address of OpenAI."""
    handler = type("Handler", (Model,), {"asked": [], "ended": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("OPENAI_BASE_URL", "http://{}:{}".format(*server.server_address))
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        yield handler
        server.shutdown()
        thread.join()


class Terminal(io.StringIO):
    """A text stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def screen(shown: str) -> list[str]:
    """Return the lines that remain on a terminal."""
    return [line.rpartition("\r\x1b[K")[2] for line in shown.split("\n")]


# record


def test_record_shows_the_text_and_saves_the_stream(
    tmp_path: Path, model: type[Model], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "it.jsonl"
    assert main(["record", "openai:m", "Count.", "-o", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.out == "One. Two.\n"
    assert shown.err.startswith(f"streamval: {path}: ")
    assert " 2 deltas, 9 characters; first byte after " in shown.err
    assert "\r" not in shown.err
    assert Cassette.load(path).ending.how == "complete"
    assert Cassette.load(path).prompt == "Count."


def test_record_sends_the_prompt_of_a_pipe_and_the_model_options(
    tmp_path: Path, model: type[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("From a pipe.\n"))
    settings = ["--system", "Be brief.", "--temperature", "0", "--max-tokens", "9", "--seed", "7"]
    assert main(["record", "openai:m", "-", "-o", str(tmp_path / "it.jsonl"), *settings]) == 0
    assert model.asked == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "From a pipe.\n"},
            ],
            "temperature": 0,
            "max_tokens": 9,
            "seed": 7,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_record_uses_the_address_of_url(tmp_path: Path, model: type[Model], monkeypatch) -> None:
    url = os.environ["OPENAI_BASE_URL"]
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    assert main(["record", "openai:m", "x", "-o", str(tmp_path / "it.jsonl"), "--url", url]) == 0


def test_record_json_prints_one_object(tmp_path: Path, model: type[Model], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "openai:m", "Count.", "-o", str(tmp_path / "it.jsonl"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["text"], facts["error"], facts["file"]) == ("One. Two.", None, str(tmp_path / "it.jsonl"))


@pytest.mark.parametrize(
    ("prompt", "error", "kept"),
    [
        ("break", "StreamTruncatedError: The openai stream ended without the frame [DONE]", "broken"),
        ("refuse", "ProviderStatusError: openai at http://", "refused"),
    ],
)
def test_record_saves_a_stream_that_failed_and_exits_with_1(
    tmp_path: Path,
    model: type[Model],
    capsys: pytest.CaptureFixture[str],
    monkeypatch,
    prompt: str,
    error: str,
    kept: str,
) -> None:
    monkeypatch.setattr("pytest_streamval.http.client._FIRST_PAUSE", 0.0)
    path = tmp_path / "it.jsonl"
    assert main(["record", "openai:m", prompt, "-o", str(path), "--json"]) == 1
    shown = capsys.readouterr()
    assert f"streamval: {error}" in shown.err
    assert f"streamval: {path}: the stream so far: " in shown.err
    assert json.loads(shown.out)["error"].startswith(error)
    assert Cassette.load(path).ending.how in {kept, "complete"}


def test_record_reports_an_unreachable_provider(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_streamval.http.client._FIRST_PAUSE", 0.0)
    path = tmp_path / "it.jsonl"
    assert main(["record", "openai:m", "x", "-o", str(path), "--url", "http://127.0.0.1:1", "--json"]) == 1
    shown = capsys.readouterr()
    assert "is not available at http://127.0.0.1:1" in shown.err
    assert json.loads(shown.out)["file"] is None
    assert not path.exists()


def test_record_without_httpx2_names_the_extra_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(SystemExit) as exited:
        main(["record", "ollama:m", "x", "-o", str(tmp_path / "it.jsonl")])
    assert exited.value.code == 2
    assert 'pip install "pytest-streamval[live]"' in capsys.readouterr().err


@pytest.mark.parametrize("out", [Terminal, io.StringIO], ids=["text on the terminal", "text elsewhere"])
def test_progress_is_one_line_on_a_terminal_and_removed_at_the_end(
    tmp_path: Path, model: type[Model], monkeypatch: pytest.MonkeyPatch, out: type[io.StringIO]
) -> None:
    monkeypatch.setattr("sys.stderr", shown := Terminal())
    monkeypatch.setattr("sys.stdout", text := out())
    assert main(["record", "openai:m", "control", "-o", str(tmp_path / "it.jsonl")]) == 0
    assert "openai:m: waiting for the first token\r\x1b[K" in shown.getvalue()
    assert ("openai:m: 14 characters\r\x1b[K" in shown.getvalue()) == (out is not Terminal)
    assert [line.partition(":")[0] for line in screen(shown.getvalue())] == ["streamval", ""]
    assert text.getvalue() == "One. Two.\\x1b[31m\n"


def test_progress_is_narrower_than_the_terminal(
    tmp_path: Path, model: type[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr", shown := Terminal())
    main(["record", f"openai:{'m' * 90}", "x", "-o", str(tmp_path / "it.jsonl"), "--json"])
    lines = [
        part for line in shown.getvalue().split("\n") for part in line.split("\r\x1b[K") if part.startswith("openai")
    ]
    assert {len(line) for line in lines} == {79}


# a shell starts background commands with these signals ignored
LISTENING = f"""import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
{COMMAND[-1]}"""


def interrupted(code: str, path: Path, number: int) -> tuple[int, str, str]:
    """Send a signal to a recording in the middle of its stream, and return its exit code and its outputs."""
    command = [*COMMAND[:-1], code, "record", "openai:m", "wait", "-o", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.read(5) == "One. "
        process.send_signal(number)
        return process.wait(), *process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_recording_keeps_the_stream_so_far(tmp_path: Path, model: type[Model], number: int) -> None:
    path = tmp_path / "it.jsonl"
    code, out, err = interrupted(LISTENING, path, number)
    assert (code, out) == (128 + number, "\n")
    assert err == f"streamval: interrupted; {path} holds the stream so far\n"
    assert Cassette.load(path).ending.how == "left"
    model.ended.wait()


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands of a test write neither coverage nor bytecode, because these files have no room either."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("unmeasured")
def test_an_interrupted_recording_that_cannot_be_saved_reports_that(tmp_path: Path, model: type[Model]) -> None:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n{LISTENING}"
    path = tmp_path / "it.jsonl"
    path.write_text("old")
    code, _, err = interrupted(f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); {limited}", path, 15)
    assert code == 128 + signal.SIGTERM
    assert f"File too large: '{path}'" in err
    assert err.endswith("streamval: interrupted; nothing was saved\n")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_recording_that_is_killed_leaves_the_old_file(tmp_path: Path, model: type[Model]) -> None:
    path = tmp_path / "it.jsonl"
    path.write_text("old")
    code, _, _ = interrupted(LISTENING, path, signal.SIGKILL)
    assert (code, path.read_text()) == (-signal.SIGKILL, "old")
    model.ended.wait()


@pytest.mark.usefixtures("unmeasured")
def test_a_recording_that_cannot_be_saved_names_the_file(tmp_path: Path, model: type[Model]) -> None:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n{COMMAND[-1]}"
    path = tmp_path / "it.jsonl"
    path.write_text("old")
    command = [*COMMAND[:-1], limited, "record", "openai:m", "Count.", "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "One. Two.\n")
    assert done.stderr == f"streamval: OSError: [Errno 27] File too large: '{path}'\n"
    assert path.read_text() == "old"


def test_a_recording_goes_on_after_a_signal_that_is_ignored(tmp_path: Path, model: type[Model]) -> None:
    path = tmp_path / "it.jsonl"
    ignoring = LISTENING.replace("signal.SIGHUP, signal.SIG_DFL", "signal.SIGHUP, signal.SIG_IGN")
    command = [*COMMAND[:-1], ignoring, "record", "openai:m", "wait", "-o", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.read(5) == "One. "
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    assert Cassette.load(path).ending.how == "left"


def test_a_recording_goes_on_without_a_reader_of_its_text(tmp_path: Path, model: type[Model]) -> None:
    path = tmp_path / "it.jsonl"
    command = [*COMMAND, "record", "openai:m", "Count.", "-o", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err.startswith(f"streamval: {path}: ")) == (0, True)
    assert Cassette.load(path).ending.how == "complete"


# show


def test_show_prints_the_text_the_reads_and_the_times(
    water: str, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["show", water]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "prompt    Write a two-sentence summary of the water cycle." in lines
    assert "The water cycle is a fundamental process that sustains life on Earth, driven by" in lines
    assert "     2   0.155 s      22 ms     238  ' water'" in lines
    assert any("█" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert main(["show", water, "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(lines) + 10


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "unheard-of"])
def test_show_draws_with_the_characters_of_the_encoding(
    water: str, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    shown = type("Out", (io.StringIO,), {"encoding": encoding})()
    monkeypatch.setattr("sys.stdout", shown)
    assert main(["show", water]) == 0
    assert shown.getvalue().isascii()


def test_show_json_prints_one_object(water: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", water, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["reads"]) == 31
    assert facts["header"]["protocol"] == "openai"
    assert len(facts["text"]) == 145


# replay


def test_replay_prints_each_chunk_with_its_offsets(water: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", water, "--fast"]) == 0
    first, line, last = capsys.readouterr().out.splitlines()
    assert "32 deltas, 145 characters" in first
    assert "0-145" in line
    assert "end of the stream" in last
    assert "The water cycle is a fundamental process" in line


def test_replay_uses_the_chunking_of_the_option(water: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", water, "--fast", "--chunking", "word"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 29


def test_replay_speed_divides_the_recorded_pauses(water: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", water, "--speed", "1e9"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_replay_json_prints_one_object_for_each_chunk(water: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", water, "--fast", "--chunking", "word", "--json"]) == 0
    chunks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [chunk["text"] for chunk in chunks[:3]] == ["The", "water", "cycle"]
    assert (chunks[1]["start"], chunks[1]["end"], len(chunks)) == (4, 9, 27)


def test_replay_of_a_truncated_stream_exits_with_1(
    tmp_path: Path, water: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_text("\n".join(Path(water).read_text().splitlines()[:9]))
    assert main(["replay", str(cut), "--fast", "--chunking", "word"]) == 1
    shown = capsys.readouterr()
    assert "'water'" in shown.out
    assert "streamval: StreamTruncatedError" in shown.err
    assert main(["show", str(cut)]) == 0  # show succeeds


# All commands


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["replay"], "required: FILE"),
        (["replay", "nowhere.jsonl"], "No such file"),
        (["replay", __file__], "Invalid JSON"),
        (["replay", "WATER", "--speed", "0"], "Invalid --speed: 0. It must be above 0."),
        (["replay", "WATER", "--chunking", "sentances"], "Unknown chunking alias 'sentances'"),
        (["show", "nowhere.jsonl"], "No such file"),
        (["show", __file__], "Invalid JSON"),
        (["show", "nowhere.jsonl"], "error: No such file"),
        (["ask", " ", "-m", "ollama:m"], "The prompt is empty. Give a text, or - "),
        (["record", "ollama:m", "", "-o", "y"], "The prompt is empty."),
        (["ask", "x", "-m", "typo"], "Unknown backend 'typo'"),
        (["ask", "x", "-m", "ollama:m", "-s", "typo"], "There are no names of models in streamval.toml."),
        (["ask", "x", "-m", "ollama:m", "--timeout", "-1"], "It must be a number of seconds above 0."),
        (["ask", "x", "-m", "nobody:m"], "Unknown backend 'nobody:m'"),
        (["serve", __file__, "--cut", "foo"], "Invalid cut: 'foo'. It must be whole, chars, words,"),
        (["serve", __file__, "--cut", "foo"], "offsets such as at-3-7.\n"),
        (["record", "openai:m", "x"], "required: -o/--output"),
        (["record", "nobody:m", "x", "-o", "y"], "Unknown backend 'nobody:m'"),
        (["record", "ollama:m", "x", "-o", "y", "--url", "ftp://x"], "It must be an address such as"),
        (["record", "anthropic:m", "x", "-o", "y"], "ANTHROPIC_API_KEY is not set"),
        (["record", "ollama:m", "x", "-o", "."], "Invalid -o: '.'. It must be a file, not a folder."),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_wrong_arguments_exit_with_2_and_a_reason(
    water: str, monkeypatch, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    with pytest.raises(SystemExit) as exited:
        main([water if argument == "WATER" else argument for argument in arguments])
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["replay", "--fast", "--chunking", "word"], ["show"], ["show", "--json"]], ids=" ".join
)
def test_a_closed_pipe_ends_the_command_with_141_and_no_message(water: str, arguments: list[str]) -> None:
    command, *options = arguments
    with subprocess.Popen(
        [*COMMAND, command, water, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_an_error_is_printed_after_earlier_output(tmp_path: Path, water: str) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_text("\n".join(Path(water).read_text().splitlines()[:9]))
    command = [*COMMAND, "replay", str(cut), "--fast"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    *printed, last = done.stdout.splitlines()
    assert last.startswith("streamval: StreamTruncatedError")
    assert "deltas" in printed[0]
