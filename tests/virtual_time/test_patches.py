"""Patches of a virtual clock, and their removal."""

import asyncio
import concurrent.futures
import datetime as dt
import pickle
import sys
import time
from types import ModuleType, SimpleNamespace

import freezegun
import pytest
import time_machine

from pytest_streamval.virtual_time import VirtualClock
from tests.virtual_time.shared import (
    START,
    module,
    real,
)


def state():
    return (
        {name: vars(time)[name] for name in vars(time)},
        dict(vars(dt.datetime)),
        dict(vars(dt.date)),
        vars(asyncio.events)["_set_running_loop"],
        vars(asyncio.futures)["_chain_future"],
        dict(vars(freezegun.api._freeze_time)),
        dict(vars(freezegun.api.FakeDatetime)),
        vars(time_machine.travel)["start"],
        vars(time_machine.travel)["stop"],
    )


def test_a_clock_restores_everything_that_it_patches():
    before = state()
    with VirtualClock() as clock:
        assert all(old != new for old, new in zip(before, state(), strict=True))
        clock.run(asyncio.sleep(1))
    assert state() == before


def test_a_clock_restores_the_time_of_a_loop_that_continues():
    async def schedule():
        loop, fired = asyncio.get_running_loop(), []
        return fired, loop.call_later(50, fired.append, "old"), loop.call_later(1e6, fired.append, "never")

    async def sleep(fired):
        await asyncio.sleep(49)
        assert fired == []
        await asyncio.sleep(2)
        assert fired == ["old"]
        return asyncio.get_running_loop().call_later(500, fired.append, "new")

    with asyncio.Runner() as runner:
        fired, _, never = runner.run(schedule())
        loop = runner.get_loop()
        own = set(vars(loop)), set(vars(loop._selector)), loop._clock_resolution
        with VirtualClock():
            new = runner.run(sleep(fired))
        assert (set(vars(loop)), set(vars(loop._selector)), loop._clock_resolution) == own
        assert loop.time() == pytest.approx(time.monotonic(), abs=60)
        assert new.when() - loop.time() == pytest.approx(500, abs=60)
        assert never.when() - loop.time() == pytest.approx(1e6 - 51, abs=60)


def test_a_clock_replaces_the_names_that_a_module_has_imported(monkeypatch):
    names = module("application", "from time import time, sleep as rest\nfrom datetime import datetime", monkeypatch)
    before = dict(vars(names))
    for _ in range(2):
        with VirtualClock():
            assert (names.time(), names.datetime.now(dt.UTC).timestamp()) == (START, START)
            names.rest(5)
            assert names.time() == START + 5
        assert vars(names) == before
    names.rest = print
    with VirtualClock():
        assert names.rest is print
    names.more = time.monotonic
    with VirtualClock():
        assert names.more() == 0
    assert names.more is time.monotonic


def test_a_module_that_is_loaded_on_a_clock_has_the_real_functions_afterwards(monkeypatch):
    with VirtualClock():
        names = module("latecomer", "from time import monotonic, sleep", monkeypatch)
        assert names.monotonic() == 0
    assert (names.monotonic, names.sleep) == (time.monotonic, time.sleep)


def test_a_clock_does_not_load_lazy_modules(monkeypatch):
    class Lazy(ModuleType):
        def __getattribute__(self, name):
            raise AssertionError(name)

    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    monkeypatch.setitem(sys.modules, "no_module", SimpleNamespace(time=time.time))
    with VirtualClock():
        assert sys.modules["no_module"].time is not time.time


def test_a_clock_does_not_patch_modules_that_freezegun_ignores(monkeypatch):
    monkeypatch.setattr(freezegun.config.settings, "default_ignore_list", ["application"])
    names = module("application.jobs", "from time import time", monkeypatch)
    with VirtualClock():
        assert names.time is not time.time


def test_dates_can_be_pickled_on_a_clock(clock):
    then = dt.datetime.now(dt.UTC)
    assert pickle.loads(pickle.dumps(then)) == then  # noqa: S301


def test_dates_on_a_clock_are_of_the_real_classes(clock):
    class Meta(type):
        pass

    class Constrained(dt.date, metaclass=Meta):
        """A class as in pydantic.v1."""

    class Stamp(dt.datetime):
        pass

    assert Constrained.today() == dt.date(2026, 1, 1)
    assert type(Constrained.fromtimestamp(0)) is Constrained
    for made in (Stamp.now(dt.UTC), Stamp.now(), Stamp.fromtimestamp(time.time())):
        assert (type(made), made.timestamp()) == (Stamp, START)
        assert type(made.astimezone()) is Stamp
    assert type(dt.datetime.now(dt.UTC)) is real[4]


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")  # deprecated since Python 3.12
def test_other_threads_have_the_machines_local_time(clock):
    def look():
        then = dt.datetime(2026, 7, 1, 12)  # noqa: DTZ001
        local = (
            then.timestamp(),
            then.astimezone(),
            dt.datetime.fromtimestamp(0),  # noqa: DTZ006
            dt.date.fromtimestamp(0),  # noqa: DTZ012
            dt.date.today(),  # noqa: DTZ011
            dt.datetime.utcnow().date(),  # noqa: DTZ003
        )
        moment = time.localtime(0)
        return (
            *local,
            time.mktime(moment),
            time.strftime("%Y"),
            time.gmtime()[0],
            time.ctime(0),
        )

    with concurrent.futures.ThreadPoolExecutor() as pool:
        inside = pool.submit(look).result()
        clock._undo.close()
        assert look() == inside


def test_a_package_that_freezegun_ignores_has_real_dates(monkeypatch):
    monkeypatch.setattr(freezegun.config.settings, "default_ignore_list", ["app"])
    source = "import datetime as dt\ndef now(): return dt.datetime.now(dt.UTC).timestamp()"
    ignored, other = module("app.jobs", source, monkeypatch), module("apple", source, monkeypatch)
    with VirtualClock("2000-01-01") as clock:
        assert ignored.now() > START
        assert other.now() == clock.now
