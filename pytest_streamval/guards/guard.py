"""The guard of one test: sees what begins, accuses what has not ended, and ends it."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.observer import observing
from pytest_streamval.guards.discovery import Scope, live_threads, lost_things, open_owners, open_things
from pytest_streamval.guards.leak_kinds import LiveThread, PendingTimer
from pytest_streamval.guards.reachability import held_among
from pytest_streamval.guards.tracking import Ledger, RunWatch, current, on_loop_end
from pytest_streamval.scripting.playback import on_take

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from pytest_streamval.guards.leak_kinds import Leak, Suspect
    from pytest_streamval.scripting.mock import StreamingMockBackend, StreamingMockBackendFactory
    from pytest_streamval.scripting.playback import PlayableScript
    from pytest_streamval.scripting.script import Script, ScriptFactory

_TURNS = 20  # of an event loop, in which what is about to end may do so
_PATIENCE = 0.1  # seconds for threads that are about to end
_NUMBERED = re.compile(r"\b(Task|Thread)-\d+")  # names that asyncio and threading give


class Guard:
    """Looks after one test."""

    def __init__(
        self, holders: Callable[[], Iterable[object]], *, leaks: bool = True, allowed: Sequence[str] = ()
    ) -> None:
        """Begin to look.

        Args:
            holders: returns what can still end the things that it holds: fixtures, before their teardown.
            leaks: whether it looks for leaks; otherwise it only remembers what the test makes.
            allowed: patterns of names of tasks, threads and functions that may be left behind.
        """
        self.fixtures = Ledger(leaks=leaks)
        """What began in the fixtures of the test."""
        self.test = Ledger(leaks=leaks)
        """What began in its function."""
        self.backends: list[StreamingMockBackend] = []
        """The mock backends that were made for it."""
        self.scripts: list[Script] = []
        """The scripts that `stream_script` made for it."""
        self.taken: list[PlayableScript] = []
        """The scripts that anything has taken to play them, in whatever thread."""
        self.unmet: list[Callable[[], Iterable[Exception]]] = []
        """Asked at the end of a test that passed: each returns what was to happen and did not."""
        self._holders = holders
        self._looks = leaks
        self._allowed = allowed
        self._hosts: set[asyncio.Task[Any] | None] = set()
        self._accused: dict[int, Leak] = {}  # by the id of the thing
        self._to_end: list[Suspect] = []
        self._leaks: list[tuple[str, str, str]] = []
        self._observed = ExitStack()
        self._observed.enter_context(observing(RunWatch))
        self._take = self.taken.append
        on_take.append(self._take)
        on_loop_end.append(self._loop_ends)

    def close(self) -> None:
        """Look no more."""
        on_loop_end.remove(self._loop_ends)
        on_take.remove(self._take)
        self._observed.close()
        self.fixtures.close()
        self.test.close()

    # What the test does

    def keeping(self, make: StreamingMockBackendFactory) -> StreamingMockBackendFactory:
        """Return what makes mock backends, and remembers them."""

        def kept(*scripts: Script | str, token_size: int = 1) -> StreamingMockBackend:
            __tracebackhide__ = True
            backend = make(*scripts, token_size=token_size)
            self.backends.append(backend)
            return backend

        return kept

    def keeping_scripts(self, make: ScriptFactory) -> ScriptFactory:
        """Return what makes scripts, and remembers them."""

        def kept(script: Script | str, *, token_size: int = 1) -> Script:
            made = make(script, token_size=token_size)
            self.scripts.append(made)
            return made

        return kept

    def supervised(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """Return a test's coroutine function which enters what begins in it, whatever context it is run in."""

        @wraps(test)
        async def supervised(*args: object, **kwargs: object) -> object:
            __tracebackhide__ = True
            loop = asyncio._get_running_loop()
            if loop is None:  # it runs on something else than asyncio
                return await test(*args, **kwargs)
            self._hosts.add(asyncio.current_task())
            self.test.loops.add(loop)
            token = current.set(self.test)
            try:
                return await test(*args, **kwargs)
            finally:
                self.note()
                current.reset(token)

        return supervised

    def example(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """Return the test that Hypothesis runs, which forgets the scripts of an example that came to nothing."""
        if iscoroutinefunction(test):

            @wraps(test)
            async def example(*args: object, **kwargs: object) -> object:
                __tracebackhide__ = True
                with self._attempt():
                    return await test(*args, **kwargs)

            return self.supervised(example)

        @wraps(test)
        def sync_example(*args: object, **kwargs: object) -> object:
            __tracebackhide__ = True
            with self._attempt():
                return test(*args, **kwargs)

        return sync_example

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        __tracebackhide__ = True
        lists: list[list[Any]] = [self.backends, self.scripts, self.test.playbacks]
        made = [len(each) for each in lists]
        try:
            yield
        except BaseException:
            for each, length in zip(lists, made, strict=True):
                del each[length:]
            raise

    # What it leaves behind

    def note(self) -> None:
        """See what is open at the very end of the test's function, before the event loop takes another turn."""
        found = self._unexcused(self._open((self.test,), self.test.loops))
        self._accuse([suspect for suspect in found if suspect.at_once])

    def look(self, *ledgers: Ledger) -> None:
        """See what is open now, wherever it lives, and end it."""
        if self._looks:
            # those that are closed were looked into before, and one that runs elsewhere ends with its thread
            loops = [
                loop for each in ledgers for loop in each.loops if not loop.is_closed() and not _runs_elsewhere(loop)
            ]
            found = self._open(ledgers, loops)
            self._note_leaks([leak for leak in lost_things(ledgers) if not self._allows(leak)])
            self._examine([*found, *live_threads(ledgers)])
            self._examine(open_owners(ledgers))  # whose generations have been told, and are ended

    def leaks(self) -> list[tuple[str, str, str]]:
        """Return what was found since the last call: what each is, where it is suspended, what to do about it."""
        alike: dict[tuple[str, ...], list[tuple[str, str, str]]] = {}
        for leak in self._leaks:
            alike.setdefault((_NUMBERED.sub(r"\1", leak[0]), *leak[1:]), []).append(leak)
        self._leaks.clear()
        return [_counted(same[0], len(same)) for same in alike.values()]

    def _loop_ends(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop in self.fixtures.loops or loop in self.test.loops:
            self._examine(self._open((self.fixtures, self.test), (loop,)))

    def _open(self, ledgers: Collection[Ledger], loops: Collection[asyncio.AbstractEventLoop]) -> list[Suspect]:
        return open_things(Scope(ledgers, loops, self._hosts), self.backends) if loops and self._looks else []

    def _examine(self, found: list[Suspect]) -> None:
        found = self._unexcused(found)
        if not found and not self._to_end:
            return
        self._accuse([suspect for suspect in found if suspect.at_once])
        later = [suspect for suspect in found if not suspect.at_once]
        _settle(later)
        self._accuse([suspect for suspect in later if suspect.is_open()])
        accused, self._to_end = self._to_end, []
        ending = [suspect for suspect in accused if not isinstance(suspect, PendingTimer)]
        for suspect in ending:
            suspect.end()
        _settle(ending, patience=0.0)
        needed = {suspect.loop for suspect in ending if suspect.is_open()}  # a task may wait for a timer to end it
        for suspect in accused:
            if isinstance(suspect, PendingTimer) and suspect.loop not in needed and suspect.is_open():
                suspect.end()

    def _unexcused(self, found: list[Suspect]) -> list[Suspect]:
        """Return those that are new, that are not allowed, and that no fixture holds."""
        new = [suspect for suspect in found if id(suspect.thing) not in self._accused and not self._allows(suspect)]
        if not new:  # as it is nearly always
            return []
        held = held_among([suspect.thing for suspect in new], self._holders())
        return [suspect for suspect in new if id(suspect.thing) not in held]

    def _allows(self, leak: Leak) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._allowed for name in leak.names())

    def _accuse(self, found: Sequence[Suspect]) -> None:
        self._note_leaks(found)
        self._to_end += found

    def _note_leaks(self, found: Iterable[Leak]) -> None:
        new = [leak for leak in found if id(leak.thing) not in self._accused]
        self._accused.update({id(leak.thing): leak for leak in new})
        self._leaks += [leak.described() for leak in new]


def _settle(found: Collection[Suspect], patience: float = _PATIENCE) -> None:
    """Give what is about to end the chance to do so."""
    for loop in dict.fromkeys(suspect.loop for suspect in found):
        if loop is None or loop.is_closed() or loop.is_running() or asyncio._get_running_loop() is not None:
            continue
        turning = loop.create_task(_turns([suspect for suspect in found if suspect.loop is loop]))
        turning.set_name("streamval guard")
        loop.run_until_complete(turning)
    threads = [suspect.thread for suspect in found if isinstance(suspect, LiveThread)]
    for thread in threads:
        thread.join(patience / len(threads))


def _runs_elsewhere(loop: asyncio.AbstractEventLoop) -> bool:
    return loop.is_running() and loop is not asyncio._get_running_loop()


async def _turns(found: Collection[Suspect]) -> None:
    for _ in range(_TURNS):
        if not any(suspect.is_open() for suspect in found):
            return
        await asyncio.sleep(0)


def _counted(leak: tuple[str, str, str], times: int) -> tuple[str, str, str]:
    what, place, way_out = leak
    return (what if times == 1 else f"{what} ({times} times)"), place, way_out
