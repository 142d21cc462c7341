"""The pytest plugin, in the order in which pytest calls it: options, markers, collection, fixtures, reporting.

Loaded into every run of an environment, so it imports pytest and the standard library's cheap parts alone; what a
fixture needs is imported when a test asks for it.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_streamval.recordings.modes import MODES
from pytest_streamval.scripting.stalls import limits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_streamval.council.scripted import CouncilFactory
    from pytest_streamval.engine.telemetry.captured import CapturedTelemetry
    from pytest_streamval.errors import StallTimeoutError
    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.plugin.cassettes import StreamCassette
    from pytest_streamval.plugin.server import ProviderServerFactory
    from pytest_streamval.plugin.snapshot import EventSnapshot
    from pytest_streamval.plugin.summary import Summary
    from pytest_streamval.scripting.mock import StreamingMockBackendFactory
    from pytest_streamval.scripting.script import ScriptFactory
    from pytest_streamval.virtual_time import VirtualClock

F = TypeVar("F", bound="Callable[..., Any]")

_LIVE_MARKERS = {
    "ollama": "needs a live model served by Ollama",
    "e2e": "needs a live model, on whatever backend was chosen",
}
_LIVE_VALUES = [
    ("backend", "", "the backend, such as openai:gpt-4.1 (default: ollama:granite4:micro)"),
    ("url", "", "where its provider listens, if not where it always does"),
]
# These warn if they are dropped while at work.
_DROPPABLE = ("StreamChunkingResult", "ModelOutputThunk", "ProviderServer", "Session")
_COLLECTING = "streamval-collecting"  # the plugin that watches streams
_SUMMARY = "streamval-summary"
_GUARDED: set[str] = set()  # the fixtures whose tests are guarded
_GUARDS = {
    "leaks": "fail a test that leaves behind what it has started: tasks, runs, generators, threads",
    "unplayed": "fail a test that passes without playing its scripts, or hides a call for which there was no script",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; their names begin with `--streamval-`."""
    group = parser.getgroup("streamval", "streamed model output")
    group.addoption(
        "--streamval-live",
        action="store_true",
        help="run the tests marked ollama or e2e, against a live model; without it they are skipped",
    )
    for name, default, what in _LIVE_VALUES:
        text = f"{what}, for live tests and example scripts"
        group.addoption(
            f"--streamval-{name}", metavar=name.upper(), help=f"{text} (also the ini value streamval_{name})"
        )
        parser.addini(f"streamval_{name}", text, default=default)
    parser.addini("streamval_live_timeout", "seconds that a live test may take, 0 for any time", default="120")
    parser.addini(
        "streamval_gate", "markers of the project's own whose tests are skipped without --streamval-live", type="args"
    )
    parser.addini("streamval_examples", "files that are example scripts, as patterns relative to the root", type="args")
    group.addoption(
        "--streamval-record",
        choices=MODES,
        default="none",
        help="what stream_cassette does: replay and never ask a provider (none, the default), record a test that has "
        "no recordings (once), record what is missing (new), record everything anew (all)",
    )
    group.addoption(
        "--streamval-fuzz",
        metavar="N",
        type=int,
        default=0,
        help="run every test that takes a stream from this plugin's fixtures again under N other cuts of the text",
    )
    group.addoption(
        "--streamval-report",
        metavar="FILE",
        help="write what all tests have streamed to FILE: a page to read where its name ends in .html, or where it "
        "ends in .json a part that `streamval report merge` joins with those of other machines",
    )
    text = "where the cuts that fail are kept and found again: a directory, or a Redis such as redis://localhost:6379/0"
    group.addoption("--streamval-fuzz-db", metavar="PLACE", help=f"{text} (also the ini value streamval_fuzz_db)")
    parser.addini("streamval_fuzz_db", text, default="")
    text = "seconds of real time that a scripted Stall may take before it fails its test, 0 for any time"
    parser.addini("streamval_stall_timeout", text, default="60")
    for name, what in _GUARDS.items():
        text = f"{what}; for tests that use this plugin's fixtures, on unless it is switched off"
        group.addoption(f"--streamval-{name}", choices=("on", "off"), help=text)
        parser.addini(f"streamval_{name}", f"{text} (on or off)", default="on")
    text = "names of tasks, threads and functions that a test may leave behind, as patterns, one on a line"
    parser.addini("streamval_leaks_allow", text, type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and let pytest show the warnings of streams and sessions that were dropped."""
    # first, so that any filter of the user's own takes precedence
    config.getini("filterwarnings").insert(0, f"default:<({'|'.join(_DROPPABLE)}) :ResourceWarning")
    ignored = getattr(config.option, "ignore_file_extensions", ())
    if ignored != ():  # syrupy is there; its amber takes every file for its own, and those it does not know for unused
        config.option.ignore_file_extensions = [*(ignored or ()), "transcript"]
    for name, need in _LIVE_MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {need}; skipped unless --streamval-live is given")
    config.addinivalue_line("markers", "integration: an example script needs more than its own files")
    config.addinivalue_line(
        "markers",
        "streamval_as_scripted: what is expected depends on where the stream is cut; left out by --streamval-fuzz",
    )
    config.addinivalue_line("markers", "streamval_clock(start): the test runs on a virtual clock that starts at a date")
    for name in _GUARDS:
        config.addinivalue_line("markers", f"streamval_allow_{name}(reason=None): --streamval-{name} is off for it")
        if (value := config.getini(f"streamval_{name}")) not in {"on", "off"}:
            msg = f"streamval_{name} = {value} does not fit: it is on or off."
            raise pytest.UsageError(msg)
    _check_stall_timeout(config.getini("streamval_stall_timeout"))
    limit = functools.partial(_limited_stall, config)
    limits.append(limit)
    config.add_cleanup(functools.partial(limits.remove, limit))
    if config.getoption("--streamval-live"):
        from pytest_streamval.plugin.live import GATE, Gate

        config.stash[GATE] = gate = Gate(config, _LIVE_MARKERS)
        config.pluginmanager.register(gate, "streamval-live")
    count = _fuzz(config)
    if config.getoption("--streamval-report"):
        _report(config)
    if count or config.getoption("--streamval-report") or config.getoption("--streamval-live"):
        _sum_up(config)
    if hasattr(config, "workerinput"):
        from pytest_streamval.engine.telemetry.traces import continue_trace

        continue_trace(config.workerinput)


def _limited_stall(config: pytest.Config, silence: asyncio.Future[None], place: str) -> AbstractContextManager[None]:
    from pytest_streamval.plugin.stalls import limited

    return limited(config, silence, place)


def _check_stall_timeout(value: str) -> None:
    try:
        fits = 0 <= float(value) < float("inf")
    except ValueError:
        fits = False
    if not fits:
        msg = f"Invalid streamval_stall_timeout: {value}. It must be a number of seconds, or 0 for no limit."
        raise pytest.UsageError(msg)


def _fuzz(config: pytest.Config) -> int:
    """Have tests run again under other cuts, and return under how many."""
    count: int = config.getoption("--streamval-fuzz")
    if count < 0:
        msg = f"--streamval-fuzz {count} does not fit: it is how many other cuts each test runs under, 0 or more."
        raise pytest.UsageError(msg)
    if count or any("cut~" in word for word in config.args):  # the id of a variant brings that variant into being
        from pytest_streamval.plugin.variants import Variants

        config.pluginmanager.register(Variants(config, count), "streamval-variants")
    return count


def _report(config: pytest.Config) -> None:
    """Watch all streams, and write the report in the process that the others, if there are any, report to."""
    from pytest_streamval.errors import ReportPathError
    from pytest_streamval.plugin.collecting import StreamCollector
    from pytest_streamval.plugin.report import ReportWriter

    config.pluginmanager.register(StreamCollector(_GUARDED, for_page=True), _COLLECTING)
    if not hasattr(config, "workerinput"):
        try:
            config.pluginmanager.register(ReportWriter(config.getoption("--streamval-report")), "streamval-report")
        except ReportPathError as error:
            raise pytest.UsageError(str(error)) from error


def _sum_up(config: pytest.Config) -> Summary | None:
    """Count what tests report, in the process that the others, if there are any, report to."""
    if hasattr(config, "workerinput"):
        return None
    summary: Summary | None = config.pluginmanager.get_plugin(_SUMMARY)
    if summary is None:
        from pytest_streamval.plugin.summary import Summary

        summary = Summary(config)
        config.pluginmanager.register(summary, _SUMMARY)
    return summary


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401  # a worker of pytest-xdist
    """Count what the tests of a worker report, as this process sees no fixture, and tell it of the current trace."""
    from pytest_streamval.engine.telemetry.traces import hand_trace_on

    _sum_up(node.config)
    hand_trace_on(node.workerinput)


def pytest_report_header(config: pytest.Config) -> str:
    """Say what decides how tests stream."""
    from_where = "offline"
    if config.getoption("--streamval-live"):
        from pytest_streamval.plugin.live import GATE

        from_where = f"live, {config.stash[GATE].chosen.spec}"
    fuzz, record = config.getoption("--streamval-fuzz"), config.getoption("--streamval-record")
    return (
        f"streamval: {from_where}, cassettes: {'replayed' if record == 'none' else f'recorded ({record})'}, "
        f"fuzz: {fuzz or 'off'}, clock: virtual where a test asks for it"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect example scripts: files of the ini value `streamval_examples` that have a header."""
    patterns = parent.config.getini("streamval_examples")
    if not patterns or file_path.suffix != ".py":
        return None
    from pytest_streamval.plugin.examples import example_file

    return example_file(file_path, parent, patterns)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip live tests in an offline run; deselecting them would make their snapshots look unused."""
    for item in items:
        names = getattr(item, "fixturenames", None)
        if names is not None and "virtual_clock" not in names and item.get_closest_marker("streamval_clock"):
            names.insert(0, "virtual_clock")
    if not all(_GUARDED.isdisjoint(getattr(item, "fixturenames", ())) for item in items):
        from pytest_streamval.plugin.guards import guards_of

        guards_of(config, _GUARDED)
        if not config.pluginmanager.hasplugin(_COLLECTING):
            from pytest_streamval.plugin.collecting import StreamCollector

            config.pluginmanager.register(StreamCollector(_GUARDED, for_page=False), _COLLECTING)
        _look_for_unused(config, items)
    if not config.getoption("--streamval-live"):
        _skip_live(config, items)


def _skip_live(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that need a live model, and count them."""
    names = _gated(config)
    marked = [item for item in items if any(mark.name in names for mark in item.iter_markers())]
    if not marked and names == [*_LIVE_MARKERS]:
        return
    from pytest_streamval.plugin.gating import WITHOUT, Gating

    gating = Gating(config, _LIVE_MARKERS)
    for item in marked:
        if (name := gating.marker_of(item)) is not None:
            _sum_up(config)
            need = _LIVE_MARKERS.get(name, "needs a live model")
            item.add_marker(pytest.mark.skip(reason=f"{need}: {WITHOUT}"))


def _gated(config: pytest.Config) -> list[str]:
    """Return the markers that live tests have: this plugin's, and those of `streamval_gate`."""
    return list(dict.fromkeys([*_LIVE_MARKERS, *config.getini("streamval_gate")]))


def _look_for_unused(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note the cassettes that no test has, where all tests of the files with some are there."""
    summary = _sum_up(config)
    is_part = any("::" in word for word in config.args) or getattr(config.option, "lf", False)
    if is_part or not any("stream_cassette" in getattr(item, "fixturenames", ()) for item in items):
        return
    from pytest_streamval.plugin.cassettes import unused_recordings

    unused = unused_recordings(items, config.invocation_params.dir)
    if summary is not None:
        summary.unused |= unused
    else:
        config.workeroutput["streamval_unused"] = sorted(unused)  # type: ignore[attr-defined]  # of pytest-xdist


@pytest.fixture
def _streamval_cut(request: pytest.FixtureRequest) -> Cut | None:
    """How the streams of this test are cut, None as scripted; parametrised by --streamval-fuzz."""
    cut: Cut | None = getattr(request, "param", None)
    return cut


def _guarded(fixture: F) -> F:
    """Have the tests that use a fixture looked after: that they leave nothing behind, and do not pass for nothing."""
    _GUARDED.add(fixture.__name__)
    return fixture


@pytest.fixture
@_guarded
def streaming_mock_backend(request: pytest.FixtureRequest, _streamval_cut: Cut | None) -> StreamingMockBackendFactory:
    """Make mock backends: `streaming_mock_backend("Some text.", token_size=4)` plays it in place of a model."""
    from pytest_streamval.plugin.guards import guards_of
    from pytest_streamval.scripting.mock import StreamingMockBackend

    guard = guards_of(request.config, _GUARDED).guard_of(request.node)
    if _streamval_cut is None:
        return guard.scripts.recording_backends(StreamingMockBackend)
    from pytest_streamval.plugin.variants import recut_for

    return guard.scripts.recording_backends(recut_for(request.node, _streamval_cut).backend)


@pytest.fixture
@_guarded
def council(streaming_mock_backend: StreamingMockBackendFactory) -> CouncilFactory:
    """Make councils whose members play scripts: `council("One.", "Two.", synthesizer="Both.")`."""
    from pytest_streamval.council.scripted import CouncilFactory

    return CouncilFactory(streaming_mock_backend)


@pytest.fixture
@_guarded
def stream_script(request: pytest.FixtureRequest, _streamval_cut: Cut | None) -> ScriptFactory:
    """Make scripts to play: `stream_script("Some text.", token_size=4).play()`, for code that knows no backend."""
    from pytest_streamval.plugin.guards import guards_of
    from pytest_streamval.scripting.script import as_script

    guard = guards_of(request.config, _GUARDED).guard_of(request.node)
    if _streamval_cut is None:
        return guard.scripts.recording_scripts(as_script)
    from pytest_streamval.plugin.variants import recut_for

    return guard.scripts.recording_scripts(recut_for(request.node, _streamval_cut).script)


@pytest.fixture
@_guarded
def virtual_clock(request: pytest.FixtureRequest) -> Iterator[VirtualClock]:
    """Let the test live on virtual time: sleeps, timeouts and timestamps, which jump to what is due next."""
    from pytest_streamval.plugin.clock import clock_of_test

    with clock_of_test(request.node, _gated(request.config)) as clock:
        yield clock


@pytest.fixture
def live_backend(request: pytest.FixtureRequest) -> LiveBackend:
    """Ask a real model: the backend that --streamval-backend names, for tests marked ollama or e2e."""
    if not request.config.getoption("--streamval-live"):
        from pytest_streamval.plugin.gating import WITHOUT

        _sum_up(request.config)
        pytest.skip(f"needs a live model: {WITHOUT}")
    from pytest_streamval.plugin.live import GATE

    return request.config.stash[GATE].backend_of(request.node)


@pytest.fixture
@_guarded
def stream_cassette(request: pytest.FixtureRequest, _streamval_cut: Cut | None) -> Iterator[StreamCassette]:
    """Record what a real model sends, and replay it: `stream_cassette(LiveBackend("openai:gpt-4.1"))`."""
    from pytest_streamval.plugin.cassettes import stream_cassette_of

    yield from stream_cassette_of(request, _streamval_cut)


@pytest.fixture
@_guarded
def provider_server(request: pytest.FixtureRequest, _streamval_cut: Cut | None) -> Iterator[ProviderServerFactory]:
    """Serve scripts over HTTP on loopback: `provider_server("Some text.").openai_url` goes into any client."""
    from pytest_streamval.plugin.guards import guards_of
    from pytest_streamval.plugin.server import provider_servers

    guard = guards_of(request.config, _GUARDED).guard_of(request.node)
    yield from provider_servers(request, guard, _streamval_cut)


@pytest.fixture
@_guarded
def event_snapshot(request: pytest.FixtureRequest) -> EventSnapshot:
    """Compare what happened in a run with what happened when the snapshot was written, by syrupy.

    `assert transcript == event_snapshot`; a result, or events, will do too.
    """
    try:
        from pytest_streamval.plugin.snapshot import event_snapshot_of
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "syrupy":
            raise
        from pytest_streamval.errors import MissingPluginError

        raise MissingPluginError("event_snapshot", "syrupy", "'syrupy>=7'") from error
    return event_snapshot_of(request)


@pytest.fixture
@_guarded
def captured_telemetry() -> Iterator[CapturedTelemetry]:
    """Capture the spans and measurements of the test, in memory: `captured_telemetry.span().attributes`."""
    try:
        from pytest_streamval.engine.telemetry.capture import capturing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "opentelemetry":
            raise
        from pytest_streamval.errors import MissingExtraError

        raise MissingExtraError("Spans and measurements of a test", "opentelemetry-sdk", "otel") from error
    with capturing() as captured:
        yield captured


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Fail a test that a scripted stall would have hung, even if the code under test has taken the error."""
    __tracebackhide__ = True
    try:
        result = yield
    except BaseException as error:
        for stall in _ended_stalls():
            if stall is not error:
                error.add_note(str(stall))
        raise
    for stall in _ended_stalls():
        raise stall.with_traceback(None)
    return result


def _ended_stalls() -> list[StallTimeoutError]:
    module = sys.modules.get("pytest_streamval.plugin.stalls")  # loaded, if a script has stalled
    return [] if module is None else module.take_ended()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Leave the frames of this package out of the traceback that is about to be written."""
    if call.excinfo is not None and "pytest_streamval.errors" in sys.modules:
        from pytest_streamval.errors.tracebacks import shorten_tracebacks

        shorten_tracebacks()


def pytest_assertrepr_compare(
    config: pytest.Config,
    op: str,
    left: Any,  # noqa: ANN401  # whatever tests compare
    right: Any,  # noqa: ANN401  # as above
) -> list[str] | None:
    """Show where two transcripts differ first."""
    module = sys.modules.get("pytest_streamval.transcripts.transcript")  # loaded, if there are any transcripts
    if module is None or op != "==" or not (type(left) is type(right) is module.Transcript):
        return None
    whole = {"width": None} if config.get_verbosity(config.VERBOSITY_ASSERTIONS) > 1 else {}
    head = "the transcripts differ, + stands on the left and - on the right of ==:"
    return [head, *left.difference(right, **whole)]
