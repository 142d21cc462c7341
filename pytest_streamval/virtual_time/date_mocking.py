"""Support for freezegun and time-machine beside a clock, in any order of starts and stops.

While freezegun has frozen a date, that date is the clock's, and virtual time moves it. The clock's patches are removed
during each start and stop of freezegun, so that neither of the two restores a function of the other.
"""

from __future__ import annotations

import datetime as dt
import sys
from functools import cache, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import VirtualClockUseError
from pytest_streamval.virtual_time.module_patching import patch_attribute
from pytest_streamval.virtual_time.real_time import CLASSES, EPOCH, FUNCTIONS, MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager, ExitStack


@cache
def _installed(name: str) -> Any:  # noqa: ANN401  # a module or None
    """Import a module before a clock runs, so that it does not take the clock's functions for the real ones."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return None


def _freezegun() -> Any:  # noqa: ANN401  # as above
    return _installed("freezegun.api")


def _time_machine() -> Any:  # noqa: ANN401  # as above
    # an import during a freeze would take freezegun's functions for the real ones
    return sys.modules.get("time_machine") if active_freezes() else _installed("time_machine")


def active_freezes() -> list[Any]:
    """Return freezegun's own list of frozen dates, which freezegun goes on changing. The last one is in force."""
    return [] if (api := _freezegun()) is None else api.freeze_factories


def frozen_offset() -> dt.timedelta:
    """Return the difference between freezegun's local time and UTC."""
    return _freezegun().tz_offsets[-1]  # type: ignore[no-any-return]


def frozen_microseconds(freeze: Any) -> int:  # noqa: ANN401  # of a class of freezegun
    """Return a frozen date in microseconds since the epoch."""
    return int((freeze().replace(tzinfo=dt.UTC) - EPOCH) // MICROSECOND)


def move_freezes(freezes: list[Any], microseconds: int) -> None:
    """Move frozen dates."""
    for freeze in _distinct(freezes):
        freeze.time_to_freeze += dt.timedelta(microseconds=microseconds)


def ignored_packages() -> tuple[str, ...]:
    """Return the packages that freezegun is configured to ignore, each with a dot at the end."""
    api = _freezegun()
    return () if api is None else tuple(f"{name.rstrip('.')}." for name in api.config.settings.default_ignore_list)


def travelled_microseconds() -> int | None:
    """Return the time to which time-machine has travelled, in microseconds since the epoch, or None."""
    module = _time_machine()
    if module is None or not module.escape_hatch.is_travelling():
        return None
    return int(FUNCTIONS["time_ns"]() // 1000)


def watch(suspended: Callable[[], AbstractContextManager[object]], undo: ExitStack) -> None:
    """Suspend the clock's patches while freezegun or time-machine starts or stops.

    Args:
        suspended: Removes the clock's patches inside its context.
        undo: Receives the callbacks that end this.
    """

    def without_patches(method: Callable[[Any], object]) -> Callable[[Any], object]:
        @wraps(method)
        def call(self: object) -> object:
            with suspended():
                return method(self)

        return call

    def refuse(_: object) -> None:
        raise VirtualClockUseError(
            "time-machine was started while a virtual clock is running.",
            "Move the clock with virtual_clock.move_to(instant), or start time-machine before the clock.",
        )

    if (api := _freezegun()) is not None:
        for name in ("start", "stop"):
            patch_attribute(undo, api._freeze_time, name, without_patches(vars(api._freeze_time)[name]))
    if (module := _time_machine()) is not None:
        patch_attribute(undo, module.travel, "start", refuse)
        patch_attribute(undo, module.travel, "stop", without_patches(vars(module.travel)["stop"]))


def patch_freezegun(undo: ExitStack) -> None:
    """Stop freezegun's ticking, and use its local time in its `astimezone`, until the stack is closed."""
    api = _freezegun()
    if api is None:
        return
    patch_attribute(undo, api.FakeDatetime, "astimezone", _frozen_astimezone)
    for freeze in _distinct(api.freeze_factories):
        if isinstance(freeze, api.TickingDateTimeFactory):
            freeze.__class__ = api.FrozenDateTimeFactory
            undo.callback(_resume_ticking, freeze)


def _distinct(freezes: list[Any]) -> list[Any]:
    return list({id(freeze): freeze for freeze in freezes}.values())


def _resume_ticking(freeze: Any) -> None:  # noqa: ANN401  # of a class of freezegun
    freeze.__class__ = _freezegun().TickingDateTimeFactory
    freeze.start = CLASSES.datetime.now()


def _frozen_astimezone(self: Any, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # as above
    return _freezegun().datetime_to_fakedatetime(CLASSES.datetime.astimezone(self, tz))
