"""The pytest plugin. pytest finds its hooks and fixtures here."""

from pytest_streamval.plugin.fixtures import (
    _streamval_cancellation,
    _streamval_cut,
    captured_telemetry,
    council,
    event_snapshot,
    live_backend,
    provider_server,
    stream_cassette,
    stream_script,
    streaming_mock_backend,
    virtual_clock,
)
from pytest_streamval.plugin.hooks import (
    pytest_addoption,
    pytest_assertrepr_compare,
    pytest_collect_file,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_configure_node,
    pytest_report_header,
    pytest_runtest_call,
    pytest_runtest_makereport,
)

__all__ = [
    "_streamval_cancellation",
    "_streamval_cut",
    "captured_telemetry",
    "council",
    "event_snapshot",
    "live_backend",
    "provider_server",
    "pytest_addoption",
    "pytest_assertrepr_compare",
    "pytest_collect_file",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_report_header",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "stream_cassette",
    "stream_script",
    "streaming_mock_backend",
    "virtual_clock",
]
