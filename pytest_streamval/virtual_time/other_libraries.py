"""freezegun and time-machine beside a clock, in any order of starts and stops.

While freezegun has frozen the wall clock, the wall clock is freezegun's, and virtual time moves it on. Each start and
stop of freezegun happens with the clock taken off, so that none of the two puts back a function of the other.
"""

from __future__ import annotations

import datetime as dt
import sys
from functools import cache, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import VirtualClockUseError
from pytest_streamval.virtual_time.module_patching import swap_attribute
from pytest_streamval.virtual_time.real_time import CLASSES, EPOCH, FUNCTIONS, MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager, ExitStack


@cache
def _installed(name: str) -> Any:  # noqa: ANN401  # a module, None where it is not installed
    """Return a module, loaded before a clock runs, so that it takes none of the clock's functions for real ones."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return None


def _freezegun() -> Any:  # noqa: ANN401  # as above
    return _installed("freezegun.api")


def _time_machine() -> Any:  # noqa: ANN401  # as above
    # nor may it take those of freezegun for real ones
    return sys.modules.get("time_machine") if freezes() else _installed("time_machine")


def freezes() -> list[Any]:
    """Return the dates that freezegun holds, the one in force last; the list is freezegun's own, and follows it."""
    return [] if (api := _freezegun()) is None else api.freeze_factories


def frozen_offset() -> dt.timedelta:
    """Return by how much freezegun's local time is ahead of UTC."""
    return _freezegun().tz_offsets[-1]  # type: ignore[no-any-return]


def moment_of(freeze: Any) -> int:  # noqa: ANN401  # of a class of freezegun
    """Return the date that freezegun holds, in microseconds since the epoch."""
    return int((freeze().replace(tzinfo=dt.UTC) - EPOCH) // MICROSECOND)


def ignored() -> tuple[str, ...]:
    """Return the packages that freezegun was told to leave alone, each with a dot after its name."""
    api = _freezegun()
    return () if api is None else tuple(f"{name.rstrip('.')}." for name in api.config.settings.default_ignore_list)


def travelled() -> int | None:
    """Return the time to which time-machine has travelled, in microseconds since the epoch, None if it has not."""
    module = _time_machine()
    if module is None or not module.escape_hatch.is_travelling():
        return None
    return int(FUNCTIONS["time_ns"]() // 1000)


def watch(lifted: Callable[[], AbstractContextManager[object]], undo: ExitStack) -> None:
    """Take the clock off while one of the others starts or stops, until the stack is closed.

    Args:
        lifted: takes the clock off, and puts it on again.
        undo: gets what ends this.
    """

    def without_clock(method: Callable[[Any], object]) -> Callable[[Any], object]:
        @wraps(method)
        def call(self: object) -> object:
            with lifted():
                return method(self)

        return call

    def refuse(_: object) -> None:
        raise VirtualClockUseError(
            "time-machine was started while a virtual clock is running.",
            "Move the clock with virtual_clock.move_to(instant), or let the travel begin before the clock.",
        )

    if (api := _freezegun()) is not None:
        for name in ("start", "stop"):
            swap_attribute(undo, api._freeze_time, name, without_clock(vars(api._freeze_time)[name]))
    if (module := _time_machine()) is not None:
        swap_attribute(undo, module.travel, "start", refuse)
        swap_attribute(undo, module.travel, "stop", without_clock(vars(module.travel)["stop"]))


def on_top(undo: ExitStack) -> None:
    """Let the dates that freezegun has frozen stand still in real time, and have the clock's time zone."""
    api = _freezegun()
    if api is None:
        return
    swap_attribute(undo, api.FakeDatetime, "astimezone", _frozen_astimezone)
    for freeze in _each(api.freeze_factories):
        if isinstance(freeze, api.TickingDateTimeFactory):
            freeze.__class__ = api.FrozenDateTimeFactory
            undo.callback(_tick_again, freeze)


def move(freezes: list[Any], microseconds: int) -> None:
    """Move the dates that freezegun holds."""
    for freeze in _each(freezes):
        freeze.time_to_freeze += dt.timedelta(microseconds=microseconds)


def _each(freezes: list[Any]) -> list[Any]:
    return list({id(freeze): freeze for freeze in freezes}.values())


def _tick_again(freeze: Any) -> None:  # noqa: ANN401  # of a class of freezegun
    freeze.__class__ = _freezegun().TickingDateTimeFactory
    freeze.start = CLASSES.datetime.now()


def _frozen_astimezone(self: Any, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # as above
    """Return what freezegun's `astimezone` does, in the time zone in which freezegun says the time."""
    return _freezegun().datetime_to_fakedatetime(CLASSES.datetime.astimezone(self, tz))
