"""The timelines of scripts that code plays without a run: as plain iterators, and as outputs of a mock backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.engine.component import text_of
from pytest_streamval.errors import described
from pytest_streamval.model import Delta
from pytest_streamval.report.exchange_timelines import Exchange
from pytest_streamval.scripting.steps import Delay, text_of_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.report.timeline import Outcome
    from pytest_streamval.scripting.mock import MockCall
    from pytest_streamval.scripting.playback import PlayableScript, _Playback


def exchange_of_playback(playback: _Playback, began: float) -> Exchange:
    """Return the deltas that a reader of a script has taken, with the times of the script.

    Args:
        playback: The playback.
        began: The time at which it was made, in seconds.
    """
    outcome: Outcome = "complete" if playback.finished else "cancelled" if playback.closed else "unfinished"
    texts = list(_sent_deltas(playback.script, playback.deltas_sent, began))
    return Exchange("script", playback.script.text, outcome, "", began, texts)


def exchange_of_call(call: MockCall) -> Exchange:
    """Return the deltas that a mock backend has sent for a call, with the times of its script."""
    outcome: Outcome = "complete" if call.finished else "cancelled" if call.cancelled else "unfinished"
    why = ""
    if call.thunk.error is not None and not call.cancelled:
        outcome, why = "error", f"{type(call.thunk.error).__name__}: {described(call.thunk.error)}"
    texts = list(_sent_deltas(call.script, call.deltas_sent, call.began))
    return Exchange("output", text_of(call.action), outcome, why, call.began, texts)


def _sent_deltas(script: PlayableScript, deltas: int, began: float) -> Iterator[tuple[float, str]]:
    """Yield the first deltas of a script, each with its time."""
    at = began
    for step in script.steps:
        if isinstance(step, Delay):
            at += step.seconds
        elif isinstance(step, str | Delta):
            if not deltas:
                return
            deltas -= 1
            yield at, text_of_step(step)
