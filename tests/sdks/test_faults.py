"""Faults: every client behaves as in the table, and closes its threads and sockets."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_streamval import StreamTruncatedError
from tests.sdks.all_methods import ALL, OWN
from tests.sdks.cases import CASES, SHORT, TEXT
from tests.sdks.measuring import TRIED, call_under, measure, versions
from tests.sdks.page import DATA, PAGE, Table, rendered

TABLE = Table.loaded(DATA.read_text(encoding="utf-8"))
ROWS = {(row.sdk, row.method, row.is_async, row.fault): row for row in TABLE.rows}
INSTALLED = versions()
# The packages and the builtins whose errors a client may raise.
PACKAGES = {
    "openai": {"openai", "httpx2", "json", "AssertionError", "RuntimeError", "UnicodeDecodeError"},
    "anthropic": {"anthropic", "httpx2", "json", "AssertionError", "UnicodeDecodeError"},
    "google-genai": {"google", "httpx2", "json"},
    "ollama": {"ollama", "httpx", "json", "ConnectionError", "UnicodeDecodeError"},
    "pytest-streamval": {"pytest_streamval"},
}
HARMLESS = {
    "wrong_content_type",
    "stall",
    "cut_character",
    "one_byte_writes",
    "one_write",
    "slow_drip",
    "joined_frames",
}
AT_ONCE = 16  # threads, which spend their time waiting


def row_of(method, case):
    return ROWS[method.sdk, method.name, method.is_async, case.name]


def is_measured(method):
    """Return whether the installed version of the client is the measured one."""
    return TABLE.versions[method.sdk] == INSTALLED[method.sdk]


@pytest.mark.parametrize(("method", "case"), [tried for tried in TRIED if tried[1].seconds != SHORT], ids=str)
def test_a_client_behaves_under_a_fault_as_in_the_table(method, case):
    check(method, case)


@pytest.mark.parametrize("case", [case for case in CASES if case.seconds == SHORT], ids=str)
@pytest.mark.parametrize("sdk", INSTALLED)
def test_a_client_behaves_under_silence_as_in_the_table(sdk, case):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(lambda method: check(method, case), [method for method in ALL if method.sdk == sdk]))


def check(method, case):
    """Compare a client with its row of the table."""
    outcome, times = call_under(method, case, retries=0)
    assert len(times) == (case.name != "refuse")
    assert outcome.raised.partition(".")[0] in {"", *PACKAGES[method.sdk]}
    if case.name in HARMLESS:
        assert (outcome.raised, outcome.received.text) == ("", TEXT)
    row = row_of(method, case)
    # A client of another version may raise another error of its own.
    if is_measured(method):
        assert (outcome.raised, outcome.received.text) == (row.raised, row.text)
    return outcome


@pytest.mark.parametrize("sdk", sorted({row.sdk for row in TABLE.rows if row.requests > 1}))
def test_a_client_repeats_its_request_as_in_the_table(sdk):
    again = [(method, case) for method, case in TRIED if method.sdk == sdk and row_of(method, case).requests > 1]
    assert {case.name for _, case in again} >= {"rate_limited(0)", "rate_limited(1)", "server_error"}
    tried = [(method, case) for method, case in again if is_measured(method)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda each: measure(*each), tried))
    # A busy machine delays the requests, so that only the table has the pauses.
    assert [row._replace(waits="") for row in found] == [row_of(*each)._replace(waits="") for each in tried]


ENDLESS = [case for case in CASES if case.name in {"empty_body", "truncate", "truncate(after_deltas=3)"}]


@pytest.mark.parametrize("case", ENDLESS, ids=str)
@pytest.mark.parametrize("method", [method for method in OWN if method.form == "stream"], ids=str)
def test_a_live_backend_raises_for_a_missing_end_that_official_clients_miss(method, case):
    silent = [row for row in TABLE.rows if row.fault == case.name and method.sdk != row.sdk and not row.raised]
    assert silent
    outcome, _ = call_under(method, case, retries=0)
    assert isinstance(outcome.error, StreamTruncatedError)
    assert outcome.error.text == outcome.received.text == max((row.text for row in silent), key=len)


def test_the_table_has_all_methods_and_all_cases():
    assert [row_of(method, case) for method, case in TRIED] == TABLE.rows
    assert list(TABLE.faults) == [case.name for case in CASES]


def test_the_page_is_rendered_from_the_data():
    assert PAGE.read_text(encoding="utf-8") == rendered(TABLE)
