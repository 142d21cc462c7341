"""The guard of a test without pytest: what it enters, what it finds, what it says."""

import asyncio
import contextlib
import contextvars
import functools
import gc
import threading
from contextlib import ExitStack

import pytest

from pytest_streamval import (
    ProviderServer,
    Script,
    ScriptExhaustedError,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.errors import LeakError
from pytest_streamval.guards import Guard, reachability
from pytest_streamval.guards.reachability import held_among
from pytest_streamval.guards.source_locations import Site, place_of, place_of_thread
from pytest_streamval.guards.tracking import Begun, _begun, context_of, current, keep_books
from pytest_streamval.guards.unplayed import done_in_vain


@pytest.fixture
def guard(request, monkeypatch):
    with ExitStack() as undo:
        keep_books(undo)
        guard = Guard(lambda: ())
        undo.callback(guard.close)
        test = request.node.obj

        @functools.wraps(test)
        def entered(**fixtures):
            # here, as the plugin's own guards, where a test before this one has asked for them, enter another ledger
            with ExitStack() as left:
                left.callback(current.reset, current.set(guard.test))
                test(**fixtures)

        monkeypatch.setattr(request.node, "obj", entered)
        yield guard


async def forever():
    await asyncio.Event().wait()


def start(backend):
    return stream_with_chunking("go", backend, SimpleContext())


def leaks(guard):
    guard.look(guard.test)
    return [what for what, _, _ in guard.leaks()]


# What is entered


def test_what_began_is_patched_for_as_long_as_the_stack_is_open():
    before = threading.Thread.start, asyncio.BaseEventLoop.close, asyncio.runners._cancel_all_tasks
    with ExitStack() as undo:
        keep_books(undo)
        assert threading.Thread.start is not before[0]
        assert threading.Thread.start.__wrapped__ is before[0]
    assert (threading.Thread.start, asyncio.BaseEventLoop.close, asyncio.runners._cancel_all_tasks) == before


def test_the_context_of_a_task_is_the_one_that_it_runs_in():
    variable = contextvars.ContextVar("variable")

    async def main():
        variable.set("inner")
        task = asyncio.create_task(asyncio.sleep(0))
        variable.set("outer")
        task.add_done_callback(lambda _: None)
        await task
        return context_of(task).get(variable)

    assert asyncio.run(main()) == "inner"


def test_what_begins_in_another_context_is_nobodys(guard):
    async def main():
        threading.Thread(target=print).start()
        await (await start(StreamingMockBackend("One."))).acomplete()
        kept.append(asyncio.create_task(forever()))

    kept = []
    contextvars.Context().run(asyncio.run, main())
    assert leaks(guard) == []
    assert guard.test.threads == guard.test.runs == []
    assert guard.test.loops == set()


def test_a_guard_that_is_closed_enters_nothing_more():
    with ExitStack() as undo:
        keep_books(undo)
        guard = Guard(lambda: ())
        undo.callback(current.reset, current.set(guard.test))
        guard.close()
        asyncio.run(asyncio.sleep(0))
        Script.of("x").play()
    assert guard.test.loops == set()
    assert guard.test.playbacks == []


def test_a_guard_that_does_not_look_for_leaks_finds_none():
    with ExitStack() as undo:
        keep_books(undo)
        guard = Guard(lambda: (), leaks=False)
        undo.callback(guard.close)
        undo.callback(current.reset, current.set(guard.test))

        async def main():
            kept.append(asyncio.create_task(forever()))

        kept = []
        asyncio.run(main())
        assert leaks(guard) == []
        assert kept[0].cancelled()


def test_an_error_that_a_loop_reports_otherwise_is_reported_as_ever(guard):
    told = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        loop.call_exception_handler({"message": "the card is destroyed"})
        contextvars.Context().run(asyncio.create_task, forever())
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    assert told == ["the card is destroyed", "Task was destroyed but it is pending!"]
    assert leaks(guard) == []


# What is found


def test_a_test_under_something_else_than_asyncio_is_let_run(guard):
    async def test():
        return 5

    with pytest.raises(StopIteration) as end:
        guard.supervised(test)().send(None)
    assert end.value.value == 5


def test_a_loop_that_is_never_closed_is_looked_into_too(guard):
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


def test_in_a_running_loop_it_looks_without_letting_the_loop_run(guard):
    async def main():
        kept.append(asyncio.create_task(forever(), name="mine"))
        await asyncio.sleep(0)
        found = leaks(guard)
        assert not kept[0].done()
        return found

    kept = []
    assert asyncio.run(guard.supervised(main)()) == ["a task still pending: mine, forever()"]


def test_a_producer_that_goes_on_behind_the_end_of_its_output_is_found(guard):
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


def test_a_run_is_named_with_the_place_that_started_it(guard):
    async def main():
        kept.append(await start(StreamingMockBackend(Script.of(Stall()))))

    kept = []
    asyncio.run(main())
    guard.look(guard.test)
    ((what, place, _),) = guard.leaks()
    assert what.startswith("a StreamChunkingResult neither completed nor closed: streamval run 'go', from ")
    assert what.endswith("main")
    assert " in " in place


def test_a_run_that_nobody_watches_from_its_start_is_named_without(guard):
    backend = StreamingMockBackend(Script.of(Stall()))
    guard._observed.close()

    async def main():
        kept.append(await start(backend))

    kept = []
    asyncio.run(main())
    assert leaks(guard) == ["a StreamChunkingResult neither completed nor closed: streamval run 'go'"]


def test_leaks_that_differ_in_their_numbers_only_are_told_once(guard):
    async def main():
        kept.extend(asyncio.create_task(forever()) for _ in range(3))
        await asyncio.sleep(0)

    kept = []
    asyncio.run(main())
    (found,) = leaks(guard)
    assert found.endswith("forever() (3 times)")


def test_timers_that_have_fired_are_forgotten(guard):
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
def test_a_timer_is_cancelled_unless_a_stubborn_task_may_wait_for_it(guard, stubborn):
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


def test_the_loop_of_a_thread_that_runs_is_left_to_its_thread(guard):
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


def test_an_owner_that_opens_outside_a_test_is_of_nobody():
    with ExitStack() as undo:
        keep_books(undo)
        guard = Guard(lambda: ())
        undo.callback(guard.close)
        with ProviderServer("x"):
            assert leaks(guard) == []
            with pytest.warns(ResourceWarning, match="was dropped while it was open"):
                ProviderServer("x").start()
            assert leaks(guard) == []


# What is said


def test_a_message_shows_ten_leaks_and_how_many_more_there_are():
    text = str(LeakError([(f"thing {number}", "there", "Stop it.") for number in range(12)]))
    assert "thing 9" in text
    assert "thing 10" not in text
    assert "\n  and 2 more\n" in text


def test_a_place_is_a_line_of_the_users_own_code_where_there_is_one():
    coroutine = forever()
    assert place_of(coroutine).endswith("in forever: async def forever():")
    coroutine.close()
    assert place_of(coroutine) == place_of(object()) == "at a place that Python does not tell"
    sleep = asyncio.sleep(1)
    assert place_of(sleep).endswith(" in sleep")
    sleep.close()


def test_a_thread_that_is_not_running_is_nowhere():
    assert place_of_thread(threading.Thread()) == "at a place that Python does not tell"


def test_a_site_outside_the_working_directory_is_shown_in_full(monkeypatch, tmp_path):
    code = forever.__code__
    assert str(Site(code, 7)).startswith("tests/guards/test_guards.py:7 in ")
    monkeypatch.chdir(tmp_path)
    assert str(Site(code, 7)) == f"{__file__}:7 in forever"


def test_code_that_no_user_called_has_no_site():
    assert Site.of_caller(None) is None


# What is held


class Holder:
    """Holds something somewhere."""

    def __init__(self, held):
        self.held = held


def closure(thing):
    return lambda: thing


def generator(thing):
    yield
    del thing


@pytest.mark.parametrize(
    ("hold", "holds"),
    [
        (lambda thing: [{"in": (thing,)}], True),
        (lambda thing: [Holder([thing])], True),
        (lambda thing: [closure(thing)], True),
        (lambda thing: [generator(thing)], True),
        (lambda thing: [type("Class", (), {"held": thing})], False),
        (lambda _: [Holder([])], False),
    ],
    ids=["containers", "an instance", "a closure", "a generator", "a class", "nothing"],
)
def test_a_thing_is_held_by_what_can_reach_it(hold, holds):
    thing = Holder(None)
    assert held_among([thing], [hold(thing)]) == ({id(thing)} if holds else set())


def test_the_search_for_holders_has_an_end(monkeypatch):
    thing = Holder(None)
    chain = thing
    for _ in range(100):
        chain = [chain]
    assert held_among([thing], [chain]) == {id(thing)}
    monkeypatch.setattr(reachability, "_LIMIT", 50)
    assert held_among([thing], [chain]) == set()


# What passes for nothing


def test_an_error_without_a_traceback_ended_nowhere():
    backend = StreamingMockBackend()
    backend.refused.append(ScriptExhaustedError(1, 0, "somebody", []))
    (found,) = done_in_vain(None, (), [backend])
    assert "it ended nowhere." in str(found)


def test_books_that_are_kept_twice_have_each_thing_once(guard):
    async def numbers():
        while True:
            yield 1

    async def main():
        kept.append(generator := numbers())
        await anext(generator)

    kept = []
    with ExitStack() as undo:
        keep_books(undo)
        Script.of("a").play_sync()
        asyncio.run(main())
        assert len(leaks(guard)) == 1
    assert len(guard.test.playbacks) == 1


LIBRARY = """
async def pieces():
    while True:
        yield "piece"
"""


@pytest.mark.parametrize(("folder", "found"), [("site-packages/sdk", 0), ("app", 1)])
def test_a_generator_that_an_installed_library_keeps_is_the_librarys_own(guard, folder, found):
    module = {}
    exec(compile(LIBRARY, f"/somewhere/{folder}/stream.py", "exec"), module)  # noqa: S102  # written above

    async def main():
        kept.append(module["pieces"]())
        async for _ in kept[0]:
            break

    kept = []
    asyncio.run(main())
    assert len(leaks(guard)) == found


def test_an_entry_of_a_generator_that_is_gone_is_none_of_one_in_its_place(guard):
    async def numbers():
        yield 1

    async def main():
        current.set(None)
        generator = numbers()
        _begun[id(generator)] = Begun(guard.test, asyncio.get_running_loop(), main.__code__, lambda: None)
        await anext(generator)
        assert id(generator) not in _begun
        await generator.aclose()

    asyncio.run(main())
