"""The pytest plugin, in the order in which pytest calls it: options, markers, collection, fixtures, reporting.

Loaded into every run of an environment, so it imports pytest and the standard library's cheap parts alone; what a
fixture needs is imported when a test asks for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_streamval.harness.cuts import Cut
    from pytest_streamval.harness.mock import StreamingMockBackendFactory
    from pytest_streamval.harness.script import ScriptFactory
    from pytest_streamval.harness.snapshot import EventSnapshot

_LIVE_MARKERS = {
    "ollama": "needs a live model served by Ollama",
    "e2e": "needs a live model, on whatever backend was chosen",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; their names begin with `--streamval-`."""
    group = parser.getgroup("streamval", "streamed model output")
    group.addoption(
        "--streamval-live",
        action="store_true",
        help="run the tests marked ollama or e2e, against a live model; without it they are skipped",
    )
    group.addoption(
        "--streamval-fuzz",
        metavar="N",
        type=int,
        default=0,
        help="run every test that takes a stream from this plugin's fixtures again under N other cuts of the text",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and let pytest show the warning of a stream that nobody followed to its end."""
    # first, so that any filter of the user's own takes precedence
    config.getini("filterwarnings").insert(0, "default:<StreamChunkingResult:ResourceWarning")
    for name, need in _LIVE_MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {need}; skipped unless --streamval-live is given")
    config.addinivalue_line(
        "markers",
        "streamval_as_scripted: what is expected depends on where the stream is cut; left out by --streamval-fuzz",
    )
    count = config.getoption("--streamval-fuzz")
    if count < 0:
        msg = f"--streamval-fuzz {count} does not fit: it is how many other cuts each test runs under, 0 or more."
        raise pytest.UsageError(msg)
    if count or any("cut~" in word for word in config.args):  # the id of a variant brings that variant into being
        from pytest_streamval.harness.variants import Variants

        config.pluginmanager.register(Variants(config, count), "streamval-variants")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip live tests in an offline run; deselecting them would make their snapshots look unused."""
    if config.getoption("--streamval-live"):
        return
    for item in items:
        for name, need in _LIVE_MARKERS.items():
            if item.get_closest_marker(name) is not None:
                item.add_marker(pytest.mark.skip(reason=f"{need}: run with --streamval-live"))
                break


@pytest.fixture
def _streamval_cut(request: pytest.FixtureRequest) -> Cut | None:
    """How the streams of this test are cut, None as scripted; parametrised by --streamval-fuzz."""
    cut: Cut | None = getattr(request, "param", None)
    return cut


@pytest.fixture
def streaming_mock_backend(request: pytest.FixtureRequest, _streamval_cut: Cut | None) -> StreamingMockBackendFactory:
    """Make mock backends: `streaming_mock_backend("Some text.", token_size=4)` plays it in place of a model."""
    if _streamval_cut is not None:
        from pytest_streamval.harness.variants import recut_for

        return recut_for(request.node, _streamval_cut).backend
    from pytest_streamval.harness.mock import StreamingMockBackend

    return StreamingMockBackend


@pytest.fixture
def stream_script(request: pytest.FixtureRequest, _streamval_cut: Cut | None) -> ScriptFactory:
    """Make scripts to play: `stream_script("Some text.", token_size=4).play()`, for code that knows no backend."""
    if _streamval_cut is not None:
        from pytest_streamval.harness.variants import recut_for

        return recut_for(request.node, _streamval_cut).script
    from pytest_streamval.harness.script import as_script

    return as_script


@pytest.fixture
def event_snapshot(request: pytest.FixtureRequest) -> EventSnapshot:
    """Compare what happened in a run with what happened when the snapshot was written, by syrupy.

    `assert transcript == event_snapshot`; a result, or events, will do too.
    """
    try:
        from pytest_streamval.harness.snapshot import event_snapshot_of
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "syrupy":
            raise
        from pytest_streamval.errors import MissingPluginError

        raise MissingPluginError("event_snapshot", "syrupy", "'syrupy>=7'") from error
    return event_snapshot_of(request)


def pytest_assertrepr_compare(op: str, left: Any, right: Any) -> list[str] | None:  # noqa: ANN401  # whatever tests compare
    """Show where two transcripts differ first."""
    module = sys.modules.get("pytest_streamval.harness.transcript")  # loaded, if there are any transcripts
    if module is None or op != "==" or not (type(left) is type(right) is module.Transcript):
        return None
    return ["the transcripts differ, + stands on the left and - on the right of ==:", *left.difference(right)]
