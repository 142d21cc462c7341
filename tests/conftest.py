"""What all tests share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval import CapturedTelemetry

# These need the official clients, which `tox -e sdks` installs and runs them with.
collect_ignore = ["sdks"]


@pytest.fixture(scope="session")
def streams() -> Path:
    """Return the folder of recorded streams."""
    return Path(__file__).parent / "data" / "streams"


@pytest.fixture
def captured() -> Iterator[CapturedTelemetry]:
    """Capture telemetry, unguarded: the fixture of the plugin would have the whole session guarded."""
    from pytest_streamval.harness.telemetry import capturing

    with capturing() as captured:
        yield captured
