"""The digest, tested with pytest, pytest-asyncio, Hypothesis, syrupy and freezegun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import freezegun
import pytest
from digest import REFUSED, decide, digest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval import Delay, Raise, RunMachine, Script, strategies, without_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval import Council, StreamingMockBackend, VirtualClock
    from pytest_streamval.typing import EventSnapshot, RunView, StreamingMockBackendFactory

    Model = Callable[..., StreamingMockBackend]

WEATHER = "It rains. Take an umbrella."


# freezegun and parameters of pytest


@pytest.mark.freeze_time("2024-02-29")
@pytest.mark.parametrize("answer", [WEATHER, "It rains."])
async def test_a_digest_has_the_date_and_the_sentences(model: Model, answer: str) -> None:
    lines = await digest(model(answer), "Weather?")
    assert lines[:2] == ["29 February 2024: Weather?", "- It rains."]


@freezegun.freeze_time("2024-02-29 23:59")
async def test_a_digest_has_the_date_of_its_beginning(model: Model, virtual_clock: VirtualClock) -> None:
    lines = await digest(model(Script.of("It rains. ", Delay(120), "It stopped.")), "Weather?")
    assert lines == ["29 February 2024: Weather?", "- It rains.", "- It stopped."]
    assert virtual_clock.elapsed == 120


# syrupy


async def test_an_address_stops_the_answer(model: Model, runs: list[RunView], event_snapshot: EventSnapshot) -> None:
    lines = await digest(model("It rains. Ask rain@example.org. Take an umbrella."), "Weather?")
    assert lines[1:] == ["- It rains.", REFUSED]
    assert runs[0] == event_snapshot
    assert lines[1:] == event_snapshot(name="lines")


async def test_an_error_of_the_provider_is_raised(
    model: Model, runs: list[RunView], event_snapshot: EventSnapshot
) -> None:
    with pytest.raises(ConnectionError):
        await digest(model(Script.of("It rains. Ta", Raise(ConnectionError("reset by peer")))), "Weather?")
    assert runs == event_snapshot(matcher=without_messages)


async def test_a_council_decides(panel: Callable[..., Council]) -> None:
    council = panel("It will be dry.", "It will rain.", judge="Take an umbrella.")
    assert await decide(council, "Weather?") == "Take an umbrella."


async def test_a_council_is_the_same_in_each_run(panel: Callable[..., Council], event_snapshot: EventSnapshot) -> None:
    council = panel("It will be dry.", "It will rain.", judge="Take an umbrella.")
    assert await council.ask("Weather?") == event_snapshot


# Hypothesis


ANSWERS = [WEATHER, "It rains. Ask rain@example.org. Take an umbrella.", "Ask @rain."]


@given(script=st.sampled_from(ANSWERS).flatmap(strategies.scripts))
async def test_a_digest_has_no_address(streaming_mock_backend: StreamingMockBackendFactory, script: Script) -> None:
    _, *lines = await digest(streaming_mock_backend(script), "Weather?")
    assert not any("@" in line for line in lines)
    assert (REFUSED in lines) is ("@" in script.text)


class Weather(RunMachine):
    """Runs that end, fail, are left or are cancelled at any time."""


TestWeather = Weather.TestCase


# pytest-asyncio


@pytest.mark.asyncio(loop_scope="class")
class TestOneLoop:
    """Two tests in one event loop."""

    async def test_a_first_digest(self, model: Model) -> None:  # noqa: D102  # its name says it
        assert len(await digest(model(WEATHER), "Weather?")) == 3

    async def test_a_second_digest(self, model: Model) -> None:  # noqa: D102  # as above
        assert len(await digest(model(WEATHER), "Weather?")) == 3
