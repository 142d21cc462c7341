"""Errors of the loopback provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import CheckFailedError, ClosedError, check_failed
from pytest_streamval.errors.guards import INTENDED
from pytest_streamval.errors.text import excerpt, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 15  # requests or scripts that a message shows


def unscripted_request_error(
    request: str,
    scripts: Sequence[tuple[str, str]],
    nearest: str,
    differences: Sequence[tuple[str, str, str]],
    *,
    has_rule: bool = False,
) -> CheckFailedError:
    """Return the error for a request that came to a provider server without a script for it.

    Args:
        request: The request.
        scripts: The scripts, and the request for which each was played; an empty text for none.
        nearest: The earlier request that differs least; empty if there was none.
        differences: The differences from that: the field, its value now, its value then.
        has_rule: Whether the server has a rule in place of scripts.
    """
    lines = ["A request came for which the provider server has no script:", f"  {request}"]
    none = "Its rule has none for this request." if has_rule else "It has no scripts."
    lines += ["Its scripts, one for each request:"] if scripts else [none]
    for number, (script, played) in enumerate(scripts[:_SHOWN], 1):
        lines.append(f"  script {number}: {script}, {f'played for {played}' if played else 'not played'}")
    if nearest and not differences:
        lines.append(f"It repeats {nearest}: a client that sends a request again takes one more script.")
    elif nearest:
        lines.append(f"The nearest earlier request was {nearest}. The differences:")
        for field, now, then in differences:
            lines += [f"  {field}", f"    is now    {now}", f"    but was   {then}"]
    advice = "Give one more script, or a rule: provider_server(lambda request: ...)."
    lines += ["Add a script for it to the rule." if has_rule else advice, INTENDED]
    return check_failed("unscripted request", lines)


def unserved_path_error(request: str, reason: str) -> CheckFailedError:
    """Return the error for a request whose path a provider server does not serve.

    Args:
        request: The request.
        reason: The answer that it got, with the nearest path.
    """
    lines = ["A request came to a path that the provider server does not serve:", f"  {request}", reason, INTENDED]
    return check_failed("unserved path", lines)


def unasked_script_error(given: int, unasked: Sequence[tuple[int, str]]) -> CheckFailedError:
    """Return the error for a test that passed although a provider server did not play all its scripts.

    Args:
        given: The number of scripts.
        unasked: The numbers of the scripts that were not played, from 1, and their texts.
    """
    return check_failed(
        "unplayed script",
        [
            f"A provider server was given {plural(given, 'script')}, one for each request. Never played:",
            *(f"  script {number}: {text}" for number, text in unasked[:_SHOWN]),
            (
                "Either the code under test did not do what the test is about, or its client uses another address: see "
                "server.requests."
            ),
            INTENDED,
        ],
    )


def answer_failed_error(request: str, failure: str) -> CheckFailedError:
    """Return the error for a server that could not answer, because a rule raised or the protocol lacks a form."""
    return check_failed(
        "answer failed",
        [
            f"The provider server could not answer {request}: {failure}",
            "Its client got an error, or a connection that broke. Mend the rule or the script.",
            INTENDED,
        ],
    )


def not_requested_error(wanted: str, found: int, requests: Sequence[tuple[str, str]]) -> CheckFailedError:
    """Return the error for a request that a provider server did not get.

    Args:
        wanted: The expected request, and the expected number.
        found: The number of requests that fit.
        requests: All requests, and how each differs from the expected one.
    """
    lines = [f"The provider server was to get {wanted}. Requests that fit: {found}."]
    lines += ["Its requests:"] if requests else ["It got no request at all: is its address in use?"]
    for number, (request, differs) in enumerate(requests[:_SHOWN]):
        lines.append(f"  requests[{number}]: {request}{f', but {differs}' if differs else ''}")
    return check_failed("not requested", lines)


def missing_tool_result_error(call_id: str, text: str, results: Sequence[tuple[str, str, str]]) -> CheckFailedError:
    """Return the error for the result of a tool that no request brought to a provider server.

    Args:
        call_id: The id of the call.
        text: The expected part of the result.
        results: All results: the request, the names of the call, and the text.
    """
    lines = [f"No request has the result of the call {call_id!r} with {excerpt(text)}."]
    lines += ["The results in its requests:"] if results else ["There is no result of a tool in its requests."]
    lines += [
        f"  {request}: {names or 'a call without an id'} gave {shown}" for request, names, shown in results[:_SHOWN]
    ]
    lines += [f"  ... and {len(results) - _SHOWN:,} more"] if len(results) > _SHOWN else []
    return check_failed("missing tool result", lines)


def client_stayed_error(seconds: float, requests: Sequence[str]) -> CheckFailedError:
    """Return the error for a client that did not leave in the middle of its answer within a time."""
    return check_failed(
        "client stayed",
        [
            f"No client left before the end of its answer, within {seconds:g} s.",
            *([f"  {request}" for request in requests[:_SHOWN]] or ["  There was no request."]),
            "A client leaves when its connection is closed: leave the context of its stream, or close the client.",
        ],
    )


def server_state_error(state: str) -> ClosedError:
    """Return the error for a provider server that was used while it was not open."""
    return ClosedError(f"This provider server {state}. It is open within `with ProviderServer(...) as server:`.")
