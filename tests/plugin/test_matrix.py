"""The fixtures under every plugin that runs async tests, and without any."""

from __future__ import annotations

import pytest

from tests.plugin.runs import run

pytest_plugins = ["pytester"]

TESTS = """
import asyncio
import pytest
from pytest_streamval import (
    ChunkEvent, CompletedEvent, PartialValidationResult, QuickCheckEvent, Requirement, SimpleContext,
    assert_boundary_invariant, assert_event_order, assert_no_unvalidated_text, assert_stopped_within, check_backend,
    check_chunker, stream_with_chunking, transcribe,
)

class NoMarkers(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "BAD" in chunk else "pass")

@pytest.fixture
def anyio_backend():
    return "asyncio"

async def stop_early(streaming_mock_backend, event_snapshot):
    backend = streaming_mock_backend("One. BAD. " + "More. " * 40, token_size=3)
    async with await stream_with_chunking("go", backend, SimpleContext(), requirements=[NoMarkers("no BAD")]) as result:
        received = [chunk async for chunk in result.astream()]
    transcript = await transcribe(result)
    assert transcript == event_snapshot
    assert_no_unvalidated_text(transcript, received)
    assert_stopped_within(result, backend.calls[0])
    assert_event_order(transcript, QuickCheckEvent, ChunkEvent, "check FAILED", CompletedEvent)

async def conform(streaming_mock_backend):
    await check_backend(lambda: streaming_mock_backend("One. Two. Three."))

def test_chunker():
    check_chunker("sentence")
    assert_boundary_invariant("prose", "Dr. Smith left. He is back.")
"""

WAYS = {
    "pytest-asyncio strict": ("@pytest.mark.asyncio\nasync ", "await {}", ("--asyncio-mode", "strict")),
    "pytest-asyncio auto": ("async ", "await {}", ("--asyncio-mode", "auto")),
    "anyio": ("@pytest.mark.anyio\nasync ", "await {}", ("--asyncio-mode", "strict")),
    "anyio without pytest-asyncio": ("@pytest.mark.anyio\nasync ", "await {}", ("-p", "no:asyncio")),
    "asyncio.run": ("", "asyncio.run({})", ("-p", "no:asyncio", "-p", "no:anyio")),
}
RUNS = {
    "pytest-asyncio strict": (("-n", "1"),),
    "pytest-asyncio auto": ((), ("-p", "randomly", "-p", "no:hypothesispytest")),
}


def written(way: str) -> str:
    head, call, _ = WAYS[way]
    return (
        f"{TESTS}\n"
        f"{head}def test_stops_early(streaming_mock_backend, event_snapshot):\n"
        f"    {call.format('stop_early(streaming_mock_backend, event_snapshot)')}\n\n"
        f"{head}def test_backend(streaming_mock_backend):\n"
        f"    {call.format('conform(streaming_mock_backend)')}\n"
    )


@pytest.mark.parametrize("way", WAYS)
def test_the_fixtures_work_under_every_plugin_for_async_tests(pytester: pytest.Pytester, way: str) -> None:
    options = WAYS[way][2]
    scope = "" if "no:asyncio" in options else "asyncio_default_fixture_loop_scope = function\n"
    pytester.makeini(f"[pytest]\n{scope}filterwarnings = error\nstrict = true\n")
    pytester.makepyfile(test_it=written(way))
    run(pytester, *options, "--snapshot-update").assert_outcomes(passed=3)
    for more in RUNS.get(way, ((),)):
        run(pytester, *options, "--streamval-fuzz", "3", *more).assert_outcomes(passed=3 + 2 * 3)


def test_a_run_without_a_plugin_for_async_tests_has_the_failure_of_pytest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_it(streaming_mock_backend):\n    streaming_mock_backend('x')\n")
    result = run(pytester, "-p", "no:asyncio", "-p", "no:anyio")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported.*", "*You need to install*"])


def test_a_run_without_syrupy_has_every_other_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=written("asyncio.run"))
    result = run(pytester, "-p", "no:asyncio", "-p", "no:syrupy", "--streamval-fuzz", "2")
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*event_snapshot needs the pytest plugin syrupy, which is not active.*"])
