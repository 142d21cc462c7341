"""The fixture `virtual_clock`, under every plugin that runs async tests, and on loops of every scope."""

from __future__ import annotations

import re

import pytest

pytest_plugins = ["pytester"]

STORY = """
import asyncio, time, unittest
import anyio, pytest, pytest_asyncio
from hypothesis import HealthCheck, given, settings, strategies
from pytest_streamval import Delay, Requirement, Script, SimpleContext, StreamingMockBackend, stream_with_chunking

script = Script.of("Once. ", Delay(1200), "Upon. ", Delay(2400.5), "A time.")

async def story(clock):
    began, start = clock.elapsed, clock.now - clock.elapsed
    async with asyncio.timeout(3601):
        result = await stream_with_chunking("go", StreamingMockBackend(script), SimpleContext())
        await result.acomplete()
    assert [event.timestamp - start - began for event in result.history] == [0, 1200, 3600.5, 3600.5, 3600.5]
    assert clock.elapsed - began == 3600.5
    assert time.time() == clock.now == 1767225600 + clock.elapsed
    with anyio.move_on_after(1):
        await asyncio.Event().wait()
    assert await asyncio.to_thread(lambda: "waited for") == "waited for"
    assert clock.elapsed - began == 3601.5

"""

WAYS = """
@pytest.mark.asyncio
async def test_asyncio(virtual_clock):
    await story(virtual_clock)

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(anyio_backend, virtual_clock):
    await story(virtual_clock)

def test_run(virtual_clock):
    for _ in range(2):
        virtual_clock.run(story(virtual_clock))

def test_asyncio_run(virtual_clock):
    asyncio.run(story(virtual_clock))
    anyio.run(story, virtual_clock)

@pytest_asyncio.fixture
async def prepared(virtual_clock):
    await asyncio.sleep(60)
    yield
    await asyncio.sleep(60)

@pytest.mark.asyncio
async def test_async_fixture(prepared, virtual_clock):
    assert virtual_clock.elapsed == 60
    await story(virtual_clock)

@pytest.mark.asyncio
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strategies.floats(1, 1e6))
async def test_hypothesis(virtual_clock, seconds):
    await asyncio.sleep(seconds)

@pytest.mark.usefixtures("virtual_clock")
class TestUnittest(unittest.IsolatedAsyncioTestCase):
    async def test_sleep(self):
        await asyncio.sleep(3600)
        self.assertEqual(time.time(), 1767225600 + 3600)
"""

SCOPES = """
own = {}

def is_real(loop):
    return "time" not in vars(loop) and abs(loop.time() - time.monotonic()) < 60

@pytest.mark.asyncio(loop_scope="session")
async def test_session(virtual_clock):
    own["session"] = asyncio.get_running_loop()
    await story(virtual_clock)

@pytest.mark.asyncio(loop_scope="session")
async def test_session_behind():
    loop = asyncio.get_running_loop()
    assert loop is own["session"] and is_real(loop)
    await asyncio.sleep(0.001)

@pytest.mark.asyncio(loop_scope="session")
async def test_session_again(virtual_clock):
    assert asyncio.get_running_loop() is own["session"]
    await story(virtual_clock)

@pytest.mark.asyncio(loop_scope="module")
async def test_module(virtual_clock):
    own["module"] = asyncio.get_running_loop()
    await story(virtual_clock)

@pytest.mark.asyncio(loop_scope="module")
async def test_module_behind():
    assert asyncio.get_running_loop() is own["module"] and is_real(own["module"])

@pytest.mark.asyncio(loop_scope="class")
class TestClass:
    async def test_first(self, virtual_clock):
        own["class"] = asyncio.get_running_loop()
        await story(virtual_clock)

    async def test_second(self):
        assert asyncio.get_running_loop() is own["class"] and is_real(own["class"])

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module")
async def shared(anyio_backend):
    own["anyio"] = asyncio.get_running_loop()
    yield
    assert is_real(own["anyio"])

@pytest.mark.anyio
async def test_anyio_module(shared, virtual_clock):
    assert asyncio.get_running_loop() is own["anyio"]
    await story(virtual_clock)

@pytest.mark.anyio
async def test_anyio_module_behind(shared):
    assert is_real(own["anyio"])
"""

DEADLOCKS = """
import asyncio
import pytest, pytest_asyncio

async def wait():
    await asyncio.Event().wait()

@pytest.mark.asyncio
async def test_asyncio(virtual_clock):
    await wait()

@pytest.mark.asyncio(loop_scope="module")
async def test_module(virtual_clock):
    await wait()

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(anyio_backend, virtual_clock):
    await wait()

def test_run(virtual_clock):
    virtual_clock.run(wait())

def test_asyncio_run(virtual_clock):
    asyncio.run(wait())

@pytest_asyncio.fixture
async def stuck(virtual_clock):
    await wait()

@pytest.mark.asyncio
async def test_fixture(stuck):
    pass

@pytest.mark.asyncio(loop_scope="module")
async def test_behind():
    await asyncio.sleep(0.001)
"""


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)  # where pytest says everything twice
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\nstrict = true\n")


@pytest.mark.parametrize("options", [["--asyncio-mode=strict"], ["--asyncio-mode=auto"], ["-n", "2"]])
def test_it_is_the_same_time_whoever_runs_the_test(pytester: pytest.Pytester, options: list[str]) -> None:
    pytester.makepyfile(STORY + WAYS)
    pytester.runpytest_subprocess("--junitxml=found.xml", *options).assert_outcomes(passed=7)
    measured = re.findall(r'<testcase [^>]*time="([\d.]+)"', (pytester.path / "found.xml").read_text(encoding="utf-8"))
    assert len(measured) == 7
    assert all(float(seconds) < 3600 for seconds in measured), "pytest itself measures in real time"


def test_a_loop_that_outlives_the_test_is_given_back(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(STORY + SCOPES)
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=9)


def test_a_deadlock_fails_its_test_and_no_other(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(DEADLOCKS)
    result = pytester.runpytest_subprocess("-p", "no:randomly", "--streamval-leaks=off")
    result.assert_outcomes(failed=5, errors=1, passed=1)
    shown = result.stdout.str()
    assert shown.count("Nothing can wake this program any more: at 0 s of virtual time") == 6
    assert shown.count("at test_a_deadlock_fails_its_test_and_no_other.py:5 in wait") == 6
    assert "CancelledError" not in shown


def test_a_live_test_is_refused_a_virtual_clock(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.e2e\ndef test_live(virtual_clock): pass")
    result = pytester.runpytest_subprocess("--streamval-live")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*VirtualClockUseError: virtual_clock was asked for by a test that is marked e2e*"])
