"""The page as a file. Tests in tests/browser open it in a browser."""

from __future__ import annotations

import json
import re

from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.page import page_of
from tests.report.streams import NASTY, stream


def page(*entries: Entry, **facts: object) -> str:
    return page_of(Report(list(entries), **facts))


def data(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_contains_everything_and_loads_nothing() -> None:
    found = page(Entry("t", streams=[stream("complete")]))
    assert not re.search(r'\b(src|href|url)\b\s*[=(]|@import|https?://(?!www\.w3\.org/2000/svg")', found)
    assert "default-src 'none'" in found


def test_text_of_a_test_or_a_model_is_never_markup() -> None:
    nasty_stream = stream("stopped", (NASTY, "BAD. "), asked=NASTY)
    entry = Entry(f"test_it.py::test[{NASTY}]", "failed", 1, NASTY, [nasty_stream])
    found = page(entry, lost=[f"{NASTY} is lost"])
    assert found.count("<script") == found.count("</script") == 2
    assert "alert(1)</" not in found
    assert "&lt;script&gt;alert(1)" in found
    shown = data(found)["tests"][0]
    assert (shown["test"], shown["message"], shown["streams"][0]["texts"][0]) == (entry.test, NASTY, NASTY)


def test_surrogates_are_kept_in_the_page() -> None:
    found = page(Entry("t", streams=[stream("complete", ("a\ud800. ", "END."), asked="\udfff")]), lost=["\ud800"])
    assert data(found)["tests"][0]["streams"][0]["texts"] == ["a\ud800. ", "END."]


def test_the_page_of_an_empty_report_says_that_no_test_streamed() -> None:
    found = page(tests_run=3)
    assert "No test streamed anything." in found
    assert "0 streams\nin 0 tests, of 3 that ran." in found
