"""The options, markers and fixtures of the plugin."""

from __future__ import annotations

import pytest

from tests.plugin.runs import run

pytest_plugins = ["pytester"]

LIVE = """
import pytest

@pytest.mark.ollama
def test_ollama():
    pass

@pytest.mark.e2e
def test_e2e():
    pass

def test_offline():
    pass
"""

USES_THE_MOCK = """
import asyncio
import pytest
from pytest_streamval import SimpleContext, stream_with_chunking
from pytest_streamval.typing import StreamingMockBackendFactory

async def check(streaming_mock_backend: StreamingMockBackendFactory):
    first, second = streaming_mock_backend("One. Two."), streaming_mock_backend("Three.", token_size=2)
    for backend, chunks in [(first, ["One.", "Two."]), (second, ["Three."])]:
        result = await stream_with_chunking("go", backend, SimpleContext())
        assert [chunk async for chunk in result.astream()] == chunks

"""


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\nstrict = true\n")


def test_live_tests_are_skipped_with_the_reason_and_never_deselected(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LIVE)
    result = run(pytester, "-rs")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*needs a live model served by Ollama: run with --streamval-live*"])
    result.stdout.fnmatch_lines(["*needs a live model, on the backend that was chosen: run with --streamval-live*"])
    run(pytester, "-m", "e2e").assert_outcomes(skipped=1, deselected=2)


def test_help_lists_the_options_and_markers(pytester: pytest.Pytester) -> None:
    run(pytester, "--help").stdout.fnmatch_lines(["streamed model output:", "  --streamval-live *"])
    run(pytester, "--markers").stdout.fnmatch_lines(["@pytest.mark.ollama: *", "@pytest.mark.e2e: *"])


def test_the_mock_needs_no_async_plugin(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(
        USES_THE_MOCK + "def test_it(streaming_mock_backend):\n    asyncio.run(check(streaming_mock_backend))\n"
    )
    run(pytester, "-p", "no:asyncio", "-p", "no:anyio").assert_outcomes(passed=1)


DROPPED = """
import asyncio
import gc
import pytest
from pytest_streamval import Script, SimpleContext, Stall, stream_with_chunking

@pytest.mark.streamval_allow_leaks
def test_it(streaming_mock_backend):
    async def drop():
        await stream_with_chunking("go", streaming_mock_backend(Script.of("x", Stall())), SimpleContext())
        await asyncio.sleep(0)

    asyncio.run(drop())
"""


def test_a_dropped_stream_is_shown_as_a_warning(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(DROPPED)
    result = run(pytester)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*ResourceWarning: <StreamChunkingResult running, 0 events> was dropped*"])


def test_a_filter_of_the_user_hides_that_warning(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = ignore::ResourceWarning\n"
    )
    pytester.makepyfile(DROPPED)
    run(pytester).assert_outcomes(passed=1, warnings=0)


MOCK_OF_A_CLASS = """
import pytest
from pytest_streamval import InvalidArgumentError, SimpleContext, StreamingMockBackend, stream_with_chunking

class Mock(StreamingMockBackend):
    name = "mine"

async def test_it(streaming_mock_backend):
    backend = streaming_mock_backend("One. Two.", token_size=3, cls=Mock)
    assert type(backend) is Mock
    async with stream_with_chunking("go", backend, SimpleContext()) as run:
        assert [chunk async for chunk in run.astream()] == ["One.", "Two."]

@pytest.mark.streamval_allow_unplayed
def test_another_class(streaming_mock_backend):
    for cls in Mock("One."), str:
        with pytest.raises(InvalidArgumentError, match="Invalid cls: .* or a subclass of it"):
            streaming_mock_backend("One.", cls=cls)
"""


def test_a_mock_backend_can_have_a_class_of_the_users_own_also_under_fuzzing(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\n")
    pytester.makepyfile(MOCK_OF_A_CLASS)
    run(pytester, "--streamval-fuzz", "2", "-p", "no:randomly").assert_outcomes(passed=6)
