"""Libraries that a run of pytest inside a test has loaded: they stay loaded after it."""

from __future__ import annotations

import sys

from _pytest.pytester import SysModulesSnapshot

_restore = SysModulesSnapshot.restore


def _restore_without_libraries(snapshot: SysModulesSnapshot) -> None:
    """Restore the modules of a snapshot, and keep installed modules that were loaded since."""
    loaded = {
        name: found
        for name, found in sys.modules.items()
        if "site-packages" in (getattr(found, "__file__", None) or "")
    }
    _restore(snapshot)
    for name, found in loaded.items():
        sys.modules.setdefault(name, found)


def keep_libraries() -> None:
    """Change pytester, which removes the modules that a run has loaded: a second copy of a library breaks its users."""
    SysModulesSnapshot.restore = _restore_without_libraries
