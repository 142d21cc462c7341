"""Tests that leave nothing behind, as their fixtures or their session hold it; run by tests/plugin/test_leaks.py."""

import asyncio
import contextlib
import threading
import unittest

import anyio
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route

from pytest_streamval import (
    ProviderServer,
    Script,
    SimpleContext,
    Stall,
    StreamChunkingResult,
    start_session,
    stream_with_chunking,
)


async def forever():
    await asyncio.Event().wait()


async def complete(backend):
    result = await stream_with_chunking("go", backend, SimpleContext())
    await result.acomplete()


class App:
    """Starts work for whoever asks, and ends it when it is closed."""

    def __init__(self):
        self.work = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.over.wait)

    def start(self, work):
        self.work.append(asyncio.create_task(work))

    async def aclose(self):
        for each in self.work:
            if isinstance(each, StreamChunkingResult):
                await each.aclose()
            elif isinstance(each, asyncio.Task):
                each.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await each
            else:
                await each.cancel_generation()

    def close(self):
        self.over.set()
        self.thread.join()


@pytest_asyncio.fixture
async def app(streaming_mock_backend):
    app = App()
    app.start(forever())
    yield app
    await app.aclose()


@pytest.mark.asyncio
async def test_a_task_that_a_fixture_holds(app):
    app.start(forever())


@pytest.mark.asyncio
async def test_a_result_that_a_fixture_holds(app, streaming_mock_backend):
    backend = streaming_mock_backend(Script.of("One. ", Stall()))
    app.work.append(await stream_with_chunking("go", backend, SimpleContext()))


@pytest.mark.asyncio
async def test_an_output_that_a_fixture_holds(app, streaming_mock_backend):
    thunk, _ = await streaming_mock_backend("One.").generate_from_context("go", SimpleContext())
    app.work.append(thunk)


@pytest.fixture
def synchronous_app(streaming_mock_backend):
    app = App()
    yield app
    app.close()


@pytest.mark.asyncio
async def test_a_thread_that_a_fixture_holds(synchronous_app):
    synchronous_app.thread.start()


def test_a_thread_that_a_fixture_holds_by_a_synchronous_test(synchronous_app):
    synchronous_app.thread.start()


@pytest.fixture
def cancelled_later(streaming_mock_backend):
    tasks = []
    yield tasks
    for task in tasks:  # which are gone by now, with their event loop
        task.cancel()


@pytest.mark.asyncio
async def test_a_task_whose_loop_ends_before_the_teardown(cancelled_later):
    cancelled_later.append(asyncio.create_task(forever()))


@pytest.mark.anyio
async def test_a_task_whose_loop_ends_before_the_teardown_under_anyio(anyio_backend, cancelled_later):
    cancelled_later.append(asyncio.create_task(forever()))


@pytest.fixture
def finalized_app(request, streaming_mock_backend):
    app = App()
    request.addfinalizer(app.close)  # noqa: PT021  # the other way to write a teardown
    return app


def test_a_thread_that_a_finalizer_ends(finalized_app):
    finalized_app.thread.start()


@pytest.mark.asyncio
async def test_a_task_that_a_finalizer_of_the_test_ends(request, streaming_mock_backend):
    request.addfinalizer(asyncio.create_task(forever()).cancel)


@pytest.mark.asyncio
async def test_a_task_in_a_list_that_a_finalizer_of_the_test_empties(request, streaming_mock_backend):
    tasks = [asyncio.create_task(forever())]
    request.addfinalizer(lambda: [task.cancel() for task in tasks])
    await asyncio.sleep(0)


def test_a_finalizer_of_a_synchronous_test(request, streaming_mock_backend):
    async def main():
        task = asyncio.create_task(forever())
        request.addfinalizer(task.cancel)

    asyncio.run(main())


@pytest.fixture
def tasks():
    return []


@pytest_asyncio.fixture
async def end_of_tasks(tasks):
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_task_in_the_list_of_a_fixture_that_another_one_empties(end_of_tasks, tasks, streaming_mock_backend):
    tasks.append(asyncio.create_task(forever()))


@pytest.fixture
def finalized_tasks(request):
    tasks = []
    request.addfinalizer(lambda: [task.cancel() for task in tasks])  # noqa: PT021  # the other way
    return tasks


@pytest.mark.asyncio
async def test_a_task_in_the_list_of_a_fixture_with_a_finalizer(finalized_tasks, streaming_mock_backend):
    finalized_tasks.append(asyncio.create_task(forever()))


@pytest.fixture
def tasks_of_monkeypatch(monkeypatch):
    tasks = []
    with monkeypatch.context():
        yield tasks
        for task in tasks:
            task.cancel()


@pytest.mark.anyio
async def test_a_task_in_a_list_under_anyio(anyio_backend, tasks_of_monkeypatch, streaming_mock_backend):
    tasks_of_monkeypatch.append(asyncio.create_task(forever()))


@pytest.fixture
def session_and_server(streaming_mock_backend):
    session = start_session(streaming_mock_backend("One."))
    with ProviderServer(lambda request: request.prompt) as server, session:
        yield session, server


def test_a_session_and_a_server_that_a_fixture_closes(session_and_server):
    session, _ = session_and_server
    assert str(session.instruct("go")) == "One."


def test_a_server_of_the_fixture_and_a_timer_that_fires(provider_server, streaming_mock_backend):
    async def main():
        fired = asyncio.Event()
        asyncio.get_running_loop().call_later(0, fired.set)
        await fired.wait()

    provider_server(lambda request: "One.")
    asyncio.run(main())


async def stream_in_response_to(request):
    async def events():
        yield "One."
        yield "Two."

    return EventSourceResponse(events())


@pytest.mark.asyncio
async def test_the_watcher_of_sse_starlette(streaming_mock_backend):
    app = Starlette(routes=[Route("/", stream_in_response_to)])
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""} if not sent else await forever()

    async def send(message):
        sent.append(message.get("body", b""))

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert b"Two." in b"".join(sent)
    assert any("_shutdown_watcher" in repr(task) for task in asyncio.all_tasks())


@pytest.mark.usefixtures("streaming_mock_backend")
class TestOfUnittest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.task = asyncio.create_task(forever())
        self.ended = asyncio.create_task(forever())
        self.addAsyncCleanup(self.end)

    async def end(self):
        self.ended.cancel()

    async def asyncTearDown(self):
        self.task.cancel()

    async def test_its_own_clean_up(self):
        await asyncio.sleep(0)

    async def test_again(self):
        assert not self.task.done()


@pytest.mark.usefixtures("streaming_mock_backend")
class TestOfTheOldKind:
    def setup_method(self):
        self.app = App()

    def teardown_method(self):
        self.app.close()

    def test_a_thread_that_the_instance_holds(self):
        self.app.thread.start()


@pytest_asyncio.fixture
async def group(streaming_mock_backend):
    """Holds what it yields no part of."""
    async with asyncio.TaskGroup() as group:
        tasks = []
        yield lambda work: tasks.append(group.create_task(work))
        for task in tasks:
            task.cancel()


@pytest.mark.asyncio
async def test_a_task_in_the_group_of_a_fixture(group):
    group(forever())


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def anyio_group(anyio_backend, streaming_mock_backend):
    async with anyio.create_task_group() as group:
        group.start_soon(forever)
        yield group
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_task_in_the_anyio_group_of_a_fixture(anyio_group):
    anyio_group.start_soon(forever)


def test_a_synchronous_test_with_an_anyio_fixture(anyio_group):
    pass


async def beat(pause=0.0):
    """Start others all the time, and hold a generator meanwhile."""

    async def ticks():
        while True:
            yield asyncio.create_task(asyncio.sleep(pause))

    async for task in ticks():
        await task


@pytest.fixture(scope="session")
async def anyio_heart(anyio_backend):
    async with anyio.create_task_group() as group:
        group.start_soon(beat)
        yield
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_beside_the_background_task_of_an_anyio_fixture(anyio_heart, streaming_mock_backend):
    for _ in range(9):
        await asyncio.sleep(0)
    await complete(streaming_mock_backend("One."))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def heart():
    task = asyncio.create_task(beat())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("number", range(3))
async def test_beside_the_background_task_of_a_session(heart, streaming_mock_backend, number):
    for _ in range(9):
        await asyncio.sleep(0)
    await complete(streaming_mock_backend("One."))


@pytest.mark.asyncio(loop_scope="class")
class TestInOneLoop:
    async def test_first(self, streaming_mock_backend):
        await complete(streaming_mock_backend("One."))

    async def test_second(self, streaming_mock_backend):
        await complete(streaming_mock_backend("One."))


@pytest.fixture(scope="session")
def server():
    """Return an event loop that runs in a thread of its own, and starts tasks there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    work = asyncio.run_coroutine_threadsafe(beat(pause=0.001), loop)
    yield loop
    work.cancel()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def test_a_call_into_another_loop(server, streaming_mock_backend):
    assert asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 5), server).result() == 5


examples = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None, database=None
)


@examples
@given(st.text(max_size=5))
@pytest.mark.asyncio
async def test_of_hypothesis_under_pytest_asyncio(streaming_mock_backend, text):
    backend = streaming_mock_backend(text)
    assume(len(text) > 1)
    await complete(backend)


@pytest.mark.anyio
@examples
@given(st.text(max_size=5))
async def test_of_hypothesis_under_anyio(anyio_backend, streaming_mock_backend, text):
    backend = streaming_mock_backend(text)
    assume(len(text) > 1)
    await complete(backend)


@examples
@given(st.text(max_size=5))
def test_of_hypothesis_by_asyncio_run(streaming_mock_backend, text):
    backend, playback = streaming_mock_backend(text), Script.from_text(text).play()
    assume(len(text) > 1)
    asyncio.run(complete(backend))
    asyncio.run(anext(playback))


def test_a_fixture_that_nobody_could_foresee(request):
    asyncio.run(complete(request.getfixturevalue("streaming_mock_backend")("One.")))


def test_an_event_loop_by_hand(streaming_mock_backend):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(complete(streaming_mock_backend("One.")))
    loop.close()


def test_virtual_time(virtual_clock, streaming_mock_backend):
    virtual_clock.run(complete(streaming_mock_backend("One.")))


@pytest.mark.asyncio
async def test_virtual_time_in_an_asynchronous_test(virtual_clock, streaming_mock_backend):
    await asyncio.sleep(3600)
    await complete(streaming_mock_backend("One."))


def test_nothing_at_all(streaming_mock_backend, stream_script):
    pass
