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
    """Says what belongs to its name; "wait" breaks off and waits, any other name is refused."""

    asked: list[dict[str, object]]
    begun: threading.Event

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
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
        self.rfile.read(1)  # until the client has left
        return True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def model(monkeypatch, tmp_path) -> Iterator[type[Model]]:
    """Serve models, where OpenAI is said to be, for a user without a cache."""
    handler = type("Handler", (Model,), {"asked": [], "begun": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("OPENAI_BASE_URL", "http://{}:{}".format(*server.server_address))
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        yield handler
        server.shutdown()
        thread.join()


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def ask(*models: str, options: list[str] | None = None) -> int:
    words = [word for name in models for word in ("-m", f"openai:{name}")]
    return main(["ask", "Say it.", *words, *(options or [])])


@pytest.mark.parametrize("options", [["--stream"], []], ids=["streamed", "buffered"])
def test_lines_are_complete_and_begin_with_the_name(model, capsys, options) -> None:
    assert ask("a", "b", options=[*options, "-s", "openai:s"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert [line for line in lines if line.startswith("openai:a")] == [
        "openai:a  | Alpha one.",
        "openai:a  | Alpha two.",
    ]
    assert lines.count("openai:b  | Beta.") == 1
    assert lines[-1] == "synthesis | Both."
    assert len(lines) == 4
    assert shown.err == ""
    assert {body.get("stream", False) for body in model.asked} == {bool(options)}


def test_json_is_the_whole_result_and_ignores_stream(model, capsys) -> None:
    assert ask("a", "b", options=["--json", "--stream", "-s", "openai:s", "--no-cache"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert [(answer["name"], answer["text"]) for answer in found["answers"]] == [
        ("openai:a", "Alpha one.\nAlpha two."),
        ("openai:b", "Beta."),
    ]
    assert (found["mode"], found["synthesis"], found["cached"]) == ("synthesize", "Both.", False)
    assert not any(body.get("stream") for body in model.asked)


def test_what_was_asked_before_comes_from_the_cache(model, capsys) -> None:
    assert ask("a", options=["--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert ask("a", options=["--stream"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "openai:a  | Alpha one.\nopenai:a  | Alpha two.\n"
    assert shown.err == "streamval: from the cache; --no-cache asks again\n"
    assert ask("a", options=["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {**first, "cached": True}
    assert len(model.asked) == 1
    assert ask("a", options=["--no-cache"]) == 0
    assert len(model.asked) == 2


@pytest.mark.parametrize("options", [["--stream"], [], ["--json"]], ids=["streamed", "buffered", "json"])
def test_without_a_usable_answer_it_exits_with_1_and_shows_no_key(model, capsys, options) -> None:
    assert ask("nobody", options=options) == 1
    shown = capsys.readouterr()
    assert "ProviderStatusError: openai at" in shown.out + shown.err
    assert "[redacted]" in shown.out + shown.err
    assert KEY not in shown.out + shown.err
    assert ("no member gave a usable answer" in shown.err) == (options != ["--json"])


def test_one_usable_answer_is_enough(model, capsys) -> None:
    words = ["-m", "nobody:x", "--mode", "raw"]
    assert ask("b", options=words) == 0
    shown = capsys.readouterr()
    assert shown.out == "openai:b  | Beta.\n"
    assert "streamval: nobody:x: UnknownProviderError: Unknown backend 'nobody:x'." in shown.err


@pytest.mark.parametrize("mode", ["debate", "adversarial"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_mode_that_is_buffered_does_not_stream(model, capsys, mode, options) -> None:
    with pytest.raises(SystemExit) as exited:
        ask("a", options=["--stream", "--mode", mode, *options])
    assert exited.value.code == 2
    assert f"Invalid --mode with --stream: {mode!r}. It must be synthesize or raw." in capsys.readouterr().err
    assert model.asked == []


def test_a_debate_has_as_many_rounds_as_it_is_told(model, capsys) -> None:
    assert ask("a", "b", options=["--mode", "debate", "--rounds", "3", "--json", "-s", "openai:s"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rounds"]) == 3
    assert len(model.asked) == 7


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--mode", "vote"], "choose from"),
        (["--rounds", "0"], "rounds=0"),
        (["--timeout", "0"], "timeout=0"),
    ],
)
def test_a_wrong_call_exits_with_2(model, capsys, options, says) -> None:
    with pytest.raises(SystemExit) as exited:
        ask("a", options=options)
    assert exited.value.code == 2
    assert says in capsys.readouterr().err


def test_without_a_model_nobody_is_asked(capsys) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["ask", "Say it."])
    assert exited.value.code == 2
    assert "-m/--model" in capsys.readouterr().err


def test_members_are_asked_as_the_command_says(model, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("From a pipe.\n"))
    settings = ["--system", "Be brief.", "--temperature", "0", "--max-tokens", "9", "--seed", "7"]
    assert main(["ask", "-", "-m", "openai:a", *settings]) == 0
    assert model.asked[0] == {
        "model": "a",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "From a pipe.\n"}],
        "temperature": 0,
        "max_tokens": 9,
        "seed": 7,
    }


@pytest.mark.parametrize("rich", [True, False], ids=["with rich", "without"])
def test_lines_fit_on_a_terminal_and_hold_no_control_characters(model, monkeypatch, rich) -> None:
    if not rich:
        monkeypatch.setitem(sys.modules, "rich", None)
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout", shown := Terminal())
    assert ask("odd", "b", options=["--stream"]) == 0
    text = shown.getvalue()
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
    monkeypatch.setattr("sys.stdout", shown := Terminal())
    lines = Lines(["a", "b"])
    lines.show("a", "日本語" * 20)
    lines.end_all()
    texts = [line.rpartition("| ")[2].removeprefix("\x1b[0m") for line in shown.getvalue().splitlines()]
    assert "".join(texts) == "日本語" * 20
    assert max(map(len, texts)) == 17  # of two columns each


def interrupted(model: type[Model], *words: str, first: Sequence[str] = ()) -> tuple[str, str]:
    """Interrupt the command when lines were printed and the model that waits has begun; return what it printed."""
    command = [*COMMAND, "ask", "Say it.", *words]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert sorted(process.stdout.readline() for _ in first) == sorted(first)  # their order is nobody's promise
        assert model.begun.wait(10)
        process.send_signal(signal.SIGINT)
        shown = process.communicate(timeout=10)
    assert process.returncode == 130
    return shown


def test_an_interruption_stops_every_member_and_shows_what_there_is(model) -> None:
    words = ["-m", "openai:b", "-m", "openai:wait", "-s", "openai:s", "--stream"]
    out, err = interrupted(model, *words, first=["openai:b    | Beta.\n", "openai:wait | It begins.\n"])
    assert out == "openai:wait | Half of it\n"
    assert err == "streamval: interrupted; every member was stopped\n"
    assert len(model.asked) == 2


def test_an_interruption_shows_machines_what_there_is(model) -> None:
    out, err = interrupted(model, "-m", "openai:wait", "--json")
    (answer,) = json.loads(out)["answers"]
    assert answer["error"].startswith("CancelledError: ")
    assert err == ""


def test_a_pipe_that_is_closed_ends_it_without_a_word(model) -> None:
    process = subprocess.Popen(
        [*COMMAND, "ask", "Say it.", "-m", "openai:a", "-m", "openai:b"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.wait(10) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


# providers


def test_providers_are_listed_and_no_key_is_shown(monkeypatch, capsys) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    monkeypatch.setenv("GROQ_BASE_URL", f"https://user:{KEY}@groq.example/v1")
    monkeypatch.setenv("MISTRAL_BASE_URL", "ftp://nowhere")
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    assert main(["providers"]) == 0
    shown = capsys.readouterr().out
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.splitlines()}
    assert lines["ollama"] == "no key needed http://127.0.0.1:11434"
    assert lines["openai"] == "no key: set OPENAI_API_KEY https://api.openai.com"
    assert lines["gemini"].startswith("key in GOOGLE_API_KEY ")
    assert lines["groq"] == "key in GROQ_API_KEY https://[redacted]@groq.example/v1"
    assert lines["mistral"].endswith("no address in MISTRAL_BASE_URL")
    assert main(["providers", "--json"]) == 0
    shown += capsys.readouterr().out
    assert KEY not in shown
    facts = {line["name"]: line for line in map(json.loads, shown.splitlines()[len(lines) :])}
    assert facts["gemini"]["key_found_in"] == "GOOGLE_API_KEY"
    assert facts["openai"]["key_found_in"] is None
    assert facts["anthropic"]["protocol"] == "anthropic"
