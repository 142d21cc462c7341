"""Faults: errors of a provider and of the network, as values.

A fault such as `faults.reset(after_deltas=3)` belongs to all scripts of a server (`provider_server(script,
fault=...)`), belongs to one script (`fault.on(script)`), or takes the place of one. `faults.all()` returns one fault of
each kind, for `@pytest.mark.parametrize("fault", faults.all())`.

A fault strikes after a number of deltas or bytes. If the response ends before that, it strikes at the end. A response
that is not streamed is struck in the middle.
"""

from pytest_streamval.server.faults.catalog import (
    bad_request,
    close_mid_frame,
    cut_character,
    duplicated_frame,
    empty_body,
    headers_then_silence,
    invalid_utf8,
    malformed_json,
    one_byte_writes,
    one_write,
    out_of_order,
    overloaded,
    rate_limited,
    refuse,
    reset,
    server_error,
    slow_drip,
    stall,
    truncate,
    unauthorized,
    unfinished,
    wrong_content_type,
)
from pytest_streamval.server.faults.endings import doubled_end, no_last_blank_line
from pytest_streamval.server.faults.fault import Fault, Faulty, named
from pytest_streamval.server.faults.fault import all_faults as all  # noqa: A004  # read as faults.all()
from pytest_streamval.server.faults.proxies import bad_gateway, compressed, joined_frames, keep_alives
from pytest_streamval.server.faults.retry_after import retry_after_date, retry_after_ms

__all__ = [
    "Fault",
    "Faulty",
    "all",
    "bad_gateway",
    "bad_request",
    "close_mid_frame",
    "compressed",
    "cut_character",
    "doubled_end",
    "duplicated_frame",
    "empty_body",
    "headers_then_silence",
    "invalid_utf8",
    "joined_frames",
    "keep_alives",
    "malformed_json",
    "named",
    "no_last_blank_line",
    "one_byte_writes",
    "one_write",
    "out_of_order",
    "overloaded",
    "rate_limited",
    "refuse",
    "reset",
    "retry_after_date",
    "retry_after_ms",
    "server_error",
    "slow_drip",
    "stall",
    "truncate",
    "unauthorized",
    "unfinished",
    "wrong_content_type",
]
