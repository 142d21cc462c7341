"""A scripted `Stall` that nothing stops in real time. It is reported, and it ends its test."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import contextmanager, redirect_stderr
from types import SimpleNamespace

import pytest

from pytest_streamval import Script, Stall, VirtualClock
from pytest_streamval.errors import StallTimeoutError
from pytest_streamval.plugin import stall_limit
from pytest_streamval.scripting import steps

pytest_plugins = ["pytester"]

TESTS = """
import asyncio, urllib.request
import pytest
from pytest_streamval import Script, SimpleContext, Stall, start_session, stream_with_chunking

SCRIPT = Script.of("Hello there. ", "And", Stall())

async def run(backend):
    result = await stream_with_chunking("Hi", backend, SimpleContext())
    await result.acomplete()

async def read():
    return [text async for text in SCRIPT.play()]

@pytest.mark.asyncio
async def test_run(streaming_mock_backend):
    await run(streaming_mock_backend(SCRIPT))

@pytest.mark.asyncio
async def test_play():
    await read()

def test_asyncio_run():
    asyncio.run(read())

def test_session(streaming_mock_backend):
    with start_session(streaming_mock_backend(SCRIPT)) as session:
        session.instruct("Hi")

@pytest.mark.asyncio
async def test_error_that_is_taken(stream_script):
    try:
        await read()
    except Exception:
        pass

@pytest.mark.asyncio
async def test_error_that_is_replaced(stream_script):
    try:
        await read()
    except Exception:
        raise ConnectionError("gone") from None

@pytest.mark.parametrize("stream", ["true", "false"])
def test_server(provider_server, stream):
    body = b'{"model": "m", "stream": %b, "messages": [{"role": "user", "content": "Hi"}]}' % stream.encode()
    url = provider_server(SCRIPT).openai_url + "/chat/completions"
    urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"})).read()
"""

STOPPED = """
import asyncio
import pytest
from pytest_streamval import Script, Stall, VirtualDeadlockError

SCRIPT = Script.of("Hello there. ", "And", Stall())

async def read():
    return [text async for text in SCRIPT.play()]

@pytest.mark.asyncio
async def test_timeout():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await read()

@pytest.mark.asyncio
async def test_virtual_timeout(virtual_clock):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await read()

def test_deadlock(virtual_clock):
    with pytest.raises(VirtualDeadlockError):
        virtual_clock.run(read())
"""


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)  # on which pytest prints more


def limit(pytester: pytest.Pytester, seconds: str) -> None:
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\nstrict = true\n"
        f"streamval_stall_timeout = {seconds}\n"
    )


@pytest.mark.parametrize("options", [["-p", "no:randomly"], ["-n", "1"]])
def test_a_stall_that_nothing_stops_ends_its_test(pytester: pytest.Pytester, options: list[str]) -> None:
    limit(pytester, "0.02")
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("--streamval-leaks=off", "--streamval-unplayed=off", *options)
    notice = "steps[2] of the script 'Hello there. And', a Stall, has been silent for 0.01 s of real time."
    assert (result.outlines + result.errlines).count(f"{notice} The test fails at 0.02 s.") == 8
    result.assert_outcomes(failed=8)
    shown = result.stdout.str()
    assert shown.count("Give that code a timeout, such as asyncio.timeout()") >= 8
    assert "raise the ini value streamval_stall_timeout" in shown
    assert "ConnectionError: gone" in shown


def test_a_stall_that_is_stopped_or_has_virtual_time_is_not_reported(pytester: pytest.Pytester) -> None:
    limit(pytester, "60")
    pytester.makepyfile(STOPPED)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=3)
    assert "silent" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("value", ["soon", "-1", "inf", "nan"])
def test_the_ini_value_of_the_stall_limit_must_be_a_number_of_seconds(pytester: pytest.Pytester, value: str) -> None:
    limit(pytester, value)
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*Invalid streamval_stall_timeout: {value}. It must be a number of seconds, or 0*"])


class Timers(asyncio.SelectorEventLoop):
    """A loop whose timers fire only in `fire`."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[tuple[float, asyncio.Handle]] = []

    def call_later(self, delay, callback, *args, context=None):
        handle = super().call_later(3600, callback, *args, context=context)
        self.timers.append((delay, handle))
        return handle

    def fire(self) -> list[float]:
        for _, handle in self.timers:
            handle._run()
        return [delay for delay, _ in self.timers]


async def read() -> list[str]:
    return [text async for text in Script.of("So far", Stall()).play()]


async def begin() -> asyncio.Task[list[str]]:
    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    return reading


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    notices: list[str] = []
    monkeypatch.setattr(stall_limit, "_write", lambda config, text: notices.append(text))
    return notices


def test_a_stall_is_reported_after_five_seconds_and_ends_after_a_minute(notices: list[str]) -> None:
    with asyncio.Runner(loop_factory=Timers) as runner:
        reading = runner.run(begin())
        assert runner.get_loop().fire() == [5, 60]
        with pytest.raises(StallTimeoutError) as caught:
            runner.run(asyncio.wait_for(reading, None))
        runner.get_loop().fire()  # the cancelled timers do nothing
    place = "steps[1] of the script 'So far', a Stall,"
    assert notices[0] == f"{place} has been silent for 5 s of real time. The test fails at 60 s."
    assert stall_limit.take_ended() == [caught.value]
    assert stall_limit.take_ended() == []
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(copy), copy.place, copy.seconds) == (str(caught.value), place, 60)


def test_a_stall_is_not_ended_on_a_virtual_clock_that_started_after_it(notices: list[str]) -> None:
    with asyncio.Runner(loop_factory=Timers) as runner:
        reading = runner.run(begin())
        with VirtualClock():
            runner.get_loop().fire()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                runner.run(asyncio.wait_for(reading, None))
    assert (notices, stall_limit.take_ended()) == ([], [])


@pytest.mark.parametrize("kind", ["terminal", "worker", "no terminal"])
def test_the_notice_of_a_stall_is_not_captured(kind: str) -> None:
    done: list[object] = []

    class Capture:
        @contextmanager
        def global_and_fixture_disabled(self):
            done.append("off")
            with redirect_stderr(SimpleNamespace(write=done.append)):
                yield
            done.append("on")

    terminal = SimpleNamespace(ensure_newline=lambda: None, write_line=lambda line, **_: done.append(line))
    plugins = {"capturemanager": Capture(), "terminalreporter": None if kind == "no terminal" else terminal}
    config = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=plugins.get))
    if kind == "worker":
        config.workerinput = {}
    stall_limit._write(config, "notice")
    assert done == ["off", "notice" if kind == "terminal" else "\nnotice\n", "on"]


def test_the_notice_of_a_stall_without_plugins_goes_to_the_error_output(capsys: pytest.CaptureFixture[str]) -> None:
    stall_limit._write(SimpleNamespace(pluginmanager=SimpleNamespace(getplugin={}.get)), "notice")
    assert capsys.readouterr().err == "\nnotice\n"


@pytest.mark.parametrize("place", ["outside of pytest", "with the limit 0"])
def test_a_stall_without_a_limit_is_not_ended(
    place: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "outside of pytest":
        monkeypatch.setattr(steps, "limits", [])
    else:
        monkeypatch.setitem(pytestconfig._inicache, "streamval_stall_timeout", "0")

    with asyncio.Runner(loop_factory=Timers) as runner:
        runner.run(begin())
        assert runner.get_loop().fire() == []
