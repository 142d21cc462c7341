"""The fixtures of the plugin. Each imports its dependencies when a test uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pytest

from pytest_streamval.plugin.options import live_marker_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_streamval.council.scripted import CouncilFactory
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.engine.telemetry.captured import CapturedTelemetry
    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.fuzzing.recutting import ScriptRecutter
    from pytest_streamval.guards import Guard
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.plugin.app import AppClientFactory
    from pytest_streamval.plugin.cassettes import StreamCassette
    from pytest_streamval.plugin.server import ProviderServerFactory
    from pytest_streamval.plugin.snapshot import EventSnapshot
    from pytest_streamval.scripting.mock import StreamingMockBackendFactory
    from pytest_streamval.scripting.script import ScriptFactory
    from pytest_streamval.virtual_time import VirtualClock

F = TypeVar("F", bound="Callable[..., Any]")

GUARDED: set[str] = set()
"""The names of the fixtures whose tests are guarded."""
OURS = {"live_backend"}
"""The names of all public fixtures."""


def _guarded(fixture: F) -> F:
    """Guard the tests that use a fixture."""
    GUARDED.add(fixture.__name__)
    OURS.add(fixture.__name__)
    return fixture


def _before_each_example(request: pytest.FixtureRequest, reset: Callable[[], object]) -> None:
    """Call `reset` before each example of a test with `@given`."""
    if hasattr(getattr(request.node, "obj", None), "hypothesis"):  # other tests load nothing
        from pytest_streamval.plugin.given_tests import before_each_example

        before_each_example(request.node, reset)


def _guard_of(request: pytest.FixtureRequest) -> Guard:
    """Return the guard of a test."""
    from pytest_streamval.plugin.guards import guards_of

    return guards_of(request.config, GUARDED).guard_of(request.node)


class _StreamsOfTest(NamedTuple):
    """The guard of a test, and the recutter of its streams, None as scripted.

    The fixtures of streams take it in place of a `request`, whose preparation costs a variant as much as a fixture.
    """

    guard: Guard
    recutter: ScriptRecutter | None


@pytest.fixture
def _streamval_cut(request: pytest.FixtureRequest) -> _StreamsOfTest:
    """The guard and the cut of the test's streams. `--streamval-fuzz` parametrises this fixture."""
    cut: Cut | None = getattr(request, "param", None)
    if cut is None:
        return _StreamsOfTest(_guard_of(request), None)
    from pytest_streamval.plugin.variants import begin_recutting

    return _StreamsOfTest(_guard_of(request), begin_recutting(request.node, cut))


@pytest.fixture
def _streamval_cancellation(request: pytest.FixtureRequest) -> int | None:
    """The step at which the test is cancelled, 0 for all. `--streamval-cancel` parametrises this fixture."""
    step: int | None = request.param
    return step


@pytest.fixture
@_guarded
def streaming_mock_backend(_streamval_cut: _StreamsOfTest) -> StreamingMockBackendFactory:
    """Make mock backends: `streaming_mock_backend("Some text.", token_size=4)` plays a text in place of a model."""
    from pytest_streamval.scripting.mock import make_mock

    guard, recutter = _streamval_cut
    return guard.scripts.recording_backends(make_mock if recutter is None else recutter.backend)


@pytest.fixture
@_guarded
def council(streaming_mock_backend: StreamingMockBackendFactory) -> CouncilFactory:
    """Make councils whose members play scripts: `council("One.", "Two.", synthesizer="Both.")`."""
    from pytest_streamval.council.scripted import CouncilFactory

    return CouncilFactory(streaming_mock_backend)


@pytest.fixture
@_guarded
def stream_script(_streamval_cut: _StreamsOfTest) -> ScriptFactory:
    """Make scripts for code that takes an iterator: `stream_script("Some text.", token_size=4).play()`."""
    from pytest_streamval.scripting.script import as_script

    guard, recutter = _streamval_cut
    return guard.scripts.recording_scripts(as_script if recutter is None else recutter.script)


@pytest.fixture
@_guarded
def virtual_clock(request: pytest.FixtureRequest) -> Iterator[VirtualClock]:
    """Run the test in virtual time: sleeps, timeouts and timestamps skip the time in which nothing happens."""
    from pytest_streamval.plugin.clock import clock_of_test

    with clock_of_test(request.node, live_marker_names(request.config)) as clock:
        _before_each_example(request, clock.restart)
        yield clock


@pytest.fixture
def live_backend(request: pytest.FixtureRequest) -> LiveBackend:
    """The live backend that `--streamval-backend` names, for tests marked ollama or e2e."""
    if not request.config.getoption("--streamval-live"):
        from pytest_streamval.plugin.live_markers import HOW_TO_RUN
        from pytest_streamval.plugin.stream_summary import add_summary

        add_summary(request.config)
        pytest.skip(f"needs a live model: {HOW_TO_RUN}")
    from pytest_streamval.plugin.live import LIVE_RUN

    return request.config.stash[LIVE_RUN].backend_of(request.node)


@pytest.fixture
@_guarded
def stream_cassette(request: pytest.FixtureRequest, _streamval_cut: _StreamsOfTest) -> Iterator[StreamCassette]:
    """Record the answers of a real model, and replay them: `stream_cassette(LiveBackend("openai:gpt-4.1"))`."""
    from pytest_streamval.plugin.cassettes import stream_cassette_of

    guard, recutter = _streamval_cut
    yield from stream_cassette_of(request, guard, None if recutter is None else recutter.byte_cut)


@pytest.fixture
@_guarded
def provider_server(request: pytest.FixtureRequest, _streamval_cut: _StreamsOfTest) -> Iterator[ProviderServerFactory]:
    """Serve scripts over HTTP on loopback: `provider_server("Some text.").openai_url` is an address for any client."""
    from pytest_streamval.plugin.server import provider_servers

    yield from provider_servers(request, *_streamval_cut)


@pytest.fixture
@_guarded
def app_client(request: pytest.FixtureRequest, _streamval_cut: _StreamsOfTest) -> Iterator[AppClientFactory]:
    """Make clients of ASGI applications: `app_client(app)` sends requests in the event loop of the test."""
    from pytest_streamval.plugin.app import app_clients

    guard, recutter = _streamval_cut
    yield from app_clients(request.node, recutter, checks_leaks=guard.test.leaks)


@pytest.fixture
@_guarded
def runs(request: pytest.FixtureRequest) -> Iterator[list[RunView]]:
    """All runs that the test brings about, in the order in which they start: `assert runs[0].outcome == "stopped"`."""
    from pytest_streamval.transcripts.started_runs import started_runs

    with started_runs() as started:
        _before_each_example(request, started.clear)
        yield started


@pytest.fixture
@_guarded
def event_snapshot(request: pytest.FixtureRequest) -> EventSnapshot:
    """Compare the events of a run with a snapshot, which syrupy keeps: `assert transcript == event_snapshot`."""
    try:
        from pytest_streamval.plugin.snapshot import event_snapshot_of
    except ModuleNotFoundError as error:
        _reraise_unless_missing("syrupy", error)
        from pytest_streamval.errors import missing_plugin_error

        raise missing_plugin_error("event_snapshot", "syrupy", "'syrupy>=7'") from error
    snapshot = event_snapshot_of(request)
    _before_each_example(request, snapshot.begin_example)
    return snapshot


@pytest.fixture
@_guarded
def captured_telemetry(request: pytest.FixtureRequest) -> Iterator[CapturedTelemetry]:
    """Capture the spans and measurements of the test, in memory: `captured_telemetry.span().attributes`."""
    try:
        from pytest_streamval.engine.telemetry.capture import capturing
    except ModuleNotFoundError as error:
        _reraise_unless_missing("opentelemetry", error)
        from pytest_streamval.errors import missing_extra_error

        raise missing_extra_error("Spans and measurements of a test", "opentelemetry-sdk", "otel") from error
    with capturing() as captured:
        _before_each_example(request, captured.clear)
        yield captured


def _reraise_unless_missing(package: str, error: ModuleNotFoundError) -> None:
    """Raise the error again if the missing module is part of another package."""
    if error.name is None or error.name.partition(".")[0] != package:
        raise error
