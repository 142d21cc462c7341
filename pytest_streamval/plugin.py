"""The pytest plugin, in the order in which pytest calls it: options, markers, collection, fixtures.

Loaded into every run of an environment, so it imports pytest and the standard library's cheap parts alone; what a
fixture needs is imported when a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_streamval.harness.mock import StreamingMockBackendFactory

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


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and let pytest show the warning of a stream that nobody followed to its end."""
    # first, so that any filter of the user's own takes precedence
    config.getini("filterwarnings").insert(0, "default:<StreamChunkingResult:ResourceWarning")
    for name, need in _LIVE_MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {need}; skipped unless --streamval-live is given")


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
def streaming_mock_backend() -> StreamingMockBackendFactory:
    """Make mock backends: `streaming_mock_backend("Some text.", token_size=4)` plays it in place of a model."""
    from pytest_streamval.harness.mock import StreamingMockBackend

    return StreamingMockBackend
