"""The counts of a fuzzing run: each variant counts once, and tests that cannot be fuzzed are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import plugin_lines, run

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:randomly\n"


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)


SUBTESTS = """
def test_words(stream_script, subtests):
    for number, text in enumerate(["One two", "Three four"]):
        with subtests.test(number=number):
            pieces = list(stream_script(text, token_size=100).play_sync())
            assert len(pieces) == FEW
"""


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_a_variant_with_subtests_counts_once(pytester: pytest.Pytester, options: Sequence[str]) -> None:
    pytester.makepyfile(test_it=SUBTESTS.replace("== FEW", "> 0"))
    assert "3 variants of 1 test ran, 0 failed" in plugin_lines(run(pytester, "--streamval-fuzz", "3", *options))


def test_a_variant_with_failing_subtests_fails_once_and_is_kept(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUBTESTS.replace("FEW", "1"))
    assert "3 variants of 1 test ran, 2 failed" in plugin_lines(run(pytester, "--streamval-fuzz", "3"))
    assert plugin_lines(run(pytester, "--streamval-fuzz", "1"))[-1] == (
        "1 that had failed before came first, 0 of them pass now"
    )


def test_the_progress_of_a_run_counts_a_variant_with_subtests_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUBTESTS.replace("== FEW", "> 0"))
    lines = plugin_lines(run(pytester, "--streamval-fuzz", "200"))
    counts = [line for line in lines if " of 200 variants" in line]
    assert counts == [f"{count} of 200 variants, 0 failed" for count in range(20, 201, 20)]


CRASHES = """
import os

def test_crash(streaming_mock_backend):
    steps = streaming_mock_backend("One.", token_size=100).scripts[0].steps
    if steps == ("One", "."):
        os._exit(7)

def test_other(stream_script):
    assert list(stream_script("One.").play_sync())
"""


def test_a_variant_whose_worker_crashed_counts_and_is_kept(pytester: pytest.Pytester) -> None:
    pytester.makeini(f"{INI}streamval_unplayed = off\n")
    pytester.makepyfile(test_it=CRASHES)
    result = run(pytester, "--streamval-fuzz", "4", "-n", "1", "-o", "faulthandler_timeout=60")
    assert "8 variants of 2 tests ran, 1 failed" in plugin_lines(result)
    result.stdout.fnmatch_lines(["Again:  pytest 'test_it.py::test_crash[[]cut-4]'"])
    again = run(pytester, "--streamval-fuzz", "1", "--collect-only", "-q")
    assert again.outlines[:2] == ["test_it.py::test_crash", "test_it.py::test_crash[cut-4]"]


PHASES = """
import pytest

@pytest.fixture
def count(stream_script):
    pieces = list(stream_script("One.", token_size=100).play_sync())
    if "{}" == "setup":
        assert len(pieces) == 1
    yield
    assert len(pieces) == 1

def test_it(count):
    pass
"""


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_a_variant_that_fails_in_a_fixture_counts_and_is_kept(pytester: pytest.Pytester, phase: str) -> None:
    path = pytester.makepyfile(test_it=PHASES.format(phase))
    result = run(pytester, "--streamval-fuzz", "2")
    result.assert_outcomes(passed=2 if phase == "setup" else 3, errors=1)
    assert "2 variants of 1 test ran, 1 failed" in plugin_lines(result)
    result.stdout.fnmatch_lines(
        ["Fails when it is cut here: 'O|·ne.'", "Passes as scripted. Fails under 1 of 2 other cuts (2), *"]
    )
    path.write_text(PHASES.replace("== 1", "> 0"), encoding="utf-8")
    again = plugin_lines(run(pytester, "--streamval-fuzz", "1"))
    assert again == [
        "1 variant of 1 test ran, 0 failed",
        "cut: text in 1 test",
        "0 of 1 test depends on the cut",
        "1 that had failed before came first, 1 of them pass now",
    ]


def test_a_variant_that_is_skipped_is_not_forgotten(pytester: pytest.Pytester) -> None:
    source = "def test_it(stream_script):\n    steps = stream_script('One.').steps\n    assert len(steps) == 4\n"
    path = pytester.makepyfile(test_it=source)
    pytester.makeini(f"{INI}streamval_unplayed = off\n")
    run(pytester, "--streamval-fuzz", "1")
    path.write_text(source.replace("assert len(steps) == 4", "import pytest; pytest.skip('no')"))
    lines = plugin_lines(run(pytester, "--streamval-fuzz", "1"))
    assert "1 that had failed before came first, 0 of them pass now" in lines


def test_collect_only_counts_the_collected_variants(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUBTESTS)
    for options in ((), ("-n", "1")):
        lines = plugin_lines(run(pytester, "--streamval-fuzz", "3", "--collect-only", *options))
        assert lines == ["3 variants of 1 test collected"]


def test_a_run_without_streams_reports_that_nothing_was_fuzzed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it():\n    pass\n")
    (line,) = plugin_lines(run(pytester, "--streamval-fuzz", "3"))
    assert line.startswith("nothing was fuzzed: no variant ran. A test has variants if it takes its stream from")


OUT_OF_REACH = {
    "unittest": """
import unittest
import pytest

class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def scripts(self, stream_script):
        self.script = stream_script

    def test_it(self):
        assert list(self.script("One.").play_sync())
""",
    "getfixturevalue": """
def test_it(request):
    assert list(request.getfixturevalue("stream_script")("One.").play_sync())
""",
    "doctest": '''
def double():
    """
    >>> "".join(getfixture("stream_script")("One.").play_sync())
    'One.'
    """
''',
    "bdd": """
from pytest_bdd import given, scenario, then

@scenario("it.feature", "A stream")
def test_it():
    pass

@given("a stream", target_fixture="pieces")
def pieces(stream_script):
    return list(stream_script("One.").play_sync())

@then("it is read")
def read(pieces):
    assert pieces
""",
}


@pytest.mark.parametrize("options", [(), ("-n", "1", "-p", "pytest_bdd.plugin")], ids=["one process", "a worker"])
def test_tests_that_cannot_be_fuzzed_are_named(pytester: pytest.Pytester, options: Sequence[str]) -> None:
    pytester.makepyfile(**{f"test_{kind}": source for kind, source in OUT_OF_REACH.items()})
    pytester.makefile(".feature", it="Feature: It\n  Scenario: A stream\n    Given a stream\n    Then it is read\n")
    reached = "def test_reached(stream_script):\n    assert list(stream_script('One.').play_sync())\n"
    marked = (
        "import pytest\n\n@pytest.mark.streamval_as_scripted\n"
        "def test_marked(request):\n    assert list(request.getfixturevalue('stream_script')('1').play_sync())\n"
    )
    pytester.makepyfile(test_reached=reached, test_marked=marked)
    result = run(pytester, "--streamval-fuzz", "2", "--doctest-modules", *options)
    result.assert_outcomes(passed=8)
    lines = plugin_lines(result)
    assert "2 variants of 1 test ran, 0 failed" in lines
    (line,) = [line for line in lines if "could not be fuzzed" in line]
    names = [
        "test_bdd.py::test_it",
        "test_doctest.py::test_doctest.double",
        "test_getfixturevalue.py::test_it",
        "test_unittest.py::TestIt::test_it",
    ]
    assert line.startswith(f"4 tests could not be fuzzed: {', '.join(names)}. Only a")
    assert "pytest-bdd, a doctest, a unittest.TestCase and request.getfixturevalue()" in line


def test_many_tests_that_cannot_be_fuzzed_are_counted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.parametrize('number', range(7))\n"
        "def test_it(request, number):\n    assert list(request.getfixturevalue('stream_script')('1').play_sync())\n"
    )
    line = plugin_lines(run(pytester, "--streamval-fuzz", "2"))[-1]
    assert line.startswith("7 tests could not be fuzzed: ")
    assert "[4] and 2 more. Only a test function that has its fixtures as arguments" in line
