"""The tracebacks of failures, without the frames of this package unless its code is wrong."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from pytest_streamval.plugin.tracebacks import shorten_tracebacks
from tests.plugin.runs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

pytest_plugins = ["pytester"]

FAILS = """
import asyncio
import pytest
from pytest_streamval import Raise, Script, SimpleContext, StreamingMockBackend, start_session

@pytest.fixture
def wrong(stream_script):
    return stream_script(3)

def test_fixture(wrong):
    pass

def test_step():
    Script.of("One.", 5)

def test_backend(council):
    council(3)

def test_session():
    start_session(3)

async def refuse():
    await StreamingMockBackend().generate_from_context("Hi", SimpleContext())

def test_call_too_many():
    asyncio.run(refuse())

def test_scripted_error():
    "".join(Script.of("One.", Raise(KeyError("mine"))).play_sync())

def test_cause():
    try:
        Script.of("One.", 5)
    except ValueError as error:
        raise RuntimeError("of mine") from error
"""


def test_a_traceback_has_no_frames_of_this_package(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(test_it=FAILS)
    result = run(pytester, "--tb=short", "-rN")
    result.assert_outcomes(failed=6, errors=1)
    result.stdout.no_fnmatch_line("*pytest_streamval/*.py:*")
    result.stdout.fnmatch_lines(["test_it.py:*: in wrong"])
    full = run(pytester, "--full-trace", "-k", "test_step")
    full.stdout.fnmatch_lines(["*pytest_streamval/scripting/script.py:*"])


def test_the_traceback_of_an_error_in_this_package_has_its_frames(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(
        """
        import pytest_streamval.scripting.script as module
        from pytest_streamval import Delta, Script

        def test_it(monkeypatch):
            monkeypatch.setattr(module, "_KINDS", None)
            Script.of(Delta("One."))
        """
    )
    result = run(pytester, "--tb=short")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*pytest_streamval/scripting/script.py:*: in __post_init__", "E   AttributeError: *"])


def test_tracebacks_are_shortened_while_modules_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Modules(dict[str, ModuleType]):
        def items(self) -> Iterator[tuple[str, ModuleType]]:  # type: ignore[override]
            for name in self:
                self[f"{name} in another thread"] = ModuleType("m")
                yield name, self[name]

    module = ModuleType("pytest_streamval.m")
    with monkeypatch.context() as patch:
        patch.setattr("sys.modules", Modules({module.__name__: module}))
        shorten_tracebacks()
    assert "__tracebackhide__" in vars(module)
