"""Whether a test passed for nothing: what it was to play and to read, and did not."""

from __future__ import annotations

from inspect import unwrap
from types import CodeType
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.component import text_of
from pytest_streamval.errors import (
    StreamvalError,
    SwallowedCallError,
    UnplayedScriptError,
    UnreadEventsError,
    UnreadPlaybackError,
    excerpt,
)
from pytest_streamval.guards.source_locations import Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_streamval.errors import ScriptExhaustedError
    from pytest_streamval.guards.tracking import Ledger, RunWatch
    from pytest_streamval.scripting.mock import StreamingMockBackend
    from pytest_streamval.scripting.playback import PlayableScript
    from pytest_streamval.scripting.script import Script

# What a test that waits for the error has in its code, and what the function that catches it has.
_IN_TEST = frozenset({"ScriptExhaustedError", "RaisesGroup"})
_IN_CATCHER = _IN_TEST | {"raises"}


def done_in_vain(test: object, ledgers: Sequence[Ledger], backends: Iterable[StreamingMockBackend]) -> list[Exception]:
    """Return what a test that has passed was to do and did not.

    Args:
        test: its function.
        ledgers: what began in it.
        backends: the mock backends that were made for it.
    """
    watches = [watch for ledger in ledgers for watch in ledger.runs]
    found: list[Exception] = []
    for backend in backends:
        found += _unplayed(backend)
        found += [_swallowed(refusal) for refusal in backend.refused if not _is_known(refusal, test, watches)]
    for ledger in ledgers:
        found += [
            UnreadPlaybackError(excerpt(playback.script.text)) for playback in ledger.playbacks if not playback.started
        ]
    if any(ledger.empty_transcripts for ledger in ledgers):
        found += _unread(watches)
    return found


def _unplayed(backend: StreamingMockBackend) -> list[StreamvalError]:
    given, calls = len(backend.scripts), len(backend.calls)
    if calls == given:
        return []
    return [UnplayedScriptError(given, calls, [excerpt(script.text) for script in backend.scripts[calls:]])]


def idle_scripts(made: Sequence[Script], taken: Sequence[PlayableScript]) -> list[Exception]:
    """Return the error for the scripts that a test made and that nothing has taken to play them.

    Args:
        made: the scripts of `stream_script`.
        taken: what was played, or given to a backend or a server, whose own scripts are looked at elsewhere.
    """
    by_id, texts = {id(script) for script in taken}, {script.text for script in taken}
    # a script that was cut elsewhere, or written and loaded again, is another one with the same text
    idle = [script for script in made if id(script) not in by_id and script.text not in texts]
    return [UnplayedScriptError(len(made), None, [excerpt(script.text) for script in idle])] if idle else []


def _unread(watches: Sequence[RunWatch]) -> list[StreamvalError]:
    """Return what is wrong where there is an empty transcript, and runs whose events nobody has looked at."""
    runs = [watch.run for watch in watches if watch.run is not None and watch.run.history]
    if not runs or any(watch.events_count or watch.history_count for watch in watches):
        return []
    return [UnreadEventsError([(excerpt(text_of(run.action)), len(run.history)) for run in runs])]


# Calls too many


def _is_known(refusal: ScriptExhaustedError, test: object, watches: Iterable[RunWatch]) -> bool:
    """Return whether somebody has got the error who waited for it."""
    runs = [(watch.run, watch.history_count) for watch in watches if watch.run is not None]
    if any(run.error is refusal and count == len(run.history) for run, count in runs):
        return True  # it stands in a transcript
    trace = refusal.__traceback__
    if trace is not None:
        catcher = trace.tb_frame
        if catcher.f_globals.get("__name__", "").startswith("_pytest.") or _IN_CATCHER & _names(catcher.f_code):
            return True
    code = getattr(_innermost(test), "__code__", None)
    return code is not None and not _IN_TEST.isdisjoint(_names(code))


def _swallowed(refusal: ScriptExhaustedError) -> StreamvalError:
    trace = refusal.__traceback__
    return SwallowedCallError(
        str(refusal), "nowhere" if trace is None else f"at {Site(trace.tb_frame.f_code, trace.tb_lineno)}"
    )


def _innermost(test: Any) -> Any:  # noqa: ANN401  # whatever pytest collects as a test
    """Return the function that the user wrote."""
    hypothesis = getattr(test, "hypothesis", None)
    return unwrap(test if hypothesis is None else hypothesis.inner_test)


def _names(code: CodeType) -> set[str]:
    """Return the names that a function uses, with those in the functions inside it."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*map(_names, inner))
