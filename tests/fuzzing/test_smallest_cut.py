"""The smallest cut under which a test fails is found with few runs."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Delta, Script
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.fuzzing.smallest_cut import RUNS, CutRun, SmallestCut, smallest_cut

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "The tide came in, and it took the boats. " * 6


class Trials:
    """Runs of a consumer of a script's deltas, and their number."""

    def __init__(self, script: Script, fails: Callable[[list[Delta]], bool]) -> None:
        self.count = 0
        self._script = script
        self._fails = fails

    def __call__(self, cut: Cut | None, byte_cut: Cut | None = None, read_cut: Cut | None = None) -> CutRun:
        self.count += 1
        recutter = ScriptRecutter(cut, byte_cut, read_cut)
        deltas = recutter.script(self._script).deltas
        return CutRun(self._fails(list(deltas)), tuple(recutter.places()), has_bodies=False)

    def smallest(self, cut: str) -> SmallestCut:
        found = smallest_cut(Cut(cut), self(Cut(cut), None), self)
        assert self.count <= RUNS + 1
        return found


def texts(deltas: list[Delta]) -> list[str]:
    return [delta.text for delta in deltas]


def test_one_cut_is_found_among_many() -> None:
    script = Script.of(*TEXT.split("tide"), "The boats")
    trials = Trials(script, lambda deltas: 57 in accumulate(map(len, texts(deltas))))
    assert trials.smallest("2").cut == Cut("at-57")
    assert trials.count < 14


def test_pieces_as_scripted_are_kept_if_they_matter() -> None:
    trials = Trials(Script.of("ab", "cd"), lambda deltas: "c" in texts(deltas))
    assert trials.smallest("2").cut == Cut("at-3")
    trials = Trials(Script.of("abcd"), lambda deltas: "c" in texts(deltas))
    assert trials.smallest("2").cut == Cut("at-2-3")


def test_pieces_as_scripted_are_joined_if_the_test_fails_only_then() -> None:
    trials = Trials(Script.of("ab", "cd", "ef"), lambda deltas: texts(deltas) == ["abcd", "ef"])
    assert trials.smallest("only-at-4").cut == Cut("only-at-4")
    assert Trials(Script.of("ab", "cd"), lambda deltas: len(deltas) == 1).smallest("1").cut == Cut("whole")


def test_empty_deltas_are_left_out_unless_they_matter() -> None:
    fails_for_empty = Trials(Script.of(TEXT), lambda deltas: "" in texts(deltas))
    assert fails_for_empty.smallest("2").cut == Cut("at-0e")
    fails_for_letters = Trials(Script.of(TEXT), lambda deltas: "T" in texts(deltas))
    assert fails_for_letters.smallest("2").cut == Cut("at-1")


def test_the_place_of_the_finish_reason_is_kept_if_it_matters() -> None:
    script = Script.of("ab", "cd", Delta(finish_reason="stop"))
    trials = Trials(script, lambda deltas: bool(deltas[-1].text and deltas[-1].finish_reason))
    assert trials.smallest("2").cut == Cut("at-joined")


def test_a_cut_that_cannot_be_named_keeps_its_number() -> None:
    script = Script.of(TEXT)
    every = len(TEXT)
    trials = Trials(script, lambda deltas: len([delta for delta in deltas if delta.text]) == every)
    assert trials.smallest("2") == SmallestCut(Cut("2"), repeats=True)


def test_a_failure_that_does_not_repeat_is_called_that() -> None:
    outcomes = iter([True])
    trials = Trials(Script.of(TEXT), lambda _: next(outcomes, False))
    assert trials.smallest("3") == SmallestCut(Cut("3"), repeats=False)


def body_run(cut: Cut | None, byte_cut: Cut | None, fails: Callable[[list[bytes], str], bool]) -> CutRun:
    """Return a run with a response whose frames are the deltas of a script."""
    recutter = ScriptRecutter(cut, byte_cut)
    frames = [text.encode() + b"\n" for text in texts(list(recutter.script("abcdef", token_size=2).deltas))]
    reads, kind = list(frames), "frames"
    if recutter.byte_cut is not None:
        kind = "reads"
        offsets, body = recutter.byte_cut.of_frames(), recutter.new_body()
        for frame in frames:
            body.add(frame, offsets(frame))
        bounds = [0, *body.cuts, len(body.data)]
        reads = [bytes(body.data[start:end]) for start, end in pairwise(bounds)]
    return CutRun(fails(reads, kind), tuple(recutter.places()), has_bodies=bool(recutter.bodies))


@pytest.mark.parametrize(
    ("cut", "fails", "expected"),
    [
        ("3", lambda reads, kind: any(read.startswith(b"\n") for read in reads), "at-b8"),
        ("1", lambda reads, kind: len(reads) == 1 and kind == "reads", "only-at-b0"),
        ("2", lambda reads, kind: b"a\n" in reads and kind == "frames", "at-1"),
        ("1", lambda reads, kind: reads == [b"abcdef\n"] and kind == "frames", "only-at-0"),
        ("3", lambda reads, kind: any(read.startswith(b"\nb") for read in reads), "3"),
    ],
    ids=["bytes", "one read", "deltas", "one delta", "both"],
)
def test_the_cut_of_bytes_and_that_of_scripts_are_told_apart(cut, fails, expected) -> None:
    def trial(cut: Cut | None, byte_cut: Cut | None, read_cut: Cut | None = None) -> CutRun:
        del read_cut  # a run without pages
        return body_run(cut, byte_cut, fails)

    first = trial(Cut(cut), None)
    assert smallest_cut(Cut(cut), first, trial) == SmallestCut(Cut(expected), repeats=True)


def page_run(cuts: tuple[Cut | None, ...], fails: Callable[[list[bytes], list[str]], bool]) -> CutRun:
    """Return a run with an application that sends each delta of a script as one message."""
    recutter = ScriptRecutter(*cuts)
    deltas = texts(list(recutter.script("abcdef", token_size=2).deltas))
    page = recutter.new_page()
    reads: list[bytes] = []
    for delta in deltas:
        for piece, is_cut in [(delta.encode(), True)] if page is None else page.pieces(delta.encode()):
            reads.append(piece if is_cut or not reads else reads.pop() + piece)
    is_failed = fails([read for read in reads if read], deltas)
    return CutRun(is_failed, tuple(recutter.places()), has_bodies=False, has_pages=bool(recutter.pages))


@pytest.mark.parametrize(
    ("cut", "fails", "expected"),
    [
        ("2", lambda reads, deltas: b"d" in reads, "at-r3"),
        ("1", lambda reads, deltas: len(reads) == 1, "only-at-r0"),
        ("2", lambda reads, deltas: "d" in deltas, "at-3"),
        ("1", lambda reads, deltas: len(deltas) == 1, "only-at-0"),
    ],
    ids=["reads", "one read", "deltas", "one delta"],
)
def test_the_cut_of_reads_and_that_of_scripts_are_told_apart(cut, fails, expected) -> None:
    def trial(*cuts: Cut | None) -> CutRun:
        return page_run(cuts, fails)

    assert smallest_cut(Cut(cut), trial(Cut(cut)), trial) == SmallestCut(Cut(expected), repeats=True)
