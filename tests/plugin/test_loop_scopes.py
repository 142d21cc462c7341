"""Objects that a fixture of one loop scope has made, in a test of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

SOURCE = """
import asyncio, pytest, pytest_asyncio
from pytest_streamval import (
    Script, SimpleContext, Stall, StreamingMockBackend, start_session, stream_with_chunking, transcribe,
)

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made():
    def backend():
        return StreamingMockBackend(Script.of("One. ", Stall()), "Two.")

    run = await stream_with_chunking("go", backend(), SimpleContext())
    thunk, _ = await backend().generate_from_context("go", SimpleContext())
    computed, _ = await StreamingMockBackend("One.").generate_from_context("go", SimpleContext())
    await computed.avalue()
    async with start_session(StreamingMockBackend("One.", "Two.")) as session:
        assert str(await session.achat("go")) == "One."
        yield run, thunk, computed, session
    await run.aclose()
    await thunk.cancel_generation()

async def iterated(items):
    return [item async for item in items]

FOREIGN = {
    "acomplete": lambda run, thunk: run.acomplete(),
    "aexception": lambda run, thunk: run.aexception(),
    "aclose": lambda run, thunk: run.aclose(),
    "astream": lambda run, thunk: iterated(run.astream()),
    "events": lambda run, thunk: iterated(run.events()),
    "transcribe": lambda run, thunk: transcribe(run),
    "avalue": lambda run, thunk: thunk.avalue(),
    "thunk.astream": lambda run, thunk: thunk.astream(),
    "async for": lambda run, thunk: iterated(thunk),
    "cancel_generation": lambda run, thunk: thunk.cancel_generation(),
}

@pytest.mark.asyncio
@pytest.mark.parametrize("name", FOREIGN)
async def test_foreign(made, name):
    run, thunk, *_ = made
    with pytest.raises(RuntimeError, match='another event loop.*loop_scope="module"'):
        await FOREIGN[name](run, thunk)

@pytest.mark.asyncio
async def test_works(made):
    _, _, computed, session = made
    assert await computed.avalue() == "One."
    assert str(await session.achat("go")) == "Two."

@pytest.mark.asyncio(loop_scope="module")
async def test_own(made):
    run, *_ = made
    async for chunk in run.astream():
        assert chunk == "One."
        break
"""


@pytest.fixture(params=["strict", "auto"])
def mode(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> Iterator[str]:
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\nstrict = true\n"
        f"asyncio_mode = {request.param}\nasyncio_debug = true\n"
    )
    return request.param


def test_each_method_in_a_foreign_loop_names_the_setting_that_mends_it(mode: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SOURCE)
    run(pytester, "-p", "no:randomly").assert_outcomes(passed=12)


SCOPES = """
import asyncio, pytest
from pytest_streamval import ChunkEvent, SimpleContext, stream_with_chunking

class Base:
    async def test_it(self, streaming_mock_backend, virtual_clock, event_snapshot, runs):
        assert asyncio.get_running_loop().get_debug()
        result = await stream_with_chunking("go", streaming_mock_backend("One. Two."), SimpleContext())
        await asyncio.sleep(3600)
        await result.acomplete()
        assert virtual_clock.elapsed == 3600
        assert result == event_snapshot
        assert len(runs) == 1

    async def test_leak(self, streaming_mock_backend):
        self.task = asyncio.create_task(asyncio.sleep(3600), name="a leak")

SCOPES = ["function", "class", "module", "package", "session"]
for scope in SCOPES:
    name = f"Test{scope.title()}"
    globals()[name] = pytest.mark.asyncio(loop_scope=scope)(type(name, (Base,), {}))
"""


def test_clock_guard_snapshots_and_fuzzing_work_in_every_scope_and_mode_and_in_debug(
    mode: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(SCOPES)
    run(pytester, "-p", "no:randomly", "--snapshot-update", "-k", "test_it").assert_outcomes(passed=5, deselected=5)
    result = run(pytester, "-p", "no:randomly", "--streamval-fuzz", "2")
    result.assert_outcomes(passed=5 + 2 * 5, failed=5)
    assert result.stdout.str().count("a leak") >= 5
