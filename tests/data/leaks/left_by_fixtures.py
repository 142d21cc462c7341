"""Fixtures that leave an object running after their teardown. tests/plugin/test_leaks.py runs them."""

import asyncio
import threading

import pytest
import pytest_asyncio

from pytest_streamval import Script, SimpleContext, Stall, stream_with_chunking

KEPT = []


async def forever():
    await asyncio.Event().wait()


def start(make):
    return stream_with_chunking("go", make(Script.of("One. ", Stall())), SimpleContext())


@pytest_asyncio.fixture
async def task(streaming_mock_backend):
    yield asyncio.create_task(forever())


@pytest_asyncio.fixture(loop_scope="session")
async def task_in_the_loop_of_a_session(streaming_mock_backend):
    yield asyncio.create_task(forever())


@pytest_asyncio.fixture
async def returned_result(streaming_mock_backend):
    return await start(streaming_mock_backend)


@pytest_asyncio.fixture
async def yielded_result(streaming_mock_backend):
    yield await start(streaming_mock_backend)


@pytest_asyncio.fixture
async def producer(streaming_mock_backend):
    await streaming_mock_backend(Script.of(Stall())).generate_from_context("go", SimpleContext())
    yield


@pytest_asyncio.fixture
async def generator(streaming_mock_backend):
    async def numbers():
        yield 1

    KEPT.append(numbers())
    await anext(KEPT[-1])
    yield


@pytest.fixture
def thread(streaming_mock_backend):
    over = threading.Event()
    KEPT.append(over)
    threading.Thread(target=lambda: over.wait(9)).start()
    yield  # noqa: PT022  # a teardown that forgets it


@pytest.fixture
def result_in_a_loop_of_its_own(streaming_mock_backend):
    loop = asyncio.new_event_loop()
    yield loop.run_until_complete(start(streaming_mock_backend))
    loop.close()


@pytest.fixture
def loop_that_is_closed_too_late():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def result_in_the_loop_of_another(streaming_mock_backend, loop_that_is_closed_too_late):
    return loop_that_is_closed_too_late.run_until_complete(start(streaming_mock_backend))


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def task_under_anyio(anyio_backend, streaming_mock_backend):
    KEPT.append(asyncio.create_task(forever()))
    yield  # noqa: PT022  # a teardown that forgets it


NAMES = [
    "task",
    "task_in_the_loop_of_a_session",
    "returned_result",
    "yielded_result",
    "producer",
    "generator",
    "thread",
    "result_in_a_loop_of_its_own",
    "result_in_the_loop_of_another",
]


@pytest.mark.parametrize("name", NAMES)
def test_synchronous(request, streaming_mock_backend, name):
    request.getfixturevalue(name)


@pytest.mark.asyncio
async def test_task(task):
    pass


@pytest.mark.asyncio
async def test_task_in_the_loop_of_a_session(task_in_the_loop_of_a_session):
    pass


@pytest.mark.asyncio(loop_scope="session")
async def test_the_loop_of_the_session_is_clean_after_it():
    assert [task for task in asyncio.all_tasks() if task.get_coro().__name__ == "forever"] == []


@pytest.mark.asyncio
async def test_yielded_result(yielded_result):
    pass


@pytest.mark.asyncio
async def test_generator(generator):
    pass


@pytest.mark.asyncio
async def test_thread(thread):
    pass


@pytest.mark.anyio
async def test_task_under_anyio(task_under_anyio):
    pass


def test_task_under_anyio_of_a_synchronous_test(task_under_anyio):
    pass


def teardown_module():
    for each in KEPT:
        if isinstance(each, threading.Event):
            each.set()
