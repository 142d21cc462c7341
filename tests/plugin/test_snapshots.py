"""The fixture `event_snapshot`: its files, their names, the differences it shows, and unused snapshots."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import run

if TYPE_CHECKING:
    from collections.abc import Iterable

pytest_plugins = ["pytester"]

INI = """
[pytest]
addopts = -p no:randomly
asyncio_default_fixture_loop_scope = function
filterwarnings = error
markers = slow
strict = true
"""

HEAD = """
import asyncio
import os
import pytest
from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    InvalidArgumentError,
    PartialValidationResult,
    QuickCheckEvent,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingDoneEvent,
    Transcript,
    UnfinishedError,
    stream_with_chunking,
    transcribe,
)

def said(*words):
    # The events of a run whose chunks are these words.
    text = " ".join(words)
    starts = [len(" ".join(words[:n])) + (n > 0) for n in range(len(words))]
    chunks = [ChunkEvent(word, n, 1, at, at + len(word)) for n, (word, at) in enumerate(zip(words, starts))]
    return [*chunks, StreamingDoneEvent(1, text), CompletedEvent(True, text, 1)]

async def start(factory, script="One. Two."):
    return await stream_with_chunking("go", factory(script), SimpleContext())

def env(name):
    return os.environ.get(name, "")

"""


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini(INI)
    monkeypatch.delenv("STATE", raising=False)


def write(pytester: pytest.Pytester, **modules: str) -> None:
    pytester.makepyfile(**{name: HEAD + code for name, code in modules.items()})


def snapshots(pytester: pytest.Pytester) -> dict[str, str]:
    """Return the files in `__snapshots__` folders, by their path without that folder's name."""
    files = [path for path in Path(pytester.path).glob("**/__snapshots__/**/*") if path.is_file()]
    short = {path.relative_to(pytester.path).as_posix().replace("__snapshots__/", ""): path for path in files}
    return {name: path.read_text("utf-8") for name, path in sorted(short.items())}


def summary(result: pytest.RunResult) -> str:
    """Return syrupy's summary in one line, and below it the names of what it lists."""
    lines = result.stdout.str().partition("snapshot report summary")[2].splitlines()[1:]
    return "\n".join(
        re.sub(r" \(.*\)$", "", line) for line in lines if re.match(r"\d+ snap|\d+ unu|Unused|Deleted", line)
    )


# What is compared

EVERYTHING = """
def test_events(event_snapshot):
    assert said("One.", "Two.") == event_snapshot
    assert event_snapshot == tuple(said("Three."))
    assert (event for event in said("Four.")) == event_snapshot(name="last words")

def test_runs(streaming_mock_backend, event_snapshot):
    async def main():
        async with await start(streaming_mock_backend) as result:
            transcript = await transcribe(result)
            assert transcript == event_snapshot
            assert event_snapshot == result
            assert result.history == event_snapshot
            again = await start(streaming_mock_backend, Script.of("Three.", "\\u2028 \\ud83c"))
            await again.acomplete()
            assert {"second run": again, 1: transcript} == event_snapshot(name="parallel")
            assert {1: transcript, "second run": again} == event_snapshot(name="parallel")

    asyncio.run(main())

def test_times(event_snapshot):
    events = said("One.")
    for number, event in enumerate(events):
        object.__setattr__(event, "timestamp", 1000 + number / 2)
    assert Transcript(events).text(times=True) == event_snapshot
    assert "any text:\\ud800\\r\\n" == event_snapshot

def test_parts(event_snapshot):
    from syrupy.filters import props
    from syrupy.matchers import path_type

    verdict = PartialValidationResult("pass", reason=f"took {os.getpid()} ms")
    events = [QuickCheckEvent(0, 1, True, (verdict,)), *said("A", "B")]
    assert events == event_snapshot(exclude=props("QuickCheckEvent", "StreamingDoneEvent"))
    assert events == event_snapshot(include=props("CompletedEvent", "ChunkEvent"))
    short = path_type({"QuickCheckEvent": (QuickCheckEvent,)}, replacer=lambda event, _: "check, which took a while")
    assert events == event_snapshot(matcher=short)

    def louder(data, path):
        [(name, kind)] = path
        assert (name, kind) == (type(data).__name__, type(data))
        return ChunkEvent(data.text * 2, 0, 1) if isinstance(data, ChunkEvent) else data

    assert said("A", "B") == event_snapshot(matcher=louder)
    quiet = event_snapshot.with_defaults(exclude=props("CompletedEvent"))
    assert {"a": said("A"), "b": []} == quiet(name="quiet")
"""


def test_a_snapshot_equals_events_transcripts_results_texts_and_mappings(pytester: pytest.Pytester) -> None:
    write(pytester, test_it=EVERYTHING)
    run(pytester, "--snapshot-update").assert_outcomes(passed=4)
    written = snapshots(pytester)
    run(pytester).assert_outcomes(passed=4)
    run_of = 'chunk "One."\nchunk "Two."\nstreaming done, 9 characters\ncompleted successfully\n'
    assert written == snapshots(pytester) == {
        "test_it/test_events.transcript": run_of,
        "test_it/test_events.1.transcript": 'chunk "Three."\nstreaming done, 6 characters\ncompleted successfully\n',
        "test_it/test_events@last words.transcript": (
            'chunk "Four."\nstreaming done, 5 characters\ncompleted successfully\n'
        ),
        **dict.fromkeys([f"test_it/test_runs{index}.transcript" for index in ("", ".1", ".2")], run_of),
        "test_it/test_runs@parallel.transcript": (
            f"[1]\n{run_of}\n"
            '[second run]\nchunk "Three."\nchunk "\\u2028 " + "\\ud83c"\nstreaming done, 9 characters\n'
            "completed successfully\n"
        ),
        "test_it/test_times.transcript": (
            '    0.000 s  chunk "One."\n'
            "    0.500 s  streaming done, 4 characters\n"
            "    1.000 s  completed successfully\n"
        ),
        "test_it/test_times.1.transcript": "any text:\\ud800\\u000d\n",
        **dict.fromkeys(
            ["test_it/test_parts.transcript", "test_it/test_parts.1.transcript"],
            'chunk "A"\nchunk "B"\ncompleted successfully\n',
        ),
        "test_it/test_parts.2.transcript": (
            'check, which took a while\nchunk "A"\nchunk "B"\nstreaming done, 3 characters\ncompleted successfully\n'
        ),
        "test_it/test_parts.3.transcript": (
            'chunk "AA"\nchunk "BB"\nstreaming done, 3 characters\ncompleted successfully\n'
        ),
        "test_it/test_parts@quiet.transcript": '[a]\nchunk "A"\nstreaming done, 1 characters\n\n[b]\n',
    }  # fmt: skip


REFUSED = """
import contextlib


def test_refused(streaming_mock_backend, event_snapshot):
    async def main():
        async with await start(streaming_mock_backend, Script.of("One. ", Stall())) as result:
            with pytest.raises(UnfinishedError, match="has not ended.*await transcribe"):
                result == event_snapshot(name="unfinished")
            with pytest.raises(UnfinishedError):
                {"a": result} == event_snapshot
        for nonsense in (42, None, b"bytes", ["text", 42], [result, 42], result.events(), transcribe):
            with pytest.raises(InvalidArgumentError, match="It must be a result|It must be an event"):
                assert nonsense == event_snapshot
        with contextlib.closing(transcribe(result)) as pending:
            with pytest.raises(InvalidArgumentError, match="Await the coroutine"):
                assert pending == event_snapshot

    asyncio.run(main())
    assert said("One.") == event_snapshot
    with pytest.raises(TypeError, match="unhashable"):
        hash(event_snapshot)
    assert repr(event_snapshot) == "<event_snapshot of test_refused>"

def test_broken_matcher(event_snapshot):
    def matcher(data, path):
        raise KeyError("no such thing")

    assert said("One.") == event_snapshot(matcher=matcher)

def test_another_extension(event_snapshot):
    from syrupy.extensions.json import JSONSnapshotExtension

    assert "One." == event_snapshot.use_extension(JSONSnapshotExtension)
"""


def test_a_snapshot_rejects_unfinished_runs_and_other_types(pytester: pytest.Pytester) -> None:
    write(pytester, test_it=REFUSED)
    result = run(pytester, "--snapshot-update")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E * KeyError: 'no such thing'"])
    assert list(snapshots(pytester)) == ["test_it/test_another_extension.json", "test_it/test_refused.transcript"]


# What a mismatch shows

MISMATCHES = """
LONG = "This sentence is as long as the sentences of a model that likes to hear itself talk about things, number"

def test_a_word(event_snapshot):
    words = [f"{n}." for n in range(40)]
    words[30] = env("STATE") or words[30]
    assert said(*words) == event_snapshot

def test_long_lines(event_snapshot):
    words = [f"{LONG} {n}." for n in range(10)]
    words[5] += env("STATE")
    assert said(*words) == event_snapshot

def test_everything(event_snapshot):
    assert said(*(env("STATE") or "old" for _ in range(200))) == event_snapshot

def test_one_of_several(event_snapshot):
    assert {"first": said("a"), "second": said("a", "b", "c", "d", env("STATE") or "e")} == event_snapshot

def test_new(event_snapshot):
    assert event_snapshot(name=env("STATE") or "one") == said("a", "b")

def test_ends_of_lines(event_snapshot):
    assert said("a") == event_snapshot
"""


def shown(result: pytest.RunResult, test: str) -> list[str]:
    """Return the lines that pytest shows below a comparison that failed."""
    report = re.search(rf"_ {test} _.*?\nE +(?:Assert\w+: )?assert (.*?)\n\n", result.stdout.str(), re.DOTALL)
    assert report is not None
    return [line.removeprefix("E").removeprefix("         ") for line in report[1].splitlines()]


def test_a_mismatch_shows_the_lines_around_the_first_difference(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(pytester, test_it=MISMATCHES)
    run(pytester, "--snapshot-update").assert_outcomes(passed=6)
    ends = pytester.path / "__snapshots__/test_it/test_ends_of_lines.transcript"
    ends.write_text(ends.read_text().rstrip("\n"))  # as editors may do it
    monkeypatch.setenv("STATE", "new")
    result = run(pytester)
    result.assert_outcomes(failed=5, passed=1)
    assert shown(result, "test_a_word") == [
        "[+ received] == [- snapshot]",
        "  ... 28 lines as expected",
        '  chunk "28."',
        '  chunk "29."',
        '- chunk "30."',
        '+ chunk "new"',
        '  chunk "31."',
        '  chunk "32."',
        "  ... 9 lines as expected",
    ]
    [_, _, before, _, old, new, *_] = shown(result, "test_long_lines")
    assert before == '  chunk "This sentence is as long as the sentences of a model  ...'
    assert old.endswith('to hear itself talk about things, number 5."')
    assert new.endswith('to hear itself talk about things, number 5.new"')
    assert shown(result, "test_everything")[1:5] == ['- chunk "old"', '+ chunk "new"'] * 2
    assert shown(result, "test_one_of_several")[1:] == [
        "  ... 8 lines as expected, the last below [second]",
        '  chunk "c"',
        '  chunk "d"',
        '- chunk "e"',
        '+ chunk "new"',
        "- streaming done, 9 characters",
        "+ streaming done, 11 characters",
        "  completed successfully",
    ]
    assert shown(result, "test_new") == [
        "[- snapshot] == [+ received]",
        "Snapshot 'test_new@new' does not exist! Run pytest with --snapshot-update to write it.",
        '+ chunk "a"',
        '+ chunk "b"',
        "+ streaming done, 3 characters",
        "+ completed successfully",
    ]
    full = run(pytester, "-vv", "-k", "test_long_lines or test_everything")
    assert shown(full, "test_long_lines")[2].endswith('about things, number 3."')
    assert shown(full, "test_everything")[-1] == "  ... 388 lines more not as expected"


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"x" * 100_000, b"[a]\n" * 3])
def test_any_bytes_of_a_snapshot_are_a_difference_that_an_update_replaces(
    pytester: pytest.Pytester, data: bytes
) -> None:
    write(pytester, test_it="def test_it(event_snapshot):\n    assert said('a') == event_snapshot\n")
    run(pytester, "--snapshot-update").assert_outcomes(passed=1)
    (path,) = (pytester.path / "__snapshots__").rglob("*.transcript")
    written = path.read_bytes()
    path.write_bytes(data)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*+ chunk "a"'])
    run(pytester, "--snapshot-update").assert_outcomes(passed=1)
    assert path.read_bytes() == written
    path.write_bytes(b"\xef\xbb\xbf" + written.replace(b"\n", b"\r\n"))  # as editors of Windows may do it
    run(pytester).assert_outcomes(passed=1)


# Names

PARAMETERS = [
    *("x", "X", "a/b", "a\\b", "a:b", "a::b", "a_b", "quo'te", 'quo"te', "sp ace", "tail ", ".", "a.1", "a]", "*?<>|"),
    *("", "-", "new\nline", "OpenAI", "openai", "\u00e9", "e\u0301", "\u212b", "\u00c5", "straße", "strasse", "日本語"),
    *("v" * 300 + "1", "v" * 300 + "2"),
]

NAMES = f"""
IDS = {PARAMETERS!r}

@pytest.mark.parametrize("word", IDS, ids=[*IDS])
def test_word(event_snapshot, word):
    assert said(word) == event_snapshot
    assert said(word, "again") == event_snapshot
    assert said(word, "x") == event_snapshot(name="x")
    assert said(word, "X") == event_snapshot(name="X")
    assert said(word, "named") == event_snapshot(name=word + "!")

def test_URL(event_snapshot):
    assert said("URL") == event_snapshot

def test_url(event_snapshot):
    assert said("url") == event_snapshot

class TestOuter:
    class TestInner:
        def test_word(self, event_snapshot):
            assert said("inner") == event_snapshot

        @pytest.mark.parametrize("word", ["a::b"])
        def test_words(self, event_snapshot, word):
            assert said("inner", word) == event_snapshot

    def test_word(self, event_snapshot):
        assert said("outer") == event_snapshot

def test_हिन्दी(event_snapshot):
    assert said("हिन्दी") == event_snapshot

def test_{"long_" * 40}(event_snapshot):
    assert said("long") == event_snapshot
"""


def distinct(names: Iterable[str]) -> int:
    return len({name.casefold() for name in names})


def test_the_names_of_snapshots_are_unique(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI + "disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n")
    other = "def test_word(event_snapshot):\n    assert said('{}') == event_snapshot\n"
    write(pytester, test_it=NAMES, test_other=other.format("other"))
    folder = pytester.mkpydir("folder")
    (folder / "test_other.py").write_text(HEAD + other.format("in a folder"))
    tests = len(PARAMETERS) + 9
    run(pytester, "--snapshot-update").assert_outcomes(passed=tests)
    written = snapshots(pytester)
    assert len(written) == distinct(written) == 5 * len(PARAMETERS) + 9
    assert max(len(Path(name).name.encode()) for name in written) <= 255
    for name, text in {
        "test_it/test_word[x].transcript": 'chunk "x"',
        "test_it/test_word[x].1.transcript": 'chunk "again"',
        "test_it/test_word[x]@x.transcript": 'chunk "x"\nstreaming done, 3',
        "test_it/test_word[sp ace].transcript": 'chunk "sp ace"',
        "test_it/test_word[日本語].transcript": 'chunk "日本語"',
        "test_it/test_word[a_b].transcript": 'chunk "a_b"',
        "test_it/test_url.transcript": 'chunk "url"',
        "test_it/TestOuter.test_word.transcript": 'chunk "outer"',
        "test_it/TestOuter.TestInner.test_word.transcript": 'chunk "inner"',
        "test_it/test_हिन्दी.transcript": 'chunk "हिन्दी"',
        "test_other/test_word.transcript": 'chunk "other"',
        "folder/test_other/test_word.transcript": 'chunk "in a folder"',
    }.items():
        assert text in written[name]
    assert [name for name in written if name.startswith("test_it/TestOuter.TestInner.test_words[a__b]~")]
    result = run(pytester)
    result.assert_outcomes(passed=tests)
    assert summary(result) == f"{len(written)} snapshots passed."
    assert snapshots(pytester) == written


# What is unused

PROJECT = """
from syrupy.extensions.json import JSONSnapshotExtension

def test_amber(snapshot):
    assert {"a": 1} == snapshot

def test_json(snapshot):
    assert {"a": 1} == snapshot(extension_class=JSONSnapshotExtension)

@pytest.mark.parametrize("model", ["OpenAI", "a/b"] if env("STATE") == "removed" else ["OpenAI", "a/b", "llama:8b"])
def test_model(event_snapshot, model):
    if env("STATE") == "failing":
        pytest.fail("before it compares")
    if env("STATE") == "skipping":
        pytest.skip("before it compares")
    for _ in range(2):
        assert said(model) == event_snapshot
    assert said(model) == event_snapshot(name="Last")

@pytest.mark.skipif(env("STATE") == "skipping", reason="not today")
@pytest.mark.parametrize("model", ["OpenAI", "plain"])
def test_skipped(event_snapshot, model):
    assert said(model) == event_snapshot

@pytest.mark.slow
def test_slow(event_snapshot):
    assert said("slow") == event_snapshot
"""

OTHER = """
if env("STATE") == "skipping":
    pytest.skip("all of it", allow_module_level=True)

def test_it(event_snapshot):
    assert said("other") == event_snapshot
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> dict[str, str]:
    """Write tests and their snapshots, and return these."""
    write(pytester, test_it=PROJECT, test_other=OTHER)
    (pytester.mkpydir("folder") / "test_other.py").write_text(HEAD + OTHER)
    run(pytester, "--snapshot-update").assert_outcomes(passed=10)
    (pytester.path / "__snapshots__/of another tool.snap").write_text("keep me")
    written = snapshots(pytester)
    assert len(written) == 17
    return written


def test_snapshots_of_tests_that_were_not_selected_are_not_unused(
    pytester: pytest.Pytester, project: dict[str, str]
) -> None:
    selections = [
        ["-k", "model and not openai and not A/B"],
        ["-k", "not test_other and event_snapshot or slow", "-m", "slow"],
        ["test_it.py::test_model[a/b]", "test_it.py::test_slow"],
        ["test_other.py"],
    ]
    for selection in selections:
        result = run(pytester, "--snapshot-update", *selection)
        assert "deleted" not in summary(result), selection
        assert result.ret == 0, selection
    assert snapshots(pytester) == project


@pytest.mark.parametrize("state", ["skipping", "failing"])
def test_snapshots_of_tests_that_were_skipped_or_failed_are_not_unused(
    pytester: pytest.Pytester, project: dict[str, str], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setenv("STATE", state)
    others = [f"--deselect=test_it.py::{name}" for name in ("test_amber", "test_json")]
    result = run(pytester, "--snapshot-update", *others)
    assert "deleted" not in summary(result)
    assert "unused" not in summary(result)
    assert snapshots(pytester) == project
    monkeypatch.delenv("STATE")
    result = run(pytester, "--snapshot-update", "--lf", *others)
    assert "deleted" not in summary(result)
    assert snapshots(pytester) == project


def test_unused_snapshots_are_reported_and_deleted(
    pytester: pytest.Pytester, project: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "__snapshots__/of another tool.snap").unlink()
    monkeypatch.setenv("STATE", "removed")
    renamed = (pytester.path / "test_other.py").read_text().replace("test_it", "test_renamed")
    (pytester.path / "test_other.py").write_text(renamed)
    gone = [name for name in project if "llama_8b" in name] + ["test_other/test_it.transcript"]
    kept = {name: text for name, text in project.items() if name not in gone and not name.endswith(".snap")}
    listed = sorted(f"Unused {Path(name).name.removesuffix('.transcript')}" for name in gone)
    assert len(gone) == 4

    result = run(pytester, "--snapshot-details", "--snapshot-update-new-only")
    assert result.ret == 1
    first, *names = summary(result).splitlines()
    assert first == "12 snapshots passed. 1 snapshot generated. 4 snapshots unused."
    assert sorted(names) == listed
    result = run(pytester, "--snapshot-warn-unused", ".")
    assert (result.ret, summary(result)) == (0, "13 snapshots passed. 4 snapshots unused.")
    result = run(pytester, "--snapshot-update", "-n", "1")
    assert "13 snapshots passed. 4 unused snapshots deleted." in summary(result)
    assert snapshots(pytester) == {
        **kept,
        "test_other/test_renamed.transcript": project["test_other/test_it.transcript"],
    }


def test_an_extra_snapshot_of_a_test_that_passed_is_unused(pytester: pytest.Pytester) -> None:
    write(pytester, test_it="def test_it(event_snapshot):\n    assert said('a') == event_snapshot\n")
    run(pytester, "--snapshot-update")
    for name in ("test_it.1", "test_it@x", "test_it[b]"):
        (pytester.path / f"__snapshots__/test_it/{name}.transcript").write_text("")
    (pytester.path / "__snapshots__/test_gone").mkdir()
    (pytester.path / "__snapshots__/test_gone/test_it.transcript").write_text("")
    result = run(pytester, "--snapshot-update")
    assert summary(result).startswith("1 snapshot passed. 4 unused snapshots deleted.")
    assert list(snapshots(pytester)) == ["test_it/test_it.transcript"]


def test_a_variant_is_skipped_until_the_test_as_scripted_has_written_its_snapshot(pytester: pytest.Pytester) -> None:
    test = "def test_it(streaming_mock_backend, event_snapshot):\n    assert said('One.') == event_snapshot\n"
    write(pytester, test_it=test)
    result = run(pytester, "--snapshot-update", "--streamval-fuzz", "1", "-k", "cut", "-rs")
    result.assert_outcomes(skipped=1, deselected=1)
    result.stdout.fnmatch_lines(["SKIPPED * the test as scripted updates the snapshot; run again without *"])
    assert snapshots(pytester) == {}
    run(pytester, "--snapshot-update", "--streamval-fuzz", "1").assert_outcomes(passed=2)
    assert list(snapshots(pytester)) == ["test_it/test_it.transcript"]


def test_existing_snapshots_can_be_protected(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pytester, test_it=MISMATCHES)
    run(pytester, "--snapshot-update").assert_outcomes(passed=6)
    before = snapshots(pytester)
    monkeypatch.setenv("STATE", "new")
    result = run(pytester, "-n", "1", "--snapshot-update-new-only", "--snapshot-warn-unused")
    result.assert_outcomes(passed=2, failed=4)
    assert snapshots(pytester) == {
        **before,
        "test_it/test_new@new.transcript": before["test_it/test_new@one.transcript"],
    }


# Without syrupy

WITHOUT = """
def test_it(event_snapshot):
    pass

def test_other(streaming_mock_backend):
    async def main():
        return await transcribe(await start(streaming_mock_backend))

    assert asyncio.run(main()) == said("One.", "Two.")
"""


@pytest.mark.parametrize("autoload", [True, False])
def test_the_fixture_names_syrupy_if_it_is_missing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, autoload: bool
) -> None:
    options = ["-p", "no:syrupy"]
    if not autoload:
        pytester.makeini("[pytest]\n")
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        options = ["-p", "pytest_streamval.plugin"]
    write(pytester, test_it=WITHOUT)
    result = run(pytester, *options)
    result.assert_outcomes(passed=1, errors=1)
    message = "*MissingExtraError: The fixture event_snapshot needs the pytest plugin syrupy, which is not active.*"
    result.stdout.fnmatch_lines([message])


def test_collect_only_deletes_no_snapshot(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=HEAD + "def test_it(event_snapshot):\n    assert said('One.') == event_snapshot\n")
    run(pytester, "--snapshot-update").assert_outcomes(passed=1)
    run(pytester, "--snapshot-update", "--collect-only")
    run(pytester).assert_outcomes(passed=1)
