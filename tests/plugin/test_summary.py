"""The line in pytest's header, and the summary of streams at the end of a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import plugin_lines, run

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _ini(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:randomly\n")


TESTS = """
import asyncio
from pytest_streamval import SimpleContext, stream_with_chunking

def test_stream(streaming_mock_backend):
    async def stream():
        backend = streaming_mock_backend("One. Two.", "Three.")
        for _ in range(2):
            await (await stream_with_chunking("Go on", backend, SimpleContext())).acomplete()
    asyncio.run(stream())

def test_script(stream_script):
    assert "".join(stream_script("One. Two. Three.").play_sync()) == "One. Two. Three."
"""
CASSETTE = """
import asyncio
from pytest_streamval import LiveBackend, ModelOption, SimpleContext

def test_it(stream_cassette):
    async def ask():
        backend = stream_cassette(LiveBackend("openai:m", base_url="http://127.0.0.1:1"))
        thunk, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
        assert await thunk.avalue() == "Hello."
    asyncio.run(ask())
"""
RECORDED = (
    '{"protocol": "openai", "method": "POST", "path": "/v1/chat/completions", "status": 200, "request": {"model": "m", '
    '"messages": [{"role": "user", "content": "Hi"}], "stream": true, "stream_options": {"include_usage": true}}}\n'
    '{"at": 0.1, "text": "data: {\\"choices\\": [{\\"index\\": 0, \\"delta\\": {\\"content\\": \\"Hello.\\"}}]}\\n\\n'
    'data: [DONE]\\n\\n"}\n'
)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((), "offline, cassettes: replayed, fuzz: off, clock: virtual in tests that request it"),
        (("--streamval-fuzz", "5"), "offline, cassettes: replayed, fuzz: 5, clock: virtual in tests that request it"),
        (
            ("--streamval-live", "--streamval-record", "new", "--streamval-backend", "openai:gpt-4.1"),
            "live, openai:gpt-4.1, cassettes: recorded (new), fuzz: off, clock: virtual in tests that request it",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_header_has_the_settings_that_affect_streams(
    pytester: pytest.Pytester, options: Sequence[str], line: str
) -> None:
    assert f"streamval: {line}" in run(pytester, *options).outlines


def test_a_run_without_options_has_no_summary(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    assert plugin_lines(run(pytester)) == []


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_verbose_shows_the_number_of_streams(pytester: pytest.Pytester, workers: Sequence[str]) -> None:
    pytester.makepyfile(test_it=TESTS)
    line = plugin_lines(run(pytester, "-v", *workers))[-1]
    assert re.fullmatch(r"2 streams in 1 test, the slowest \d+\.\d\d s: test_it\.py::test_stream", line)


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_a_fuzz_run_shows_progress_and_a_summary(pytester: pytest.Pytester, workers: Sequence[str]) -> None:
    pytester.makepyfile(test_it=TESTS)
    lines = plugin_lines(run(pytester, "--streamval-fuzz", "100", *workers))
    counts = [f"{count} of 200 variants, 0 failed" for count in range(20, 201, 20)]
    assert [line for line in lines if " of 200 " in line] == counts
    assert any(line.startswith("202 streams in 101 tests, the slowest ") for line in lines)
    assert "200 variants of 2 tests ran, 0 failed" in lines


def test_a_short_fuzz_run_shows_no_progress(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    lines = plugin_lines(run(pytester, "--streamval-fuzz", "9"))
    assert "18 variants of 2 tests ran, 0 failed" in lines
    assert not any(" of 18 variants" in line for line in lines)


def test_quiet_hides_the_summary(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    lines = plugin_lines(run(pytester, "-q", "--streamval-fuzz", "100", "--streamval-report", "r.html"))
    assert lines == [
        "200 variants of 2 tests ran, 0 failed",
        "cut: text in 2 tests",
        "0 of 2 tests depend on the cut",
    ]


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_the_summary_names_cassettes_without_a_test(pytester: pytest.Pytester, workers: Sequence[str]) -> None:
    pytester.makepyfile(test_it=CASSETTE)
    folder = pytester.path / "__cassettes__" / "test_it"
    folder.mkdir(parents=True)
    for name in ("test_it", "test_old", "test_old.2", *(f"test_other{number}" for number in range(4))):
        (folder / f"{name}.jsonl").write_text(RECORDED)
    result = run(pytester, *workers)
    result.assert_outcomes(passed=1)
    names = ", ".join(
        f"__cassettes__/test_it/{name}.jsonl"
        for name in ("test_old.2", "test_old", "test_other0", "test_other1", "test_other2")
    )
    assert plugin_lines(result) == [
        "1 cassette used, 0 recorded",
        f"6 cassettes without a test: {names} and 1 more",
    ]


def test_a_run_of_some_tests_reports_no_unused_cassettes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=CASSETTE + "\ndef test_other(stream_cassette):\n    stream_cassette\n")
    folder = pytester.path / "__cassettes__" / "test_it"
    folder.mkdir(parents=True)
    for name in ("test_it", "test_old"):
        (folder / f"{name}.jsonl").write_text(RECORDED)
    assert plugin_lines(run(pytester, "test_it.py::test_it")) == []
    (folder / "test_old.jsonl").rename(folder / "test_other.jsonl")
    assert plugin_lines(run(pytester, "-k", "test_it and not other")) == []
