"""Libraries that a run of pytest inside a test has loaded: they stay loaded after it."""

from __future__ import annotations

import sys
from functools import partialmethod
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType


class _Libraries:
    """A plugin of an inner run that stores the installed modules that are loaded at its end."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleType] = {}

    def pytest_unconfigure(self) -> None:
        for name, found in list(sys.modules.items()):
            if "site-packages" in (getattr(found, "__file__", None) or ""):
                self.modules[name] = found


def _run_and_keep_libraries(
    pytester: pytest.Pytester,
    inline_run: Any,  # the method of pytester
    *args: object,
    plugins: tuple[object, ...] = (),
    **options: object,
) -> pytest.HookRecorder:
    """Run pytest, and keep the libraries that it has loaded, because a second copy of one breaks its users."""
    libraries = _Libraries()
    try:
        return inline_run(pytester, *args, plugins=[*plugins, libraries], **options)
    finally:
        sys.modules.update({name: each for name, each in libraries.modules.items() if name not in sys.modules})


def keep_libraries() -> None:
    """Change pytester, which removes the modules that a run has loaded: a second copy of a library breaks its users."""
    pytest.Pytester.inline_run = partialmethod(_run_and_keep_libraries, pytest.Pytester.inline_run)
