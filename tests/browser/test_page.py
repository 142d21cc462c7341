"""The page of a report, in a real browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.timeline import Bar, Timeline
from tests.report.streams import NASTY, stream

# Created before the browser, whose client runs an event loop from then on.
STREAMS = {outcome: stream(outcome) for outcome in ("stopped", "complete", "error", "invalid")}
NASTY_STREAM = stream("stopped", (NASTY, "<img src=x onerror=alert(2)> ", "BAD. "), asked=NASTY)
WIDE_STREAM = stream("stopped", ("😀😀. ", "BAD. "))


@pytest.fixture
def report() -> Report:
    """A report of a failed test whose stream was stopped, and of passed tests with the other streams."""
    entries = [
        Entry(f"test_it.py::test_{outcome}", "failed" if outcome == "stopped" else "passed", 0.4, "", [facts])
        for outcome, facts in STREAMS.items()
    ]
    entries[0].message = f"assert 1 == 2\n{NASTY}"
    whole = Report(entries, 5)
    whole.sort()
    return whole


def tip(page) -> list[str]:
    return page.inner_text("#tip").split("\n")


def visible_streams(page) -> list[str]:
    # inner_text() would be empty until the next frame: the page skips the rendering of tests outside the window
    return page.locator(".stream:visible .badge").all_text_contents()


def test_the_failed_test_is_first_and_has_a_lane_for_each_requirement(opened, report) -> None:
    page = opened(report)
    first = page.locator(".test").first
    assert "failed" in first.inner_text()
    assert "test_it.py::test_stopped" in first.inner_text()
    assert page.inner_text("#summary") == "4 streams in 4 tests, of 5 that ran."
    labels = first.locator("svg > text:not(.inside)").all_text_contents()
    assert [label[:6] for label in labels[:4]] == ["tokens", "chunks", "NoBad(", "receiv"]
    verdicts = [rect.get_attribute("class") for rect in first.locator("svg rect").all()]
    assert verdicts == ["pass", "unknown", "withheld", "pass", "unknown", "fail"]
    assert first.locator("svg text.inside").all_text_contents() == ["0", "1", "✕"]
    assert first.locator("circle").count() == 2
    assert first.locator("line.stop").count() == 1


def test_bars_are_at_their_times_on_the_axis_of_time(opened, report) -> None:
    page = opened(report)
    svg = page.locator("svg").first
    rects = [(float(rect.get_attribute("x")), float(rect.get_attribute("width"))) for rect in svg.locator("rect").all()]
    left, right = 150, svg.bounding_box()["width"] - 24
    column = (right - left) / 350  # of a millisecond
    expected = [(100, 150), (200, 250), (300, 350)]  # from the first token to the release, or to the stop
    for (x, width), (start, end) in zip(rects[:3], expected, strict=True):
        assert x == pytest.approx(left + start * column, abs=1.5)
        assert x + width == pytest.approx(left + end * column, abs=2.5)


def test_a_token_shows_its_text_and_its_time_under_the_mouse(opened, report) -> None:
    page = opened(report)
    picture = page.locator(".picture").first
    width = picture.bounding_box()["width"] - 150 - 24
    picture.hover(position={"x": 150 + width * 100 / 350, "y": 12})
    assert tip(page) == [
        "One. ",
        "token 1 of 3, at 100 ms, 100 ms after the start",
        "chunk 0, released at 150 ms, received at 150 ms",
    ]
    picture.hover(position={"x": 150 + width * 300 / 350, "y": 54})
    shown = tip(page)
    assert shown[:3] == ["So BAD. ", "token 3 of 3, at 300 ms, 100 ms after the one before", "not released"]
    assert shown[3].startswith(
        "NoBad('no BAD'): fail, BAD is in it <script>alert(1)</script>&\\u001b[31m\\u202e\\u2028"
    )
    page.mouse.move(5, 5)
    assert not page.is_visible("#tip")


def test_the_filter_takes_words_and_outcomes(opened, report) -> None:
    page = opened(report)
    assert visible_streams(page) == ["stopped", "complete", "error", "invalid"]
    page.fill("#words", "go INVALID")
    assert visible_streams(page) == ["invalid"]
    assert page.inner_text("#shown") == "1 of 4 streams"
    page.fill("#words", "")
    page.click("#streams button:has-text('error')")
    page.click("#tests button:has-text('failed')")
    assert visible_streams(page) == ["complete", "invalid"]
    assert page.locator(".test:visible").count() == 2
    page.click("#tests button:has-text('failed')")
    assert visible_streams(page) == ["stopped", "complete", "invalid"]
    page.fill("#words", "nothing like it")
    assert page.inner_text("#shown") == "0 of 4 streams"


def test_everything_can_be_reached_by_the_keyboard(opened, report) -> None:
    page = opened(report)
    page.keyboard.press("/")
    page.keyboard.type("test_it stopped")
    assert visible_streams(page) == ["stopped"]
    page.keyboard.press("Escape")
    assert len(visible_streams(page)) == 4
    page.locator(".stream").first.focus()
    page.keyboard.press("ArrowRight")
    assert tip(page)[:2] == ["One. ", "token 1 of 3, at 100 ms, 100 ms after the start"]
    page.keyboard.press("End")
    assert tip(page)[0] == "So BAD. "
    page.keyboard.press("Shift+ArrowLeft")
    assert tip(page)[0] == "One. Two? "[5:]
    page.keyboard.press("Home")
    assert tip(page)[0] == "One. "
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.querySelector('.badge').textContent") == "complete"
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.querySelector('.badge').textContent") == "stopped"
    page.keyboard.press("Enter")
    assert page.locator(".stream pre").first.inner_text() == "One. Two? So BAD. "
    assert page.locator(".stream pre .held").first.inner_text() == " So BAD. "
    page.keyboard.press("a")
    assert page.get_attribute("#axis [data-axis=order]", "aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert not page.is_visible("#tip")


def test_the_other_axis_counts_tokens(opened, report) -> None:
    page = opened(report)
    page.click("#axis [data-axis=order]")
    labels = page.locator("svg").first.locator("text").all_text_contents()
    assert labels[-5:] == ["0", "1", "2", "3", "stop"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_light_or_dark_mode_of_the_system(opened, report, scheme: str) -> None:
    page = opened(report, color_scheme=scheme)
    background, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    is_dark = [sum(map(int, color[4:-1].split(", "))) < 384 for color in (background, ink)]
    assert is_dark == [scheme == "dark", scheme == "light"]


def test_text_of_a_test_or_a_model_is_never_run(opened) -> None:
    entry = Entry(f"test[{NASTY}]", "failed", 1, NASTY, [NASTY_STREAM], run=NASTY)
    page = opened(Report([entry], 1, [NASTY]))
    page.locator(".stream").first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator("main script, main img").count() == 0
    assert "\\u001b[31m\\u202e" in page.inner_text(".stream pre")
    assert "<script>alert(1)</script>" in page.inner_text(".lost")


def test_the_page_of_an_empty_report_says_that_no_test_streamed(opened) -> None:
    page = opened(Report(tests_run=3))
    assert page.inner_text("main") == "No test streamed anything."
    assert page.inner_text("#shown") == "0 of 0 streams"


def test_a_crashed_test_without_streams_is_shown(opened, report) -> None:
    report.tests.insert(0, Entry("test_it.py::test_crash", "crashed", 0, "worker 'gw0' crashed"))
    page = opened(report)
    assert "worker 'gw0' crashed" in page.locator(".test").first.inner_text()
    page.fill("#words", "complete")
    assert page.locator(".test:visible").count() == 1


def test_a_stream_of_five_megabytes_can_be_read(opened) -> None:
    text = "0123456789" * 524_288
    one = Timeline(
        "all at once", "complete", "", 9, len(text), 1, len(text), [5], [text], [Bar(9, 1, 0, len(text))], [], [], None
    )
    bars = [Bar(at, at + 1, at * 64, at * 64 + 64) for at in range(50_000)]
    texts = [text[start : start + 64] for start in range(0, len(text), 64)]
    times = list(range(len(texts)))
    many = Timeline(
        "bit by bit", "cancelled", "", len(texts), 40, len(texts), len(text), times, texts, bars, bars, [], None
    )
    page = opened(Report([Entry("test_it.py::test_size", streams=[one, many])], 1))
    page.locator(".stream").first.focus()
    page.keyboard.press("Home")
    assert tip(page)[0] == text[:300] + "…"
    page.keyboard.press("Enter")
    assert len(page.locator("pre").first.text_content()) == len(text)
    page.locator(".stream").last.focus()
    page.keyboard.press("End")
    assert tip(page)[0] == texts[-1]
    assert page.locator("svg").last.locator("rect, circle").count() < 3_000


def test_characters_beyond_the_basic_plane_keep_offsets_right(opened) -> None:
    page = opened(Report([Entry("t", streams=[WIDE_STREAM])], 1))
    page.locator(".stream").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("pre .held").inner_text() == " BAD. "
    page.keyboard.press("End")
    assert tip(page)[0] == "BAD. "
    assert tip(page)[2] == "not released"


def test_the_reads_of_a_browser_are_a_row_on_both_axes(opened) -> None:
    run = replace(STREAMS["complete"], reads=[100_000, 300_000])
    times, texts = [0, 10, 20_000], ["One. ", "Two. ", "Three."]
    page_alone = Timeline("GET /", "cancelled", "", 20_000, 16, 3, 16, times, texts, [], [], [], None)
    page_alone = replace(page_alone, subject="page", reads=[10, 20_000])
    response = replace(page_alone, subject="response", asked="POST /v1", reads=[])
    page = opened(Report([Entry("t", streams=[run, page_alone, response])], 1))
    for axis in ("time", "order"):
        page.click(f"[data-axis={axis}]")
        circles = [page.locator(".stream").nth(number).locator("circle.browser").count() for number in range(3)]
        assert circles == [2, 2, 0]
    labels = [page.locator(".stream").nth(number).locator("svg title").all_text_contents() for number in range(3)]
    assert "browser" in labels[0]
    assert "chunks" in labels[0]
    assert {"tokens", "browser"} <= {*labels[1]}
    assert not {"chunks", "received"} & {*labels[1], *labels[2]}
    about = page.locator(".about").nth(1).inner_text()
    assert "page" in about
    assert "3 tokens, 2 reads, 20 ms" in about
