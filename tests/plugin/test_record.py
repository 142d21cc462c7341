"""The fixture `stream_cassette` and the option `--streamval-record`."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.cli import main
from tests.plugin.runs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "recording.md"

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
strict = true
addopts = -p no:randomly
"""

TESTS = """
import asyncio
import pytest
from pytest_streamval import LiveBackend, ModelOption, SimpleContext

async def ask(backend, *prompts):
    answers = []
    for prompt in prompts:
        thunk, _ = await backend.generate_from_context(
            prompt, SimpleContext(), model_options={ModelOption.STREAM: True}
        )
        answers.append(await thunk.avalue())
    return answers

"""

ASKS = (
    TESTS
    + """
class TestModel:
    @pytest.mark.parametrize("word", ["sun", "a/b"])
    async def test_says_it(self, stream_cassette, word):
        assert await ask(stream_cassette(LiveBackend("openai:m")), word, "Bye") == [f"{word}!", "Bye!"]
"""
)

ASKS_LESS = (
    TESTS
    + """
async def test_less(stream_cassette):
    await ask(stream_cassette(LiveBackend("openai:m")), "One")

@pytest.mark.streamval_allow_unplayed
async def test_less_on_purpose(stream_cassette):
    await ask(stream_cassette(LiveBackend("openai:m")), "One")

async def test_fails_first(stream_cassette):
    await ask(stream_cassette(LiveBackend("openai:m")), "One")
    assert not "first"
"""
)

ASKS_MORE = (
    TESTS
    + """
from pytest_streamval.errors import UnmatchedRequestError

async def test_less(stream_cassette):
    await ask(stream_cassette(LiveBackend("openai:m")), "One", "Two", "Three")

async def test_less_on_purpose(stream_cassette):
    with pytest.raises(UnmatchedRequestError):
        await ask(stream_cassette(LiveBackend("openai:m")), "One", "Two", "Three")

async def test_fails_first(stream_cassette):
    try:
        await ask(stream_cassette(LiveBackend("openai:m")), "One", "Two", "Three")
    except Exception:
        pass
"""
)

KEEPS_TIME = (
    TESTS
    + """
async def test_times(stream_cassette, virtual_clock):
    await ask(stream_cassette(LiveBackend("openai:m")), "One")
    assert virtual_clock.elapsed == ELAPSED
"""
)


DEPENDS_ON_READS = (
    TESTS
    + """
async def test_deltas(stream_cassette):
    backend = stream_cassette(LiveBackend("openai:m"))
    thunk, _ = await backend.generate_from_context("One", SimpleContext(), model_options={ModelOption.STREAM: True})
    assert [text async for text in thunk] == ["One!"]
"""
)


class Model(BaseHTTPRequestHandler):
    """A model that answers with the prompt and an exclamation mark."""

    asked: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = body["messages"][-1]["content"]
        self.asked.append(prompt)
        frames = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in (prompt, "!")]
        answer = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames).encode() + b"data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)


@pytest.fixture
def asked(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serve a model, and return the list of its prompts."""
    handler = type("Handler", (Model,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("OPENAI_BASE_URL", "http://{}:{}".format(*server.server_address))
        monkeypatch.setenv("OPENAI_API_KEY", "planted-key-0123")
        yield handler.asked
        server.shutdown()
        thread.join()


def cassettes(pytester: pytest.Pytester) -> list[str]:
    folder = pytester.path / "__cassettes__"
    return sorted(str(found.relative_to(folder)) for found in folder.glob("**/*") if found.is_file())


def test_a_recorded_test_needs_no_key_and_no_network(
    pytester: pytest.Pytester, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(test_it=ASKS)
    missing = run(pytester)
    missing.assert_outcomes(failed=2)
    name = "__cassettes__/test_it/TestModel.test_says_it[[]sun].jsonl"
    missing.stdout.fnmatch_lines([f"*There is no recording at {name}, and --streamval-record none, *"])
    missing.stdout.fnmatch_lines(["*pytest 'test_it.py::TestModel::test_says_it[[]sun]' --streamval-record once*"])
    assert (asked, cassettes(pytester)) == ([], [])

    run(pytester, "--streamval-record", "once").assert_outcomes(passed=2)
    assert asked == ["sun", "Bye", "a/b", "Bye"]
    names = [name.replace("TestModel.test_says_it", "...") for name in cassettes(pytester)]
    assert [name for name in names if "sun" in name] == ["test_it/...[sun].2.jsonl", "test_it/...[sun].jsonl"]
    assert [name.partition("~")[0] for name in names if "sun" not in name] == ["test_it/...[a_b]"] * 2
    assert not any(b"planted" in found.read_bytes() for found in pytester.path.glob("__cassettes__/*/*"))

    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    with (pytester.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write('\nimport sys\nsys.modules["httpx2"] = None\n')
    run(pytester, "--streamval-record", "none", "-n", "1").assert_outcomes(passed=2)
    assert len(asked) == 4


def test_a_test_with_fewer_or_more_requests_than_recordings_fails(pytester: pytest.Pytester, asked: list[str]) -> None:
    names = ("test_less", "test_less_on_purpose", "test_fails_first")
    asks = [f'async def {name}(it):\n    await ask(it(LiveBackend("openai:m")), "One", "Two")\n' for name in names]
    pytester.makepyfile(
        test_it=TESTS + "\n".join(asks).replace("it", "stream_cassette").replace("awastream_cassette", "await")
    )
    run(pytester, "--streamval-record", "all").assert_outcomes(passed=3)
    assert len(asked) == 6

    pytester.makepyfile(test_it=ASKS_LESS)
    less = run(pytester, "-v")
    less.assert_outcomes(passed=1, failed=2)
    less.stdout.fnmatch_lines(
        [
            "*::test_less FAILED*",
            "*::test_less_on_purpose PASSED*",
            "This test has recordings of requests that it did not make:",
            "  __cassettes__/test_it/test_less.2.jsonl: POST /v1/chat/completions 'Two'",
            "*pytest test_it.py::test_less --streamval-record all",
        ]
    )
    assert str(less.stdout).count("that it did not make") == 1
    run(pytester, "--streamval-unplayed", "off").assert_outcomes(passed=2, failed=1)

    pytester.makepyfile(test_it=ASKS_MORE)
    more = run(pytester, "-v")
    more.assert_outcomes(passed=1, failed=2)
    more.stdout.fnmatch_lines(["*::test_less FAILED*", "*::test_less_on_purpose PASSED*"])
    more.stdout.fnmatch_lines(["A request had no recording, and the error did not reach the test."])
    more.stdout.fnmatch_lines(["    is now    'Three'", "    but was   'One'"])
    assert len(asked) == 6


@pytest.mark.parametrize("ending", ["assert False", "pytest.skip()", "raise KeyError"])
def test_mode_all_leaves_the_recordings_of_a_test_that_does_not_pass(
    pytester: pytest.Pytester, asked: list[str], ending: str
) -> None:
    code = TESTS + "async def test_it(stream_cassette):\n    backend = stream_cassette(LiveBackend('openai:m'))\n"
    pytester.makepyfile(test_it=f"{code}    await ask(backend, 'One', 'Two')\n")
    run(pytester, "--streamval-record", "all").assert_outcomes(passed=1)
    folder = pytester.path / "__cassettes__" / "test_it"
    old = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(old) == 2
    pytester.makepyfile(test_it=f"{code}    await ask(backend, 'Three')\n    {ending}\n")
    result = run(pytester, "--streamval-record", "all")
    assert "passed" not in result.parseoutcomes()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == old
    if ending != "pytest.skip()":
        result.stdout.fnmatch_lines(
            ["*- streamval: recordings -*", "The old recordings of this test stay, because it *"]
        )


def test_fuzzing_cuts_the_recorded_bytes_and_records_none(pytester: pytest.Pytester, asked: list[str]) -> None:
    pytester.makepyfile(test_it=ASKS)
    recording = run(pytester, "--streamval-fuzz", "4", "--streamval-record", "all", "-rs")
    recording.assert_outcomes(passed=2, skipped=8)
    recording.stdout.fnmatch_lines(["*the test as scripted makes the recordings; run again without*"])
    assert len(asked) == 4
    for options in (["--streamval-record", "once"], []):
        fuzzed = run(pytester, "--streamval-fuzz", "4", *options)
        fuzzed.assert_outcomes(passed=10)
        fuzzed.stdout.fnmatch_lines(["streamval: 8 variants of 2 tests ran, 0 failed"])
    assert len(asked) == 4
    assert len(cassettes(pytester)) == 4


def test_a_failing_variant_shows_the_cut_of_the_bytes(pytester: pytest.Pytester, asked: list[str]) -> None:
    pytester.makepyfile(test_it=DEPENDS_ON_READS)
    run(pytester, "--streamval-record", "once").assert_outcomes(passed=1)
    result = run(pytester, "--streamval-fuzz", "2")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- streamval: cut -*",
            "Fails when the bytes are cut *",
            "Passes as scripted. Fails under *",
            "Again:  pytest 'test_it.py::test_deltas[[]cut-*]'",
        ]
    )


def test_a_test_with_virtual_clock_has_the_recorded_times(pytester: pytest.Pytester, asked: list[str]) -> None:
    pytester.makepyfile(test_it=f"ELAPSED = 0\n{KEEPS_TIME}")
    run(pytester, "--streamval-record", "once").assert_outcomes(passed=1)
    path = pytester.path / "__cassettes__" / "test_it" / "test_times.jsonl"
    *_, last = path.read_text(encoding="utf-8").splitlines()
    header = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    header["end"]["at"] = 3.5
    path.write_text(f"{json.dumps(header)}\n{json.dumps({**json.loads(last), 'at': 2.25})}\n", encoding="utf-8")
    pytester.makepyfile(test_it=f"ELAPSED = 3.5\n{KEEPS_TIME}")
    run(pytester).assert_outcomes(passed=1)
    assert asked == ["One"]


def test_the_page_about_recordings_is_up_to_date(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    tests, (cassette,) = (
        re.findall(rf"^```{kind}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE) for kind in ("py", "json")
    )
    for number, test in enumerate(tests):
        pytester.makepyfile(**{f"test_page{number}": test})
        path = (
            pytester.path / "__cassettes__" / f"test_page{number}" / f"{re.search('def (test_[a-z_]+)', test)[1]}.jsonl"
        )
        path.parent.mkdir(parents=True)
        path.write_text(cassette, encoding="utf-8")
    run(pytester).assert_outcomes(passed=2)

    monkeypatch.setenv("COLUMNS", "80")
    (pytester.path / "weather.jsonl").write_text(cassette, encoding="utf-8")
    capsys.readouterr()
    assert main(["show", "weather.jsonl"]) == 0
    assert f"$ streamval show weather.jsonl\n{capsys.readouterr().out}```" in page
    body = "".join(json.loads(line)["text"] for line in cassette.splitlines()[1:]).removesuffix("data: [DONE]\n\n")
    (pytester.path / "captured.txt").write_text(body, encoding="utf-8")
    assert main(["check", "captured.txt", "-o", "weather.jsonl"]) == 0
    shown = capsys.readouterr()
    assert f"$ streamval check captured.txt -o weather.jsonl\n{shown.out}{shown.err}```" in page
