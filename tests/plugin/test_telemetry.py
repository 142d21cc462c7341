"""The fixture `captured_telemetry`, and the traces of workers."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.plugin.runs import run, run_in_new_process

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
USES_IT = """
from pytest_streamval import SimpleContext, stream_with_chunking

async def test_it(streaming_mock_backend, captured_telemetry):
    backend = streaming_mock_backend("One. Two.")
    async with await stream_with_chunking("go", backend, SimpleContext()) as result:
        await result.acomplete()
    assert captured_telemetry.span().attributes["streamval.chunks"] == 2
    assert captured_telemetry.total("streamval.outcomes", {"streamval.outcome": "completed"}) == 1
    assert not captured_telemetry.open_spans
"""
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def test_each_test_and_each_variant_has_its_own_telemetry(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(USES_IT, test_again=USES_IT)
    run(pytester, "--streamval-fuzz", "3").assert_outcomes(passed=8)


TRACED = """
import os
from pathlib import Path
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

class ToFile(SpanExporter):
    def export(self, spans):
        with Path("spans.txt").open("a") as file:
            for span in spans:
                parent = span.parent and span.parent.span_id
                print(span.name, span.context.trace_id, span.context.span_id, parent, os.getpid(), file=file)

def pytest_configure(config):
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(ToFile()))
    if not hasattr(config, "workerinput"):
        config.span = trace.get_tracer("mine").start_span("session")
        context.attach(trace.set_span_in_context(config.span))
    elif OWN_TRACES:
        context.attach(trace.set_span_in_context(trace.get_tracer("mine").start_span("worker")))

def pytest_unconfigure(config):
    if hasattr(config, "span"):
        config.span.end()
"""


def _spans_of_workers(pytester: pytest.Pytester, conftest: str) -> list[list[str]]:
    """Run two streams in a worker, and return the words of each exported line. The session's span is last."""
    pytester.makeini(INI)
    pytester.makeconftest(conftest)
    test = USES_IT.replace(", captured_telemetry", "").partition("    assert captured")[0]
    pytester.makepyfile(
        test.replace("async def", "@pytest.mark.parametrize('n', range(2))\nasync def")
        .replace("(st", "(n, st")
        .replace("\nfrom", "\nimport pytest\nfrom", 1)
    )
    run_in_new_process(pytester, "-n", "1", "-p", "no:cacheprovider").assert_outcomes(passed=2)
    return [line.split() for line in (pytester.path / "spans.txt").read_text().splitlines()]


def test_streams_of_workers_belong_to_the_trace_of_the_run(pytester: pytest.Pytester) -> None:
    *streams, session = _spans_of_workers(pytester, TRACED.replace("OWN_TRACES", "False"))
    name, trace, span, parent, process = session
    assert (name, parent) == ("session", "None")
    runs = [words for words in streams if words[0] == "stream_with_chunking"]
    assert [words[1:2] + words[3:4] for words in runs] == [[trace, span]] * 2
    assert [words[:2] + words[3:4] for words in streams if words not in runs] == [
        ["chat", trace, run[2]] for run in runs
    ]
    assert process not in {words[4] for words in streams}


def test_a_worker_keeps_a_trace_of_its_own(pytester: pytest.Pytester) -> None:
    *streams, session = _spans_of_workers(pytester, TRACED.replace("OWN_TRACES", "True"))
    assert [words[0] for words in streams] == ["chat", "stream_with_chunking"] * 2
    assert session[1] not in {words[1] for words in streams}


OPEN_PAGES = """
import asyncio
from pathlib import Path
import pytest
from pytest_streamval import AppClient

KEPT = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    elif scope["path"] != "/before-the-head":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"One.", "more_body": True})
    await asyncio.Event().wait()

async def leave_open(path, client):
    KEPT.append(client.websocket(path) if path == "/socket" else client.stream("GET", path))
    page = await KEPT[-1].__aenter__()
    if path not in ("/socket", "/before-the-head"):
        await page.until("One.")

@pytest.mark.parametrize("path", ["/page", "/socket", "/before-the-head"])
async def test_a_loop_that_ends(path):
    await leave_open(path, AppClient(app))

@pytest.mark.asyncio(loop_scope="session")
async def test_a_loop_that_goes_on():
    await leave_open("/loop-goes-on", AppClient(app))

def test_a_loop_of_the_test():
    KEPT.append(asyncio.new_event_loop())
    KEPT[-1].run_until_complete(leave_open("/own-loop", AppClient(app)))

@pytest.mark.streamval_allow_leaks
async def test_the_fixture(app_client, virtual_clock):
    await leave_open("/fixture", app_client(app))

def test_all_spans_have_ended():
    lines = Path("spans.txt").read_text().splitlines()
    paths = ["page", "socket", "before-the-head", "loop-goes-on", "own-loop", "fixture"]
    assert lines == [f"GET /{path} open None UNSET" for path in paths]
"""
TO_FILE = """
from pathlib import Path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

class ToFile(SpanExporter):
    def export(self, spans):
        with Path("spans.txt").open("a") as file:
            for span in spans:
                attributes = span.attributes
                shown = [span.name, attributes["streamval.outcome"], attributes.get("error.type")]
                print(*shown, span.status.status_code.name, file=file)

def pytest_configure(config):
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(ToFile()))
"""


def test_a_page_that_is_open_at_the_end_of_its_test_has_a_span_that_says_so(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makeconftest(TO_FILE)
    pytester.makepyfile(OPEN_PAGES)
    run_in_new_process(pytester, "-p", "no:cacheprovider").assert_outcomes(passed=7)


def test_the_fixture_without_opentelemetry_names_the_extra_to_install(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini(INI)
    pytester.makeconftest(WITHOUT)
    pytester.makepyfile(
        USES_IT,
        test_run=USES_IT.replace(", captured_telemetry", "").partition("    assert captured")[0],
        test_status=(
            "from pytest_streamval import set_span_status_error\n\n"
            "def test_it():\n    set_span_status_error(None, 'nothing happens')\n"
        ),
    )
    result = run_in_new_process(pytester, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ['*MissingExtraError: *need opentelemetry-sdk*not installed*pip install "pytest-streamval[[]otel]"']
    )


def test_the_fixture_reports_another_missing_module_as_such(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makeconftest(
        WITHOUT.replace('name.partition(".")[0] == "opentelemetry"', 'name.endswith("telemetry.capture")')
    )
    pytester.makepyfile("def test_it(captured_telemetry):\n    pass\n")
    result = run_in_new_process(pytester, "-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ModuleNotFoundError: No module named 'pytest_streamval.engine.telemetry.capture'"])


def test_a_run_without_telemetry_loads_nothing_of_it() -> None:
    code = (
        "import asyncio, sys\n"
        "from pytest_streamval import SimpleContext, StreamingMockBackend, stream_with_chunking\n"
        "async def main():\n"
        "    result = await stream_with_chunking('go', StreamingMockBackend('One.'), SimpleContext())\n"
        "    await result.acomplete()\n"
        "asyncio.run(main())\n"
        "print(*(name for name in sys.modules if 'opentelemetry' in name or 'engine.telemetry' in name))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "\n"
