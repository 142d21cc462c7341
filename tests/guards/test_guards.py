"""The guard of a test, without pytest: the objects that it records, finds and ends."""

import asyncio
import contextlib
import contextvars
import gc
import threading
from contextlib import ExitStack
from weakref import ref

import pytest

from pytest_streamval import (
    ProviderServer,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.guards import Guard
from pytest_streamval.guards.origins import _of_libraries
from pytest_streamval.guards.tracking import TrackedGenerator, _generators, context_of, current, install


async def forever():
    await asyncio.Event().wait()


def start(backend):
    return stream_with_chunking("go", backend, SimpleContext())


def leaks(guard):
    guard.check(guard.test)
    return [what for what, _, _ in guard.take_leaks()]


# Tracking


def test_the_guard_finds_a_run_whose_task_has_the_id_of_a_task_of_a_library_that_is_gone():
    """The task of a run does not begin in `create_task`, which forgets the earlier task."""
    guard = Guard(list)

    class Gone:
        pass

    async def leave_a_run():
        run = await start(StreamingMockBackend(Script.of("One. ", Stall())))
        await asyncio.sleep(0)
        _of_libraries.update({id(task): ref(Gone()) for task in asyncio.all_tasks()})
        return run

    with asyncio.Runner() as runner:
        kept = runner.run(guard.tracking_test(leave_a_run)())
        found = leaks(guard)
        _of_libraries.clear()
    guard.close()
    assert [what.partition(":")[0] for what in found] == ["a StreamChunkingResult neither completed nor closed"]
    del kept


def test_tracking_is_installed_until_the_stack_is_closed():
    before = threading.Thread.start, asyncio.BaseEventLoop.close, asyncio.runners._cancel_all_tasks
    with ExitStack() as undo:
        install(undo)
        assert threading.Thread.start is not before[0]
        assert threading.Thread.start.__wrapped__ is before[0]
    assert (threading.Thread.start, asyncio.BaseEventLoop.close, asyncio.runners._cancel_all_tasks) == before


def test_the_context_of_a_task_is_the_one_in_which_it_runs():
    variable = contextvars.ContextVar("variable")

    async def main():
        variable.set("inner")
        task = asyncio.create_task(asyncio.sleep(0))
        variable.set("outer")
        task.add_done_callback(lambda _: None)
        await task
        return context_of(task).get(variable)

    assert asyncio.run(main()) == "inner"


def test_a_guard_ignores_objects_that_begin_in_another_context(guard):
    async def main():
        threading.Thread(target=print).start()
        await (await start(StreamingMockBackend("One."))).acomplete()
        kept.append(asyncio.create_task(forever()))

    kept = []
    contextvars.Context().run(asyncio.run, main())
    assert leaks(guard) == []
    assert guard.test.threads == guard.test.runs == []
    assert guard.test.loops == set()


def test_a_closed_guard_records_nothing():
    with ExitStack() as undo:
        install(undo)
        guard = Guard(lambda: ())
        undo.callback(current.reset, current.set(guard.test))
        guard.close()
        asyncio.run(asyncio.sleep(0))
        Script.of("x").play()
    assert guard.test.loops == set()
    assert guard.scripts.playbacks == []


def test_a_guard_without_leaks_reports_none():
    with ExitStack() as undo:
        install(undo)
        guard = Guard(lambda: (), leaks=False)
        undo.callback(guard.close)
        undo.callback(current.reset, current.set(guard.test))

        async def main():
            kept.append(asyncio.create_task(forever()))

        kept = []
        asyncio.run(main())
        assert leaks(guard) == []
        assert kept[0].cancelled()


def test_the_exception_handler_of_a_loop_receives_other_errors(guard):
    messages = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: messages.append(context["message"]))
        loop.call_exception_handler({"message": "the card is destroyed"})
        contextvars.Context().run(asyncio.create_task, forever())
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    assert messages == ["the card is destroyed", "Task was destroyed but it is pending!"]
    assert leaks(guard) == []


# Leaks


def test_a_tracked_test_may_run_without_asyncio(guard):
    async def test():
        return 5

    with pytest.raises(StopIteration) as end:
        guard.tracking_test(test)().send(None)
    assert end.value.value == 5


def test_a_guard_checks_a_loop_that_is_never_closed(guard):
    async def main():
        kept.append(asyncio.create_task(forever(), name="mine"))
        await asyncio.sleep(0)

    kept = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    assert leaks(guard) == ["a task still pending: mine, forever()"]
    assert kept[0].cancelled()
    assert leaks(guard) == []
    loop.close()


def test_a_guard_does_not_run_a_loop_that_is_running(guard):
    async def main():
        kept.append(asyncio.create_task(forever(), name="mine"))
        await asyncio.sleep(0)
        found = leaks(guard)
        assert not kept[0].done()
        return found

    kept = []
    assert asyncio.run(guard.tracking_test(main)()) == ["a task still pending: mine, forever()"]


def test_a_guard_reports_a_producer_that_continues_after_its_output(guard):
    async def produce(thunk):
        await thunk.put("One.")
        thunk.close()
        await forever()

    class Careless(StreamingMockBackend):
        async def generate_from_context(self, action, ctx, **options):
            thunk = type(thunk_of_mock)()
            thunk.start(produce)
            return thunk, ctx

    async def main():
        thunk, _ = await Careless().generate_from_context("go", SimpleContext())
        assert await thunk.avalue() == "One."
        kept.append(thunk)

    kept = []
    thunk_of_mock = asyncio.run(first_thunk())
    asyncio.run(main())
    (found,) = leaks(guard)
    assert found.startswith("a producer still running: streamval producer ")


async def first_thunk():
    thunk, _ = await StreamingMockBackend("x").generate_from_context("go", SimpleContext())
    await thunk.avalue()
    return thunk


def test_a_leaked_run_is_reported_with_the_line_that_started_it(guard):
    async def main():
        kept.append(await start(StreamingMockBackend(Script.of(Stall()))))

    kept = []
    asyncio.run(main())
    guard.check(guard.test)
    ((what, place, _),) = guard.take_leaks()
    assert what.startswith("a StreamChunkingResult neither completed nor closed: streamval run 'go', from ")
    assert what.endswith("main")
    assert " in " in place


def test_a_run_that_began_before_its_guard_is_reported_without_a_line():
    with ExitStack() as undo:
        install(undo)
        loop = asyncio.new_event_loop()
        undo.callback(loop.close)
        undo.callback(current.reset, current.set(None))
        result = loop.run_until_complete(start(StreamingMockBackend(Script.of(Stall()))))
        guard = Guard(lambda: ())
        undo.callback(guard.close)
        guard.test.loops.add(loop)
        assert leaks(guard) == ["a StreamChunkingResult neither completed nor closed: streamval run 'go'"]
        assert result.task.done()


def test_leaks_that_differ_only_in_their_numbers_are_reported_once(guard):
    async def main():
        kept.extend(asyncio.create_task(forever()) for _ in range(3))
        await asyncio.sleep(0)

    kept = []
    asyncio.run(main())
    (found,) = leaks(guard)
    assert found.endswith("forever() (3 times)")


def test_a_tracker_drops_timers_that_have_fired(guard):
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(1_000):
            loop.call_later(0, kept.append, 1)
            await asyncio.sleep(0)
        loop.call_later(3600, kept.clear)

    kept = []
    asyncio.run(main())
    assert len(guard.test.timers) < 100
    assert leaks(guard) == ["a timer that has not fired: list.clear"]


@pytest.mark.parametrize("stubborn", [True, False])
def test_a_leaked_timer_is_cancelled_unless_a_stubborn_task_may_wait_for_it(guard, stubborn):
    async def work():
        if stubborn:
            with contextlib.suppress(asyncio.CancelledError):
                await forever()
        await forever()

    async def main():
        kept.append(asyncio.create_task(work(), name="mine"))
        kept.append(asyncio.get_running_loop().call_later(3600, kept.clear))
        await asyncio.sleep(0)

    kept = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    assert sorted(found.partition(":")[0] for found in leaks(guard)) == [
        "a task still pending",
        "a timer that has not fired",
    ]
    assert kept[1].cancelled() is not stubborn
    kept[1].cancel()
    kept[0].cancel()
    loop.run_until_complete(asyncio.wait([kept[0]]))
    loop.close()


def test_a_guard_ignores_the_loop_that_runs_in_another_thread(guard):
    loop = asyncio.new_event_loop()
    over = threading.Event()

    def live():
        current.set(guard.test)
        loop.call_soon(over.set)
        loop.run_forever()

    thread = threading.Thread(target=live, name="mine")
    thread.start()
    over.wait()
    work = asyncio.run_coroutine_threadsafe(forever(), loop)
    assert leaks(guard) == ["a thread still alive: mine"]
    work.cancel()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_server_that_is_opened_outside_a_test_is_no_leak():
    with ExitStack() as undo:
        install(undo)
        guard = Guard(lambda: ())
        undo.callback(guard.close)
        with ProviderServer("x"):
            assert leaks(guard) == []
            with pytest.warns(ResourceWarning, match="was dropped while it was open"):
                ProviderServer("x").start()
            assert leaks(guard) == []


def test_tracking_that_is_installed_twice_records_each_object_once(guard):
    async def numbers():
        while True:
            yield 1

    async def main():
        kept.append(generator := numbers())
        await anext(generator)

    kept = []
    with ExitStack() as undo:
        install(undo)
        Script.of("a").play_sync()
        asyncio.run(main())
        assert len(leaks(guard)) == 1
    assert len(guard.scripts.playbacks) == 1


LIBRARY = """
async def pieces():
    while True:
        yield "piece"
"""


@pytest.mark.parametrize(("folder", "found"), [("site-packages/sdk", 0), ("app", 1)])
def test_a_generator_of_an_installed_library_is_no_leak(guard, folder, found):
    module = {}
    exec(compile(LIBRARY, f"/somewhere/{folder}/stream.py", "exec"), module)  # noqa: S102  # written above

    async def main():
        kept.append(module["pieces"]())
        async for _ in kept[0]:
            break

    kept = []
    asyncio.run(main())
    assert len(leaks(guard)) == found


def test_the_record_of_a_collected_generator_does_not_apply_to_a_new_one(guard):
    async def numbers():
        yield 1

    async def main():
        current.set(None)
        generator = numbers()
        _generators[id(generator)] = TrackedGenerator(
            guard.test, asyncio.get_running_loop(), main.__code__, lambda: None
        )
        await anext(generator)
        assert id(generator) not in _generators
        await generator.aclose()

    asyncio.run(main())
