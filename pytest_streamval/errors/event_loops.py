"""Errors of event loops: none is running, a wrong one, or one that cannot be driven."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_streamval.errors.base import StreamvalError


@dataclass(eq=False, repr=False)
class EventLoopError(StreamvalError, RuntimeError):
    """A function was called without an event loop, in a wrong one, or in one that it would block."""

    message: str

    def __str__(self) -> str:
        return self.message


def event_loop_required_error(what: str) -> EventLoopError:
    """Return the error for a task that was to be started without a running event loop of asyncio."""
    return EventLoopError(
        f"{what} needs a running asyncio event loop. Start it from a coroutine under asyncio, for instance with "
        "asyncio.run(). This package does not run on trio: choose the backend asyncio of anyio there."
    )


def event_loop_running_error(function: str, subject: str, twin: str = "") -> EventLoopError:
    """Return the error for a function that runs a subject in an event loop of its own, inside another one.

    Args:
        function: The name of the function.
        subject: The name of the subject.
        twin: The name of the function for coroutines, if there is one.
    """
    call = f"{twin}(...)" if twin else f"asyncio.to_thread({function}, ...)"
    return EventLoopError(
        f"{function} runs {subject} in an event loop of its own, and cannot do so while another one is running. Call "
        f"it from a plain `def` test. In a coroutine, use `await {call}`."
    )


def blocking_call_error(method: str) -> EventLoopError:
    """Return the error for a synchronous method that was called in the event loop that has to answer it."""
    return EventLoopError(
        f"{method}() was called inside the event loop that has to answer it, so both would wait for ever. Code that a "
        f"session calls, such as a requirement, must await a{method}() instead."
    )


_SAME_LOOP = (
    "If a fixture of pytest-asyncio has made it, give both the same loop: with "
    '@pytest.mark.asyncio(loop_scope="module") at the test, or @pytest_asyncio.fixture(loop_scope="function") at the '
    "fixture, whose scope is then the function, too."
)


def different_loops_error(shown: str) -> EventLoopError:
    """Return the error for an output that was awaited in another event loop than its own."""
    return EventLoopError(
        f"{shown} is generated in another event loop, and an output can be awaited only in its own. Await it there "
        f"first. When it is computed, it can be used everywhere. {_SAME_LOOP}"
    )


def foreign_run_error(method: str) -> EventLoopError:
    """Return the error for a method of a run that was called in another event loop than that of the run."""
    return EventLoopError(
        f"{method} was called in another event loop. Call it in the event loop that the run belongs to. {_SAME_LOOP}"
    )


def unsupported_loop_error(loop: str) -> EventLoopError:
    """Return the error for an event loop that a virtual clock cannot drive.

    Args:
        loop: The full name of the loop's class; empty if no event loop of asyncio is running.
    """
    if not loop:
        return EventLoopError(
            "A virtual clock drives asyncio, and this test does not run on asyncio. On trio, use "
            "trio.testing.MockClock, or run the test on the backend asyncio of anyio."
        )
    reason = "keeps its time in C" if loop.startswith("uvloop.") else "has no selector"
    return EventLoopError(
        f"A virtual clock cannot drive {loop}, which {reason}. Run the tests that use the clock on an "
        "asyncio.SelectorEventLoop, for instance with loop_factory=asyncio.SelectorEventLoop."
    )


def blocked_loop_error() -> EventLoopError:
    """Return the error for a synchronous client in the event loop in which its server answers."""
    return EventLoopError(
        "A synchronous client called a provider server that answers in the event loop of the test, on a virtual clock. "
        "The client blocks this loop, so the server cannot answer. Use the asynchronous client, or the synchronous "
        "one in a synchronous test, whose servers have a thread."
    )
