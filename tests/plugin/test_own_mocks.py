"""Tests that make mocks of their own under --streamval-fuzz, and fixtures of wider scopes."""

from __future__ import annotations

import pytest

from tests.plugin.runs import plugin_lines, run

pytest_plugins = ["pytester"]

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\nstrict = true\n"
MOCKS = """
import pytest, unittest
from pytest_streamval import SimpleContext, StreamingMockBackend, stream_with_chunking

async def ask(backend):
    async with stream_with_chunking("go", backend, SimpleContext()) as run:
        await run.acomplete()

@pytest.fixture
def own():
    return StreamingMockBackend("One.")

async def test_own():
    await ask(StreamingMockBackend("One."))

async def test_fixture(own):
    await ask(own)

async def test_factory(streaming_mock_backend):
    await ask(streaming_mock_backend("One."))

async def test_both(streaming_mock_backend):
    await ask(streaming_mock_backend("One."))
    await ask(StreamingMockBackend("Two."))

@pytest.mark.streamval_as_scripted
async def test_as_scripted():
    await ask(StreamingMockBackend("One."))

def test_none():
    pass
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_summary_names_the_tests_that_made_mocks_of_their_own(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(test_it=MOCKS)
    result = run(pytester, "--streamval-fuzz", "2", *options)
    result.assert_outcomes(passed=6 + 2 * 2)
    (line,) = [line for line in plugin_lines(result) if "of their own" in line]
    assert line == (
        "2 tests made mocks of their own and had no variants: test_it.py::test_fixture, test_it.py::test_own. "
        "Take them from streaming_mock_backend(..., cls=...), or mark the test with @pytest.mark.streamval_as_scripted"
    )
    assert "of their own" not in run(pytester, *options).stdout.str()


SCOPES = """
import pytest

@pytest.fixture(scope="module")
def backend(streaming_mock_backend):
    return streaming_mock_backend("One.")

@pytest.fixture(scope="session")
def snapshots(request):
    return request.getfixturevalue("event_snapshot")

@pytest.fixture(scope="session")
def folder(tmp_path):
    return tmp_path

def test_backend(backend):
    pass

def test_snapshots(snapshots):
    pass

def test_folder(folder):
    pass
"""


def test_a_scope_mismatch_with_a_fixture_of_the_plugin_names_the_way_out(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(test_it=SCOPES)
    result = run(pytester)
    result.assert_outcomes(errors=3)
    output = result.stdout.str()
    assert output.count("ScopeMismatch: ") >= 3
    assert (
        "streaming_mock_backend has the scope of a function, because each test has its own guard, clock and snapshots. "
        'Make the object in your fixture instead: StreamingMockBackend("One."), or give your fixture scope="function".'
    ) in output
    assert "event_snapshot has the scope of a function" in output
    assert "Request it in the test itself" in output
    assert output.count("docs/loop-scopes.md") == 2
