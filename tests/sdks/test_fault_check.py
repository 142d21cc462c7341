"""`assert_faults_noticed` over all clients reports exactly the rows of the table with a gap and without an error."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from pytest_streamval import Script, assert_faults_noticed
from pytest_streamval.errors import CheckFailedError
from tests.sdks.all_methods import ALL
from tests.sdks.cases import LONG, PIECES, SHORT
from tests.sdks.client_methods import ClientOptions
from tests.sdks.measuring import TRIED, versions
from tests.sdks.page import DATA, Table

TABLE = Table.loaded(DATA.read_text(encoding="utf-8"))
INSTALLED = versions()
MEASURED = [method for method in ALL if TABLE.versions[method.sdk] == INSTALLED[method.sdk]]
AT_ONCE = 16  # threads, which spend their time waiting


def silent_rows(method):
    """Return the faults under which the caller's text is incomplete or wrong without an error, by the table."""
    key = method.sdk, method.name, method.is_async
    return {row.fault for row in TABLE.rows if row[:3] == key and not row.raised and row.text != TABLE.text}


def text_of(method, seconds, server):
    """Return the text as an application gets it from a client without retries."""
    outcome = method.call(server, ClientOptions(seconds, 0))
    if outcome.error is not None:
        raise outcome.error
    return outcome.received.text


def unnoticed(method, seconds):
    """Return the names of the cases that `assert_faults_noticed` reports for a method."""
    cases = [case for tried, case in TRIED if tried is method and case.seconds == seconds]
    try:
        assert_faults_noticed(partial(text_of, method, seconds), Script.of(*PIECES), faults=[c.fault for c in cases])
    except CheckFailedError as error:
        lines = str(error).splitlines()[1 : len(cases) + 1]  # one for each fault, in their order
        assert all(line[2:].startswith(case.fault.name) for line, case in zip(lines, cases, strict=True))
        return {case.name for line, case in zip(lines, cases, strict=True) if line.startswith("!")}
    return set()


@pytest.mark.parametrize("method", MEASURED, ids=str)
def test_assert_faults_noticed_reports_the_silent_rows_of_the_table(method):
    assert unnoticed(method, LONG) == silent_rows(method)


@pytest.mark.parametrize("sdk", sorted({method.sdk for method in MEASURED}))
def test_assert_faults_noticed_reports_no_client_under_silence_as_each_raises_an_error(sdk):
    methods = [method for method in MEASURED if method.sdk == sdk]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(lambda method: unnoticed(method, SHORT), methods)) == [set()] * len(methods)


def test_a_stream_of_each_official_client_has_silent_rows():
    streaming = [method for method in ALL if method.form == "stream" and method.sdk != "pytest-streamval"]
    assert streaming
    assert all(silent_rows(method) for method in streaming)
