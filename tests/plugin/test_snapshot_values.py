"""The fixture `event_snapshot`: its values, subsets, lines in any order, matchers, and other extensions of syrupy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.plugin.runs import run
from tests.plugin.test_snapshots import settings, shown, snapshots, write

if TYPE_CHECKING:
    import pytest

__all__ = ["settings"]
pytest_plugins = ["pytester"]

VALUES = """
from pytest_streamval import Chunk, CouncilEvent, CouncilResult, ModelAnswer, RetryEvent, ToolCall

def test_one_event(event_snapshot):
    assert said("One.")[0] == event_snapshot
    assert RetryEvent(2, "a reason") == event_snapshot
    assert CouncilEvent("member_delta", "a", "Yes.") == event_snapshot

def test_texts(event_snapshot):
    assert ["One.", "Two\\n"] == event_snapshot
    assert (text for text in ["One."]) == event_snapshot
    assert [Chunk("One.", 0, 4), Chunk("Two.", 5, 9)] == event_snapshot
    assert Chunk("One.", 0, 4) == event_snapshot

ANSWERS = (
    ModelAnswer("a", "m", "Yes.", latency_s=os.getpid(), finish_reason="stop", tool_calls=(ToolCall("1", "f", "{}"),)),
    ModelAnswer("b", "m", "Ye", error=f"OSError: no socket {os.getpid()}"),
    ModelAnswer("c", "m", "", failed_requirement="Polite: rude", finish_reason="length", refusal="No."),
)

def test_council(event_snapshot):
    mask = lambda data, path: ModelAnswer("b", "m", "masked") if data.name == "b" else data
    both = ModelAnswer("judge", "m", "Both.")
    assert CouncilResult("Tea?", "synthesize", ANSWERS, "Both.", synthesizer=both) == event_snapshot(matcher=mask)
    rounds = ((ANSWERS[0],), (ANSWERS[2],))
    assert CouncilResult("Tea?", "debate", ANSWERS[:1], "Both.", rounds=rounds) == event_snapshot(name="rounds")
    assert ANSWERS[0] == event_snapshot(name="answer")
    text = lambda data, path: "left out" if data.name == "b" else data
    assert CouncilResult("Tea?", "parallel", ANSWERS[:2]) == event_snapshot(name="text", matcher=text)

def test_lists(event_snapshot, streaming_mock_backend, runs):
    async def main():
        for script in ("One. Two.", "Three."):
            await (await start(streaming_mock_backend, script)).acomplete()
        thunk, _ = await streaming_mock_backend("Four.").generate_from_context("go", SimpleContext())
        with pytest.raises(UnfinishedError):
            assert thunk == event_snapshot
        await thunk.avalue()
        assert thunk == event_snapshot(name="output")

    asyncio.run(main())
    assert runs == event_snapshot(name="runs")
    assert runs[1] == event_snapshot(name="run")
    assert [f"{n}" for n in range(11)] == event_snapshot(name="texts")
    assert [Transcript(said(str(n))) for n in range(11)] == event_snapshot(name="many")
    for odd in ([runs[0], 42], [ANSWERS, ANSWERS], [said("a")[0], "text"]):
        with pytest.raises(InvalidArgumentError):
            assert odd == event_snapshot
"""
ONE = 'chunk "One."\nchunk "Two."\nstreaming done, 9 characters\ncompleted successfully\n'
THREE = 'chunk "Three."\nstreaming done, 6 characters\ncompleted successfully\n'


def test_a_snapshot_takes_everything_that_has_one_obvious_text(pytester: pytest.Pytester) -> None:
    write(pytester, test_it=VALUES)
    run(pytester, "--snapshot-update").assert_outcomes(passed=4)
    written = {name.removeprefix("test_it/test_"): text for name, text in snapshots(pytester).items()}
    run(pytester).assert_outcomes(passed=4)
    many = written.pop("lists@many.transcript")
    assert many.startswith('[00]\nchunk "0"\n')
    assert '\n\n[10]\nchunk "10"\n' in many
    assert written == {
        "one_event.transcript": 'chunk "One."\n',
        "one_event.1.transcript": 'retry "a reason"\n',
        "one_event.2.transcript": 'a: delta "Yes."\n',
        "texts.transcript": '"One."\n"Two\\n"\n',
        "texts.1.transcript": '"One."\n',
        "texts.2.transcript": '"One."\n"Two."\n',
        "texts.3.transcript": "One.",
        "council.transcript": (
            'synthesize "Tea?"\n'
            'a: "Yes.", call f "{}"\n'
            'b: "masked"\n'
            'c: "", refusal "No.", FAILED "Polite: rude", finished by length\n'
            'synthesis by judge: "Both."\n'
        ),
        "council@rounds.transcript": (
            'debate "Tea?"\n'
            'round 1\na: "Yes.", call f "{}"\n'
            'round 2\nc: "", refusal "No.", FAILED "Polite: rude", finished by length\n'
            'answers\na: "Yes.", call f "{}"\n'
            'synthesis "Both."\n'
        ),
        "council@answer.transcript": 'a: "Yes.", call f "{}"\n',
        "council@text.transcript": 'parallel "Tea?"\na: "Yes.", call f "{}"\nleft out\n',
        "lists@output.transcript": "Four.",
        "lists@runs.transcript": f"[0]\n{ONE}\n[1]\n{THREE}",
        "lists@run.transcript": THREE,
        "lists@texts.transcript": "".join(f'"{n}"\n' for n in range(11)),
    }


PARTIAL = """
from syrupy.filters import props
from pytest_streamval import RetryEvent

words = env("WORDS").split() or ["a", "b", "c"]
EVENTS = [*(RetryEvent(2, word) for word in words), CompletedEvent(True, "", 1)]

def test_subset(event_snapshot):
    assert EVENTS == event_snapshot(subset=True)

def test_any_order(event_snapshot):
    assert EVENTS == event_snapshot(in_any_order=props("RetryEvent"))

def test_both(event_snapshot):
    both = event_snapshot.with_defaults(subset=True, in_any_order=props("RetryEvent"))
    assert EVENTS == both
"""


def partial_runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, words: str) -> pytest.RunResult:
    monkeypatch.setenv("WORDS", words)
    return run(pytester, "--snapshot-warn-unused")


def edit(pytester: pytest.Pytester, name: str, text: str) -> None:
    (pytester.path / f"__snapshots__/test_it/{name}.transcript").write_text(text, encoding="utf-8")


def test_a_subset_allows_other_lines_and_keeps_the_order(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(pytester, test_it=PARTIAL)
    run(pytester, "--snapshot-update").assert_outcomes(passed=3)
    assert snapshots(pytester)["test_it/test_subset.transcript"].count("\n") == 4
    trimmed = '\nretry "a"\ncompleted successfully\n'
    edit(pytester, "test_subset", trimmed)
    for words, is_equal in {"a": True, "z a b d": True, "b c": False}.items():
        result = partial_runs(pytester, monkeypatch, words)
        assert ("::test_subset" not in result.stdout.str()) is is_equal, words
    assert shown(result, "test_subset")[1:] == [
        '- retry "a"',
        '+ retry "b"',
        '+ retry "c"',
        "+ completed successfully",
    ]
    monkeypatch.delenv("WORDS")
    run(pytester, "--snapshot-update").assert_outcomes(passed=3)
    assert snapshots(pytester)["test_it/test_subset.transcript"] == trimmed  # it matches, so it stays
    edit(pytester, "test_subset", "\n")
    result = run(pytester)
    result.assert_outcomes(failed=1, passed=2)
    assert shown(result, "test_subset")[-1].endswith("keep at least one line in the snapshot")


def test_events_in_any_order_are_one_group_of_lines(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pytester, test_it=PARTIAL)
    run(pytester, "--snapshot-update").assert_outcomes(passed=3)
    assert snapshots(pytester)["test_it/test_any_order.transcript"] == (
        'in any order:\n  retry "a"\n  retry "b"\n  retry "c"\ncompleted successfully\n'
    )
    partial_runs(pytester, monkeypatch, "c a b").assert_outcomes(passed=2, failed=1)
    edit(pytester, "test_both", 'in any order:\n  retry "c"\n  retry "a"\ncompleted successfully\n')
    result = partial_runs(pytester, monkeypatch, "z a b c d")
    result.assert_outcomes(passed=2, failed=1)
    assert shown(result, "test_any_order")[-3:-1] == ['+ retry "d"', '+ retry "z"']
    result = partial_runs(pytester, monkeypatch, "c b d")
    result.assert_outcomes(failed=3)
    assert shown(result, "test_both")[1:] == [
        '- retry "a"',
        '+ retry "b"',
        '+ retry "c"',
        '+ retry "d"',
        "+ completed successfully",
    ]


OTHERS = """
from pytest_streamval import without_messages, without_offsets
from pytest_streamval.typing import TranscriptSnapshotExtension
from pytest_streamval import ErrorEvent, FullValidationEvent, RetryEvent, ValidationResult, CouncilEvent, ModelAnswer
from syrupy.extensions.amber import AmberSnapshotExtension
from syrupy.extensions.image import PNGImageSnapshotExtension, SVGImageSnapshotExtension
from syrupy.extensions.json import JSONSnapshotExtension
from syrupy.extensions.single_file import SingleFileAmberSnapshotExtension, SingleFileSnapshotExtension
from syrupy.filters import props
from syrupy.matchers import compose_matchers

@pytest.mark.parametrize(
    "extension",
    [
        AmberSnapshotExtension,
        JSONSnapshotExtension,
        PNGImageSnapshotExtension,
        SVGImageSnapshotExtension,
        SingleFileAmberSnapshotExtension,
        SingleFileSnapshotExtension,
        TranscriptSnapshotExtension,
    ],
    ids=lambda kind: kind.__name__,
)
def test_extension(event_snapshot, extension):
    other = event_snapshot.use_extension(extension)
    assert said("One.", "Two.") == other(exclude=props("StreamingDoneEvent"))
    assert said("One.", "Two.") == event_snapshot(name="again", extension_class=extension)

def test_subset(event_snapshot):
    with pytest.raises(InvalidArgumentError, match="It needs TranscriptSnapshotExtension.*JSONSnapshotExtension"):
        assert said("One.") == event_snapshot.use_extension(JSONSnapshotExtension)(subset=True)

def test_syrupys_own_fixture(snapshot):
    assert said("One.") == snapshot(extension_class=TranscriptSnapshotExtension)
    assert snapshot.use_extension(TranscriptSnapshotExtension)(name="b", exclude=props("ChunkEvent")) == said("One.")

def test_matchers(event_snapshot):
    check = QuickCheckEvent(0, 1, False, (PartialValidationResult("fail", reason=f"pid {os.getpid()}", score=0.5),))
    events = [
        check,
        QuickCheckEvent(0, 1, False, check.results).of((0,), 3, os.getpid() + 4),
        ChunkEvent("One.", 0, 1, 3, 7),
        ChunkEvent("Two.", 1, 1, 12, 16),
        RetryEvent(2, f"pid {os.getpid()}"),
        FullValidationEvent(1, True, (ValidationResult(True, reason=str(os.getpid())), ValidationResult(False))),
        ErrorEvent("OSError", f"pid {os.getpid()}"),
        CompletedEvent(False, "Oh One.     Two.", 1),
    ]
    assert events == event_snapshot(matcher=compose_matchers(without_messages, without_offsets))
    answer = ModelAnswer("a", "m", "Yes", error=f"OSError: {os.getpid()}", failed_requirement=str(os.getpid()))
    council = [CouncilEvent("member_check", "a", check=check), CouncilEvent("member_done", "a", answer=answer)]
    assert council == event_snapshot(matcher=without_messages)
    assert answer == event_snapshot(matcher=without_messages)
    assert "text" == event_snapshot(matcher=without_messages)
    assert without_messages(42) == without_offsets(42) == 42
"""


def test_other_extensions_of_syrupy_receive_the_text(pytester: pytest.Pytester) -> None:
    write(pytester, test_it=OTHERS)
    run(pytester, "--snapshot-update").assert_outcomes(passed=10)
    run(pytester).assert_outcomes(passed=10)
    folder = pytester.path / "__snapshots__"
    text = 'chunk "One."\nchunk "Two."\ncompleted successfully\n'
    files = {path.name: path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}
    assert files["test_extension[SingleFileSnapshotExtension].raw"] == text
    assert files["test_extension[SVGImageSnapshotExtension].svg"] == text
    assert files["test_extension[PNGImageSnapshotExtension].png"] == text
    (name,) = (name for name in files if name.startswith("test_extension[TranscriptSnapshot") and "@" not in name)
    assert files[name] == text
    assert text.strip() in files["test_it.ambr"].replace("  ", "")
    assert files["test_syrupys_own_fixture.transcript"].startswith('chunk "One."\nstreaming')
    assert files["test_syrupys_own_fixture@b.transcript"].startswith("streaming")
    assert files["test_matchers.transcript"] == (
        'check FAILED: fail "…"\ncheck FAILED: fail "…"\nchunk "One."\nchunk "Two."\nretry "…"\n'
        'validation passed: pass "…", fail\nerror OSError: "…"\ncompleted WITHOUT SUCCESS\n'
    )
    assert (
        files["test_matchers.1.transcript"]
        == 'a: check FAILED, "…"\na: done 3 characters, error "OSError: …", FAILED "…"\n'
    )
    assert files["test_matchers.2.transcript"] == 'a: "Yes", error "OSError: …", FAILED "…"\n'


def test_the_public_extension_keeps_the_snapshots_of_tests_that_were_not_selected(pytester: pytest.Pytester) -> None:
    code = """
from pytest_streamval.typing import TranscriptSnapshotExtension

@pytest.mark.parametrize("number", [1, 2])
def test_it(snapshot, number):
    assert said("One.") == snapshot(extension_class=TranscriptSnapshotExtension)
"""
    write(pytester, test_it=code)
    run(pytester, "--snapshot-update").assert_outcomes(passed=2)
    run(pytester, "-k", "test_it[1]").assert_outcomes(passed=1, deselected=1)
    run(pytester, "-k", "test_it[1]", "--snapshot-update")
    assert len(snapshots(pytester)) == 2


def test_a_variant_compares_with_the_snapshot_of_any_extension(pytester: pytest.Pytester) -> None:
    code = """
from syrupy.extensions.json import JSONSnapshotExtension

@pytest.mark.parametrize("script", ["One. Two."])
def test_it(streaming_mock_backend, event_snapshot, script):
    async def main():
        result = await start(streaming_mock_backend, script)
        assert await transcribe(result) == event_snapshot.use_extension(JSONSnapshotExtension)

    asyncio.run(main())
"""
    write(pytester, test_it=code)
    run(pytester, "--snapshot-update").assert_outcomes(passed=1)
    run(pytester, "--streamval-fuzz", "2").assert_outcomes(passed=3)
