"""Fixtures of this project's tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Script

if TYPE_CHECKING:
    from collections.abc import Callable

STREAMS = Path(__file__).parent / "streams"


@pytest.fixture(params=["openai", "anthropic"])
def recorded(request: pytest.FixtureRequest) -> Callable[[str], Script]:
    """Return the recorded streams of a real model by their names, in each protocol."""

    def load(name: str) -> Script:
        return Script.from_cassette(STREAMS / f"{request.param}-{name}.jsonl")

    return load
