"""The limit of a scripted stall in real time."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import StallTimeoutError, harmless
from pytest_streamval.plugin.harmless_output import write_line
from pytest_streamval.virtual_time.time_source import active

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    import pytest

_NOTICE = 5.0
"""The seconds after which the terminal shows the stall if the limit is at least twice as long."""

_ended: list[StallTimeoutError] = []


@contextmanager
def limited(config: pytest.Config, silence: asyncio.Future[None], place: str) -> Iterator[None]:
    """End a stall after the limit of the ini value `streamval_stall_timeout`, unless a virtual clock runs.

    Args:
        config: The configuration of the run.
        silence: The future for which the stall waits. It receives a `StallTimeoutError` at the limit.
        place: The script and the step, for messages.
    """
    limit = float(config.getini("streamval_stall_timeout"))
    wait = min(_NOTICE, limit / 2)
    timers: list[asyncio.TimerHandle] = []

    def notice() -> None:
        if active() is None:
            text = f"{place} has been silent for {wait:g} s of real time. The test fails at {limit:g} s."
            _write(config, text)

    def end() -> None:
        if active() is None and not silence.done():
            _ended.append(StallTimeoutError(place, limit))
            silence.set_exception(_ended[-1])

    if limit > 0 and active() is None:
        loop = silence.get_loop()
        timers += [loop.call_later(wait, notice), loop.call_later(limit, end)]
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()


def take_ended() -> list[StallTimeoutError]:
    """Return the errors of the stalls that were ended since the last call."""
    ended = _ended.copy()
    _ended.clear()
    return ended


def _write(config: pytest.Config, text: str) -> None:
    """Write a line to the terminal without capturing. A worker of pytest-xdist writes to its error output."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    terminal: Any = config.pluginmanager.getplugin("terminalreporter")
    with nullcontext() if capture is None else capture.global_and_fixture_disabled():
        if terminal is None or hasattr(config, "workerinput"):
            sys.stderr.write(harmless(f"\n{text}\n"))
        else:
            terminal.ensure_newline()
            write_line(terminal, text, yellow=True)
