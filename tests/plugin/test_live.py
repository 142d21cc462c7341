"""`--streamval-live`: the tests that run, their backends, and the errors of an unavailable backend."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.plugin import runs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
strict = true
streamval_examples = examples/*.py
{}
"""

ASKS = """
import pytest

from tests.plugin import runs
from pytest_streamval import ModelOption, SimpleContext, stream_with_chunking

@pytest.mark.e2e
async def test_asks(live_backend):
    async with await stream_with_chunking("Hi", live_backend, SimpleContext()) as result:
        assert [chunk async for chunk in result.astream()] == ["One.", "Two."]

@pytest.mark.ollama
def test_wants_ollama(live_backend):
    assert live_backend.provider.name == "ollama"

def test_offline():
    pass
"""

EXAMPLE = """
# An example.
# pytest: e2e, integration
import os
print("asked", os.environ["STREAMVAL_BACKEND"], "at", os.environ["STREAMVAL_URL"])
{}
"""


class Model(BaseHTTPRequestHandler):
    """A provider with one model, `m`, which always gives the same answer."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self._answer("application/json", json.dumps({"data": [{"id": "m"}]}))

    def do_POST(self) -> None:
        self.asked.append(self.path)
        self.rfile.read(int(self.headers["content-length"]))
        frames = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("One. T", "wo.")]
        frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames)
        self._answer("text/event-stream", f"{body}data: [DONE]\n\n")

    def _answer(self, kind: str, body: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Log nothing."""


class Served:
    def __init__(self, url: str, asked: list[str]) -> None:
        self.url = url
        self.asked = asked


@pytest.fixture
def model() -> Iterator[Served]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Model,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="model")
    thread.start()
    yield Served(f"http://127.0.0.1:{server.server_port}", asked)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini(INI.format(""))
    for name in ("STREAMVAL_BACKEND", "STREAMVAL_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")  # nothing listens there


def example(pytester: pytest.Pytester, code: str) -> None:
    pytester.mkdir("examples")
    (pytester.path / "examples/ask.py").write_text(EXAMPLE.format(code), encoding="utf-8")
    (pytester.path / "examples/no_header.py").write_text("raise SystemExit(1)\n", encoding="utf-8")


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return runs.run(pytester, "-rA", *options)


def test_an_offline_run_skips_live_tests_and_examples_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ASKS + "\ndef test_unmarked(live_backend):\n    pass\n")
    example(pytester, "")
    result = run(pytester)
    result.assert_outcomes(passed=1, skipped=4)
    result.stdout.fnmatch_lines(["*needs a live model: run with --streamval-live"])


def test_live_tests_and_examples_use_the_chosen_backend(pytester: pytest.Pytester, model: Served) -> None:
    pytester.makepyfile(ASKS)
    example(pytester, "")
    result = run(pytester, "--streamval-live", "--streamval-backend", "openai:m", "--streamval-url", f"{model.url}/v1")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines([f"*asked openai:m at {model.url}/v1"])
    assert model.asked == ["/v1/models", "/v1/chat/completions"]


def test_a_test_marked_ollama_fails_if_ollama_is_unavailable(pytester: pytest.Pytester, model: Served) -> None:
    pytester.makepyfile(ASKS)
    pytester.makeini(INI.format(f"streamval_backend = openai:m\nstreamval_url = {model.url}"))
    result = run(pytester, "--streamval-live")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            (
                "The live backend ollama:granite4:micro is not available at http://127.0.0.1:1: "
                "GET http://127.0.0.1:1/api/tags: *refused*. What may help: ollama serve, *"
            ),
        ]
    )


def test_a_missing_model_is_reported_with_the_existing_ones(pytester: pytest.Pytester, model: Served) -> None:
    pytester.makepyfile(ASKS)
    result = run(
        pytester, "--streamval-live", "--streamval-backend=openai:other", f"--streamval-url={model.url}", "-k", "asks"
    )
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["*/v1/models lists no model 'other', but: m. What may help: name one of these*"])
    assert model.asked == ["/v1/models"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--streamval-backend", "gpt"], "*Unknown backend 'gpt'. Choose from: *A spec is PROVIDER:MODEL*"),
        (["--streamval-url", "ftp://x"], "*Invalid url: 'ftp://x'*"),
        (["-o", "streamval_live_timeout=-1"], "*Invalid streamval_live_timeout: -1. It must be a number of seconds*"),
        (["-o", "streamval_live_timeout=long"], "*Invalid streamval_live_timeout: long. It must be a number*"),
    ],
)
def test_an_invalid_option_is_a_usage_error(pytester: pytest.Pytester, arguments: list[str], message: str) -> None:
    result = run(pytester, "--streamval-live", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_an_example_fails_with_its_own_traceback(pytester: pytest.Pytester, model: Served) -> None:
    example(pytester, "def ask():\n    raise ValueError('no answer')\n\nask()")
    result = run(pytester, "--streamval-live", "--streamval-backend=openai:m", f"--streamval-url={model.url}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*ask.py ended with status 1.", "Traceback (most recent call last):", "ValueError: no answer"]
    )
    result.stdout.no_fnmatch_line("*subprocess*")


def test_a_live_test_has_a_time_limit(pytester: pytest.Pytester, model: Served) -> None:
    pytester.makeini(
        INI.format(f"streamval_backend = openai:m\nstreamval_url = {model.url}\nstreamval_live_timeout = 0.2")
    )
    pytester.makepyfile(
        """
        import asyncio, pytest, threading

        @pytest.mark.e2e
        async def test_async():
            await asyncio.Event().wait()

        @pytest.mark.e2e
        def test_sync():
            threading.Event().wait()

        @pytest.mark.e2e
        async def test_its_own_timeout_stays():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()

        @pytest.mark.e2e
        async def test_its_own_timeout_fails_as_such():
            raise TimeoutError("mine")
        """
    )
    example(pytester, "import threading\nthreading.Event().wait()")
    result = run(pytester, "--streamval-live")
    result.assert_outcomes(passed=1, failed=4)
    result.stdout.fnmatch_lines(["*LiveTimeLimitError: This live test did not end within 0.2 s.*"])
    result.stdout.fnmatch_lines(["*ask.py did not end within 0.2 s."])
    result.stdout.fnmatch_lines(["*TimeoutError: mine"])


def test_a_live_test_without_a_limit_passes(pytester: pytest.Pytester, model: Served) -> None:
    pytester.makeini(
        INI.format(f"streamval_backend = openai:m\nstreamval_url = {model.url}\nstreamval_live_timeout = 0")
    )
    pytester.makepyfile("import pytest\n\n@pytest.mark.e2e\ndef test_it():\n    pass\n")
    example(pytester, "")
    run(pytester, "--streamval-live").assert_outcomes(passed=2)
