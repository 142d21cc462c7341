"""Validators run in tasks as any other code, although most of them need no task of their own."""

import asyncio
import gc
import sys
import types
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import ContextVar

import anyio
import pytest

from pytest_streamval.engine.eager import EagerStarter
from pytest_streamval.engine.eager_tasks import BuiltInEagerTasks, SteppedTasks
from pytest_streamval.engine.observer import Observer, observing
from pytest_streamval.errors import ValidatorTimeoutError

COUNTS = pytest.mark.parametrize("count", [1, 3])
SUSPENDING = pytest.mark.parametrize("suspends", [0, 2], ids="suspends {} times".format)

setting = ContextVar("setting", default="default")


@COUNTS
@SUSPENDING
async def test_a_validator_runs_in_one_task_from_its_first_step_to_its_last(
    start, judge, turns, assert_over, count, suspends
):
    pairs = []

    async def look(chunk):
        before = asyncio.current_task()
        await turns(suspends)
        pairs.append((before, asyncio.current_task()))
        return "pass"

    judges = [judge(look, look) for _ in range(count)]
    result, backend = await start(["One. Two. "], *judges)
    await result.acomplete()
    assert len(pairs) == 2 * count
    assert all(isinstance(before, asyncio.Task) and before is after for before, after in pairs)
    assert asyncio.current_task() not in {before for before, _ in pairs}
    if suspends and count > 1:
        assert len({id(before) for before, _ in pairs[:count]}) == count
    assert_over(result, backend, *judges)


@COUNTS
@SUSPENDING
async def test_a_context_variable_that_a_validator_sets_stays_in_its_context(start, judge, turns, count, suspends):
    seen = []

    async def use(about):
        seen.append(setting.get())
        setting.set("changed")
        await turns(suspends)
        assert setting.get() == "changed"
        return "pass"

    async def use_finally(about):
        await use(about)
        return True

    class Looking(Observer):
        def event(self, event):
            seen.append(setting.get())

    token = setting.set("the caller's")
    judges = [*(judge() for _ in range(count - 1)), judge(use, use, final=use_finally)]
    with observing(Looking):
        result, _ = await start(["One. ", turns, "Two. "], *judges)
    await result.acomplete()
    assert len(result.history) == 7
    assert seen == ["the caller's"] * (3 + 7)
    assert setting.get() == "the caller's"
    setting.reset(token)


@COUNTS
@SUSPENDING
async def test_callbacks_and_tasks_of_a_validator_get_its_context(start, judge, turns, count, suspends):
    seen = []

    async def look(chunk):
        await turns(suspends)
        setting.set("changed")
        asyncio.get_running_loop().call_soon(lambda: seen.append(setting.get()))
        await asyncio.create_task(note())
        return "pass"

    async def note():
        seen.append(setting.get())

    result, _ = await start(["One. "], *(judge(look) for _ in range(count)))
    await result.acomplete()
    assert seen == ["changed"] * 2 * count


# Time limits and scopes inside validators


@COUNTS
@SUSPENDING
@pytest.mark.parametrize("scope", ["asyncio.timeout", "anyio.move_on_after", "anyio.fail_after", "asyncio.wait_for"])
async def test_a_time_limit_inside_a_validator_that_does_not_expire_changes_nothing(
    start, judge, turns, assert_over, count, suspends, scope
):
    async def limited(chunk):
        if scope == "asyncio.wait_for":
            await asyncio.wait_for(turns(suspends), 60)
        elif scope == "asyncio.timeout":
            async with asyncio.timeout(60):
                await turns(suspends)
        else:
            with getattr(anyio, scope.removeprefix("anyio."))(60):
                await turns(suspends)
        return "pass"

    judges = [judge(*[limited] * 3) for _ in range(count)]
    result, backend = await start(["One. Two. ", "Three. "], *judges)
    await result.acomplete()
    assert result.completed
    assert_over(result, backend, *judges)


@COUNTS
@SUSPENDING
@pytest.mark.parametrize("scope", ["asyncio.timeout", "anyio.move_on_after", "anyio.fail_after", "asyncio.wait_for"])
@pytest.mark.parametrize("seconds", [5, 0])
async def test_a_time_limit_inside_a_validator_that_expires_ends_only_its_block(
    start, judge, turns, never, assert_over, loop_clock, count, suspends, scope, seconds
):
    async def limited(chunk):
        await turns(suspends)
        with suppress(TimeoutError):
            if scope == "asyncio.wait_for":
                await asyncio.wait_for(never(), seconds)
            elif scope == "asyncio.timeout":
                async with asyncio.timeout(seconds):
                    await never()
            else:
                with getattr(anyio, scope.removeprefix("anyio."))(seconds):
                    await never()
        await turns(1)
        return "unknown"

    judges = [judge(limited) for _ in range(count)]
    result, backend = await start(["One. ", "Two. "], *judges)
    await turns(9)
    loop_clock.advance(6)
    await result.acomplete()
    assert result.completed
    assert [verdict.success for verdict in result.history[0].results] == ["unknown"] * count
    assert result.task.cancelling() == 0
    assert_over(result, backend, *judges)


@COUNTS
@SUSPENDING
@pytest.mark.parametrize("group", [asyncio.TaskGroup, anyio.create_task_group])
async def test_a_validator_may_use_a_task_group(start, judge, turns, assert_over, count, suspends, group):
    async def grouped(chunk):
        ran = []

        async def child():
            await turns(suspends)
            ran.append(chunk)

        await turns(suspends)
        async with group() as tasks:
            for _ in range(2):
                tasks.create_task(child()) if group is asyncio.TaskGroup else tasks.start_soon(child)
        return "pass" if len(ran) == 2 else "fail"

    judges = [judge(grouped, grouped) for _ in range(count)]
    result, backend = await start(["One. Two. "], *judges)
    await result.acomplete()
    assert result.completed
    assert_over(result, backend, *judges)


@COUNTS
@SUSPENDING
@pytest.mark.parametrize("group", [asyncio.TaskGroup, anyio.create_task_group])
async def test_a_task_group_that_fails_cancels_what_its_validator_awaits(
    start, judge, turns, never, assert_over, count, suspends, group
):
    async def child():
        await turns(suspends)
        raise ValueError("broken")

    async def fail_in_group():
        async with group() as tasks:
            tasks.create_task(child()) if group is asyncio.TaskGroup else tasks.start_soon(child)
            await never()

    async def grouped(chunk):
        with pytest.raises(ExceptionGroup) as caught:
            await fail_in_group()
        return "pass" if caught.group_contains(ValueError, match="broken") else "fail"

    judges = [judge(grouped, grouped) for _ in range(count)]
    result, backend = await start(["One. Two. "], *judges)
    await result.acomplete()
    assert result.completed
    assert result.task.cancelling() == 0
    assert_over(result, backend, *judges)


@COUNTS
async def test_a_scope_cancelled_by_its_validator_ends_at_the_next_await(
    start, judge, turns, never, assert_over, count
):
    async def give_up(chunk):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await never()
        return "pass" if scope.cancelled_caught else "fail"

    judges = [judge(give_up, give_up) for _ in range(count)]
    result, backend = await start(["One. Two. "], *judges)
    await result.acomplete()
    assert result.completed
    assert_over(result, backend, *judges)


@COUNTS
async def test_a_validator_may_work_in_a_thread(start, judge, assert_over, count):
    async def work(chunk):
        return await asyncio.to_thread(lambda: "pass")

    judges = [judge(work) for _ in range(count)]
    result, backend = await start(["One. "], *judges)
    await result.acomplete()
    assert result.completed
    assert_over(result, backend, *judges)


# What validators wait for


@COUNTS
@pytest.mark.parametrize("kind", ["future", "task", "shielded task", "event", "lock"])
async def test_validators_can_wait_for_the_same_object(start, judge, turns, spawn, assert_over, count, kind):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    task = spawn(turns(9))
    event = asyncio.Event()
    lock = asyncio.Lock()

    async def wait(chunk):
        if kind == "future":
            return await future
        if kind == "task":
            await task
        elif kind == "shielded task":
            await asyncio.shield(task)
        elif kind == "event":
            await event.wait()
        else:
            async with lock:
                await turns(1)
        return "pass"

    judges = [judge(wait, wait) for _ in range(count)]
    result, backend = await start(["One. ", "Two. "], *judges)
    other = spawn(wait("besides"))
    await turns(4)
    future.set_result("pass")
    event.set()
    await result.acomplete()
    assert await other == "pass"
    await task
    assert result.completed
    assert_over(result, backend, *judges)


@COUNTS
async def test_validators_that_wait_for_the_same_future_all_get_its_error(start, judge, turns, assert_over, count):
    future = asyncio.get_running_loop().create_future()
    caught = []

    async def wait(chunk):
        try:
            await future
        except OSError as error:
            caught.append(error)
        return "pass"

    judges = [judge(wait) for _ in range(count)]
    result, backend = await start(["One. "], *judges)
    await turns(5)
    error = OSError("shared")
    future.set_exception(error)
    await result.acomplete()
    assert caught == [error] * count
    assert_over(result, backend, *judges)


@COUNTS
async def test_a_validator_that_awaits_a_done_future_continues(start, judge, assert_over, count):
    async def wait(chunk):
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "pass")
        return await future

    judges = [judge(wait, wait) for _ in range(count)]
    result, backend = await start(["One. Two. "], *judges)
    await result.acomplete()
    assert result.completed
    assert_over(result, backend, *judges)


@types.coroutine
def yielding(what):
    yield what


@COUNTS
async def test_a_validator_that_yields_an_invalid_value_gets_the_error_of_a_task(start, judge, assert_over, count):
    async def wait(chunk):
        await yielding("nonsense")

    judges = [judge(wait) for _ in range(count)]
    result, backend = await start(["One. "], *judges)
    with pytest.raises(RuntimeError, match="got bad yield: 'nonsense'"):
        await result.acomplete()
    assert_over(result, backend, *judges)


# Cancelled


async def test_validators_cancelled_before_the_first_step_of_their_task_end_at_their_await(
    start, judge, never, turns, assert_over
):
    noted = []

    def waiting(what):
        async def wait(chunk):
            try:
                await what()
            except asyncio.CancelledError:
                noted.append("cancelled")
                await turns(2)
                noted.append("cleaned up")
                raise

        return wait

    async def child():
        try:
            await never()
        finally:
            noted.append("child cancelled")

    async def wait_for_child():
        await asyncio.create_task(child())

    judges = [
        judge(waiting(never)),
        judge(waiting(wait_for_child)),
        judge(waiting(lambda: asyncio.sleep(0))),
        judge(ValueError("broken")),
    ]
    result, backend = await start(["One. "], *judges)
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    assert noted.count("cancelled") == noted.count("cleaned up") == 3
    assert [each.record.cancelled for each in judges] == [1, 1, 1, 0]
    assert_over(result, backend, *judges)


async def test_a_validator_cancelled_while_its_future_is_done_ends_too(start, judge, assert_over):
    future = asyncio.get_running_loop().create_future()

    async def wait(chunk):
        await future

    def answer(chunk):
        future.set_result(None)
        raise ValueError("broken")

    judges = [judge(wait), judge(answer)]
    result, backend = await start(["One. "], *judges)
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    assert judges[0].record.cancelled == 1
    assert_over(result, backend, *judges)


@pytest.mark.streamval_not_cancelled  # it catches a cancellation
@COUNTS
@SUSPENDING
async def test_a_validator_that_cancels_its_own_task_ends_its_run(
    start, judge, turns, never, assert_over, count, suspends
):
    async def cancel(chunk):
        await turns(suspends)
        asyncio.current_task().cancel()
        await never()

    judges = [*(judge() for _ in range(count - 1)), judge(cancel)]
    result, backend = await start(["One. "], *judges)
    with pytest.raises(asyncio.CancelledError):
        await result.acomplete()
    assert not result.completed
    assert_over(result, backend, *judges)


@pytest.mark.parametrize("fail_fast", [False, True])
async def test_validators_after_one_that_raises_at_once_are_not_called(start, judge, assert_over, fail_fast):
    judges = [judge(), judge(ValueError("broken")), judge()]
    result, backend = await start(["One. "], *judges, fail_fast=fail_fast)
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    assert [len(each.record.seen) for each in judges] == [1, 1, 0]
    assert_over(result, backend, *judges)


# Task factories and names


def plain_factory(loop, coroutine, **options):
    return asyncio.Task(coroutine, loop=loop, **options)


FACTORIES = [plain_factory, *([asyncio.eager_task_factory] if sys.version_info >= (3, 12) else [])]


@COUNTS
@SUSPENDING
@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: factory.__name__)
@pytest.mark.parametrize("ends", ["naturally", "early", "raising", "closed"])
async def test_runs_end_well_with_every_task_factory(
    start, judge, suspending, never, turns, assert_over, count, suspends, factory, ends
):
    asyncio.get_running_loop().set_task_factory(factory)
    last = {"naturally": "pass", "early": "fail", "raising": ValueError("broken"), "closed": never}[ends]
    judges = [judge("pass", suspending(suspends, last)), *(judge(suspending(suspends)) for _ in range(count - 1))]
    if ends == "closed":
        judges[0] = judge("pass", never)
    result, backend = await start(["One. ", "Two. "], *judges)
    if ends == "closed":
        await turns(9)
        await result.aclose()
    with suppress(ValueError):
        await result.acomplete()
    assert result.completed is (ends == "naturally")
    assert result.full_text == ("One. Two. " if ends == "naturally" else "One.")
    assert_over(result, backend, *judges)


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: factory.__name__)
async def test_an_immediate_stream_ends_well_with_every_task_factory(start, assert_over, factory):
    asyncio.get_running_loop().set_task_factory(factory)
    result, backend = await start(["One. "])
    assert [chunk async for chunk in result.astream()] == ["One."]
    assert_over(result, backend)


async def test_the_names_of_tasks_describe_them(start, judge, never, turns, left):
    result, _ = await start(["One. ", never], judge(never, name="short"), judge(never, name="polite"))
    await turns(6)
    names = sorted(task.get_name() for task in left())
    assert names == [
        "streamval producer PlayedBackend.produce",
        "streamval run 'Tell.'",
        "streamval stream_validate Judge('polite')",
        "streamval stream_validate Judge('short')",
    ]
    assert all(repr(task) for task in left())
    await result.aclose()


async def test_the_debug_mode_of_asyncio_logs_nothing_about_validators(start, judge, suspending, assert_over, caplog):
    asyncio.get_running_loop().set_debug(enabled=True)
    judges = [judge(suspending(2)), judge(), judge(suspending(1))]
    result, backend = await start(["One. Two. ", "Three. "], *judges)
    await result.acomplete()
    assert result.completed
    assert caplog.records == []
    assert_over(result, backend, *judges)


# The starter itself

KINDS = [SteppedTasks, *([BuiltInEagerTasks] if sys.version_info >= (3, 12) else [])]
EITHER_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


async def return_pass(turns=0):
    for _ in range(turns):
        await asyncio.sleep(0)
    return "pass"


@EITHER_KIND
async def test_a_starter_stores_results_and_leaves_a_task_only_for_a_coroutine_that_suspends(kind, left):
    starter, running, results = EagerStarter(kind()), {}, [None] * 4
    starter.start_all([return_pass(), return_pass(2), return_pass(), return_pass(1)], results, running, None)
    assert results == ["pass", None, "pass", None]
    assert [turn.position for turn in running] == [1, 3]
    assert {task for task in left() if task in running.values()} == set(running.values())
    await asyncio.wait(running.values())
    assert results == ["pass"] * 4
    await starter.aclose()
    assert left() == set()


@EITHER_KIND
async def test_a_starter_starts_no_coroutine_after_a_result_that_is_enough(kind, left):
    starter, running, results = EagerStarter(kind()), {}, [None] * 3
    starter.start_all([return_pass(1), return_pass(), return_pass()], results, running, lambda result: result == "pass")
    assert results == [None, "pass", None]
    await asyncio.wait(running.values())
    assert results == ["pass", "pass", None]
    await starter.aclose()
    assert left() == set()


@EITHER_KIND
async def test_a_starter_raises_the_error_of_a_first_step_and_closes_the_remaining_coroutines(kind, left):
    async def fail():
        raise ValueError("broken")

    starter, running, remaining = EagerStarter(kind()), {}, return_pass()
    with pytest.raises(ValueError, match="broken"):
        starter.start_all([return_pass(1), fail(), remaining], [None] * 3, running, None)
    assert starter.position == 1
    assert remaining.cr_frame is None
    assert len(running) == 1
    await asyncio.wait(running.values())
    await starter.aclose()
    assert left() == set()


@EITHER_KIND
async def test_a_starter_knows_the_position_of_the_coroutine_that_contains_the_caller(kind):
    starter, running, positions = EagerStarter(kind()), {}, []

    async def look(turns):
        positions.append(starter.current_position(running))
        await return_pass(turns)
        positions.append(starter.current_position(running))

    starter.start_all([look(0), look(1), look(0)], [None] * 3, running, None)
    assert positions == [0, 0, 1, 2, 2]
    other = asyncio.ensure_future(look(0))
    await asyncio.wait([*running.values(), other])
    assert positions[5:] == [1, None, None]
    await starter.aclose()


@EITHER_KIND
async def test_an_interrupt_of_a_first_step_is_raised_at_once(kind, left, caplog):
    async def interrupt():
        raise KeyboardInterrupt

    starter, interrupts = EagerStarter(kind()), []
    try:
        starter.start_all([interrupt(), return_pass()], [None] * 2, {}, None)
    except KeyboardInterrupt:
        interrupts.append("raised")
    await starter.aclose()
    del starter
    gc.collect()
    assert interrupts == ["raised"]
    assert left() == set()
    assert caplog.records == []


async def test_the_coroutine_of_a_stepped_task_can_be_closed_without_a_loop(never):
    closed = []

    async def wait():
        try:
            await never()
        finally:
            closed.append(True)

    starter, running, results = EagerStarter(SteppedTasks()), {}, [None, None]
    starter.start_all([wait(), return_pass()], results, running, None)
    assert results == [None, "pass"]
    [task] = running.values()
    assert isinstance(task.get_coro(), Coroutine)
    task.get_coro().close()
    assert closed == [True]
    task.cancel()
    await starter.aclose()
    await asyncio.wait([task])


async def test_an_idle_task_that_is_cancelled_ends_and_another_one_takes_its_place(left):
    starter = EagerStarter(SteppedTasks())
    starter.start_all([return_pass()], [None], {}, None)
    [idle] = left()
    idle.get_coro().close()
    idle.cancel()
    await starter.aclose()
    assert idle.cancelled()
    results = [None]
    starter.start_all([return_pass()], results, {}, None)
    assert results == ["pass"]
    await starter.aclose()
    await starter.aclose()
    assert left() == set()


async def test_the_time_limit_covers_what_validators_await_together(
    start, judge, never, loop_clock, turns, assert_over
):
    future = asyncio.get_running_loop().create_future()

    async def wait(chunk):
        await asyncio.shield(future)

    judges = [judge(wait), judge(wait)]
    result, backend = await start(["One. "], *judges, validator_timeout=1)
    await turns(8)
    loop_clock.advance(2)
    with pytest.raises(ValidatorTimeoutError):
        await result.acomplete()
    assert not future.done()
    assert_over(result, backend, *judges)
