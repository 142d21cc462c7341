"""Errors of the guards: things that a test left behind, and scripts that it never played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import CheckFailedError, check_failed
from pytest_streamval.errors.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAKS = 10  # leaks that a message shows

INTENDED = "If this is intended, mark the test with @pytest.mark.streamval_allow_unplayed."


def without_marker(message: str) -> str:
    """Return a message without its advice about a marker of pytest, for readers who run no test."""
    return message.replace(f"\n{INTENDED}", "")


def leak_error(leaks: Sequence[tuple[str, str, str]]) -> CheckFailedError:
    """Return the error for a test that ended while things that it had started went on.

    Args:
        leaks: For each thing its description, the line at which it is suspended, and the way out.
    """
    lines = [f"This test left {plural(len(leaks), 'thing')} behind:"]
    for what, place, way_out in leaks[:_LEAKS]:
        lines += [f"  {what}", f"    {place}", f"    {way_out}"]
    if len(leaks) > _LEAKS:
        lines.append(f"  and {len(leaks) - _LEAKS} more")
    lines += [
        "A test must end everything that it starts, and a fixture, in its teardown, everything that it started.",
        'To allow this: @pytest.mark.streamval_allow_leaks(reason="..."). For a complete run: --streamval-leaks=off.',
    ]
    return check_failed("leak", lines)


def unplayed_script_error(given: int, calls: int | None, unplayed: Sequence[str]) -> CheckFailedError:
    """Return the error for a test that passed without playing all its scripts.

    Args:
        given: The number of scripts.
        calls: The number of calls of the backend; None for scripts of `stream_script`, which belong to no backend.
        unplayed: The texts of the scripts that were not played.
    """
    scripts = plural(given, "script")
    if calls is None:
        lines = [
            f"stream_script made {scripts} for this test. Never played:",
            *(f"  {text}" for text in unplayed),
            "Play each one with play() or play_sync(), or give it to a backend or a server.",
        ]
    else:
        called = {0: "never called", 1: "called once"}.get(calls, f"called {calls} times")
        lines = [
            f"A mock backend was given {scripts}, one for each call, and was {called}. Never played:",
            *(f"  script {number}: {text}" for number, text in enumerate(unplayed, calls + 1)),
            "Either the code under test did not do what the test is about, or the test needs fewer scripts.",
        ]
    return check_failed("unplayed script", [*lines, INTENDED])


def unread_playback_error(script: str) -> CheckFailedError:
    """Return the error for a test that passed without reading a playback that it had made."""
    text = f"A playback of {script} was made and never read: the code under test has not seen this stream."
    return check_failed("unread playback", [text, INTENDED])


def swallowed_call_error(refusal: str, where: str) -> CheckFailedError:
    """Return the error for a test that passed although the code under test hid a `ScriptExhaustedError`.

    Args:
        refusal: The message of that error.
        where: The place at which it was last seen.
    """
    return check_failed(
        "swallowed call",
        [
            f"A mock backend was called too often, and the error did not reach the test: it ended {where}.",
            refusal,
            "A test that expects this error catches it with pytest.raises(ScriptExhaustedError).",
            INTENDED,
        ],
    )


def unread_events_error(runs: Sequence[tuple[str, int]]) -> CheckFailedError:
    """Return the error for a test that passed with an empty transcript, although there were events.

    Args:
        runs: The prompt of each run, and the number of its events.
    """
    return check_failed(
        "unread events",
        [
            "A transcript without events was made, and no code has read the events of",
            *(f"  the run {asked}: {plural(count, 'event')}" for asked, count in runs),
            "list(...) cannot read events(): make the transcript with `await transcribe(result)`.",
            INTENDED,
        ],
    )
