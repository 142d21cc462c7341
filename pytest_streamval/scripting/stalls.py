"""Scripted stalls: silence that the reader has to end, and the limit that it has in real time."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

from pytest_streamval.errors import StallTimeoutError
from pytest_streamval.virtual_time.active_clock import here

if TYPE_CHECKING:
    import pytest

_NOTICE = 5.0
"""The seconds after which the terminal says what the test waits for, if the limit is at least twice as long."""

_ended: list[StallTimeoutError] = []


async def stall(place: str) -> None:
    """Wait until the reader stops the producer.

    On a virtual clock, and outside of pytest, that may take for ever. In a test in real time the limit is the ini value
    `streamval_stall_timeout`.

    Args:
        place: the script and the step, for the error.

    Raises:
        StallTimeoutError: nothing has stopped the producer.
    """
    loop = asyncio.get_running_loop()
    silence = loop.create_future()
    config = _running()
    limit = 0.0 if config is None else float(config.getini("streamval_stall_timeout"))
    wait = min(_NOTICE, limit / 2)
    timers: list[asyncio.TimerHandle] = []

    def notice() -> None:
        if here() is None:
            text = f"{place} has been silent for {wait:g} s of real time. The test fails at {limit:g} s."
            _write(cast("pytest.Config", config), text)

    def end() -> None:
        if here() is None and not silence.done():
            _ended.append(StallTimeoutError(place, limit))
            silence.set_exception(_ended[-1])

    if limit > 0 and here() is None:
        timers += [loop.call_later(wait, notice), loop.call_later(limit, end)]
    try:
        await silence
    finally:
        for timer in timers:
            timer.cancel()


def take_ended() -> list[StallTimeoutError]:
    """Return the errors of the stalls that had to be ended since the last call."""
    ended = _ended.copy()
    _ended.clear()
    return ended


def _running() -> pytest.Config | None:
    """Return the configuration of the run of pytest that is under way, the inner one of two."""
    plugin: Any = sys.modules.get("pytest_streamval.plugin")  # which knows, and is loaded only by pytest
    return plugin.RUNNING[-1] if plugin is not None and plugin.RUNNING else None


def _write(config: pytest.Config, text: str) -> None:
    """Write a line to the terminal, past the capturing; the worker of pytest-xdist has its error output for that."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    terminal: Any = config.pluginmanager.getplugin("terminalreporter")
    with nullcontext() if capture is None else capture.global_and_fixture_disabled():
        if terminal is None or hasattr(config, "workerinput"):
            sys.stderr.write(f"\n{text}\n")
        else:
            terminal.ensure_newline()
            terminal.write_line(text, yellow=True)
