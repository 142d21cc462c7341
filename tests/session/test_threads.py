"""One session, one context, one table of observers: used by several threads, event loops and processes."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_streamval import (
    Backend,
    ChatContext,
    Context,
    DifferentLoopsError,
    ModelOutputThunk,
    Requirement,
    SimpleContext,
    StreamingMockBackend,
    start_session,
)
from pytest_streamval.engine import observer as observer_module
from pytest_streamval.engine.observer import Audience, Observer, observing
from pytest_streamval.engine.weak import WeakObjects


class Echo(Backend):
    """Answers each call with what it was asked."""

    async def generate_from_context(self, action, ctx, *, model_options=None):
        async def produce(thunk):
            await thunk.put(f"{action} it is.")

        thunk = ModelOutputThunk(action=action)
        thunk.start(produce)
        return thunk, ctx.add(action).add(thunk)


@pytest.fixture
def often_switched():
    """Let threads interrupt each other as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work, count=4):
    """Call a function in several threads at once, and return what it returns."""
    start = threading.Barrier(count)

    def begin(number):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_a_table_of_observers_that_changes_while_a_run_begins_loses_none(monkeypatch):
    class Watching(Observer):
        pass

    def leave():
        opened.__exit__(None, None, None)

    opened = observing(leave)
    opened.__enter__()
    with observing(Watching):
        audience = Audience.assembled()
        assert [type(each) for each in audience.observers if isinstance(each, Watching)] == [Watching]
    assert leave not in observer_module._factories


@pytest.mark.usefixtures("often_switched")
def test_no_answer_is_lost_when_sessions_stream_in_several_threads():
    def work(number):
        async def ask():
            async with start_session(Echo(), ctx=ChatContext()) as session:
                for index in range(20):
                    result = await session.stream(f"{number}.{index}")
                    await result.acomplete()
                return [str(entry) for entry in session.ctx.as_list()[1::2]]

        return asyncio.run(ask())

    assert in_threads(work) == [[f"{number}.{index} it is." for index in range(20)] for number in range(4)]


@pytest.mark.usefixtures("often_switched")
def test_no_answer_is_lost_when_several_loops_share_a_session(caplog):
    caplog.set_level(logging.CRITICAL)  # the warnings are another test's
    session = start_session(Echo(), ctx=ChatContext())

    def work(number):
        async def ask():
            for index in range(20):
                result = await session.stream(f"{number}.{index}")
                await result.acomplete()

        asyncio.run(ask())

    in_threads(work)
    answers = sorted(str(entry) for entry in session.ctx.as_list()[1::2])
    assert answers == sorted(f"{number}.{index} it is." for number in range(4) for index in range(20))


@pytest.mark.usefixtures("often_switched")
def test_one_chat_context_may_be_used_by_several_threads(caplog):
    caplog.set_level(logging.CRITICAL)
    ctx = ChatContext()

    def work(number):
        for index in range(300):
            output = ModelOutputThunk()
            assert ctx.add(str(index)).add(output).last_output() is output
        return number

    assert in_threads(work) == [0, 1, 2, 3]


@pytest.mark.usefixtures("often_switched")
def test_weak_objects_may_be_added_dropped_and_listed_by_several_threads():
    class Thing:
        pass

    bag = WeakObjects()
    kept = [Thing() for _ in range(10)]
    for thing in kept:
        bag.add(thing)

    def work(number):
        for _ in range(500):
            bag.add(Thing())
            assert set(kept) <= set(bag)
        return number

    in_threads(work)
    assert set(bag) == set(kept)
    assert len(bag) == len(kept)


def test_an_address_that_is_used_again_is_another_object(monkeypatch):
    class Thing:
        pass

    bag = WeakObjects()
    first, second = Thing(), Thing()
    bag.add(first)
    (address,) = bag._refs
    stale = bag._refs[address]
    bag.add(second)
    bag._refs[address] = bag._refs.pop(id(second))  # as if it stood where the first one stood
    forget = stale.__callback__
    forget(stale)
    assert list(bag) == [second]


# Two event loops


def test_an_output_is_validated_in_the_loop_that_generates_it():
    session = start_session(StreamingMockBackend("Yes."))

    async def judge():
        return await session.avalidate([Requirement("", lambda ctx: True)])

    with asyncio.Runner() as first:
        thunk = first.run(session.aact("a"))
        with pytest.raises(DifferentLoopsError, match="is generated in another event loop"):
            asyncio.run(judge())
        first.run(session.aclose())
    assert thunk.cancelled


async def ask(session, action):
    thunk = await session.aact(action)
    await thunk.avalue()
    return thunk


def test_one_session_serves_two_loops_one_after_the_other():
    session = start_session(Echo(), ctx=ChatContext())
    for loop in ("first", "second"):
        thunk = asyncio.run(ask(session, loop))
        assert str(thunk) == f"{loop} it is."
    assert str(session.act("third")) == "third it is."
    asyncio.run(session.aclose())
    answers = [str(entry) for entry in session.ctx.as_list()[1::2]]
    assert answers == ["first it is.", "second it is.", "third it is."]


# Warnings of requests at the same time


class Shown(Context):
    """A context of one's own that shows models what went before."""

    def view_for_generation(self):
        return self.as_list()


class Hidden(Context):
    """A context of one's own that shows models what users said, and no answers."""

    def view_for_generation(self):
        return [entry for entry in self.as_list() if not isinstance(entry, ModelOutputThunk)]


async def test_two_chats_at_once_are_warned_of_in_the_words_of_the_session(caplog):
    async with start_session(StreamingMockBackend("a", "b")) as session:
        await asyncio.gather(session.achat("Hi."), session.achat("Ho."))
    (record,) = caplog.records
    assert record.message.startswith("achat() was called while an earlier request of the session's conversation is")
    assert "Await the first output before the next call, or start a session for each conversation." in record.message
    assert "ChatContext" not in record.message


async def test_a_stream_beside_an_instruction_is_warned_of_once(caplog):
    async with start_session(StreamingMockBackend("a", "b"), ctx=ChatContext()) as session:
        result = await session.stream("Hi.")
        thunk = await session.ainstruct("Ho.")
        await result.acomplete()
        await thunk.avalue()
    (record,) = caplog.records
    assert record.message.startswith("ainstruct() was called")


async def test_a_context_of_ones_own_that_shows_answers_is_warned_of(caplog):
    ctx = Shown()
    kept = [ctx.add("Hi.").add(ModelOutputThunk()), ctx.add("Ho.").add(ModelOutputThunk())]
    (record,) = caplog.records
    assert record.message.startswith("A request began from a Shown while another one on it is still being generated")
    assert len(kept) == 2


@pytest.mark.parametrize("ctx", [Hidden(), SimpleContext()], ids=repr)
async def test_a_context_that_shows_no_answers_is_not_warned_of(caplog, ctx):
    kept = [ctx.add("Hi.").add(ModelOutputThunk()), ctx.add("Ho.").add(ModelOutputThunk())]
    assert not caplog.records
    assert len(kept) == 2


# A child process

FORK = """
import asyncio, os, sys, threading, warnings
from pytest_streamval import Script, start_session
warnings.filterwarnings("ignore", category=DeprecationWarning)  # of forking with threads, which is the point

session = start_session(["one", "two", "three", "four"])
assert str(session.instruct("a")) == "one"
session._background._lock.acquire()  # as another thread may hold it
child = os.fork()
if child == 0:
    assert str(session.instruct("b")) == "two"
    async def ask():
        return str(await (await session.ainstruct("c")).avalue())
    assert asyncio.run(ask()) == "three"
    session.close()
    assert [each.name for each in threading.enumerate()] == ["MainThread"]
    print("child", flush=True)
    os._exit(0)
session._background._lock.release()
assert os.waitpid(child, 0)[1] == 0
assert str(session.instruct("b")) == "two"
session.close()
print("parent")
"""


def test_a_session_works_in_a_forked_child_and_goes_on_in_its_parent():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["child", "parent"], "")
