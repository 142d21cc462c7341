"""Scripts, playbacks and events that a test prepared and did not use."""

from __future__ import annotations

from contextlib import contextmanager
from inspect import unwrap
from types import CodeType
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.component import text_of
from pytest_streamval.errors import (
    ScriptExhaustedError,
    excerpt,
    swallowed_call_error,
    unplayed_script_error,
    unread_events_error,
    unread_playback_error,
)
from pytest_streamval.guards.source_locations import SourceLocation
from pytest_streamval.guards.tracking import active_tracker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from pytest_streamval.errors import ScriptExhaustedError
    from pytest_streamval.guards.tracking import TrackedRun, Tracker
    from pytest_streamval.scripting.mock import StreamingMockBackend, StreamingMockBackendFactory
    from pytest_streamval.scripting.playback import PlayableScript, _Playback
    from pytest_streamval.scripting.script import Script, ScriptFactory

# Names in the code of a test that expects the error, and of the function that catches it.
_IN_TEST = frozenset({"ScriptExhaustedError", "RaisesGroup"})
_IN_CATCHER = _IN_TEST | {"raises"}


class PreparedScripts:
    """The scripts of one test: those that it gave to mock backends or made, and those that were played."""

    def __init__(self, trackers: Collection[Tracker]) -> None:
        self.backends: list[StreamingMockBackend] = []
        """The mock backends of the test."""
        self.playbacks: list[_Playback] = []
        """The playbacks that began in the test."""
        self._trackers = trackers
        self._made: list[Script] = []
        self._played: list[PlayableScript] = []

    def record_play(self, script: PlayableScript, playback: _Playback | None) -> None:
        """Record a script that is played, in any thread, and the playback if it began in the test."""
        self._played.append(script)
        if playback is not None and active_tracker() in self._trackers:
            self.playbacks.append(playback)

    def recording_backends(self, make: StreamingMockBackendFactory) -> StreamingMockBackendFactory:
        """Return a factory that records the mock backends that it makes."""

        def make_recorded(*scripts: Script | str, **options: Any) -> Any:  # noqa: ANN401  # its overloads are those of make
            __tracebackhide__ = True
            self.backends.append(make(*scripts, **options))
            return self.backends[-1]

        return make_recorded

    def recording_scripts(self, make: ScriptFactory) -> ScriptFactory:
        """Return a factory that records the scripts that it makes."""

        def make_recorded(script: Script | str, *, token_size: int = 1) -> Script:
            self._made.append(make(script, token_size=token_size))
            return self._made[-1]

        return make_recorded

    @contextmanager
    def forgotten_on_error(self) -> Iterator[None]:
        """Drop the scripts that were prepared inside this context if it raises."""
        __tracebackhide__ = True
        lists: list[list[Any]] = [self.backends, self._made, self.playbacks]
        lengths = [len(each) for each in lists]
        try:
            yield
        except BaseException:
            for each, length in zip(lists, lengths, strict=True):
                del each[length:]
            raise

    def errors(self, test: object) -> list[Exception]:
        """Return an error for each script, playback and transcript that the test has prepared for nothing.

        Args:
            test: The function of a test that has passed.
        """
        runs = [each for tracker in self._trackers for each in tracker.runs]
        found: list[Exception] = []
        for backend in self.backends:
            given, calls = len(backend.scripts), len(backend.calls)
            if calls < given:
                found.append(unplayed_script_error(given, calls, _texts(backend.scripts[calls:])))
            found += [_swallowed(error) for error in backend.refused if not _is_expected(error, test, runs)]
        found += [unread_playback_error(excerpt(each.script.text)) for each in self.playbacks if not each.started]
        if unplayed := self._unplayed():
            found.append(unplayed_script_error(len(self._made), None, _texts(unplayed)))
        if any(tracker.empty_transcripts for tracker in self._trackers):
            found += _unread_events(runs)
        return found

    def _unplayed(self) -> list[Script]:
        """Return the scripts of `stream_script` that were neither played nor given to a backend or a server."""
        ids = {id(script) for script in self._played}
        if not (unplayed := [script for script in self._made if id(script) not in ids]):  # the usual case
            return []
        texts = {script.text for script in self._played}
        # a script that was recut, or dumped and loaded, is another object with the same text
        return [script for script in unplayed if script.text not in texts]


def _texts(scripts: Iterable[Script]) -> list[str]:
    return [excerpt(script.text) for script in scripts]


def _unread_events(tracked: Sequence[TrackedRun]) -> list[Exception]:
    """Return the error for an empty transcript if there were events and the test has read none of them."""
    runs = [each.run for each in tracked if each.run is not None and each.run.history]
    if not runs or any(each.events_count or each.history_count for each in tracked):
        return []
    return [unread_events_error([(excerpt(text_of(run.action)), len(run.history)) for run in runs])]


def _is_expected(error: ScriptExhaustedError, test: object, tracked: Iterable[TrackedRun]) -> bool:
    """Return whether the test expects the error: it is in a transcript, or the test or the catcher names it."""
    runs = [(each.run, each.history_count) for each in tracked if each.run is not None]
    if any(run.error is error and count == len(run.history) for run, count in runs):
        return True
    trace = error.__traceback__
    if trace is not None:
        catcher = trace.tb_frame
        if catcher.f_globals.get("__name__", "").startswith("_pytest.") or _IN_CATCHER & _names_in(catcher.f_code):
            return True
    code = getattr(_user_function(test), "__code__", None)
    return code is not None and not _IN_TEST.isdisjoint(_names_in(code))


def _swallowed(error: ScriptExhaustedError) -> Exception:
    trace = error.__traceback__
    location = "nowhere" if trace is None else f"at {SourceLocation(trace.tb_frame.f_code, trace.tb_lineno)}"
    return swallowed_call_error(str(error), location)


def _user_function(test: Any) -> Any:  # noqa: ANN401  # any test that pytest collects
    hypothesis = getattr(test, "hypothesis", None)
    return unwrap(test if hypothesis is None else hypothesis.inner_test)


def _names_in(code: CodeType) -> set[str]:
    """Return the names that a function uses, including its inner functions."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*map(_names_in, inner))
