"""One script: every framework receives the same output, and answers a tool call as its provider requires."""

import asyncio
import json
import time

import pytest

from pytest_streamval import Delta, Script, Stall, ToolCallDelta, Usage
from tests.frameworks.chosen import drivers
from tests.frameworks.driver import WEATHER, Call, call_streamed, call_whole
from tests.frameworks.requests_of import offered_tools, second_turn

DRIVERS = drivers()
TEXT = "Hel\u2028lo \x85\U0001f34e\r\n\n“Bye.”"
WORDS = list(map(Delta, TEXT))
THOUGHTS = [Delta(thinking="Hm, "), Delta(thinking="\u2029well.")]
THINKING = "Hm, \u2029well."
CALLS = [
    Delta(tool_calls=(ToolCallDelta(0, "call_a1", "weather", '{"city": '),)),
    Delta(tool_calls=(ToolCallDelta(0, arguments='"Ödenburg"}'),)),
]
CITY = {"name": "Ödenburg", "population": 61_390}
SIGNED = {"anthropic", "gemini", "openai-responses"}
PATIENCE = 20.0  # seconds
PAUSE = 0.01  # seconds between two looks
CALLERS = {"streamed": call_streamed, "whole": call_whole}


def drivers_with(*features):
    """Run a test with the drivers that have these features."""
    return pytest.mark.parametrize("driver", [each for each in DRIVERS if not set(features) & set(each.lacks)], ids=str)


def forms(*features):
    """Run a test with the drivers that have these features, streamed and not."""
    names = {"stream": "streamed", "whole": "whole"}
    cases = [
        pytest.param(driver, CALLERS[name], id=f"{driver} {name}")
        for driver in DRIVERS
        for form, name in names.items()
        if not {form, *features, *(f"{feature} {name}" for feature in features)} & set(driver.lacks)
    ]
    return pytest.mark.parametrize(("driver", "call_it"), cases)


def receive(call_it, driver, server, **options):
    """Return the output of a call, or raise its error."""
    outcome = asyncio.run(call_it(driver, Call(server, driver.protocol, **options)))
    if outcome.error is not None:
        raise outcome.error
    return outcome.received


def counted(driver):
    """Return the script of a text with its usage."""
    return Script.of(*driver.written([*WORDS, Delta(usage=Usage(11, 22))]))


def outputs(server):
    """Return the requests for an output. Frameworks also request lists of models, and versions."""
    return [request for request in server.requests if request.protocol]


@forms()
def test_a_framework_receives_the_text_of_a_script(provider_server, driver, call_it):
    server = provider_server(counted(driver), strict=True)
    assert receive(call_it, driver, server).text == (TEXT if call_it is call_streamed else driver.complete(TEXT))
    (request,) = outputs(server)
    assert request.protocol == driver.protocol
    assert request.stream or call_it is call_whole
    assert "Ödenburg" in str(request.body)


@drivers_with("stream")
def test_a_framework_receives_the_same_text_under_cuts(provider_server, driver):
    assert receive(call_streamed, driver, provider_server(counted(driver), cut="7", strict=True)).text == TEXT


@forms("usage")
def test_a_framework_receives_the_usage_of_a_script(provider_server, driver, call_it):
    assert receive(call_it, driver, provider_server(counted(driver), strict=True)).usage == (11, 22)


@forms("tools")
def test_a_framework_calls_a_tool_and_sends_its_result(provider_server, driver, call_it):
    server = provider_server(Script.of(*CALLS), counted(driver), strict=True)
    assert receive(call_it, driver, server, tools=True).text == TEXT
    first, second = outputs(server)
    assert offered_tools(driver.protocol, first.body) == ["weather"]
    (result,) = second_turn(driver.protocol, second.body).results
    assert WEATHER in result


@forms("tools", "thinking")
def test_a_framework_sends_the_thinking_back_with_its_signature(provider_server, driver, call_it):
    server = provider_server(Script.of(*THOUGHTS, *CALLS), counted(driver), strict=True)
    received = receive(call_it, driver, server, tools=True, thinks=True)
    assert (received.text, received.thinking) == (TEXT, THINKING)
    second = second_turn(driver.protocol, outputs(server)[1].body)
    assert WEATHER in second.results[0]
    assert bool(second.signatures) == (driver.protocol in SIGNED)
    assert all(second.signatures)


@drivers_with("structured")
def test_a_framework_receives_a_structured_output(provider_server, driver):
    def rule(request):
        # A framework requests either a JSON text or a call of a tool that it offers.
        tools = offered_tools(driver.protocol, request.body)
        if tools:
            return Script.of(Delta(tool_calls=(ToolCallDelta(0, "call_b2", tools[0], json.dumps(CITY)),)))
        return Script.of(*driver.written([json.dumps(CITY)]))

    server = provider_server(rule, strict=True)
    assert asyncio.run(driver.structured(Call(server, driver.protocol))) == ("Ödenburg", 61_390)
    assert len(outputs(server)) == 1


@drivers_with("stream", "leaving")
def test_a_framework_that_leaves_early_closes_its_connection(provider_server, driver):
    server = provider_server(Script.of(*driver.written(WORDS), Stall()), strict=True)
    outcome = asyncio.run(call_streamed(driver, Call(server, driver.protocol, leaves=True)))
    assert outcome.error is None
    assert outcome.received.text
    assert TEXT.startswith(outcome.received.text)
    (request,) = outputs(server)
    end = time.monotonic() + PATIENCE
    while not request.client_disconnected and time.monotonic() < end:
        time.sleep(PAUSE)
    assert request.client_disconnected
