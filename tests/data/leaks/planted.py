"""Tests with one leak each, in three ways to run them. tests/plugin/test_leaks.py runs them."""

import asyncio
import contextlib
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context

import pytest

from pytest_streamval import (
    ModelOutputThunk,
    PartialValidationResult,
    ProviderServer,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    ValidationResult,
    start_session,
    stream_with_chunking,
)

KINDS = []
KEPT = []


def kind(function):
    KINDS.append(function)
    return function


async def forever():
    await asyncio.Event().wait()


async def turns():
    for _ in range(9):
        await asyncio.sleep(0)


async def numbers():
    yield 1
    yield 2


@kind
async def producer(make):
    await make("One. " * 50).generate_from_context("go", SimpleContext())


@kind
async def producer_that_has_sent_all(make):
    await make("One.").generate_from_context("go", SimpleContext())


@kind
async def task(make):
    KEPT.append(asyncio.create_task(forever(), name="mine"))
    await asyncio.sleep(0)


@kind
async def task_that_has_not_begun(make):
    KEPT.append(asyncio.create_task(forever()))


@kind
async def task_that_nobody_keeps(make):
    asyncio.create_task(forever())  # noqa: RUF006  # which is the point
    await asyncio.sleep(0)
    gc.collect()


@kind
async def task_that_ignores_its_cancellation(make):
    async def stubborn():
        for _ in range(2):  # the third comes with the end of the event loop, which nobody could close otherwise
            with contextlib.suppress(asyncio.CancelledError):
                await forever()
        await forever()

    KEPT.append(asyncio.create_task(stubborn()))
    await asyncio.sleep(0)
    KEPT[-1].cancel()


@kind
async def generator(make):
    suspended = numbers()
    await anext(suspended)


@kind
async def generator_that_is_kept(make):
    KEPT.append(numbers())
    await anext(KEPT[-1])


@kind
async def result(make):
    await stream_with_chunking("go", make("One. Two."), SimpleContext())


@kind
async def result_that_is_kept(make):
    KEPT.append(await stream_with_chunking("go", make(Script.of("One. Two. ", Stall())), SimpleContext()))
    async for _ in KEPT[-1].astream():
        break


@kind
async def result_that_was_dropped(make):
    await stream_with_chunking("go", make(Script.of("One. ", Stall())), SimpleContext())
    for _ in range(9):
        await asyncio.sleep(0)


@kind
async def output_that_was_dropped(make):
    async def produce(output):
        await output.put("One.")
        await forever()

    output = ModelOutputThunk()
    output.start(produce)
    for _ in range(9):
        await asyncio.sleep(0)


@kind
async def thread(make):
    over = threading.Event()
    KEPT.append(over)
    threading.Thread(target=lambda: over.wait(9), name="mine", daemon=True).start()


@kind
async def thread_that_the_interpreter_waits_for(make):
    over = threading.Event()
    KEPT.append(over)
    threading.Thread(target=lambda: over.wait(9), name="mine").start()


@kind
async def task_group(make):
    async def parent():
        async with asyncio.TaskGroup() as group:
            group.create_task(forever())

    KEPT.append(asyncio.create_task(parent()))
    for _ in range(3):
        await asyncio.sleep(0)


@kind
async def validator(make):
    class Careless(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            KEPT.append(asyncio.create_task(forever()))
            return PartialValidationResult("pass")

        async def validate(self, backend, ctx, **options):
            return ValidationResult(True)

    result = await stream_with_chunking("go", make("One."), SimpleContext(), requirements=[Careless("careless")])
    await result.acomplete()


@kind
async def validators_of_a_run(make):
    class Slow(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            await forever()

    slow = [Slow("slow"), Slow("slower")]
    KEPT.append(await stream_with_chunking("go", make("One. Two."), SimpleContext(), requirements=slow))
    for _ in range(9):
        await asyncio.sleep(0)


@kind
async def timeout(make):
    KEPT.append(asyncio.create_task(forever()))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await forever()


@kind
async def task_begun_from_a_thread(make):
    loop = asyncio.get_running_loop()
    thread = threading.Thread(target=lambda: KEPT.append(asyncio.run_coroutine_threadsafe(forever(), loop)))
    thread.start()
    thread.join()
    await turns()


@kind
async def task_begun_in_an_executor(make):
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor() as executor:
        executor.submit(lambda: KEPT.append(asyncio.run_coroutine_threadsafe(forever(), loop))).result()
    await turns()


@kind
async def task_begun_in_an_empty_context(make):
    KEPT.append(Context().run(asyncio.run_coroutine_threadsafe, forever(), asyncio.get_running_loop()))
    await turns()


@kind
async def timer(make):
    asyncio.get_running_loop().call_later(3600, print)


@kind
async def timer_in_an_empty_context(make):
    loop = asyncio.get_running_loop()
    KEPT.append(loop.call_at(loop.time() + 3600, KEPT.clear, context=Context()))


@kind
async def session(make):
    KEPT.append(start_session(make("One.")))
    assert str(KEPT[-1].chat("go")) == "One."


@kind
async def session_of_an_output(make):
    KEPT.append(start_session(make(Script.of("One.", Stall()))))
    KEPT.append(await KEPT[-1].ainstruct("go"))


@kind
async def server(make):
    KEPT.append(ProviderServer("x").start())


@kind
async def server_that_was_dropped(make):
    ProviderServer("x").start()


@pytest.fixture(autouse=True)
def _end_threads():
    yield
    for each in KEPT:
        if isinstance(each, threading.Event):
            each.set()
    KEPT.clear()


every = pytest.mark.parametrize("kind", KINDS, ids=lambda function: function.__name__)


@every
@pytest.mark.asyncio
async def test_under_pytest_asyncio(streaming_mock_backend, kind):
    await kind(streaming_mock_backend)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@every
@pytest.mark.anyio
async def test_under_anyio(streaming_mock_backend, kind):
    await kind(streaming_mock_backend)


@every
def test_by_asyncio_run(streaming_mock_backend, kind):
    asyncio.run(kind(streaming_mock_backend))
