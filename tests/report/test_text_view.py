"""The picture of a stream in a terminal."""

from __future__ import annotations

import pytest

from pytest_streamval.report.text_view import picture
from pytest_streamval.report.timeline import OUTCOMES, Bar, Lane, Timeline, Verdict
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
