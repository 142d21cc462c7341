"""The guards of a session: for each test that uses a fixture of this plugin, they check it at its end."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack
from contextvars import Context
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import leak_error
from pytest_streamval.guards.guard import Guard
from pytest_streamval.guards.tracking import UNTRACKED, current, install

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence
    from types import FrameType


_NAME = "streamval-guards"


def guards_of(config: pytest.Config, fixtures: Collection[str]) -> Guards:
    """Return the plugin that guards the tests of a session. Register it at the first call.

    Args:
        config: The configuration of the session.
        fixtures: The names of the fixtures whose tests are guarded.
    """
    guards: Guards | None = config.pluginmanager.get_plugin(_NAME)
    if guards is None:
        guards = Guards(config, fixtures)
        config.pluginmanager.register(guards, _NAME)
    return guards


class Guards:
    """Guards each test that uses a fixture of this plugin."""

    def __init__(self, config: pytest.Config, fixtures: Collection[str]) -> None:
        self._guarded = frozenset(fixtures)
        self._enabled = {
            kind: (config.getoption(f"streamval_{kind}") or config.getini(f"streamval_{kind}")) == "on"
            for kind in ("leaks", "unplayed")
        }
        self._allowed = tuple(config.getini("streamval_leaks_allow"))
        self._guard: Guard | None = None
        self._item: pytest.Item | None = None  # the guarded test
        self._live: dict[pytest.FixtureDef[Any], None] = {}  # the fixtures that are set up, in that order
        undo = ExitStack()
        install(undo)
        config.add_cleanup(undo.close)

    def guard_of(self, item: pytest.Item) -> Guard:
        """Return the guard of the running test. Create it if the test requests the fixture dynamically."""
        if self._guard is None:
            current.set(self._begin(item).test)
        assert self._guard is not None  # noqa: S101  # for the type checker
        return self._guard

    def _begin(self, item: pytest.Item) -> Guard:
        leaks = self._is_enabled(item, "leaks")
        if leaks:  # a leak needs no warning as well; pytest removes the filter with those of the test
            kinds = "StreamChunkingResult|ModelOutputThunk|ProviderServer|Session"
            warnings.filterwarnings("ignore", f"<({kinds}) ", ResourceWarning)
        self._guard, self._item = Guard(self._holders, leaks=leaks, allowed=self._allowed), item
        return self._guard

    def _is_enabled(self, item: pytest.Item, kind: str) -> bool:
        return self._enabled[kind] and item.get_closest_marker(f"streamval_allow_{kind}") is None

    # The hooks, in the order in which pytest calls them

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Create the guard before the first fixture."""
        if not self._guarded.isdisjoint(getattr(item, "fixturenames", ())):
            self._begin(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Track the objects of a fixture of the test. Those of a fixture with a wider scope belong to no test."""
        __tracebackhide__ = True
        guard = self._guard
        token = current.set(guard.fixtures if guard is not None and fixturedef.scope == "function" else UNTRACKED)
        try:
            value = yield
        finally:
            current.reset(token)
        if guard is None and self._guard is not None:  # this fixture has created the guard
            current.set(self._guard.test)
        self._live[fixturedef] = None
        return value

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Forget a fixture after its teardown."""
        self._live.pop(fixturedef, None)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Check a test directly after its function, while its fixtures and its event loop still exist."""
        __tracebackhide__ = True
        with ExitStack() as undo:
            guard = self._guard
            undo.callback(current.reset, current.set(UNTRACKED if guard is None else guard.test))
            if guard is not None:
                _track_function(item, guard, undo)
            try:
                yield
            except BaseException:
                _add_section(item, "call", self._find_leaks(test_only=True))
                raise
        found = self._find_leaks(test_only=True)
        if self._guard is not None:  # the test may have requested the fixture
            unmet = self._guard.scripts.errors(getattr(item, "function", None))
            unmet += [error for check in self._guard.final_checks for error in check()]
            if unmet and self._is_enabled(item, "unplayed"):
                found += unmet
        _fail(found)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Check a test again after the teardown of its fixtures."""
        __tracebackhide__ = True
        try:
            yield
        except BaseException:
            _add_section(item, "teardown", self._find_leaks())
            raise
        else:
            found = self._find_leaks()
        finally:
            guard, self._guard, self._item = self._guard, None, None
            if guard is not None:
                guard.close()
                current.set(None)
        _fail(found)

    def _find_leaks(self, *, test_only: bool = False) -> list[Exception]:
        """Return the leaks in one error, if there are any."""
        if self._guard is None:
            return []
        self._guard.check(*([] if test_only else [self._guard.fixtures]), self._guard.test)
        leaks = self._guard.take_leaks()
        return [leak_error(leaks)] if leaks else []

    def _holders(self) -> list[object]:
        """Return the fixtures that still have a teardown, and the finalizers of the test itself."""
        ending = _fixture_in_teardown()
        fixtures = [fixture for fixture in self._live if fixture is not ending and has_teardown(fixture)]
        return [*fixtures, finalizers_of(self._item)]


def _add_section(item: pytest.Item, when: str, found: Sequence[Exception]) -> None:
    """Add leaks to the report of a test that has failed for another reason."""
    if found:
        item.add_report_section(when, "leaks", _text(found))


def _fail(found: Sequence[Exception]) -> None:
    if found:
        pytest.fail(_text(found), pytrace=False)


def _text(found: Sequence[Exception]) -> str:
    return "\n\n".join(map(str, found))


def _track_function(item: Any, guard: Guard, undo: ExitStack) -> None:  # noqa: ANN401  # its attributes depend on its class
    """Wrap the function of an async test and that of a Hypothesis test, for every plugin that may run it."""
    test = getattr(item, "obj", None)
    context = getattr(getattr(item, "instance", None), "_asyncioTestContext", None)
    if isinstance(context, Context):  # of unittest, which cleans up in the same event loop
        context.run(current.set, guard.test)
    elif iscoroutinefunction(test):
        item.obj = guard.tracking_test(test)
        undo.callback(setattr, item, "obj", test)
    handle = getattr(test, "hypothesis", None)
    if handle is not None:
        inner = handle.inner_test
        # anyio's plugin replaces its own wrapper of the inner test, so the wrapper is skipped here
        handle.inner_test = guard.tracking_example(getattr(inner, "_anyio_original_func", inner))
        undo.callback(setattr, handle, "inner_test", inner)


def _fixture_in_teardown() -> object:
    """Return the fixture whose teardown is among the callers, if there is one."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        owner = frame.f_locals.get("self") if frame.f_code.co_name == "finish" else None
        if isinstance(owner, pytest.FixtureDef):
            return owner
        frame = frame.f_back
    return None


def finalizers_of(item: pytest.Item | None) -> list[object]:
    """Return the finalizers that a test has added itself and that have not run."""
    finalizers, _ = ([], None) if item is None else item.session._setupstate.stack.get(item, ([], None))
    return [each for each in finalizers if getattr(each, "__self__", None) is not item]  # without its own teardown


def has_teardown(fixture: pytest.FixtureDef[Any]) -> bool:
    """Return whether a fixture is the user's and may have a teardown."""
    function = fixture.func
    if str(getattr(function, "__module__", None)).startswith("pytest_streamval."):
        return False
    return isgeneratorfunction(function) or isasyncgenfunction(function) or "request" in fixture.argnames
