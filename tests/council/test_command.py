"""`streamval ask` and `streamval providers`."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.cli import main
from pytest_streamval.cli.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMAND = [sys.executable, "-c", "from pytest_streamval.cli import main; raise SystemExit(main())"]
KEY = "planted-key-0123456789abcdef"
TEXTS = {"a": ["Alpha ", "one.\nAlpha", " two."], "b": ["Beta."], "s": ["Both."], "wait": ["It begins.\nHalf of it"]}
TEXTS["odd"] = ["Red \x1b[31m and a line that is longer than a terminal of forty columns has room for."]


class Model(BaseHTTPRequestHandler):
    """Sends the texts of a model by its name; `wait` stalls after its text, and any other name is refused."""

    requests: list[dict[str, object]]
    begun: threading.Event

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.requests.append(body)
        texts = TEXTS.get(body["model"])
        self.send_response(400 if texts is None else 200)
        self.send_header("content-type", "text/event-stream" if body.get("stream") else "application/json")
        self.end_headers()
        if texts is None:
            self.wfile.write(json.dumps({"error": {"message": f"what is {self.headers['authorization']}?"}}).encode())
        elif body.get("stream"):
            for text in texts:
                frame = {"choices": [{"index": 0, "delta": {"content": text}}]}
                self.wfile.write(f"data: {json.dumps(frame)}\n\n".encode())
            self.wfile.write(b"" if self.waits(body) else b"data: [DONE]\n\n")
        elif not self.waits(body):
            message = {"role": "assistant", "content": "".join(texts)}
            self.wfile.write(json.dumps({"choices": [{"index": 0, "message": message}]}).encode())

    def waits(self, body: dict[str, object]) -> bool:
        if body["model"] != "wait":
            return False
        self.begun.set()
        self.rfile.read(1)  # returns when the client leaves
        return True

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def model(monkeypatch, tmp_path) -> Iterator[type[Model]]:
    """Serve models at the address of OpenAI, with an empty cache folder."""
    handler = type("Handler", (Model,), {"requests": [], "begun": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("OPENAI_BASE_URL", "http://{}:{}".format(*server.server_address))
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        yield handler
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def handled_interrupts() -> Iterator[None]:
    """Handle SIGINT as a program in the foreground does: a background job of a shell ignores it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def ask(*models: str, options: list[str] | None = None) -> int:
    words = [word for name in models for word in ("-m", f"openai:{name}")]
    return main(["ask", "Say it.", *words, *(options or [])])


@pytest.mark.parametrize("options", [["--stream"], []], ids=["streamed", "buffered"])
def test_ask_prints_complete_lines_with_the_name_of_the_member(model, capsys, options) -> None:
    assert ask("a", "b", options=[*options, "-s", "openai:s"]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert [line for line in lines if line.startswith("openai:a")] == [
        "openai:a  | Alpha one.",
        "openai:a  | Alpha two.",
    ]
    assert lines.count("openai:b  | Beta.") == 1
    assert lines[-1] == "synthesis | Both."
    assert len(lines) == 4
    assert output.err == ""
    assert {body.get("stream", False) for body in model.requests} == {bool(options)}


def test_ask_json_prints_the_complete_result_and_ignores_stream(model, capsys) -> None:
    assert ask("a", "b", options=["--json", "--stream", "-s", "openai:s", "--no-cache"]) == 0
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert [(answer["name"], answer["text"]) for answer in found["answers"]] == [
        ("openai:a", "Alpha one.\nAlpha two."),
        ("openai:b", "Beta."),
    ]
    assert (found["mode"], found["synthesis"], found["cached"]) == ("synthesize", "Both.", False)
    assert not any(body.get("stream") for body in model.requests)


def test_ask_uses_the_cache(model, capsys) -> None:
    assert ask("a", options=["--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert ask("a", options=["--stream"]) == 0
    output = capsys.readouterr()
    assert output.out == "openai:a  | Alpha one.\nopenai:a  | Alpha two.\n"
    assert output.err == "streamval: from the cache; --no-cache asks again\n"
    assert ask("a", options=["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {**first, "cached": True}
    assert len(model.requests) == 1
    assert ask("a", options=["--no-cache"]) == 0
    assert len(model.requests) == 2


@pytest.mark.parametrize("options", [["--stream"], [], ["--json"]], ids=["streamed", "buffered", "json"])
def test_ask_exits_with_1_without_a_usable_answer_and_prints_no_key(model, capsys, options) -> None:
    assert ask("nobody", options=options) == 1
    output = capsys.readouterr()
    assert "ProviderStatusError: openai at" in output.out + output.err
    assert "[redacted]" in output.out + output.err
    assert KEY not in output.out + output.err
    assert ("no member gave a usable answer" in output.err) == (options != ["--json"])


def test_ask_exits_with_0_with_one_usable_answer(model, capsys) -> None:
    words = ["-m", "nobody:x", "--mode", "raw"]
    assert ask("b", options=words) == 0
    output = capsys.readouterr()
    assert output.out == "openai:b  | Beta.\n"
    assert "streamval: nobody:x: UnknownNameError: Unknown backend 'nobody:x'." in output.err


@pytest.mark.parametrize("mode", ["debate", "adversarial"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_ask_refuses_to_stream_a_buffered_mode(model, capsys, mode, options) -> None:
    with pytest.raises(SystemExit) as exited:
        ask("a", options=["--stream", "--mode", mode, *options])
    assert exited.value.code == 2
    assert f"Invalid --mode with --stream: {mode!r}. It must be synthesize or raw." in capsys.readouterr().err
    assert model.requests == []


def test_ask_debates_for_the_given_number_of_rounds(model, capsys) -> None:
    assert ask("a", "b", options=["--mode", "debate", "--rounds", "3", "--json", "-s", "openai:s"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rounds"]) == 3
    assert len(model.requests) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mode", "vote"], "choose from"),
        (["--rounds", "0"], "Invalid rounds: 0"),
        (["--timeout", "0"], "Invalid timeout: 0"),
    ],
)
def test_ask_exits_with_2_for_wrong_arguments(model, capsys, options, message) -> None:
    with pytest.raises(SystemExit) as exited:
        ask("a", options=options)
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


def test_ask_needs_a_model(capsys) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["ask", "Say it."])
    assert exited.value.code == 2
    assert "-m/--model" in capsys.readouterr().err


def test_ask_sends_its_options_to_the_models(model, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("From a pipe.\n"))
    settings = ["--system", "Be brief.", "--temperature", "0", "--max-tokens", "9", "--seed", "7"]
    assert main(["ask", "-", "-m", "openai:a", *settings]) == 0
    assert model.requests[0] == {
        "model": "a",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "From a pipe.\n"}],
        "temperature": 0,
        "max_tokens": 9,
        "seed": 7,
    }


@pytest.mark.parametrize("rich", [True, False], ids=["with rich", "without"])
def test_ask_wraps_lines_on_a_terminal_and_escapes_control_characters(model, monkeypatch, rich) -> None:
    if not rich:
        monkeypatch.setitem(sys.modules, "rich", None)
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout", terminal := Terminal())
    assert ask("odd", "b", options=["--stream"]) == 0
    text = terminal.getvalue()
    assert ("\x1b[36m" in text) == rich
    assert "\\x1b[31m" in text
    plain = text.replace("\x1b[36m", "").replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert "\x1b" not in plain
    lines = [line for line in plain.splitlines() if line.startswith("openai:odd")]
    assert len(lines) > 2
    assert max(len(line.replace("\\x1b", "-")) for line in lines) < 40
    assert " ".join(line.partition(" | ")[2] for line in lines).replace("\\x1b", "\x1b") == TEXTS["odd"][0]


def test_lines_of_wide_characters_fit_on_a_terminal(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout", terminal := Terminal())
    lines = Lines(["a", "b"])
    lines.show("a", "日本語" * 20)
    lines.end_all()
    texts = [line.rpartition("| ")[2].removeprefix("\x1b[0m") for line in terminal.getvalue().splitlines()]
    assert "".join(texts) == "日本語" * 20
    assert max(map(len, texts)) == 17  # of two columns each


def interrupted(model: type[Model], *words: str, first: Sequence[str] = ()) -> tuple[str, str]:
    """Interrupt the command after its first lines, while the model `wait` stalls, and return its output."""
    command = [*COMMAND, "ask", "Say it.", *words]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert sorted(process.stdout.readline() for _ in first) == sorted(first)  # members interleave
        assert model.begun.wait(60)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)
    assert process.returncode == 130
    return output


def test_an_interrupt_of_ask_stops_every_member_and_prints_the_text_so_far(model) -> None:
    words = ["-m", "openai:b", "-m", "openai:wait", "-s", "openai:s", "--stream"]
    out, err = interrupted(model, *words, first=["openai:b    | Beta.\n", "openai:wait | It begins.\n"])
    assert out == "openai:wait | Half of it\n"
    assert err == "streamval: interrupted; every member was stopped\n"
    assert len(model.requests) == 2


def test_an_interrupt_of_ask_json_prints_the_result_so_far(model, capsys) -> None:
    def interrupt() -> None:
        assert model.begun.wait(60)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert main(["ask", "Say it.", "-m", "openai:wait", "--json"]) == 130
    thread.join()
    output = capsys.readouterr()
    (answer,) = json.loads(output.out)["answers"]
    assert answer["error"].startswith("CancelledError: ")
    assert output.err == ""


def test_ask_ends_quietly_if_its_pipe_is_closed(model) -> None:
    process = subprocess.Popen(
        [*COMMAND, "ask", "Say it.", "-m", "openai:a", "-m", "openai:b"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


# providers


def test_providers_lists_every_provider_and_prints_no_key(monkeypatch, capsys) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    monkeypatch.setenv("GROQ_BASE_URL", f"https://user:{KEY}@groq.example/v1")
    monkeypatch.setenv("MISTRAL_BASE_URL", "ftp://nowhere")
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    assert main(["providers"]) == 0
    output = capsys.readouterr().out
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in output.splitlines()}
    assert lines["ollama"] == "no key needed http://127.0.0.1:11434"
    assert lines["openai"] == "no key: set OPENAI_API_KEY https://api.openai.com"
    assert lines["gemini"].startswith("key in GOOGLE_API_KEY ")
    assert lines["groq"] == "key in GROQ_API_KEY https://[redacted]@groq.example/v1"
    assert lines["mistral"].endswith("no address in MISTRAL_BASE_URL")
    assert main(["providers", "--json"]) == 0
    output += capsys.readouterr().out
    assert KEY not in output
    facts = {line["name"]: line for line in map(json.loads, output.splitlines()[len(lines) :])}
    assert facts["gemini"]["key_found_in"] == "GOOGLE_API_KEY"
    assert facts["openai"]["key_found_in"] is None
    assert facts["anthropic"]["protocol"] == "anthropic"


def test_ask_names_the_friendly_names_for_one_that_is_unknown(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "streamval.toml").write_text('[models]\nfast = "ollama:m"\nsmart = "ollama:n"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exited:
        main(["ask", "Hi", "-m", "fsat"])
    assert exited.value.code == 2
    shown = capsys.readouterr().err
    assert "Unknown backend 'fsat'" in shown
    assert "streamval.toml are fast, smart." in shown
