"""Errors of the guards: what a test left behind, and what it never did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError
from pytest_streamval.errors.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAKS = 10  # things left behind that a message shows

# What a test leaves behind, and what it never did


class LeakError(StreamvalError, AssertionError):
    """A test ended while things that it had started went on."""

    def __init__(self, leaks: Sequence[tuple[str, str, str]]) -> None:
        super().__init__(tuple(leaks))
        self.leaks = tuple(leaks)
        """What each is, where it is suspended, and what to do about it."""

    def __str__(self) -> str:
        lines = [f"This test left {plural(len(self.leaks), 'thing')} behind:"]
        for what, place, way_out in self.leaks[:_LEAKS]:
            lines += [f"  {what}", f"    {place}", f"    {way_out}"]
        if len(self.leaks) > _LEAKS:
            lines.append(f"  and {len(self.leaks) - _LEAKS} more")
        lines.append(
            "A test ends what it starts, and a fixture, in its teardown, what was started for a test.\n"
            'To allow this one: @pytest.mark.streamval_allow_leaks(reason="..."); a whole run: --streamval-leaks=off.'
        )
        return "\n".join(lines)


class UnplayedScriptError(StreamvalError, AssertionError):
    """A test passed without playing all the scripts that it gave to a mock backend, or that `stream_script` made."""

    def __init__(self, given: int, calls: int | None, unplayed: Sequence[str]) -> None:
        super().__init__(given, calls, tuple(unplayed))
        self.given = given
        """How many scripts there were."""
        self.calls = calls
        """How often the backend was called; None for scripts of `stream_script`, which belong to no backend."""
        self.unplayed = tuple(unplayed)
        """The texts of the others."""

    def __str__(self) -> str:
        scripts = "1 script" if self.given == 1 else f"{self.given} scripts"
        if self.calls is None:
            return "\n".join(
                [
                    f"stream_script made {scripts} for this test. Never played:",
                    *(f"  {text}" for text in self.unplayed),
                    "Play each one with play() or play_sync(), or give it to a backend or a server.",
                    "If this is intended, mark the test with @pytest.mark.streamval_allow_unplayed.",
                ]
            )
        calls = {0: "never called", 1: "called once"}.get(self.calls, f"called {self.calls} times")
        scripts = plural(self.given, "script")
        lines = [
            f"A mock backend was given {scripts}, one for each call, and was {calls}. Never played:",
            *(f"  script {number}: {text}" for number, text in enumerate(self.unplayed, self.calls + 1)),
            "Either what was to be tested did not happen, or the test needs fewer scripts.",
            "Where both is as it should be: @pytest.mark.streamval_allow_unplayed.",
        ]
        return "\n".join(lines)


class UnreadPlaybackError(StreamvalError, AssertionError):
    """A test passed without reading a playback that it had made."""

    def __init__(self, script: str) -> None:
        super().__init__(script)
        self.script = script
        """The text that was to be played."""

    def __str__(self) -> str:
        return (
            f"A playback of {self.script} was made and never read: the code that was to read this stream has not seen "
            "it.\nWhere that is as it should be: @pytest.mark.streamval_allow_unplayed."
        )


class SwallowedCallError(StreamvalError, AssertionError):
    """A test passed, and the code under test had kept to itself that a mock backend had no script left."""

    def __init__(self, refusal: str, where: str) -> None:
        super().__init__(refusal, where)
        self.refusal = refusal
        """What the mock backend said."""
        self.where = where
        """Where that was last seen."""

    def __str__(self) -> str:
        return (
            f"A mock backend was called too often, and the error did not reach the test: it ended {self.where}.\n"
            f"{self.refusal}\n"
            "A test that expects this catches it with pytest.raises(ScriptExhaustedError).\n"
            "Where that is as it should be: @pytest.mark.streamval_allow_unplayed."
        )


class UnreadEventsError(StreamvalError, AssertionError):
    """A test passed with a transcript of nothing, while nobody had looked at the events that there were."""

    def __init__(self, runs: Sequence[tuple[str, int]]) -> None:
        super().__init__(tuple(runs))
        self.runs = tuple(runs)
        """What was asked in each run, and how many events it had."""

    def __str__(self) -> str:
        lines = [
            "A transcript without events was made, and nobody has read the events of",
            *(f"  the run {asked}: {plural(count, 'event')}" for asked, count in self.runs),
            "events() gives nothing to a list by itself: make the transcript with `await transcribe(result)`.",
            "Where that is as it should be: @pytest.mark.streamval_allow_unplayed.",
        ]
        return "\n".join(lines)
