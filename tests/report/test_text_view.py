"""The picture of a stream in a terminal."""

from __future__ import annotations

import pytest

from pytest_streamval.report.text_view import picture
from pytest_streamval.report.timeline import OUTCOMES, Bar, Lane, Stop, Timeline, Verdict
from tests.report.streams import NASTY, stream


def test_a_picture_shows_deltas_chunks_verdicts_and_the_stop() -> None:
    assert picture(stream("stopped", ("One. ", "Two? ", "So BAD. ", "Nev", "er.")), more=2, blocks=True) == [
        "The stream 'Go on' was stopped by a requirement (and 2 more)",
        "  NoBad('no BAD') failed chunk 2: BAD is in it <script>alert(1)</script>&\\x1b[…",
        "  tokens                            █               █               █",
        "  chunks                                    0               1               |",
        "  NoBad('no BAD')                           +               ?               X",
        "  received                                  o               o",
        "                    3 deltas in 350 ms; stopped after delta 3, 0 more sent",
        '  released          "One. Two?"',
        '  not released      " So BAD. "',
    ]


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("blocks", [True, False])
def test_a_picture_is_a_dozen_narrow_lines_without_control_characters(outcome: str, blocks: bool) -> None:
    timeline = stream(outcome, asked=NASTY)
    timeline.lanes *= 9
    lines = picture(timeline, blocks=blocks)
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 79
    assert all(line.isprintable() for line in lines)
    if not blocks:
        assert "█" not in "".join(lines)


def test_a_picture_shows_the_first_deviation_of_a_stream() -> None:
    timeline = stream("complete")
    timeline.deviations = ["byte 7: it is odd (unframed-line)"]
    assert "  odd               byte 7: it is odd (unframed-line)" in picture(timeline)
    timeline.deviations *= 3
    assert "  odd               byte 7: it is odd (unframed-line) (and 2 more)" in picture(timeline)


def test_failed_requirements_are_shown_before_others() -> None:
    timeline = stream("stopped")
    timeline.lanes = [*(Lane(f"fine {number}", [], None) for number in range(9)), *timeline.lanes]
    assert any("NoBad" in line and "X" in line for line in picture(timeline))


def test_a_fail_is_shown_before_other_verdicts_of_its_column() -> None:
    verdicts = [Verdict("fail", None, 5, 1), Verdict("pass", None, 5, 1)]
    timeline = stream("complete")
    timeline.lanes = [Lane("r", verdicts, None)]
    assert next(line for line in picture(timeline) if line.startswith("  r  ")).strip("r ") == "X"


def test_long_text_is_cut() -> None:
    bars = [Bar(number, number, number, number + 1) for number in range(500)]
    timeline = Timeline("q", "cancelled", "", 499, 400, 500, 500, list(range(500)), ["a"] * 500, bars, [], [], None)
    lines = picture(timeline)
    assert next(line for line in lines if "not released" in line).endswith(" …")
    assert '… "aaa' in next(line for line in lines if line.startswith("  released"))


def test_the_locale_decides_about_block_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "ANSI_X3.4-1968")
    assert "█" not in "".join(picture(stream("complete")))
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    assert "█" in "".join(picture(stream("complete")))


def test_an_empty_stream_has_a_picture() -> None:
    timeline = Timeline("q", "unfinished", "", 0, 0, 0, 0, [], [], [], [], [], None)
    assert picture(timeline)[-1] == "  released          nothing"


def test_the_columns_of_a_picture_count_deltas_that_came_in_one_moment() -> None:
    bars = [Bar(0, 1, 0, 4), Bar(0, 3, 4, 12)]
    lanes = [Lane("r", [Verdict("pass", None, 0, 1), Verdict("fail", "no", 0, 3)], None)]
    stop = Stop(0, 3, "no", 1)
    times, texts = [0, 0, 0], ["One.", "Two.", "BAD."]
    timeline = Timeline("q", "stopped", "r failed", 0, 12, 3, 12, times, texts, bars, [bars[0]], lanes, stop)
    timeline.reads = [0]
    rows = {line[2:20].strip(): line[20:] for line in picture(timeline, blocks=True)[2:]}
    assert rows["tokens"].split() == ["█", "█", "█"]
    first, second, third = (at for at, sign in enumerate(rows["tokens"]) if sign == "█")
    assert first == 0
    assert third - second == second - first > 10
    assert rows["chunks"][first] == "0"
    assert rows["chunks"][third] == "|"
    assert rows["r"][first] == "+"
    assert rows["r"][third] == "X"
    assert rows["received"] == "o"
    assert rows["browser"].index("o") == third
    assert rows["by number"] == "3 deltas in 0 ms; stopped after delta 3, 1 more sent"


def test_the_columns_of_a_picture_divide_time_if_it_tells_two_deltas_apart() -> None:
    timeline = Timeline("q", "complete", "", 10, 2, 2, 2, [0, 10], ["a", "b"], [], [], [], None)
    assert "2 deltas in 0.01 ms" in "".join(picture(timeline))
    assert "by number" not in "".join(picture(timeline))
