"""`assert_faults_noticed`: a client must notice each fault of a stream, or make up for it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from inspect import isawaitable, iscoroutinefunction, signature
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pytest_streamval.errors import (
    InvalidArgumentError,
    described,
    excerpt,
    no_request_error,
    unnoticed_faults_error,
)
from pytest_streamval.server import faults as every_fault
from pytest_streamval.server.faults.fault import Fault, checked_fault
from pytest_streamval.server.provider import ProviderServer
from pytest_streamval.virtual_time.clock import VirtualClock
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from pytest_streamval.scripting.script import Script

Client: TypeAlias = "Callable[..., object]"
"""A function of a server, and of a protocol if it takes two arguments. It returns the value that its user gets."""

_BLOCKING = 10.0  # real seconds of a synchronous client, whose time cannot be virtual
_SHOWN = 60  # characters of a value or of an error in a line


class _Outcome(NamedTuple):
    """The outcome of a client under one fault."""

    kind: str
    shown: str


def assert_faults_noticed(
    subject: Client,
    script: Script | str,
    *,
    protocols: Iterable[str] | None = None,
    faults: Iterable[Fault | str] | None = None,
    ignore: Iterable[Fault | str] = (),
    timeout: float = 3_600.0,
) -> None:
    """Assert that a client raises an error under each fault of a stream, or returns the same value as without it.

    The client is called once without a fault and once under each fault, each time with a new `ProviderServer`. An error
    is *noticed*, and the same value is *healed*. Another value is *silent*, and no value within the timeout *hangs*:
    both fail.

    Args:
        subject: A function that calls the server with the client and returns a comparable value: `subject(server)`, or
            `subject(server, protocol)` if it takes two arguments. If it is asynchronous, it runs on a virtual clock.
        script: The response to every request of the client.
        protocols: The protocols with which a `subject(server, protocol)` is called: by default `openai`, `anthropic`,
            `gemini` and `ollama`.
        faults: The faults, or their names. By default, one of each kind.
        ignore: Faults, or their names, which may go unnoticed. They are left out.
        timeout: The seconds after which a client hangs, of virtual time. A synchronous client gets 10 seconds of real
            time at most.

    Raises:
        CheckFailedError: An `AssertionError`. If a fault is silent, or the client hangs. It has a line for each fault.
            Also if the client sends no request.
        InvalidArgumentError: A `TypeError` and `ValueError`. If an argument is invalid.
        Exception: If the client raises it without a fault.
    """
    __tracebackhide__ = True
    if not callable(subject):
        raise InvalidArgumentError("subject", excerpt(subject), "It must be a function of a server.")
    if not timeout > 0:
        raise InvalidArgumentError("timeout", excerpt(timeout), "It must be a number of seconds above 0.")
    ignored = {fault.name for fault in _checked(ignore, "ignore")}
    chosen = [
        fault
        for fault in _checked(every_fault.all() if faults is None else faults, "faults")
        if fault.name not in ignored
    ]
    rows = []
    for protocol in _protocols(subject, protocols):
        arguments = () if protocol is None else (protocol,)
        expected = _value(subject, script, arguments, timeout)
        for fault in chosen:
            call = partial(_value, subject, script, arguments, timeout, fault)
            rows.append((protocol, fault, _outcome(call, expected)))
    failing = [outcome.kind for _, _, outcome in rows if outcome.kind in {"silent", "hangs"}]
    if failing:
        names = [fault.name if protocol is None else f"{protocol} {fault.name}" for protocol, fault, _ in rows]
        width = max(map(len, names))
        lines = [
            f"{'!' if outcome.kind in failing else ' '} {name:{width}}  {outcome.kind:7}  {outcome.shown}".rstrip()
            for name, (_, _, outcome) in zip(names, rows, strict=True)
        ]
        raise unnoticed_faults_error(failing.count("silent"), failing.count("hangs"), lines)


def _checked(given: Iterable[Fault | str], name: str) -> list[Fault]:
    if isinstance(given, str | Fault):
        raise InvalidArgumentError(name, excerpt(given), "It must be a list of faults, or of their names.")
    return [fault for each in given if (fault := checked_fault(each)) is not None]


def _protocols(subject: Client, given: Iterable[str] | None) -> Sequence[str | None]:
    """Return the protocols to call the subject with, or only None if it takes none."""
    names = list(_DEFAULT if given is None else given)
    if isinstance(given, str) or not all(name in ADAPTERS for name in names):
        raise InvalidArgumentError("protocols", excerpt(given), f"They must be among {', '.join(ADAPTERS)}.")
    try:
        signature(subject).bind(None, None)
    except TypeError:
        return [None]
    return names


_DEFAULT = ("openai", "anthropic", "gemini", "ollama")


def _outcome(call: Callable[[], object], expected: object) -> _Outcome:
    try:
        value = call()
    except _HangError as error:
        return _Outcome("hangs", f"no value within {error.seconds:g} s")
    except Exception as error:  # noqa: BLE001  # a client may raise anything
        message = f"{type(error).__name__}: {described(error)}"
        return _Outcome("noticed", message.splitlines()[0][:_SHOWN])
    return _Outcome("healed", "") if value == expected else _Outcome("silent", excerpt(value, _SHOWN))


class _HangError(Exception):
    """The client did not return in time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


def _value(
    subject: Client, script: Script | str, arguments: tuple[str, ...], timeout: float, fault: Fault | None = None
) -> object:
    """Return the value of the subject with a server, which always plays the script.

    Raises:
        CheckFailedError: If the subject sends no request without a fault.
    """
    __tracebackhide__ = True
    with ProviderServer(lambda _: script, fault=fault) as server:
        if iscoroutinefunction(subject):
            result: object = subject(server, *arguments)
        else:
            result = _Call(subject, server, arguments).value(min(timeout, _BLOCKING))
        if isawaitable(result):
            with VirtualClock() as clock:
                result = clock.run(_within(result, timeout))
        if fault is None and not server.requests:
            raise no_request_error()
        return result


async def _within(result: Awaitable[object], seconds: float) -> object:
    task = asyncio.ensure_future(result)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if done:
        return task.result()
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
    raise _HangError(seconds)


class _Call:
    """A call of a subject in a thread of its own, which may hang."""

    def __init__(self, subject: Client, server: ProviderServer, arguments: tuple[str, ...]) -> None:
        self._subject = subject
        self._server = server
        self._arguments = arguments
        self._value: object = None
        self._error: BaseException | None = None

    def value(self, seconds: float) -> object:
        """Return the value, or the awaitable of an asynchronous subject.

        Raises:
            _HangError: If there is none after so many seconds. The server is closed, which ends the call.
        """
        thread = threading.Thread(target=self._run, name="streamval-client", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._server.close()
            thread.join(seconds)
            raise _HangError(seconds)
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._subject(self._server, *self._arguments)
        except BaseException as error:  # noqa: BLE001  # it is raised again in the thread of the caller
            self._error = error
