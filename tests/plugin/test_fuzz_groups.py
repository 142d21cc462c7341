"""Variants of a test that fail are one failure, with the smallest cut, a real id and the number of the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import plugin_lines, run
from tests.plugin.test_fuzz import INI

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]

WORDS = """
import re
import pytest

TEXT = "She passed the class with a bass guitar. " * 12

def masked(pieces):
    return "".join(re.sub(r"\\bass\\b", "***", piece) for piece in pieces)

@pytest.mark.parametrize("text", [TEXT, "A bass."], ids=["long", "short"])
def test_words(stream_script, text):
    assert masked(stream_script(text, token_size=1000).play_sync()) == text

def test_right(stream_script):
    assert "".join(stream_script(TEXT).play_sync()) == TEXT
"""
PROCESSES = pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two workers"])


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(test_it=WORDS)


def failed(result: pytest.RunResult) -> list[str]:
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", result.stdout.str(), re.MULTILINE)


@PROCESSES
def test_each_broken_test_is_one_failure_with_its_smallest_cut(
    pytester: pytest.Pytester, options: Sequence[str]
) -> None:
    result = run(pytester, "--streamval-fuzz", "20", *options)
    assert result.parseoutcomes()["failed"] == 2
    ids = failed(result)
    assert all(re.fullmatch(r"test_it\.py::test_words\[(long|short)-cut-at-\d+\]", each) for each in ids)
    result.stdout.re_match_lines(
        [
            r"_+ test_words\[long-cut-at-\d+\] _+",
            r"-+ streamval: cut -+",
            r"Fails when it is cut here: .*\|·ass.* \.\.\. \(1 cut in 492 characters\)",
            r"(Passes as scripted\. )?Fails under \d+ of 20 other cuts \(\d+, \d+, .*\), always the same way\.",
            r"Again:  pytest 'test_it\.py::test_words\[long-cut-at-\d+\]'",
        ],
        consecutive=False,
    )
    assert str(result.stdout).count("- streamval: cut -") == 2
    lines = plugin_lines(result)
    assert any(line.startswith("2 of 3 tests depend on the cut. If a test may, mark it") for line in lines)
    assert "cut: text in 3 tests" in lines


def test_the_id_of_a_failure_runs_it_again_by_itself_with_k_and_with_lf(pytester: pytest.Pytester) -> None:
    ids = failed(run(pytester, "--streamval-fuzz", "20"))
    name = re.search(r"cut-[\w-]+", ids[0])[0]
    for options in ([ids[0]], ["-k", f"{name} and long"]):
        again = run(pytester, *options, "-p", "no:cacheprovider")
        assert failed(again) == ids[:1], options
        again.assert_outcomes(failed=1, deselected=again.parseoutcomes().get("deselected", 0))
        again.stdout.re_match_lines([r"Fails when it is cut here: .*", re.escape(f"Again:  pytest '{ids[0]}'")])
    assert sorted(failed(run(pytester, "--lf"))) == sorted(ids)


@PROCESSES
def test_fuzz_each_reports_every_variant_by_itself(pytester: pytest.Pytester, options: Sequence[str]) -> None:
    result = run(pytester, "--streamval-fuzz", "5", "--streamval-fuzz-each", "-k", "long", *options)
    assert sorted(failed(result)) == [f"test_it.py::test_words[long-cut-{number}]" for number in (3, 5)]
    assert "The stream was cut as" in result.stdout.str()


def test_the_first_failure_ends_the_run_with_x(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--streamval-fuzz", "20", "-x")
    assert len(failed(result)) == 1
    assert result.parseoutcomes()["failed"] == 1


SOURCES = {
    "as scripted, too": (
        "def test_it(stream_script):\n    assert not list(stream_script('One two.').play_sync())\n",
        1,
        [r"FAILED test_it\.py::test_it - .*"],
    ),
    "several ways": (
        """
def test_it(stream_script):
    pieces = list(stream_script("One two.", token_size=20).play_sync())
    assert len(pieces) < 5
    if len(pieces) > 2:
        raise ValueError(pieces)
""",
        1,
        [r"Passes as scripted\. Fails under \d+ of 20 other cuts .*, in 2 ways: AssertionError at .*, ValueError .*"],
    ),
    "in a library": (
        """
import json

def test_it(stream_script):
    for piece in stream_script("[1]", token_size=20).play_sync():
        json.loads(piece) if piece != "]" else 1 / 0
""",
        1,
        [r"Passes as .*, in 2 ways: (JSONDecodeError at json/decoder\.py:\d+|, |ZeroDivisionError at .*:6)+\."],
    ),
    "only once": (
        """
counts = []

def test_it(stream_script):
    counts.append(list(stream_script("One two.", token_size=20).play_sync()))
    assert len(counts) != 3
""",
        1,
        [
            r"Failed once when it was cut only here, with empty deltas: .*",
            r"It passed when it was run again under the same cut: this failure does not repeat\.",
            r"Again:  pytest 'test_it\.py::test_it\[cut-2\]'",
        ],
    ),
    "in a subtest": (
        """
def test_it(stream_script, subtests):
    for number in range(2):
        with subtests.test(number=number):
            assert len(list(stream_script("One two.", token_size=20).play_sync())) == 1
""",
        2,
        [
            r"SUBFAILED\(number=0\) test_it\.py::test_it\[cut-at-\d\] - .*",
            r"FAILED test_it\.py::test_it\[cut-at-\d\] - .*",
        ],
    ),
    "in a fixture": (
        """
import pytest

@pytest.fixture
def pieces(stream_script):
    yield list(stream_script("One two.", token_size=20).play_sync())

@pytest.fixture
def one(pieces):
    yield
    assert len(pieces) == 1

def test_it(one):
    pass
""",
        0,
        [r"_+ ERROR at teardown of test_it\[cut-at-\d\] _+", r"Fails when it is cut here: 'O.*"],
    ),
    "before its stream": (
        """
runs = []

def test_it(stream_script):
    runs.append(1)
    assert len(runs) < 2
    assert list(stream_script("One two.", token_size=20).play_sync())
""",
        1,
        [r"FAILED test_it\.py::test_it\[cut-1\] - .*"],
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_test_that_fails_in_some_way_is_one_failure(pytester: pytest.Pytester, kind: str) -> None:
    source, count, lines = SOURCES[kind]
    pytester.makepyfile(test_it=source)
    result = run(pytester, "--streamval-fuzz", "20", "-rA")
    assert result.parseoutcomes().get("failed", 0) == count
    assert result.parseoutcomes().get("errors", 0) == (kind == "in a fixture")
    result.stdout.re_match_lines(lines)


CHANNELS = """
from pytest_streamval import Delta, Script, ToolCallDelta

def test_thinking(stream_script):
    script = stream_script(Script.of(Delta(thinking="It is confidential."), "No."))
    assert any("confidential" in delta.thinking for delta in script.deltas)
    list(script.play_sync())

def test_arguments(stream_script):
    call = Delta(tool_calls=(ToolCallDelta(0, "c1", "write", '{"text": "}"}'),))
    script = stream_script(Script.of(call))
    list(script.play_sync())
    assert not any(call.arguments.endswith('"}') for delta in script.deltas[:-1] for call in delta.tool_calls)

def test_empty(stream_script):
    script = stream_script("That is all.", token_size=20)
    list(script.play_sync())
    assert all(delta.text for delta in script.deltas)

def test_nothing(stream_script):
    list(stream_script("").play_sync())
"""


ATTEMPTS = """
import pytest
from pytest_streamval import PartialValidationResult, Requirement, SimpleContext, stream_with_chunking

class NoSwearing(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "damn" in chunk else "pass", reason="it swears")

@pytest.mark.asyncio
async def test_it(streaming_mock_backend):
    backend = streaming_mock_backend("A damn shame. Yes.", "Good. A class act. Yes.", token_size=100)
    requirements = [NoSwearing("no swearing")]
    async with stream_with_chunking(
        "Hi", backend, SimpleContext(), requirements=requirements, max_attempts=2, on_retry="hold"
    ) as run:
        assert [chunk async for chunk in run.astream()] == ["Good.", "A class act.", "Yes."]
    assert any("class" in delta.text for delta in backend.calls[1].script.deltas)
"""


def test_the_streams_of_all_attempts_are_cut_and_told_apart(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ATTEMPTS)
    result = run(pytester, "--streamval-fuzz", "10")
    result.stdout.re_match_lines(
        [
            r"Fails when it is cut here, in stream 2 of 2: 'Good\. A cl?a?s?\|·.*",
            r"Passes as scripted\. .*",
            r"Again:  pytest 'test_it\.py::test_it\[cut-at-\d+\.2\]'",
        ]
    )
    result.stdout.re_match_lines([r"  NoSwearing.* X +\+.*"])  # the first attempt, then the second


def test_thinking_tool_arguments_and_empty_deltas_are_cut_and_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=CHANNELS)
    result = run(pytester, "--streamval-fuzz", "20")
    result.stdout.fnmatch_lines(
        [
            "Fails when its thinking is cut here: 'It is c*|·*",
            'Fails when the tool\'s input is cut here: \'{"text": "}|·"}\'',
            "Fails with an empty delta here: '|·That is all.'",
        ]
    )
    lines = plugin_lines(result)
    (line,) = [line for line in lines if line.startswith("cut: ")]
    assert line.startswith("cut: text in 2 tests, ")
    assert line.endswith("in 1 test, nothing in 1 test, as there was no stream that can be cut")
    assert any(line.startswith("3 of 4 tests depend on the cut") for line in lines)


def test_variants_whose_cuts_of_a_short_text_are_equal_do_not_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_it(stream_script):\n    list(stream_script('ab').play_sync())\n")
    result = run(pytester, "--streamval-fuzz", "50")
    (line,) = [line for line in plugin_lines(result) if line.endswith("ran, 0 failed")]
    assert 2 <= int(line.split()[0]) <= 8


def test_an_interruption_of_the_search_reports_the_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        runs = []

        def test_it(stream_script):
            pieces = list(stream_script("One two.", token_size=20).play_sync())
            runs.append(pieces)
            if len(runs) == 4:
                raise KeyboardInterrupt
            assert len(pieces) == 1
        """
    )
    result = pytester.runpytest_subprocess("--streamval-fuzz", "20", "-p", "no:randomly")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert failed(result) == ["test_it.py::test_it[cut-2]"]


def test_parameters_of_a_users_own_that_look_like_cuts_are_no_variants(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.parametrize("number", [1, 2], ids=["cut-1", "cut-2"])
        def test_it(number, event_snapshot):
            assert f"text {number}" == event_snapshot

        @pytest.mark.parametrize("number", [1, 2], ids=["cut-1", "cut-2"])
        def test_stream(number, stream_script):
            assert list(stream_script("One two.").play_sync())
        """
    )
    run(pytester, "--snapshot-update").assert_outcomes(passed=4)
    result = run(pytester, "--streamval-fuzz", "2")
    result.assert_outcomes(passed=8)
    assert "4 variants of 2 tests ran, 0 failed" in plugin_lines(result)


@pytest.mark.parametrize("order", ["as collected", "reversed"])
def test_a_test_that_fails_as_scripted_is_one_failure_in_any_order(pytester: pytest.Pytester, order: str) -> None:
    if order == "reversed":
        pytester.makeconftest("def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.fixture
        def missing():
            raise LookupError("nothing here")

        def test_setup(stream_script, missing):
            pass

        def test_call(stream_script):
            assert list(stream_script("One two.").play_sync()) == []
        """
    )
    result = run(pytester, "--streamval-fuzz", "3")
    result.assert_outcomes(failed=1, errors=1)
    assert any(line.startswith("0 of 2 tests depend on the cut") for line in plugin_lines(result))


@pytest.mark.parametrize("order", ["as collected", "reversed"])
def test_a_test_that_fails_as_scripted_and_passes_under_other_cuts_depends_on_the_cut(
    pytester: pytest.Pytester, order: str
) -> None:
    if order == "reversed":
        pytester.makeconftest("def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    pytester.makepyfile(
        test_it="""
        def test_it(stream_script):
            pieces = list(stream_script("Some <b>bold</b> text.", token_size=7).play_sync())
            assert any("<b>" in piece for piece in pieces)
        """
    )
    result = run(pytester, "--streamval-fuzz", "4")
    result.assert_outcomes(failed=1, passed=2)
    scripted = "Fails as scripted. Fails under 2 of 4 other cuts (2, 4), always the same way."
    variant = "Fails under 1 of 3 other cuts (2), always the same way."
    assert (scripted if order == "as collected" else variant) in result.outlines
    assert any(line.startswith("1 of 1 test depends on the cut") for line in plugin_lines(result))


def test_a_failure_that_does_not_repeat_leaves_no_fixtures_to_the_next_module(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="runs = []\n\ndef test_it(stream_script):\n    list(stream_script('Hello there.').play_sync())\n"
        "    runs.append(1)\n    assert len(runs) != 3\n",
        test_next="def test_next():\n    pass\n",
    )
    result = run(pytester, "--streamval-fuzz", "2")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*this failure does not repeat."])
