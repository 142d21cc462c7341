"""What a terminal shows of a stream."""

from __future__ import annotations

import pytest

from pytest_streamval.report.text_view import picture
from pytest_streamval.report.timeline import OUTCOMES, Bar, Lane, Timeline, Verdict
from tests.report.streams import NASTY, stream


def test_a_picture_shows_what_came_when_and_where_it_stopped() -> None:
    assert picture(stream("stopped", ("One. ", "Two? ", "So BAD. ", "Nev", "er.")), more=2, blocks=True) == [
        "The stream 'Go on' was stopped by a requirement (and 2 more)",
        "  NoBad('no BAD') failed chunk 2: BAD is in it <script>alert(1)</script>&\\x1b[…",
        "  tokens                            █               █               █",
        "  chunks                                    0               1               |",
        "  NoBad('no BAD')                           +               ?               X",
        "  received                                  o               o",
        "                    3 deltas in 350 ms; stopped behind delta 3, 0 more sent",
        '  released          "One. Two?"',
        '  not released      " So BAD. "',
    ]


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("blocks", [True, False])
def test_a_picture_is_a_dozen_narrow_lines_without_control_characters(outcome: str, blocks: bool) -> None:
    seen = stream(outcome, asked=NASTY)
    seen.lanes *= 9
    lines = picture(seen, blocks=blocks)
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 79
    assert all(line.isprintable() for line in lines)
    if not blocks:
        assert "█" not in "".join(lines)


def test_of_many_requirements_those_that_failed_are_shown() -> None:
    seen = stream("stopped")
    seen.lanes = [*(Lane(f"fine {number}", [], None) for number in range(9)), *seen.lanes]
    assert any("NoBad" in line and "X" in line for line in picture(seen))


def test_a_fail_hides_no_other_verdict_of_its_column_behind_itself() -> None:
    verdicts = [Verdict("fail", None, 5, 1), Verdict("pass", None, 5, 1)]
    seen = stream("complete")
    seen.lanes = [Lane("r", verdicts, None)]
    assert next(line for line in picture(seen) if line.startswith("  r  ")).strip("r ") == "X"


def test_long_text_and_many_chunks_are_cut() -> None:
    bars = [Bar(number, number, number, number + 1) for number in range(500)]
    seen = Timeline("q", "cancelled", "", 499, 400, 500, 500, list(range(500)), ["a"] * 500, bars, [], [], None)
    lines = picture(seen)
    assert next(line for line in lines if "not released" in line).endswith(" …")
    assert '… "aaa' in next(line for line in lines if line.startswith("  released"))


def test_the_locale_decides_what_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "ANSI_X3.4-1968")
    assert "█" not in "".join(picture(stream("complete")))
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    assert "█" in "".join(picture(stream("complete")))


def test_a_stream_of_nothing_has_a_picture() -> None:
    seen = Timeline("q", "unfinished", "", 0, 0, 0, 0, [], [], [], [], [], None)
    assert picture(seen)[-1] == "  released          nothing"
