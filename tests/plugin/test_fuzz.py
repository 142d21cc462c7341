"""`--streamval-fuzz`: the variants of a test, under other cuts of the same texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plugin import runs

pytest_plugins = ["pytester"]

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
strict = true
addopts = -p no:randomly
"""

# A check that looks only at the newest delta. It misses "BAD" if a cut is in the word.
MISSES_A_CUT_WORD = """
import pytest
from pytest_streamval import ModelOption, SimpleContext, StreamingMockBackend

@pytest.mark.parametrize("text", ["fine. BAD."], ids=["bad"])
async def test_finds_it(streaming_mock_backend, text):
    backend = streaming_mock_backend(text, token_size=100)
    thunk, _ = await backend.generate_from_context("go", SimpleContext(), model_options={ModelOption.STREAM: True})
    seen = [delta async for delta in thunk]
    deltas = [delta.text for delta in backend.calls[0].script.deltas]
    assert any("BAD" in delta for delta in deltas)
"""

PASSES = """
from pytest_streamval import SimpleContext, stream_with_chunking, transcribe

async def test_passes(streaming_mock_backend):
    backend = streaming_mock_backend("One. Two.\\r\\n\\r\\nThree.", "Four.")
    for chunks in (["One.", "Two.", "Three."], ["Four."]):
        async with await stream_with_chunking("go", backend, SimpleContext()) as result:
            assert [chunk async for chunk in result.astream()] == chunks

def test_uses_no_stream():
    pass
"""

SNAPSHOT = """
from pytest_streamval import SimpleContext, stream_with_chunking, transcribe

async def test_snapshot(streaming_mock_backend, event_snapshot):
    backend = streaming_mock_backend({text!r}, token_size=3)
    assert await transcribe(await stream_with_chunking("go", backend, SimpleContext(), chunking={chunking})) \\
        == event_snapshot
"""


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return runs.run(pytester, "-v", *options)


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """Return the outcome of each test, in the order in which they ran."""
    pattern = re.compile(r"^\S+\.py::(\S+) (PASSED|FAILED|SKIPPED)", re.MULTILINE)
    return dict(pattern.findall(result.stdout.str()))


def test_a_test_runs_as_scripted_and_then_under_other_cuts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PASSES)
    result = run(pytester, "--streamval-fuzz", "5")
    cuts = [f"test_passes[cut-{number}]" for number in range(1, 6)]
    assert list(outcomes(result)) == ["test_passes", *cuts, "test_uses_no_stream"]
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["streamval: 5 variants of 1 test ran, 0 failed"])


def test_a_failing_variant_shows_its_cut_and_the_command_that_repeats_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MISSES_A_CUT_WORD)
    result = run(pytester, "--streamval-fuzz", "2", "--streamval-fuzz-each")
    assert outcomes(result) == {
        "test_finds_it[bad]": "PASSED",
        "test_finds_it[bad-cut-1]": "PASSED",
        "test_finds_it[bad-cut-2]": "FAILED",
    }
    result.stdout.fnmatch_lines(
        [
            "*- streamval: cut-2 -*",
            "The stream was cut as  '|·f|·i|·n|·|·e|·.|· |·|·B|·A|·D|·|·.|·'",
            "The same as a script:  Script.of('', 'f', 'i', 'n', '', 'e', '.', ' ', '', 'B', 'A', 'D', '', '.', '')",
            "To run it again:       pytest 'test_*.py::test_finds_it[[]bad-cut-2]'",
            "If the expected result depends on the cut, mark the test with @pytest.mark.streamval_as_scripted.",
        ]
    )


def test_a_failing_variant_in_a_worker_shows_its_cut(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=MISSES_A_CUT_WORD)
    result = run(pytester, "--streamval-fuzz", "2", "-n", "1")
    result.stdout.fnmatch_lines(["*- streamval: cut -*", "Fails when it is cut here: 'fine. B|·AD.'"])
    result.stdout.fnmatch_lines(["streamval: 2 variants of 1 test ran, 1 failed"])


def test_failing_cuts_come_first_in_the_next_run_until_they_pass(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(test_it=MISSES_A_CUT_WORD)
    run(pytester, "--streamval-fuzz", "20")
    again = outcomes(run(pytester, "--streamval-fuzz", "2"))
    assert list(again) == ["test_finds_it[bad]", "test_finds_it[bad-cut-at-7]", "test_finds_it[bad-cut-1]"]
    path.write_text(MISSES_A_CUT_WORD.replace('any("BAD" in delta for delta in deltas)', '"BAD" in "".join(deltas)'))
    fixed = outcomes(run(pytester, "--streamval-fuzz", "2"))
    assert fixed == dict.fromkeys(again, "PASSED")
    assert list(outcomes(run(pytester, "--streamval-fuzz", "2"))) == [
        "test_finds_it[bad]",
        "test_finds_it[bad-cut-1]",
        "test_finds_it[bad-cut-2]",
    ]


def test_a_variant_runs_again_by_its_id(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=MISSES_A_CUT_WORD)
    result = run(pytester, "test_it.py::test_finds_it[bad-cut-at-7]")
    assert outcomes(result) == {"test_finds_it[bad-cut-at-7]": "FAILED"}
    assert outcomes(run(pytester, "test_it.py::test_finds_it[bad-cut-7]", "--streamval-fuzz", "1"))


def test_a_number_always_makes_the_same_cut(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.streamval_allow_unplayed
        def test_it(streaming_mock_backend):
            print("\\ncut:", *streaming_mock_backend("Dr. Smith went. He is back.").scripts[0].steps, sep="|")
        """
    )
    runs = [run(pytester, "-s", "test_it.py::test_it[cut-3]", *more) for more in ((), ("--streamval-fuzz", "50"))]
    first, second = [re.search(r"^cut:.*\|.*", result.stdout.str(), re.MULTILINE) for result in runs]
    assert first[0] == second[0]


def test_a_test_marked_streamval_as_scripted_has_no_variants(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PASSES.replace("async def", "import pytest\n@pytest.mark.streamval_as_scripted\nasync def"))
    result = run(pytester, "--streamval-fuzz", "5")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["streamval: nothing was fuzzed: no variant ran. *stream_script, * or *"])


def test_a_run_without_the_option_has_no_variants(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=PASSES)
    result = run(pytester)
    result.assert_outcomes(passed=2)
    assert not [line for line in runs.plugin_lines(result) if "variant" in line or "fuzzed" in line]


def test_the_stream_of_a_users_own_fixture_is_cut_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_streamval import Delay, Delta, Script

        @pytest.fixture
        def backend(streaming_mock_backend):
            return streaming_mock_backend(Script.of("ab", Delay(0), "cd", finish_reason="stop"))

        @pytest.mark.streamval_allow_unplayed
        class TestIt:
            def test_sees(self, backend, record_property):
                print(backend.scripts[0].steps)
        """
    )
    result = run(pytester, "--streamval-fuzz", "2", "-s")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "*('ab', Delay(seconds=0), Delta(text='cd', *",
            "*('ab', Delay(seconds=0), Delta(text='cd', *",
            "*('', 'a', 'b', *",
        ]
    )


@pytest.mark.parametrize("wrong", ["-1", "many"])
def test_an_invalid_count_is_a_usage_error(pytester: pytest.Pytester, wrong: str) -> None:
    pytester.makepyfile(PASSES)
    result = run(pytester, f"--streamval-fuzz={wrong}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--streamval-fuzz*{wrong}*"])


def snapshots(pytester: pytest.Pytester) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in Path(pytester.path).glob("__snapshots__/**/*.*")}


def test_variants_are_compared_with_the_snapshot_of_the_test_as_scripted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SNAPSHOT.format(text="One. Two.", chunking="'sentence'"))
    run(pytester, "--snapshot-update").assert_outcomes(passed=1)
    run(pytester, "--streamval-fuzz", "4").assert_outcomes(passed=5)
    run(pytester, "--streamval-fuzz", "4", "-n", "1").assert_outcomes(passed=5)
    run(pytester, "test_it.py::test_snapshot[cut-7]").assert_outcomes(passed=1)
    assert list(snapshots(pytester)) == ["test_snapshot.transcript"]


def test_variants_never_write_a_snapshot(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SNAPSHOT.format(text="One. Two.", chunking="None"))
    result = run(pytester, "--snapshot-update", "--streamval-fuzz", "2", "--streamval-fuzz-each")
    result.assert_outcomes(passed=1, failed=2)
    written = snapshots(pytester)
    assert written == {
        "test_snapshot.transcript": 'chunk "One"\nchunk "" + ". T"\nchunk "" + "wo."\n'
        "streaming done, 9 characters\ncompleted successfully\n"
    }
    pytester.makepyfile(test_it=SNAPSHOT.format(text="Other. Text.", chunking="None"))
    result = run(pytester, "--snapshot-update", "--streamval-fuzz", "2", "-k", "cut")
    result.assert_outcomes(skipped=2, deselected=1)
    assert snapshots(pytester) == written
    run(pytester, "test_it.py::test_snapshot[cut-1]").assert_outcomes(failed=1)
    assert snapshots(pytester) == written


def test_a_variant_without_a_snapshot_names_the_option_that_writes_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SNAPSHOT.format(text="One. Two.", chunking="'word'"))
    result = run(pytester, "test_it.py::test_snapshot[cut-1]")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Snapshot 'test_snapshot' does not exist! Run pytest with --snapshot-update*"])


def test_a_script_of_stream_script_is_cut_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from pytest_streamval import Delay, Script

        def count_lines(tokens):
            return sum(token.endswith("\\n") for token in tokens)

        scripted = Script.of("one\\n", Delay(0), "two\\n")

        @pytest.mark.parametrize("source", ["one\\ntwo\\n", scripted], ids=["text", "script"])
        def test_lines(stream_script, source):
            assert count_lines(stream_script(source, token_size=4).play_sync()) == 2
        """
    )
    result = run(pytester, "--streamval-fuzz", "2")
    assert [line for line in result.outlines if line.startswith("FAILED")] == [
        "FAILED test_it.py::test_lines[text-cut-whole] - AssertionError: assert 1 == 2"
    ]
    result.stdout.fnmatch_lines([r"Fails when it comes in one piece: 'one\ntwo\n'"])


def test_stream_script_rejects_other_types(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(stream_script):\n    stream_script(3)\n")
    run(pytester).stdout.fnmatch_lines(["*InvalidArgumentError: Invalid script: 3. It must be a Script or a str."])


def test_a_requested_variant_that_does_not_run_is_reported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=PASSES)
    result = run(pytester, "test_it.py::test_passes[cut-3]", "--deselect", "test_it.py::test_passes")
    result.stdout.fnmatch_lines(["streamval: the requested variant did not run"])
