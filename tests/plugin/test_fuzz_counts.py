"""The counts of a fuzzing run: each variant is one, however it runs and fails, and tests without variants are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pytest_streamval.plugin.variants  # noqa: F401  # before a run in this process, which forgets what it loads

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:randomly\n"


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)


def said(result: pytest.RunResult) -> list[str]:
    """Return the lines of the plugin, without the one in the header."""
    return [line.removeprefix("streamval: ") for line in result.outlines if line.startswith("streamval: ")][1:]


SUBTESTS = """
def test_words(stream_script, subtests):
    for number, text in enumerate(["One two", "Three four"]):
        with subtests.test(number=number):
            pieces = list(stream_script(text, token_size=100).play_sync())
            assert len(pieces) == FEW
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "spread"])
def test_a_variant_with_subtests_counts_once(pytester: pytest.Pytester, options: Sequence[str]) -> None:
    pytester.makepyfile(test_it=SUBTESTS.replace("== FEW", "> 0"))
    run = pytester.runpytest_subprocess if options else pytester.runpytest_inprocess
    assert "3 variants of 1 test ran, 0 failed" in said(run("--streamval-fuzz", "3", *options))


def test_a_variant_with_failing_subtests_fails_once_and_is_kept(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUBTESTS.replace("FEW", "1"))
    assert "3 variants of 1 test ran, 2 failed" in said(pytester.runpytest_inprocess("--streamval-fuzz", "3"))
    assert said(pytester.runpytest_inprocess("--streamval-fuzz", "1"))[-1] == (
        "2 that had failed before came first, 0 of them pass now"
    )


def test_the_count_while_a_run_goes_on_takes_a_variant_with_subtests_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUBTESTS.replace("== FEW", "> 0"))
    lines = said(pytester.runpytest_inprocess("--streamval-fuzz", "200"))
    counts = [line for line in lines if " of 200 variants" in line]
    assert counts == [f"{count} of 200 variants, 0 failed" for count in range(20, 201, 20)]


CRASHES = """
import os

def test_crash(streaming_mock_backend):
    steps = streaming_mock_backend("One.", token_size=100).scripts[0].steps
    if len(steps) == 4:
        os._exit(7)

def test_other(stream_script):
    assert list(stream_script("One.").play_sync())
"""


def test_a_variant_whose_worker_crashed_counts_and_is_kept(pytester: pytest.Pytester) -> None:
    pytester.makeini(f"{INI}streamval_unplayed = off\n")
    pytester.makepyfile(test_it=CRASHES)
    result = pytester.runpytest_subprocess("--streamval-fuzz", "2", "-n", "1", "-o", "faulthandler_timeout=60")
    assert "4 variants of 2 tests ran, 1 failed" in said(result)
    again = pytester.runpytest_subprocess("--streamval-fuzz", "1", "-n", "1", "-v")
    assert "1 that had failed before came first, 0 of them pass now" in said(again)
    again.stdout.fnmatch_lines(["*test_it.py::test_crash[[]cut~chars[]]*"])


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
    result = pytester.runpytest_inprocess("--streamval-fuzz", "2")
    result.assert_outcomes(passed=2 if phase == "setup" else 3, errors=1)
    assert "2 variants of 1 test ran, 1 failed" in said(result)
    result.stdout.fnmatch_lines(["The stream was cut as  'O|·n|·e|·.'"])
    path.write_text(PHASES.replace("== 1", "> 0"), encoding="utf-8")
    again = said(pytester.runpytest_inprocess("--streamval-fuzz", "1"))
    assert again == [
        "2 variants of 1 test ran, 0 failed",
        "1 that had failed before came first, 1 of them pass now",
    ]


def test_a_variant_that_was_skipped_is_no_proof_that_it_passes(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(test_it="def test_it(stream_script):\n    stream_script('One.')\n    assert not BAD\n")
    pytester.makeini(f"{INI}streamval_unplayed = off\n")
    text = path.read_text()
    path.write_text(text.replace("not BAD", "False"))
    pytester.runpytest_inprocess("--streamval-fuzz", "1")
    path.write_text(text.replace("assert not BAD", "import pytest; pytest.skip('no')"))
    said_now = said(pytester.runpytest_inprocess("--streamval-fuzz", "1"))
    assert "1 that had failed before came first, 0 of them pass now" in said_now


def test_collect_only_counts_the_variants_that_there_are(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUBTESTS)
    for options in ((), ("-n", "2")):
        run = pytester.runpytest_subprocess if options else pytester.runpytest_inprocess
        lines = said(run("--streamval-fuzz", "3", "--collect-only", *options))
        assert lines == ["3 variants of 1 test collected"]


def test_a_run_without_a_stream_says_that_nothing_was_fuzzed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it():\n    pass\n")
    (line,) = said(pytester.runpytest_inprocess("--streamval-fuzz", "3"))
    assert line.startswith("nothing was fuzzed: no variant ran of a test that takes its stream from")


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
    "pytest-bdd": """
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


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "spread"])
@pytest.mark.parametrize("kind", OUT_OF_REACH)
def test_a_test_out_of_the_fuzzers_reach_is_named(pytester: pytest.Pytester, kind: str, options: Sequence[str]) -> None:
    pytester.makepyfile(test_it=OUT_OF_REACH[kind])
    pytester.makefile(".feature", it="Feature: It\n  Scenario: A stream\n    Given a stream\n    Then it is read\n")
    reached = "def test_reached(stream_script):\n    assert list(stream_script('One.').play_sync())\n"
    marked = (
        "import pytest\n\n@pytest.mark.streamval_as_scripted\n"
        "def test_marked(request):\n    assert list(request.getfixturevalue('stream_script')('1').play_sync())\n"
    )
    pytester.makepyfile(test_reached=reached, test_marked=marked)
    result = pytester.runpytest_subprocess("--streamval-fuzz", "2", "--doctest-modules", *options)
    result.assert_outcomes(passed=5)
    lines = said(result)
    assert "2 variants of 1 test ran, 0 failed" in lines
    (line,) = [line for line in lines if "could not be fuzzed" in line]
    assert line.startswith("1 test could not be fuzzed: test_it.py::")
    assert "pytest-bdd, a doctest, a unittest.TestCase and request.getfixturevalue()" in line


def test_many_tests_out_of_reach_are_counted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.parametrize('number', range(7))\n"
        "def test_it(request, number):\n    assert list(request.getfixturevalue('stream_script')('1').play_sync())\n"
    )
    line = said(pytester.runpytest_inprocess("--streamval-fuzz", "2"))[-1]
    assert line.startswith("7 tests could not be fuzzed: ")
    assert "[4] and 2 more. Only a test function that names its fixtures" in line
