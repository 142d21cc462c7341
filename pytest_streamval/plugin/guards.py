"""The part of the plugin that is active where a test uses its fixtures: tells guards when to look."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack
from contextvars import Context
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import LeakError
from pytest_streamval.guards.guard import Guard
from pytest_streamval.guards.tracking import _NOBODY, current, keep_books
from pytest_streamval.guards.unplayed import done_in_vain, idle_scripts

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence
    from types import FrameType


_NAME = "streamval-guards"


def guards_of(config: pytest.Config, fixtures: Collection[str]) -> Guards:
    """Return what guards the tests of a session that use one of some fixtures, from now on."""
    guards: Guards | None = config.pluginmanager.get_plugin(_NAME)
    if guards is None:
        guards = Guards(config, fixtures)
        config.pluginmanager.register(guards, _NAME)
    return guards


class Guards:
    """Guards each test that uses a fixture of this plugin."""

    def __init__(self, config: pytest.Config, fixtures: Collection[str]) -> None:
        self._guarded = frozenset(fixtures)
        self._on = {
            what: (config.getoption(f"streamval_{what}") or config.getini(f"streamval_{what}")) == "on"
            for what in ("leaks", "unplayed")
        }
        self._allowed = tuple(config.getini("streamval_leaks_allow"))
        self._guard: Guard | None = None
        self._item: pytest.Item | None = None  # the one that is guarded
        self._live: dict[pytest.FixtureDef[Any], None] = {}  # the fixtures that are set up, in that order
        undo = ExitStack()
        keep_books(undo)
        config.add_cleanup(undo.close)

    def guard_of(self, item: pytest.Item) -> Guard:
        """Return the guard of the test that runs, which begins now if nobody knew that it would be asked for."""
        if self._guard is None:
            current.set(self._begin(item).test)
        assert self._guard is not None  # noqa: S101  # for the type checker
        return self._guard

    def _begin(self, item: pytest.Item) -> Guard:
        leaks = self._guards(item, "leaks")
        if leaks:  # a leak, which needs no warning; pytest drops the filter with those of the test
            kinds = "StreamChunkingResult|ModelOutputThunk|ProviderServer|Session"
            warnings.filterwarnings("ignore", f"<({kinds}) ", ResourceWarning)
        self._guard, self._item = Guard(self._holders, leaks=leaks, allowed=self._allowed), item
        return self._guard

    def _guards(self, item: pytest.Item, what: str) -> bool:
        """Return whether a test is guarded against leaks, or against what was left unplayed."""
        return self._on[what] and item.get_closest_marker(f"streamval_allow_{what}") is None

    # In the order in which pytest calls them

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin to look before the first fixture."""
        if not self._guarded.isdisjoint(getattr(item, "fixturenames", ())):
            self._begin(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Enter what begins in a fixture of the test, but not what begins in one that others use too."""
        __tracebackhide__ = True
        guard = self._guard
        token = current.set(guard.fixtures if guard is not None and fixturedef.scope == "function" else _NOBODY)
        try:
            value = yield
        finally:
            current.reset(token)
        if guard is None and self._guard is not None:  # this was the fixture that asked for a guard
            current.set(self._guard.test)
        self._live[fixturedef] = None
        return value

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Note that a fixture is gone."""
        self._live.pop(fixturedef, None)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Look as soon as the test is over, next to it: before its fixtures and its event loop are gone."""
        __tracebackhide__ = True
        with ExitStack() as undo:
            guard = self._guard
            token = current.set(_NOBODY if guard is None else guard.test)
            undo.callback(current.reset, token)
            if guard is not None:
                _supervise(item, guard, undo)
            try:
                yield
            except BaseException:
                self._tell(item, "call", self._leaks(test_only=True))
                raise
        found = self._leaks(test_only=True)
        if self._guard is not None:
            ledgers = self._guard.fixtures, self._guard.test
            in_vain = done_in_vain(getattr(item, "function", None), ledgers, self._guard.backends)
            in_vain += idle_scripts(self._guard.scripts, self._guard.taken)
            in_vain += [error for unmet in self._guard.unmet for error in unmet()]
            if in_vain and self._guards(item, "unplayed"):
                found += in_vain
        _fail(found)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Look behind the teardown of the fixtures for what they, or what they held, have left."""
        __tracebackhide__ = True
        try:
            yield
        except BaseException:
            self._tell(item, "teardown", self._leaks())
            raise
        else:
            found = self._leaks()
        finally:
            guard, self._guard, self._item = self._guard, None, None
            if guard is not None:
                guard.close()
                current.set(None)
        _fail(found)

    # What they need

    def _leaks(self, *, test_only: bool = False) -> list[Exception]:
        """Return what was left behind, as the error to show."""
        if self._guard is None:
            return []
        self._guard.look(*([] if test_only else [self._guard.fixtures]), self._guard.test)
        leaks = self._guard.leaks()
        return [LeakError(leaks)] if leaks else []

    def _tell(self, item: pytest.Item, when: str, found: Sequence[Exception]) -> None:
        """Show what was found below the failure that came first."""
        if found:
            item.add_report_section(when, "leaks", _text(found))

    def _holders(self) -> list[object]:
        """Return the fixtures that have a teardown before them, and the finalizers that the test has added itself."""
        ending = _ending()
        fixtures = [fixture for fixture in self._live if fixture is not ending and _can_end(fixture)]
        return [*fixtures, _finalizers(self._item)]


def _fail(found: Sequence[Exception]) -> None:
    if found:
        pytest.fail(_text(found), pytrace=False)


def _text(found: Sequence[Exception]) -> str:
    return "\n\n".join(map(str, found))


def _supervise(item: Any, guard: Guard, undo: ExitStack) -> None:  # noqa: ANN401  # what it has depends on its class
    """Wrap the function of an asynchronous test, and that of a test of Hypothesis, whichever plugin will run it."""
    test = getattr(item, "obj", None)
    context = getattr(getattr(item, "instance", None), "_asyncioTestContext", None)
    if isinstance(context, Context):  # of unittest, which runs its clean-up in the same event loop before it closes it
        context.run(current.set, guard.test)
    elif iscoroutinefunction(test):
        item.obj = guard.supervised(test)
        undo.callback(setattr, item, "obj", test)
    handle = getattr(test, "hypothesis", None)
    if handle is not None:
        inner = handle.inner_test
        # what anyio's plugin has put there for another backend, it takes for its own again
        handle.inner_test = guard.example(getattr(inner, "_anyio_original_func", inner))
        undo.callback(setattr, handle, "inner_test", inner)


def _ending() -> object:
    """Return the fixture in whose teardown this is called, if any."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        owner = frame.f_locals.get("self") if frame.f_code.co_name == "finish" else None
        if isinstance(owner, pytest.FixtureDef):
            return owner
        frame = frame.f_back
    return None


def _finalizers(item: pytest.Item | None) -> list[object]:
    """Return the finalizers of an item that have not run."""
    finalizers, _ = ([], None) if item is None else item.session._setupstate.stack.get(item, ([], None))
    return [each for each in finalizers if getattr(each, "__self__", None) is not item]  # which is its own teardown


def _can_end(fixture: pytest.FixtureDef[Any]) -> bool:
    """Return whether a fixture of the user's has a teardown."""
    function = fixture.func
    if getattr(function, "__module__", None) == "pytest_streamval.plugin":
        return False
    return isgeneratorfunction(function) or isasyncgenfunction(function) or "request" in fixture.argnames
