"""The frameworks of a run: those that the variable `FRAMEWORKS` names."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.frameworks.driver import Driver

_QUIET = {
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LOGFIRE_SEND_TO_LOGFIRE": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
}
"""Variables that turn off the telemetry of frameworks, and their requests to other hosts."""


def drivers() -> list[Driver]:
    """Return the drivers of the frameworks of this run. It fails if one of them is not installed."""
    os.environ.update(_QUIET)
    names = os.environ.get("FRAMEWORKS", "").split()
    if not names:
        message = (
            "FRAMEWORKS is empty. It must name modules of tests/frameworks/drivers, as the environments of tox do."
        )
        raise RuntimeError(message)
    return [driver for name in names for driver in import_module(f"tests.frameworks.drivers.{name}").DRIVERS]


@contextmanager
def running(chosen: list[Driver]) -> Iterator[None]:
    """Start the processes of frameworks, and end them at the end of the context."""
    with ExitStack() as stack:
        for driver in chosen:
            stack.callback(driver.close)
            driver.start()
        yield
