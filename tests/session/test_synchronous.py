"""Synchronous methods of a session: in programs, in event loops, from several threads, interrupted."""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from pytest_streamval import (
    ChatContext,
    Raise,
    Requirement,
    Script,
    Stall,
    StreamingMockBackend,
    ValidationResult,
    start_session,
)
from pytest_streamval.errors import ClosedError, EventLoopError
from pytest_streamval.session import background
from tests.session.doubles import ProducerBackend

MAIN = threading.main_thread().ident


class Signalling(ProducerBackend):
    """Its producer calls a function, and then stalls."""

    def __init__(self, signalled):
        self.signalled = signalled
        self.ended = threading.Event()

    async def produce(self, thunk, action):
        try:
            self.signalled()
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@pytest.fixture(autouse=True)
def handled_interrupts():
    """Handle SIGINT as a program in the foreground does: a background job of a shell ignores it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


def interrupt():
    signal.pthread_kill(MAIN, signal.SIGINT)


def session_threads():
    return [thread for thread in threading.enumerate() if thread.name == "streamval session"]


async def test_synchronous_methods_work_inside_a_running_event_loop(streaming_mock_backend):
    with start_session(streaming_mock_backend("Yes.", "yes")) as session:
        assert str(session.instruct("Answer.")) == "Yes."
        assert session.validate([Requirement("affirmative")]) == [
            ValidationResult(True, reason="yes", thunk=(made := session.backend.calls[1].thunk), context=made_in(made))
        ]


def made_in(thunk):
    """Return a value that equals every context with this last output."""

    class Same:
        def __eq__(self, other):
            return other.last_output() is thunk

        __hash__ = None

    return Same()


def test_synchronous_methods_of_several_threads_share_one_event_loop(streaming_mock_backend):
    texts = [f"answer {number}" for number in range(20)]
    answers = []
    with start_session(streaming_mock_backend(*texts)) as session:
        threads = [threading.Thread(target=lambda: answers.append(str(session.instruct("Go.")))) for _ in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({call.thunk.producer.get_loop() for call in session.backend.calls}) == 1
        assert len(session_threads()) == 1
    assert sorted(answers) == sorted(texts)
    assert session_threads() == []


def test_the_event_loop_of_a_session_starts_with_the_first_call_and_ends_with_close(streaming_mock_backend):
    session = start_session(streaming_mock_backend("Yes."))
    assert session_threads() == []
    session.instruct("Go.")
    loop = session.backend.calls[0].thunk.producer.get_loop()
    session.close()
    session.close()
    assert loop.is_closed()
    assert session_threads() == []


def test_dropping_a_session_ends_its_event_loop_and_warns():
    sessions = [start_session(StreamingMockBackend("Yes."))]
    sessions[0].instruct("Go.")
    (thread,) = session_threads()
    with pytest.warns(ResourceWarning, match="was dropped with its event loop running. Use 'with start_session"):
        sessions.clear()
    thread.join(10)
    assert not thread.is_alive()


def test_a_program_that_never_closes_its_session_ends_without_a_warning():
    code = (
        "from pytest_streamval import Script, start_session\n"
        "session = start_session(Script.of('Hello.'))\n"
        "print(session.instruct('Go.'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("Hello.\n", "")


def test_instruct_raises_the_error_of_the_model(streaming_mock_backend):
    backend = streaming_mock_backend(Script.of("a", Raise(ConnectionError("reset"))), "b")
    with start_session(backend) as session:
        with pytest.raises(ConnectionError, match="reset"):
            session.instruct("Go.")
        assert str(session.instruct("Go.")) == "b"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_keyboard_interrupt_and_system_exit_of_a_requirement_reach_the_caller(streaming_mock_backend, kind):
    def leave(ctx):
        raise kind

    with start_session(streaming_mock_backend("a")) as session:
        with pytest.raises(kind):
            session.validate([Requirement("", leave)], "x")
        assert str(session.instruct("Go.")) == "a"


def test_synchronous_methods_run_in_the_context_of_the_caller(streaming_mock_backend):
    user = ContextVar("user")
    user.set("Ada")
    with start_session(streaming_mock_backend()) as session:
        assert session.validate([Requirement("", lambda ctx: user.get() == "Ada")], "x")[0]


def test_an_interrupt_of_instruct_stops_the_generation():
    backend = Signalling(interrupt)
    with start_session(backend) as session:
        with pytest.raises(KeyboardInterrupt):
            session.instruct("Go.")
        assert backend.ended.is_set()


@pytest.mark.parametrize("submitted", [True, False], ids=["just after", "just before"])
def test_an_interrupt_while_a_call_is_submitted_stops_the_generation(streaming_mock_backend, monkeypatch, submitted):
    def submit(loop, *args):
        if submitted:
            original(loop, *args)
        raise KeyboardInterrupt

    original = background.BackgroundLoop._submit
    backend = StreamingMockBackend(Script.of("a", Stall()))
    with start_session(backend) as session:
        monkeypatch.setattr(background.BackgroundLoop, "_submit", submit)
        with pytest.raises(KeyboardInterrupt):
            session.instruct("Go.")
        assert all(call.thunk.is_computed() for call in backend.calls)


def test_a_session_that_is_closed_while_a_call_is_submitted_raises(streaming_mock_backend, monkeypatch):
    def submit(loop, *args):
        session.close()
        original(loop, *args)

    original = background.BackgroundLoop._submit
    monkeypatch.setattr(background.BackgroundLoop, "_submit", submit)
    session = start_session(streaming_mock_backend())
    with pytest.raises(ClosedError, match=r"^instruct\(\)"):
        session.instruct("Go.")


def test_an_interrupt_of_instruct_inside_a_running_event_loop_stops_the_generation():
    async def main():
        with start_session(backend) as session:
            session.instruct("Go.")

    backend = Signalling(interrupt)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert backend.ended.is_set()


def test_an_interrupt_before_the_wait_of_instruct_is_not_missed(streaming_mock_backend, monkeypatch):
    def submit(loop, *args):
        original(loop, *args)
        asyncio.current_task().cancel()  # as Ctrl-C does

    async def main():
        with start_session(streaming_mock_backend(Script.of("a", Stall()))) as session:
            session.instruct("Go.")

    original = background.BackgroundLoop._submit
    monkeypatch.setattr(background.BackgroundLoop, "_submit", submit)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


async def test_a_synchronous_call_waits_without_an_interrupt(streaming_mock_backend, monkeypatch):
    wait, looked, gate = concurrent.futures.wait, [], threading.Event()

    def look(answers, timeout):
        if len(looked) == 2:
            gate.set()
        looked.append(timeout)
        return wait(answers, None if gate.is_set() else 0)

    monkeypatch.setattr(concurrent.futures, "wait", look)
    with start_session(streaming_mock_backend()) as session:
        assert session.validate([Requirement("", lambda ctx: gate.wait())], "x")[0]
    assert looked == [background._POLL_INTERVAL] * 3


def test_closing_a_session_in_another_thread_ends_instruct():
    backend = Signalling(lambda: threading.Thread(target=session.close).start())
    session = start_session(backend)
    with pytest.raises(ClosedError):
        session.instruct("Go.")
    assert backend.ended.is_set()
    session.close()
    assert session_threads() == []


def test_closing_a_session_in_another_thread_ends_validate(streaming_mock_backend):
    async def for_ever(ctx):
        threading.Thread(target=session.close).start()
        await asyncio.Event().wait()

    session = start_session(streaming_mock_backend())
    with pytest.raises(ClosedError, match=r"^validate\(\)"):
        session.validate([Requirement("", for_ever)], "x")
    session.close()
    assert session_threads() == []


@pytest.mark.parametrize("method", ["instruct", "validate"])
def test_code_inside_a_session_cannot_call_its_synchronous_methods(streaming_mock_backend, method):
    def ask_again(ctx):
        getattr(session, method)("Go.")

    with start_session(streaming_mock_backend("a")) as session:
        with pytest.raises(EventLoopError, match=rf"^{method}\(\) was called .* must await a{method}"):
            session.validate([Requirement("", ask_again)], "x")
        assert str(session.instruct("Go.")) == "a"


def test_code_inside_a_session_can_close_it(streaming_mock_backend):
    with start_session(streaming_mock_backend()) as session:
        assert session.validate([Requirement("", lambda ctx: session.close() is None)], "x")[0]
        assert session.closed


async def test_validate_refuses_an_output_of_another_event_loop(streaming_mock_backend):
    async with start_session(streaming_mock_backend("a", "b"), ctx=ChatContext()) as session:
        thunk = await session.ainstruct("Go.")
        for output in (thunk, None):
            with pytest.raises(EventLoopError, match="The output is generated in another event loop"):
                session.validate([Requirement("", bool)], output)
        await thunk.avalue()
        assert session.validate([Requirement("", lambda ctx: str(ctx.last_output()) == "a")])[0]
        assert str(session.chat("And?")) == "b"
