"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def streams() -> Path:
    """Return the folder of recorded streams."""
    return Path(__file__).parent / "data" / "streams"
