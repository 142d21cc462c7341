"""Code that keeps real time beside a virtual clock."""

import asyncio
import concurrent.futures
import datetime as dt
import pickle
import time
from urllib.parse import urlsplit

import anyio
import anyio.from_thread
import anyio.to_thread
import fastapi
import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from pytest_streamval import (
    ProviderServer,
    RealTimeWarning,
    StreamingMockBackend,
    start_session,
)
from pytest_streamval.virtual_time import VirtualClock
from tests.virtual_time.shared import (
    START,
)


def called_from(module):
    """Return a function that calls functions of time as code of another module."""
    namespace = {"__name__": module, "time": time}
    exec("def ask(name, *arguments): return getattr(time, name)(*arguments)", namespace)  # noqa: S102
    return namespace["ask"]


MEASURES = ("monotonic", "perf_counter", "monotonic_ns", "perf_counter_ns")


@pytest.mark.parametrize("module", ["hypothesis.core", "concurrent.futures._base", "_pytest.runner", "subprocess"])
def test_test_tools_and_the_standard_library_measure_real_time(module):
    ask = called_from(module)
    before = [ask(name) for name in MEASURES]
    with VirtualClock() as clock:
        ask("sleep", 0)
        assert all(ask(name) >= real for name, real in zip(MEASURES, before, strict=True))
        assert clock.elapsed == 0


def test_other_modules_measure_virtual_time(clock):
    ask = called_from("application.retries")
    ask("sleep", 2)
    assert [ask(name) for name in MEASURES] == [2, 2, 2_000_000_000, 2_000_000_000]


def test_other_threads_keep_real_time(clock):
    def look():
        time.sleep(0)
        measures = [getattr(time, name)() for name in MEASURES]
        return time.time(), dt.datetime.now(dt.UTC).timestamp(), *measures

    with concurrent.futures.ThreadPoolExecutor() as pool:
        wall, date, *measures = pool.submit(look).result()
    assert wall > START
    assert date == pytest.approx(wall, abs=60)
    assert all(measures)
    assert clock.elapsed == 0


async def look_at_loop():
    loop = asyncio.get_running_loop()
    return vars(loop).get("time"), await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 5)


def in_asyncio_run():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return pool.submit(lambda: asyncio.run(look_at_loop())).result()


def in_blocking_portal():
    with anyio.from_thread.start_blocking_portal() as portal:
        return portal.call(look_at_loop)


def in_session():
    with start_session(StreamingMockBackend("Hello.")) as session:
        session.instruct("Hi")
    return None, "done"


@pytest.mark.parametrize("run", [in_asyncio_run, in_blocking_portal, in_session])
def test_an_event_loop_in_another_thread_keeps_real_time_with_a_warning(clock, run):
    with pytest.warns(RealTimeWarning, match="in real time, although the test has a virtual clock") as caught:
        assert [run(), run()] == [(None, "done")] * 2
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "TestClient" not in str(caught[0].message)
    copy = pickle.loads(pickle.dumps(caught[0].message))  # noqa: S301
    assert (str(copy), copy.thread) == (str(caught[0].message), caught[0].message.thread)


def test_a_call_into_a_loop_that_is_older_than_the_clock_warns():
    with anyio.from_thread.start_blocking_portal() as portal:
        with VirtualClock(), pytest.warns(RealTimeWarning, match=r"thread '.*portal.*'"):
            assert portal.call(look_at_loop) == (None, "done")
        assert portal.call(look_at_loop) == (None, "done")


def test_a_real_time_warning_may_be_an_error(clock):
    with pytest.raises(RealTimeWarning):
        in_asyncio_run()  # because all warnings are errors in this suite
    assert in_asyncio_run() == (None, "done")


async def test_a_provider_server_does_not_warn(clock):
    with ProviderServer("Hello.") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.openai_url).port)
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


def served_app():
    app = fastapi.FastAPI()

    @app.get("/")
    async def root(wait: int = 0) -> dict[str, float]:
        await asyncio.sleep(wait)
        return {"time": time.time()}

    return app


def test_starlettes_test_client_warns_that_it_runs_in_real_time(clock):
    with pytest.warns(RealTimeWarning, match=r"of Starlette's TestClient .*=httpx\.ASGITransport"):
        answer = TestClient(served_app()).get("/").json()
    assert answer["time"] > START


async def test_an_application_in_the_loop_of_the_test_has_virtual_time(clock):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=served_app()), base_url="http://test") as client:
        answer = await client.get("/", params={"wait": 3600})
    assert answer.json()["time"] == START + 3600
