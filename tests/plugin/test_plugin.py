"""The plugin as its users meet it: fixtures, markers, options."""

from __future__ import annotations

import pytest

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


def test_live_tests_are_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LIVE)
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*needs a live model served by Ollama: run with --streamval-live*"])
    result.stdout.fnmatch_lines(["*needs a live model, on whatever backend was chosen: run with --streamval-live*"])


def test_live_tests_are_never_deselected(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LIVE)
    pytester.runpytest_subprocess("-m", "e2e").assert_outcomes(skipped=1, deselected=2)


def test_the_option_and_the_markers_are_documented(pytester: pytest.Pytester) -> None:
    pytester.runpytest_subprocess("--help").stdout.fnmatch_lines(["streamed model output:", "  --streamval-live *"])
    pytester.runpytest_subprocess("--markers").stdout.fnmatch_lines(["@pytest.mark.ollama: *", "@pytest.mark.e2e: *"])


@pytest.mark.parametrize(
    ("mode", "test"),
    [
        ("strict", "@pytest.mark.asyncio\nasync def test_it(streaming_mock_backend):\n    await check"),
        ("auto", "async def test_it(streaming_mock_backend):\n    await check"),
        ("strict", "@pytest.mark.anyio\nasync def test_it(streaming_mock_backend):\n    await check"),
        ("strict", "def test_it(streaming_mock_backend):\n    asyncio.run(check"),
    ],
    ids=["pytest-asyncio strict", "pytest-asyncio auto", "anyio", "asyncio.run"],
)
def test_the_mock_serves_every_way_to_run_a_test(pytester: pytest.Pytester, mode: str, test: str) -> None:
    backends = "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n\n"
    call = "(streaming_mock_backend)" + (")" if "asyncio.run" in test else "")
    pytester.makepyfile(USES_THE_MOCK + backends + test + call + "\n")
    pytester.runpytest_subprocess("--asyncio-mode", mode).assert_outcomes(passed=1)


def test_the_mock_needs_no_async_plugin(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(
        USES_THE_MOCK + "def test_it(streaming_mock_backend):\n    asyncio.run(check(streaming_mock_backend))\n"
    )
    pytester.runpytest_subprocess("-p", "no:asyncio", "-p", "no:anyio").assert_outcomes(passed=1)


def test_the_mock_works_in_xdist_workers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        USES_THE_MOCK
        + "@pytest.mark.parametrize('n', range(4))\n"
        + "def test_it(streaming_mock_backend, n):\n    asyncio.run(check(streaming_mock_backend))\n"
    )
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=4)


DROPPED = """
import asyncio
import gc
import pytest
from pytest_streamval import Script, SimpleContext, Stall, stream_with_chunking

@pytest.mark.streamval_allow_leaks
def test_it(streaming_mock_backend):
    async def walk_away():
        await stream_with_chunking("go", streaming_mock_backend(Script.of("x", Stall())), SimpleContext())
        await asyncio.sleep(0)

    asyncio.run(walk_away())
"""


def test_a_stream_that_nobody_followed_is_shown_as_a_warning(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(DROPPED)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*ResourceWarning: <StreamChunkingResult running, 0 events> was dropped*"])


def test_the_users_own_filter_decides_about_that_warning(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = ignore::ResourceWarning\n"
    )
    pytester.makepyfile(DROPPED)
    pytester.runpytest_subprocess().assert_outcomes(passed=1, warnings=0)
