"""Reports about generations to OpenTelemetry, if the program has imported that."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_streamval.engine.output import GenerationReport
    from pytest_streamval.engine.thunk import ModelOutputThunk

logger = logging.getLogger("pytest_streamval")


def report_of(output: ModelOutputThunk) -> GenerationReport | None:
    """Return the report about a generation that begins, or None if no provider of telemetry is set."""
    if "opentelemetry" not in sys.modules:
        return None
    from pytest_streamval.engine.telemetry.generations import observe_generation

    try:
        return observe_generation(output)
    except Exception:
        logger.exception("The span of a generation could not be opened; the generation goes on without it.")
        return None
