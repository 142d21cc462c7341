"""Playbacks: scripts as plain iterators of text, for code without a backend."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Protocol

from pytest_streamval.errors import ConcurrentReadError, SyncStallError, playback_busy_error, raisable
from pytest_streamval.model import Delta
from pytest_streamval.scripting.sent_deltas import note_one_sent
from pytest_streamval.scripting.steps import Delay, Raise, RawFrame, fail, perform, text_of_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.scripting.steps import Stall, Step

on_play: list[Callable[[PlayableScript, _Playback | None], None]] = []
"""Functions that are called with each script that will be played.

The second argument is its playback, None for a script that was given to a backend or a server.
"""


class PlayableScript(Protocol):
    """The part of a script that a playback uses."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in order."""

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """The deltas of the steps."""

    @property
    def text(self) -> str:
        """The text of all deltas."""


def note_taken(script: PlayableScript, playback: _Playback | None = None) -> None:
    """Report that a script will be played."""
    for listener in tuple(on_play):
        listener(script, playback)


class _Playback:
    """A script that one reader plays, and its progress.

    Like a generator, it ends when an exception is raised in it, also by the cancellation of the reader.
    """

    _made_by: ClassVar[str]

    def __init__(self, script: PlayableScript) -> None:
        self.script = script
        """The script."""
        self.started = False
        """Whether the reader has begun."""
        self.deltas_sent = 0
        """The number of deltas that were played, including those without text."""
        self.finished = False
        """Whether the reader has reached the end of the script."""
        self.closed = False
        """Whether it has ended: it is finished, it failed, its reader was cancelled, or it was closed."""
        self._steps = iter(script.steps)
        # Empty during a read. Its methods are atomic, so it also excludes other threads, in a fifth of a lock's time.
        self._turn = [True]
        note_taken(script, self)

    def _begin_read(self) -> None:
        try:
            self._turn.pop()
        except IndexError:
            raise ConcurrentReadError(self._made_by) from None
        self.started = True

    def _finish(self) -> None:
        self.finished = self.finished or not self.closed
        self._end()

    def _close(self) -> None:
        if not self._turn:
            raise playback_busy_error(self._made_by)
        self._end()

    def _end(self) -> None:
        self.closed = True
        self._steps = iter(())

    def __repr__(self) -> str:
        state = "finished" if self.finished else "closed" if self.closed else "playing"
        return f"<{type(self).__name__} {state}, {self.deltas_sent} of {len(self.script.deltas)} deltas sent>"


class Playback(_Playback):
    """The text of a script as an asynchronous iterator, with the producer's own record of it.

    A reader may leave its loop without closing it. `aclose()` is for readers that close every iterator.
    """

    _made_by = "play()"

    def __aiter__(self) -> Playback:
        return self

    async def __anext__(self) -> str:
        try:  # as `_begin_read`, whose call would take a seventh of the time
            self._turn.pop()
        except IndexError:
            raise ConcurrentReadError(self._made_by) from None
        self.started = True
        try:
            for step in self._steps:
                if isinstance(step, str):  # the usual case first
                    text = step
                elif isinstance(step, Delta):
                    text = step.text
                else:
                    await perform(step, self.script.steps)
                    continue
                self.deltas_sent += 1
                note_one_sent()
                if text:
                    return text
            self._finish()
        except StopAsyncIteration as error:
            self._end()
            raise raisable(error) from error
        except BaseException:
            self._end()
            raise
        finally:
            self._turn.append(True)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the playback.

        Raises:
            ConcurrentReadError: If a task is waiting for its next text.
        """
        self._close()


class SyncPlayback(_Playback):
    """The text of a script as an iterator, with the producer's own record of it."""

    _made_by = "play_sync()"

    def __iter__(self) -> SyncPlayback:
        return self

    def __next__(self) -> str:
        self._begin_read()
        try:
            for step in self._steps:
                if isinstance(step, (str, Delta)):
                    self.deltas_sent += 1
                    note_one_sent()
                    if text := text_of_step(step):
                        return text
                else:
                    self._perform(step)
            self._finish()
        except StopIteration as error:
            self._end()
            msg = "StopIteration was raised, which would have ended the reader's loop in silence."
            raise RuntimeError(msg) from error
        except BaseException:
            self._end()
            raise
        finally:
            self._turn.append(True)
        raise StopIteration

    def _perform(self, step: Delay | Raise | Stall | RawFrame) -> None:
        if isinstance(step, RawFrame):  # there is no wire to write it to
            return
        if isinstance(step, Delay):
            time.sleep(step.seconds)
        elif isinstance(step, Raise):
            fail(step)
        else:
            raise SyncStallError(self.script.steps.index(step))

    def close(self) -> None:
        """End the playback.

        Raises:
            ConcurrentReadError: If a thread is waiting for its next text.
        """
        self._close()
