"""The reports of guards, the reachability of objects, and unplayed scripts."""

import asyncio
import threading

import pytest

from pytest_streamval import (
    ScriptExhaustedError,
    StreamingMockBackend,
)
from pytest_streamval.errors import leak_error
from pytest_streamval.guards import reachability
from pytest_streamval.guards.reachability import find_reachable
from pytest_streamval.guards.source_locations import SourceLocation, location_of, location_of_thread
from pytest_streamval.guards.unplayed import PreparedScripts


async def forever():
    await asyncio.Event().wait()


# Reports


def test_a_leak_error_shows_ten_leaks_and_the_number_of_the_others():
    text = str(leak_error([(f"thing {number}", "there", "Stop it.") for number in range(12)]))
    assert "thing 9" in text
    assert "thing 10" not in text
    assert "\n  and 2 more\n" in text


def test_a_location_is_a_line_of_user_code_if_there_is_one():
    coroutine = forever()
    assert location_of(coroutine).endswith("in forever: async def forever():")
    coroutine.close()
    assert location_of(coroutine) == location_of(object()) == "at an unknown line"
    sleep = asyncio.sleep(1)
    assert location_of(sleep).endswith(" in sleep")
    sleep.close()


def test_a_thread_that_does_not_run_has_an_unknown_location():
    assert location_of_thread(threading.Thread()) == "at an unknown line"


def test_a_source_location_outside_the_working_directory_has_its_full_path(monkeypatch, tmp_path):
    code = forever.__code__
    assert str(SourceLocation(code, 7)).startswith("tests/guards/test_reports.py:7 in ")
    monkeypatch.chdir(tmp_path)
    assert str(SourceLocation(code, 7)) == f"{__file__}:7 in forever"


def test_code_without_a_user_among_its_callers_has_no_source_location():
    assert SourceLocation.of_caller(None) is None


# Reachability


class Holder:
    """Refers to an object."""

    def __init__(self, held):
        self.held = held


def closure(thing):
    return lambda: thing


def generator(thing):
    yield
    del thing


@pytest.mark.parametrize(
    ("make_root", "is_reachable"),
    [
        (lambda thing: [{"in": (thing,)}], True),
        (lambda thing: [Holder([thing])], True),
        (lambda thing: [closure(thing)], True),
        (lambda thing: [generator(thing)], True),
        (lambda thing: [type("Class", (), {"held": thing})], False),
        (lambda _: [Holder([])], False),
    ],
    ids=["containers", "an instance", "a closure", "a generator", "a class", "nothing"],
)
def test_an_object_is_reachable_through_references(make_root, is_reachable):
    thing = Holder(None)
    assert find_reachable([thing], [make_root(thing)]) == ({id(thing)} if is_reachable else set())


def test_the_search_for_reachable_objects_has_a_limit(monkeypatch):
    thing = Holder(None)
    chain = thing
    for _ in range(100):
        chain = [chain]
    assert find_reachable([thing], [chain]) == {id(thing)}
    monkeypatch.setattr(reachability, "_LIMIT", 50)
    assert find_reachable([thing], [chain]) == set()


# Unplayed scripts


def test_a_swallowed_error_without_a_traceback_has_no_location():
    backend = StreamingMockBackend()
    backend.refused.append(ScriptExhaustedError(1, 0, "a caller", []))
    prepared = PreparedScripts(())
    prepared.backends.append(backend)
    (found,) = prepared.errors(None)
    assert "it ended nowhere." in str(found)
