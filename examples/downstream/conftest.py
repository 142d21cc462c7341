"""The fixtures of this project, around those of the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from pytest_streamval import assert_stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_streamval import Council, Script, StreamingMockBackend
    from pytest_streamval.typing import CouncilFactory, StreamingMockBackendFactory

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def model(streaming_mock_backend: StreamingMockBackendFactory) -> Iterator[Callable[..., StreamingMockBackend]]:
    """Return a function that makes the model of a test. At its end, no producer may still run."""
    made: list[StreamingMockBackend] = []

    def make(script: Script | str) -> StreamingMockBackend:
        made.append(streaming_mock_backend(script, token_size=4))
        return made[-1]

    yield make
    for backend in made:
        assert_stopped(backend)


@pytest.fixture
def panel(council: CouncilFactory) -> Callable[..., Council]:
    """Return a function that makes a council of two, with a judge."""

    def make(*answers: str, judge: str) -> Council:
        return council(dict(zip(("optimist", "pessimist"), answers, strict=True)), synthesizer=judge, token_size=4)

    return make
