"""`streamval serve` with folders of recordings, files of rules and a provider, and its ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval import Delay, ProviderServer, Script, Stall, faults
from pytest_streamval.cli import main
from pytest_streamval.cli.fault_option import fault_of
from pytest_streamval.cli.serve_sources import source_of
from pytest_streamval.cli.signals import Interrupts
from tests.server.clients import BODY, CHAT, CLOSE, exchange, receive_all, receive_until, request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS = 60  # until a process must have ended
# A run of the tests may ignore SIGHUP, as under nohup.
_CODE = (
    "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL);"
    "from pytest_streamval.cli import main; raise SystemExit(main())"
)

# A signal arrives as soon as the line of a request is printed.
_INTERRUPTED = """
from pytest_streamval.cli import serve_output
from pytest_streamval.cli.terminal import print_json

def print_and_interrupt(**fields):
    print_json(**fields)
    if fields["event"] == "request":
        signal.raise_signal(signal.SIGTERM)

serve_output.print_json = print_and_interrupt
"""


@contextmanager
def serving(
    *arguments: str, end: int = signal.SIGTERM, code: str = _CODE
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `streamval serve --json`, and yield the process and its port. A signal ends it."""
    command = [sys.executable, "-W", "error", "-c", code, "serve", *arguments, "--json", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield process, json.loads(line)["port"]
        finally:
            process.send_signal(end)
            try:
                assert process.wait(_SECONDS) == 0
            finally:
                process.kill()


def next_event(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def ask(port: int, prompt: str = "Hi", model: str = "m", **more: object) -> bytes:
    """Return the response to a prompt."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": prompt}], **more}
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request(body, CHAT, CLOSE))
        return receive_all(client)


def record(folder: Path, *prompts: str) -> None:
    """Record the responses to prompts in a folder."""
    with (
        ProviderServer(lambda given: f"You said {given.prompt}", token_size=50) as real,
        ProviderServer(upstream=real.url, cassettes=folder) as server,
    ):
        for prompt in prompts:
            messages = [{"role": "user", "content": prompt}]
            exchange(server, request({**BODY, "messages": messages}, CHAT, CLOSE))


def test_serve_replays_a_folder_again_and_again(tmp_path: Path) -> None:
    record(tmp_path, "Hi", "Bye")
    with serving(str(tmp_path)) as (_, port):
        for prompt in ("Bye", "Hi", "Bye"):
            assert f"You said {prompt}".encode() in ask(port, prompt)
        assert b"400" in ask(port, "What?").split(b"\r\n")[0]


def test_serve_records_the_answers_of_a_provider(tmp_path: Path) -> None:
    with ProviderServer("Hello.") as real, serving("--upstream", real.url, "--record", str(tmp_path)) as (_, port):
        assert b"200" in ask(port)
    assert Script.from_cassette(tmp_path / "stream.jsonl").text == "Hello."


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_serve_keeps_a_recording_that_is_not_complete(tmp_path: Path, end: int) -> None:
    with (
        ProviderServer(Script.of("Hello", Stall())) as real,
        serving("--upstream", real.url, "-o", str(tmp_path), end=end) as (process, port),
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        client.sendall(request())
        receive_until(client, b"Hello")
        process.send_signal(end)
        assert process.wait(_SECONDS) == 0
    assert Script.from_cassette(tmp_path / "stream.jsonl").text == "Hello"


def test_serve_prints_requests_and_responses_as_json(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Hello there.", encoding="utf-8")
    with serving(str(tmp_path / "text.txt"), "--strict", "--fault", "truncate:after_deltas=1") as (process, port):
        assert b"Hell" in ask(port, "Say \x1b[2J hello")
        assert b"400" in ask(port, n=0).split(b"\r\n")[0]
        events = [next_event(process) for _ in range(4)]
    assert sorted((event["event"], event["number"]) for event in events) == [
        ("request", 0),
        ("request", 1),
        ("response", 0),
        ("response", 1),
    ]
    assert {(event["status"], event["outcome"]) for event in events if event["event"] == "request"} == {(None, "open")}
    last = {event["number"]: event for event in events if event["event"] == "response"}
    assert (last[0]["status"], last[0]["outcome"], last[0]["fault"]) == (200, "finished", "truncate")
    assert last[0]["prompt"] == "Say \x1b[2J hello"
    assert last[1]["refusal"].startswith("Invalid 'n': integer below minimum value.")


def test_serve_prints_the_responses_that_its_end_breaks(tmp_path: Path) -> None:
    Script.of("One ", Stall()).dump(tmp_path / "script.jsonl")
    with (
        serving(str(tmp_path / "script.jsonl")) as (process, port),
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        client.sendall(request())
        receive_until(client, b"One")
        events = [next_event(process)]
        process.terminate()
        assert process.wait(_SECONDS) == 0
        events.append(next_event(process))
    assert [event["event"] for event in events] == ["request", "response"]
    assert events[1]["outcome"] == "broken"


def test_serve_prints_no_request_twice_when_a_signal_arrives_after_its_line(tmp_path: Path) -> None:
    Script.of("One ", Stall()).dump(tmp_path / "script.jsonl")
    imports, _, call = _CODE.rpartition("from ")
    with (
        serving(str(tmp_path / "script.jsonl"), code=f"{imports}\n{_INTERRUPTED}\nfrom {call}") as (process, port),
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        client.sendall(request())
        assert process.wait(_SECONDS) == 0
        assert process.stdout is not None
        events = [json.loads(line) for line in process.stdout]
    assert [(event["event"], event["number"]) for event in events] == [("request", 0), ("response", 0)]


def test_held_interrupts_wait_for_the_end_of_the_block_but_for_a_second_one() -> None:
    done = []
    interrupts = Interrupts()

    def interrupted() -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the block")

    with interrupts.received():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert done == ["the rest of the block"]


def test_serve_prints_the_reason_of_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Hello there.", encoding="utf-8")
    command = [sys.executable, "-c", _CODE, "serve", str(tmp_path / "text.txt"), "--strict", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        port = int(lines[1].rpartition(":")[2].removesuffix("/v1\n"))
        ask(port, n=0)
        assert process.stdout.readline() == "POST /v1/chat/completions 'Hi': 400\n"
        assert process.stdout.readline().startswith("  refused: Invalid 'n': integer below minimum value.")
        process.terminate()
        assert process.wait(_SECONDS) == 0


TOML = """
[[rules]]
model = "gpt-*"
prompt = "weather"
script = ["call.jsonl", "answer.jsonl"]

[[rules]]
protocol = "openai"
prompt = "break"
text = "Broken."
fault = "reset:after_deltas=1"

[[rules]]
model = "m"
text = ["First.", "Second."]
"""


@pytest.mark.parametrize("form", ["toml", "json"])
def test_serve_chooses_the_script_by_the_rules_of_a_file(tmp_path: Path, form: str) -> None:
    Script.of("Calling.").dump(tmp_path / "call.jsonl")
    Script.of("Sunny.").dump(tmp_path / "answer.jsonl")
    text = TOML if form == "toml" else json.dumps(tomllib.loads(TOML))
    (tmp_path / f"rules.{form}").write_text(text, encoding="utf-8")
    with serving(str(tmp_path / f"rules.{form}")) as (_, port):
        weather = [ask(port, "the weather?", "gpt-4.1") for _ in range(3)]
        assert [b"Calling." in weather[0], b"Sunny." in weather[1], b"Sunny." in weather[2]] == [True] * 3
        with pytest.raises(ConnectionResetError):
            ask(port, "break it")
        assert [b'"Firs"' in ask(port), b'"Seco"' in ask(port), b'"Seco"' in ask(port)] == [True] * 3
        assert b"400" in ask(port, model="other").split(b"\r\n")[0]


def test_serve_says_without_words_about_pytest_that_no_rule_is_for_a_request(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[[rules]]\nmodel = 'a'\ntext = 'Hi.'", encoding="utf-8")
    command = [sys.executable, "-W", "error", "-c", _CODE, "serve", str(tmp_path / "rules.toml"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = [process.stdout.readline() for _ in range(5)][-1]
        response = ask(int(line.rpartition(":")[2]), model="b")
        assert b" 400 " in response
        assert b"pytest" not in response
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=_SECONDS)
    assert "  refused: A request came for which" in output
    assert output.count("A request came for which") == 1
    assert "  Its rule has none for this request.\n  Add a script for it to the rule.\n" in output
    assert errors == ""
    assert "pytest" not in output


def test_serve_plays_json_without_rules_as_a_text(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"a": 1}', encoding="utf-8")
    with serving(str(tmp_path / "answer.json")) as (_, port):
        assert rb"{\"a" in ask(port)


REFUSED = {
    "no TOML": ("rules.toml", "= =", "It is not TOML"),
    "no rules": ("rules.toml", "a = 1", 'It has no "rules"'),
    "no list": ("rules.json", '{"rules": 5}', '"rules" is no list of rules'),
    "an unknown field": ("rules.toml", "[[rules]]\nscripts = 1", "Rule 1 has 'scripts'"),
    "a rule that is none": ("rules.json", '{"rules": [5]}', "Rule 1 has 5"),
    "a number as the model": ("rules.toml", "[[rules]]\nmodel = 1\ntext = 'a'", "Rule 1 has the model 1"),
    "an unknown protocol": (
        "rules.toml",
        "[[rules]]\nprotocol = 'open-ai'\ntext = 'a'",
        "Rule 1 has the protocol 'open-ai'. It must be one of anthropic",
    ),
    "no response": ("rules.toml", "[[rules]]\nmodel = 'a'", "Rule 1 has no response"),
    "two responses": ("rules.toml", "[[rules]]\ntext = 'a'\nscript = 'b'", "Rule 1 has two responses"),
    "an empty response": ("rules.toml", "[[rules]]\ntext = []", "Rule 1 has the response []"),
    "a number as the response": ("rules.toml", "[[rules]]\ntext = 5", "Rule 1 has the response [5]"),
    "a missing script": (
        "rules.toml",
        "[[rules]]\nscript = 'none.jsonl'",
        "Rule 1 has the script 'none.jsonl'. There is no such file.",
    ),
    "a script of another folder": (
        "rules.toml",
        "[[rules]]\nscript = '../a.jsonl'",
        "'../a.jsonl'. It must be in the folder of the rules.",
    ),
    "an unknown fault": ("rules.toml", "[[rules]]\ntext = 'a'\nfault = 'b'", "It must be one of refuse"),
    "a fault of the server": ("rules.toml", "[[rules]]\ntext = 'a'\nfault = 'refuse'", "Use --fault refuse"),
}


@pytest.mark.parametrize(("name", "text", "message"), REFUSED.values(), ids=REFUSED)
def test_serve_refuses_an_invalid_file_of_rules(
    tmp_path: Path, name: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["serve", str(tmp_path / name)])
    assert message in " ".join(capsys.readouterr().err.split())


def test_serve_refuses_a_folder_without_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", str(tmp_path)])
    assert "The folder has no recordings" in capsys.readouterr().err


ARGUMENTS = {
    "no source": ([], "Give either a SOURCE"),
    "two sources": (["a", "--upstream", "http://127.0.0.1:1"], "Give either a SOURCE"),
    "recordings of nothing": (["a", "--record", "b"], "give --upstream URL too"),
    "no speed": (["a", "--speed", "0"], "Invalid --speed: 0. It must be above 0."),
    "two speeds": (["a", "--speed", "2", "--fast"], "not allowed with"),
    "an unknown value": (["a", "--fault", "reset:after=3"], "reset has after_deltas, after_bytes, and not 'after'"),
    "no number": (["a", "--fault", "reset:after_deltas=x"], "It must be a name of a fault, with its values"),
    "a fault without values": (["a", "--fault", "refuse:seconds=1"], "refuse has no values"),
    "a negative value": (["a", "--fault", "stall:seconds=-1"], "It must be a number, 0 or more"),
}


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_serve_refuses_arguments_that_do_not_fit(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("Hello.", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["serve", *arguments])
    assert message in " ".join(capsys.readouterr().err.split())


def test_serve_names_a_port_that_is_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text("Hello.", encoding="utf-8")
    with ProviderServer("Hello.") as other:
        with pytest.raises(SystemExit):
            main(["serve", str(tmp_path / "a"), "--port", str(other.port)])
        error = " ".join(capsys.readouterr().err.split())
        assert f"The port {other.port} is in use." in error
        assert "--port 0" in error


def test_a_fault_is_given_with_its_values() -> None:
    assert fault_of("reset") == faults.reset()
    assert fault_of("reset:after_deltas=3") == faults.reset(after_deltas=3)
    assert fault_of("stall:seconds=0.5,after_bytes=10") == faults.stall(0.5, after_bytes=10)
    assert fault_of("compressed:coding=deflate") == faults.compressed("deflate")


def test_serve_plays_the_pauses_of_a_cassette_faster(tmp_path: Path) -> None:
    head = {"protocol": "openai", "request": {"messages": []}, "status": 200}
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    data = f"data: {json.dumps(chunk)}\n\n"
    lines = [head, {"at": 0.0, "text": data}, {"at": 4.0, "text": data}]
    (tmp_path / "stream.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    pauses = {}
    for speed in (1.0, 2.0, inf):
        (rule,), _ = source_of(str(tmp_path / "stream.jsonl"), speed, None)
        steps = rule(None).steps  # type: ignore[operator, arg-type, union-attr]
        pauses[speed] = [step.seconds for step in steps if isinstance(step, Delay)]
    assert pauses == {1.0: [4.0], 2.0: [2.0], inf: []}
