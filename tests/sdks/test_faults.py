"""Every fault ends in a defined way for every client: as it is written down, without a hang, with nothing left."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_streamval import StreamTruncatedError
from tests.sdks.every import EVERY, OWN
from tests.sdks.measuring import CASES, SHORT, TEXT, TRIED, hear, measure, versions
from tests.sdks.page import DATA, PAGE, Table, rendered

TABLE = Table.loaded(DATA.read_text(encoding="utf-8"))
ROWS = {(row.sdk, row.method, row.is_async, row.fault): row for row in TABLE.rows}
INSTALLED = versions()
# Whose errors a client may raise: its own, those of the libraries that it is made of, and Python's.
PACKAGES = {
    "openai": {"openai", "httpx2", "json", "AssertionError", "RuntimeError", "UnicodeDecodeError"},
    "anthropic": {"anthropic", "httpx2", "json", "AssertionError", "UnicodeDecodeError"},
    "google-genai": {"google", "httpx2", "json"},
    "ollama": {"ollama", "httpx", "json", "ConnectionError", "UnicodeDecodeError"},
    "pytest-streamval": {"pytest_streamval"},
}
HARMLESS = {"wrong_content_type", "stall", "cut_character", "one_byte_writes", "one_write", "slow_drip"}
AT_ONCE = 16  # of those that spend their time waiting


def row_of(way, case):
    return ROWS[way.sdk, way.method, way.is_async, case.name]


def is_measured(way):
    """Whether the client that is installed is the one that was measured."""
    return TABLE.versions[way.sdk] == INSTALLED[way.sdk]


@pytest.mark.parametrize(("way", "case"), [tried for tried in TRIED if tried[1].seconds != SHORT], ids=str)
def test_a_fault_ends_as_it_is_written_down(way, case):
    check(way, case)


@pytest.mark.parametrize("case", [case for case in CASES if case.seconds == SHORT], ids=str)
@pytest.mark.parametrize("sdk", INSTALLED)
def test_silence_ends_as_it_is_written_down(sdk, case):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(lambda way: check(way, case), [way for way in EVERY if way.sdk == sdk]))


def check(way, case):
    """Hold what a client does against what is written down."""
    outcome, times = hear(way, case, retries=0)
    assert len(times) == (case.name != "refuse")
    assert outcome.raised.partition(".")[0] in {"", *PACKAGES[way.sdk]}
    if case.name in HARMLESS:
        assert (outcome.raised, outcome.heard.text) == ("", TEXT)
    row = row_of(way, case)
    # A client of another version may raise something else of its own; then the table has to be measured again.
    if is_measured(way):
        assert (outcome.raised, outcome.heard.text) == (row.raised, row.text)
    return outcome


@pytest.mark.parametrize("sdk", sorted({row.sdk for row in TABLE.rows if row.requests > 1}))
def test_a_client_asks_again_as_it_is_written_down(sdk):
    again = [(way, case) for way, case in TRIED if way.sdk == sdk and row_of(way, case).requests > 1]
    assert {case.name for _, case in again} >= {"rate_limited(0)", "rate_limited(1)", "server_error"}
    tried = [(way, case) for way, case in again if is_measured(way)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda each: measure(*each), tried))
    # How long a client waited cannot be told on a busy machine; that is measured where the table is.
    assert [row._replace(waits="") for row in found] == [row_of(*each)._replace(waits="") for each in tried]


ENDLESS = [case for case in CASES if case.name in {"empty_body", "truncate", "truncate(after_deltas=3)"}]


@pytest.mark.parametrize("case", ENDLESS, ids=str)
@pytest.mark.parametrize("way", [way for way in OWN if way.form == "stream"], ids=str)
def test_where_official_clients_are_silent_of_a_missing_end_ours_tells(way, case):
    silent = [row for row in TABLE.rows if row.fault == case.name and way.sdk != row.sdk and not row.raised]
    assert silent
    outcome, _ = hear(way, case, retries=0)
    assert isinstance(outcome.error, StreamTruncatedError)
    assert outcome.error.text == outcome.heard.text == max((row.text for row in silent), key=len)


def test_the_table_has_all_that_is_tried():
    assert [row_of(way, case) for way, case in TRIED] == TABLE.rows
    assert list(TABLE.faults) == [case.name for case in CASES]


def test_the_page_says_what_the_data_say():
    assert PAGE.read_text(encoding="utf-8") == rendered(TABLE)
