"""Tests of many shapes that leave nothing behind; run by tests/plugin/test_leaks.py, in three ways each."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from pytest_streamval import (
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    ScriptExhaustedError,
    SimpleContext,
    Stall,
    Transcript,
    ValidationResult,
    stream_with_chunking,
    transcribe,
)

TEXT = "One. Two. Three."
SHAPES = []
KEPT = []


def shape(function):
    SHAPES.append(function)
    return function


class Judge(Requirement):
    def __init__(self, word="", delay=None):
        super().__init__("judge")
        self.word, self.delay = word, delay

    async def stream_validate(self, chunk, *, backend, ctx):
        if self.delay is not None:
            await asyncio.sleep(self.delay)
        return PartialValidationResult("fail" if self.word and self.word in chunk else "pass")

    async def validate(self, backend, ctx, **options):
        return ValidationResult(True)


def start(make, script=TEXT, **options):
    return stream_with_chunking("go", make(script), SimpleContext(), **options)


async def forever():
    await asyncio.Event().wait()


@shape
async def completed(make):
    result = await start(make)
    await result.acomplete()


@shape
async def read_to_the_end(make):
    result = await start(make)
    assert [chunk async for chunk in result.astream()] == ["One.", "Two.", "Three."]


@shape
async def events_read_to_the_end(make):
    result = await start(make)
    assert len([event async for event in result.events()]) == 5


@shape
async def closed_at_once(make):
    result = await start(make)
    await result.aclose()


@shape
async def left_early_in_async_with(make):
    async with await start(make, Script.of("One. Two. ", Stall())) as result:
        async for _ in result.astream():
            break


@shape
async def failed_by_a_requirement(make):
    result = await start(make, requirements=[Judge("Two")])
    await result.acomplete()
    assert not result.completed


@shape
async def failed_while_others_were_judging(make):
    async with await start(
        make, requirements=[Judge("Two"), Judge(delay=0), Judge("Two", delay=0)], fail_fast=True
    ) as result:
        await result.acomplete()


@shape
async def timed_out_validator(make):
    result = await start(make, requirements=[Judge(delay=10)], validator_timeout=1e-9)
    with pytest.raises(TimeoutError):
        await result.acomplete()


@shape
async def broken_connection(make):
    result = await start(make, Script.of("One. ", Raise(ConnectionError("reset"))))
    with pytest.raises(ConnectionError):
        await result.acomplete()


@shape
async def timeout_around_a_run(make):
    result = await start(make, Script.of("One. ", Stall()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await result.acomplete()


@shape
async def reader_cancelled(make):
    result = await start(make, Script.of("One. ", Stall()))

    async def read():
        async for _ in result.astream():
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@shape
async def transcribed(make):
    assert "completed" in (await transcribe(await start(make))).text()


@shape
async def two_runs_at_once(make):
    first, second = await start(make), await start(make)
    await asyncio.gather(first.acomplete(), second.acomplete())


@shape
async def output_read_by_hand(make):
    thunk, _ = await make(TEXT).generate_from_context("go", SimpleContext())
    assert await thunk.avalue() == TEXT


@shape
async def output_read_once(make):
    thunk, _ = await make(Script.of("One.")).generate_from_context("go", SimpleContext())
    assert await thunk.astream() == "One."


@shape
async def output_cancelled(make):
    thunk, _ = await make(Script.of("One.", Stall())).generate_from_context("go", SimpleContext())
    await thunk.astream()
    await thunk.cancel_generation()


@shape
async def a_judge_that_is_a_model(make):
    backend = make(TEXT, "yes")
    result = await stream_with_chunking("go", backend, SimpleContext(), requirements=[Requirement("is short")])
    await result.acomplete()


@shape
async def an_exception_inside_async_with(make):
    async def fail():
        async with await start(make, Script.of("One. ", Stall())):
            raise KeyError

    with pytest.raises(KeyError):
        await fail()


@shape
async def task_awaited(make):
    assert await asyncio.create_task(asyncio.sleep(0, 5)) == 5


@shape
async def task_cancelled_and_awaited(make):
    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@shape
async def task_cancelled_only(make):
    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    task.cancel()


@shape
async def worker_told_to_end(make):
    queue = asyncio.Queue()

    async def work():
        while await queue.get() is not None:
            pass

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    queue.put_nowait(1)
    queue.put_nowait(None)
    KEPT.append(task)


@shape
async def task_group(make):
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(asyncio.sleep(0))


@shape
async def task_group_that_failed(make):
    async def fail():
        raise ValueError

    async def both():
        async with asyncio.TaskGroup() as group:
            group.create_task(forever())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await both()


@shape
async def anyio_task_group(make):
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
        group.start_soon(forever)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


@shape
async def anyio_timeout(make):
    with anyio.move_on_after(0):
        await forever()


@shape
async def to_thread(make):
    assert await asyncio.to_thread(lambda: 5) == 5


@shape
async def anyio_to_thread(make):
    assert await anyio.to_thread.run_sync(lambda: 5) == 5


@shape
async def own_executor(make):
    with ThreadPoolExecutor() as pool:
        assert await asyncio.get_running_loop().run_in_executor(pool, lambda: 5) == 5


@shape
async def thread_joined(make):
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


@shape
async def thread_told_to_end(make):
    event = threading.Event()
    threading.Thread(target=event.wait).start()
    event.set()


async def numbers():
    try:
        for number in range(3):
            yield number
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)


@shape
async def generator_read_to_the_end(make):
    assert [number async for number in numbers()] == [0, 1, 2]


@shape
async def generator_closed_with_aclosing(make):
    async with contextlib.aclosing(numbers()) as kept:
        async for _ in kept:
            break


@shape
async def generator_left_by_its_loop(make):
    async for number in numbers():
        if number:
            break


@shape
async def generator_left_by_an_exception(make):
    async def fail():
        async for _ in numbers():
            raise KeyError

    with pytest.raises(KeyError):
        await fail()


@shape
async def generator_never_begun(make):
    kept = numbers()
    await kept.aclose()


@shape
async def async_context_manager(make):
    @contextlib.asynccontextmanager
    async def managed():
        task = asyncio.create_task(forever())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async with managed():
        pass


@shape
async def producer_in_a_queue(make):
    queue = asyncio.Queue()

    async def produce():
        for number in range(3):
            await queue.put(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        assert [await queue.get() for _ in range(3)] == [0, 1, 2]


@shape
async def shielded(make):
    inner = asyncio.create_task(asyncio.sleep(0))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(inner), 0)
    await inner


@shape
async def server_and_client(make):
    async def answer(reader, writer):
        writer.write(await reader.read(10))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


@shape
async def subprocess(make):
    process = await asyncio.create_subprocess_exec("true")
    assert await process.wait() == 0


@shape
async def played(make):
    assert "".join([text async for text in Script.from_text(TEXT).play()]) == TEXT


@shape
async def played_in_part(make):
    async for _ in Script.from_text(TEXT).play():
        break


@shape
async def callbacks(make):
    asyncio.get_running_loop().call_later(60, print).cancel()
    asyncio.get_running_loop().call_soon(lambda: None)


@shape
async def gathered_exceptions(make):
    async def fail():
        raise ValueError

    found = await asyncio.gather(fail(), asyncio.sleep(0), return_exceptions=True)
    assert isinstance(found[0], ValueError)


@shape
async def script_expected_to_be_missing(make):
    backend = make()
    with pytest.raises(ScriptExhaustedError):
        await backend.generate_from_context("go", SimpleContext())


@shape
async def left_with_its_chunks_unread(make):
    async with await start(make):
        pass


@shape
async def a_transcript_beside_an_empty_one(make):
    assert await transcribe(await start(make)) != Transcript()


@shape
async def observed_by_history(make):
    result = await start(make)
    await result.acomplete()
    assert result.history


every = pytest.mark.parametrize("shape", SHAPES, ids=lambda function: function.__name__)


@every
@pytest.mark.asyncio
async def test_under_pytest_asyncio(streaming_mock_backend, shape):
    await shape(streaming_mock_backend)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@every
@pytest.mark.anyio
async def test_under_anyio(streaming_mock_backend, shape):
    await shape(streaming_mock_backend)


@every
def test_by_asyncio_run(streaming_mock_backend, shape):
    asyncio.run(shape(streaming_mock_backend))
