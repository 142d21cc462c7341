"""Sessions in several threads, event loops and processes."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys

from pytest_streamval import (
    ChatContext,
    StreamingMockBackend,
    start_session,
)
from tests.session.doubles import ProducerBackend


class Echo(ProducerBackend):
    """Returns each action as the answer."""

    async def produce(self, thunk, action):
        await thunk.put(f"{action} it is.")


def test_sessions_in_several_threads_lose_no_answer(in_threads):
    def work(number):
        async def ask():
            async with start_session(Echo(), ctx=ChatContext()) as session:
                for index in range(20):
                    result = await session.stream(f"{number}.{index}")
                    await result.acomplete()
                return [str(entry) for entry in session.ctx.as_list()[1::2]]

        return asyncio.run(ask())

    assert in_threads(work) == [[f"{number}.{index} it is." for index in range(20)] for number in range(4)]


def test_a_session_shared_by_several_event_loops_loses_no_answer(in_threads, caplog):
    caplog.set_level(logging.CRITICAL)  # warnings have their own test
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


# Several event loops


async def ask(session, action):
    thunk = await session.aact(action)
    await thunk.avalue()
    return thunk


def test_a_session_serves_event_loops_one_after_the_other():
    session = start_session(Echo(), ctx=ChatContext())
    for loop in ("first", "second"):
        thunk = asyncio.run(ask(session, loop))
        assert str(thunk) == f"{loop} it is."
    assert str(session.act("third")) == "third it is."
    asyncio.run(session.aclose())
    answers = [str(entry) for entry in session.ctx.as_list()[1::2]]
    assert answers == ["first it is.", "second it is.", "third it is."]


# Warnings of parallel requests


async def test_the_warning_of_parallel_chats_names_the_method(caplog):
    async with start_session(StreamingMockBackend("a", "b")) as session:
        await asyncio.gather(session.achat("Hi."), session.achat("Ho."))
    (record,) = caplog.records
    assert record.message.startswith("achat() was called while an earlier request of the session's conversation is")
    assert "Await the first output before the next call, or start a session for each conversation." in record.message
    assert "ChatContext" not in record.message


async def test_a_stream_and_a_parallel_instruction_warn_once(caplog):
    async with start_session(StreamingMockBackend("a", "b"), ctx=ChatContext()) as session:
        result = await session.stream("Hi.")
        thunk = await session.ainstruct("Ho.")
        await result.acomplete()
        await thunk.avalue()
    (record,) = caplog.records
    assert record.message.startswith("ainstruct() was called")


# A child process

FORK = """
import asyncio, os, sys, threading, warnings
from pytest_streamval import Script, start_session
warnings.filterwarnings("ignore", category=DeprecationWarning)  # of forking with threads

session = start_session(["one", "two", "three", "four"])
assert str(session.instruct("a")) == "one"
session._background._lock.acquire()  # as if another thread held it
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


def test_a_session_works_in_a_forked_child_and_in_its_parent():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["child", "parent"], "")
