"""Whatever goes wrong with one member is that member's error, and nothing of it is left running."""

from __future__ import annotations

import asyncio
import gc

import pytest

from pytest_streamval import (
    Backend,
    Council,
    Delay,
    ModelOption,
    ModelOutputThunk,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
)

KEY = "planted-key-0123456789abcdef"


class Odd(Backend):
    """Answers by a function."""

    def __init__(self, answer) -> None:
        self.answer = answer

    async def generate_from_context(self, action, ctx, **options):
        return await self.answer(ctx.add(action))


async def raises_at_once(ctx):
    raise ValueError("at once")


async def raises_what_no_application_expects(ctx):
    raise BaseException("out of the way")  # noqa: TRY002  # what nobody should raise


async def cancels_itself(ctx):
    raise asyncio.CancelledError("by itself")


async def returns_nothing(ctx):
    return None


async def never_answers(ctx):
    await asyncio.get_running_loop().create_future()


async def raises_a_timeout(ctx):
    raise TimeoutError("of its own")


async def raises_when_it_is_cleaned_up(ctx):
    async def produce(thunk):
        try:
            await thunk.put("Hel")
            await asyncio.get_running_loop().create_future()
        finally:
            raise ValueError("in the clean-up")

    thunk = ModelOutputThunk()
    thunk.start(produce)
    return thunk, ctx.add(thunk)


async def cancels_its_output(ctx):
    thunk = ModelOutputThunk()

    async def produce(thunk):
        await thunk.put("Hel")
        await asyncio.sleep(0)
        thunk.abandon(ValueError("enough"))

    thunk.start(produce)
    return thunk, ctx.add(thunk)


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


async def raises_what_has_no_message(ctx):
    raise SilentError


# What a member does, what its error says, and the text that is kept.
FAULTS = {
    "it raises before it answers": (Odd(raises_at_once), "ValueError: at once", ""),
    "it raises a BaseException": (Odd(raises_what_no_application_expects), "BaseException: out of the way", ""),
    "it raises a CancelledError": (Odd(cancels_itself), "CancelledError: by itself", ""),
    "it raises a TimeoutError": (Odd(raises_a_timeout), "TimeoutError: of its own", ""),
    "its error has no message": (Odd(raises_what_has_no_message), "SilentError: <its message raised RuntimeError>", ""),
    "it returns nothing": (Odd(returns_nothing), "InvalidArgumentError: Odd.generate", ""),
    "it never answers": (Odd(never_answers), "MemberTimeoutError: bad sent nothing for 5 s", ""),
    "it breaks off": (Script.of("Hel", Raise(ConnectionResetError("gone"))), "ConnectionResetError: gone", "Hel"),
    "it stalls": (Script.of("Hel", Stall()), "MemberTimeoutError: bad sent nothing for 5 s", "Hel"),
    "it stalls at once": (Script.of(Stall()), "MemberTimeoutError: bad sent nothing for 5 s", ""),
    "its clean-up raises": (Odd(raises_when_it_is_cleaned_up), "MemberTimeoutError: bad sent nothing for 5 s", "Hel"),
    "it is cancelled": (Script.of("Hel", Raise(asyncio.CancelledError())), "GenerationCancelledError: ", "Hel"),
    "it cancels its output": (Odd(cancels_its_output), "GenerationCancelledError: ", "Hel"),
    "it is nobody": ("nobody:x", "UnknownProviderError: Unknown backend 'nobody:x'", ""),
    "it has no key": ("openai:gpt-4.1", "MissingKeyError: openai wants a key", ""),
}


def council_of(bad: object, position: int, **options: object) -> Council:
    """Return a council of three, one of which is bad."""
    models = {"first": StreamingMockBackend("One fish."), "second": StreamingMockBackend("Two fish.")}
    given = list(models.items())
    given.insert(position, ("bad", StreamingMockBackend(bad) if isinstance(bad, Script) else bad))
    return Council(dict(given), timeout=5, **options)


@pytest.fixture
def no_keys(monkeypatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "buffered"])
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_the_members_error_and_the_others_are_whole(virtual_clock, no_keys, case, position, streams) -> None:
    bad, says, kept = FAULTS[case]
    asked = council_of(bad, position, synthesizer=StreamingMockBackend("So."))

    async def result():
        if streams:
            return [event async for event in asked.ask_stream("Go")][-1].result
        return await asked.ask("Go")

    found = virtual_clock.run(result())
    answers = {answer.name: answer for answer in found.answers}
    assert list(answers) == [member.name for member in asked.members]
    assert (answers["first"].text, answers["second"].text) == ("One fish.", "Two fish.")
    assert answers["first"].ok
    assert answers["second"].ok
    assert answers["bad"].error.startswith(says)
    assert answers["bad"].text == kept
    assert found.synthesis == "So."


def test_a_member_that_stalls_is_cancelled(virtual_clock, council) -> None:
    asked = council(Script.of("Hel", Stall()), timeout=5)
    virtual_clock.run(asked.ask("Go"))
    assert asked.members[0].backend.calls[0].cancelled
    assert virtual_clock.elapsed == 5


async def puts_at_the_last_moment(ctx):
    async def produce(thunk):
        await thunk.put("Hel")
        asyncio.get_running_loop().call_later(5 - 1e-10, thunk.try_put, "lo.")  # in the turn in which the wait ends
        await asyncio.sleep(6)

    thunk = ModelOutputThunk()
    thunk.start(produce)
    return thunk, ctx.add(thunk)


def test_what_comes_at_the_last_moment_comes_in_time(virtual_clock) -> None:
    asked = Council([Odd(puts_at_the_last_moment)], timeout=5)
    answer = virtual_clock.run(asked.ask("Go")).answers[0]
    assert (answer.text, answer.error) == ("Hello.", None)


def test_a_member_that_drips_does_not_stall(virtual_clock, council) -> None:
    steps = [step for letter in "Hello." for step in (Delay(4), letter)]
    found = virtual_clock.run(council(Script.of(*steps), timeout=5).ask("Go"))
    assert found.answers[0].ok
    assert found.answers[0].latency_s == 24


def test_a_reader_that_takes_its_time_makes_no_member_late(virtual_clock, council) -> None:
    async def slowly():
        async with council("Hello.", timeout=5).ask_stream("Go") as events:
            async for _ in events:
                await asyncio.sleep(10)
        return events.so_far()

    assert virtual_clock.run(slowly()).answers[0].ok


class Judge(Requirement):
    """Judges by a function."""

    def __init__(self, judge) -> None:
        super().__init__()
        self.judge = judge

    async def stream_validate(self, chunk, *, backend, ctx):
        return await self.judge(chunk)


async def breaks(chunk):
    if "Two" in chunk:
        raise ValueError("no verdict")
    return PartialValidationResult("pass")


async def hangs(chunk):
    if "Two" in chunk:
        await asyncio.get_running_loop().create_future()
    return PartialValidationResult("pass")


async def slow(chunk):
    await asyncio.sleep(4)
    return PartialValidationResult("pass")


@pytest.mark.parametrize(("judge", "says"), [(breaks, "ValueError: no verdict"), (hangs, "ValidatorTimeoutError: ")])
def test_a_requirement_that_fails_to_judge_is_the_members_error(virtual_clock, council, judge, says) -> None:
    asked = council("One fish. Two fish. Three.", requirements=[Judge(judge)], timeout=5)
    answer = virtual_clock.run(asked.ask("Go")).answers[0]
    assert answer.error.startswith(says)
    assert answer.text == "One fish."
    assert answer.failed_requirement is None


@pytest.mark.streamval_as_scripted
def test_a_judge_that_takes_its_time_makes_no_member_late(virtual_clock, council) -> None:
    asked = council(Script.of("One. Two. Three. ", "Four."), requirements=[Judge(slow)], timeout=5)
    answer = virtual_clock.run(asked.ask("Go")).answers[0]
    assert answer.ok
    assert answer.text == "One. Two. Three. Four."


# Stopping


async def running(council, *, streams: bool = True):
    """Return a council whose members have begun and would not end, and what runs it."""
    asked = council(*[Script.of("Hello. ", Stall())] * 3)
    events = asked.ask_stream("Go")
    for _ in range(3):
        assert (await anext(events)).text == "Hello. "
    return asked, events


def all_stopped(asked) -> bool:
    return all(member.backend.calls[0].cancelled for member in asked.members)


async def test_closing_the_stream_stops_every_member(council) -> None:
    asked, events = await running(council)
    await events.aclose()
    assert all_stopped(asked)
    assert [answer.text for answer in events.so_far().answers] == ["Hello. "] * 3
    assert {answer.error for answer in events.so_far().answers} == {
        "CancelledError: it was stopped before it had answered"
    }
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    await events.aclose()


async def test_cancelling_the_reader_stops_every_member_before_it_passes_through(council) -> None:
    asked, events = await running(council)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await anext(events)
    assert all_stopped(asked)


async def test_leaving_the_loop_stops_every_member(council) -> None:
    asked = council(*["Hello. " * 100] * 3)
    async for _ in asked.ask_stream("Go"):
        break
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)
    assert all_stopped(asked)


async def test_a_test_may_end_where_it_leaves_the_loop(council) -> None:
    asked = council(*["Hello. " * 100] * 3)
    async for _ in asked.ask_stream("Go"):
        break


async def test_an_error_in_the_loop_stops_every_member(council) -> None:
    asked = council(*["Hello. " * 100] * 3)

    async def breaks_off():
        async with asked.ask_stream("Go") as events:
            async for _ in events:
                raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await breaks_off()
    assert all_stopped(asked)


@pytest.mark.parametrize("mode", ["synthesize", "debate"])
async def test_cancelling_ask_stops_every_member_before_it_passes_through(council, mode) -> None:
    asked = council(*[Script.of("Hello. ", Stall())] * 3)
    asking = asyncio.create_task(asked.ask("Go", mode=mode), name="ask")
    for _ in range(10):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert all_stopped(asked)


async def test_a_cancellation_during_the_synthesis_stops_it(council) -> None:
    asked = council(Script.of("Hello."), synthesizer=Script.of("So", Stall()))
    async with asked.ask_stream("Go") as events:
        async for event in events:
            if event.type == "synthesis_delta":
                break
    assert asked.synthesizer.backend.calls[0].cancelled
    found = events.so_far()
    assert found.answers[0].ok
    assert found.synthesis is None
    assert found.synthesizer.text == "So"


async def test_a_task_of_a_council_that_somebody_else_cancels_is_told_to_the_reader(council) -> None:
    asked, events = await running(council)
    for task in asyncio.all_tasks():
        if task.get_name().startswith("streamval council 'Go'"):
            task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await anext(events)
    assert all_stopped(asked)


async def test_a_member_that_somebody_else_cancels_has_an_error(council) -> None:
    asked, events = await running(council)
    for task in asyncio.all_tasks():
        if task.get_name() == "streamval council member-2":
            task.cancel()
    for member in (asked.members[0], asked.members[2]):
        await member.backend.calls[0].thunk.cancel_generation()
    left = [event async for event in events]
    assert [answer.error.partition(":")[0] for answer in left[-1].result.answers] == [
        "GenerationCancelledError",
        "CancelledError",
        "GenerationCancelledError",
    ]


async def test_a_producer_that_ignores_its_first_cancellation_has_ended_when_the_stream_is_closed() -> None:
    ended = []

    async def answer(ctx):
        async def produce(thunk):
            await thunk.put("Hel")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)
                ended.append(True)

        thunk = ModelOutputThunk()
        thunk.start(produce)
        return thunk, ctx.add(thunk)

    events = Council([Odd(answer)]).ask_stream("Go")
    await anext(events)
    await events.aclose()
    assert ended == [True]


def test_a_stream_that_is_dropped_outside_its_loop_stops_every_member(council) -> None:
    asked = council(*[Script.of("Hello. ", Stall())] * 3)
    with asyncio.Runner() as runner:
        events = asked.ask_stream("Go")
        for _ in range(3):
            runner.run(anext(events))
        del events
        gc.collect()
        for _ in range(20):
            runner.run(asyncio.sleep(0))
        assert all_stopped(asked)


def test_a_stream_that_outlives_its_loop_has_nothing_left_to_stop(council) -> None:
    asked = council(Script.of("Hello. ", Stall()))
    loop = asyncio.new_event_loop()
    events = asked.ask_stream("Go")
    loop.run_until_complete(anext(events))
    task = events._task
    loop.run_until_complete(events.aclose())
    loop.close()
    del events
    assert task.done()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_ends_it(streaming_mock_backend, error) -> None:
    async def ends(ctx):
        raise error

    with pytest.raises(error):
        Council([Odd(ends)]).ask_sync("Go")


# Secrets


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "buffered"])
@pytest.mark.parametrize(
    "message",
    [f"the key {KEY} is not accepted", f"a long message with {KEY[:20]} ... {KEY[20:]} in it", "Bearer abcdefgh12345"],
)
async def test_a_key_is_in_no_error(council, monkeypatch, caplog, message, streams) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    asked = council(Script.of("Hel", Raise(RuntimeError(message))), timeout=5)
    events = [event async for event in asked.ask_stream("Go")] if streams else [await asked.ask("Go")]
    shown = f"{events!r} {[str(event) for event in events]} {caplog.text} {asked!r}"
    for piece in (KEY, KEY[:8], KEY[-8:], "abcdefgh12345"):
        assert piece not in shown
    assert "[redacted]" in shown


async def test_the_error_of_a_spec_that_is_a_key_does_not_show_it(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    answer = (await Council({"bad": KEY}).ask("Go")).answers[0]
    assert KEY not in answer.error


async def test_a_context_is_each_members_own(streaming_mock_backend) -> None:
    asked = Council([streaming_mock_backend("One."), streaming_mock_backend("Two.")])
    await asked.ask("Go")
    for member in asked.members:
        assert type(member.backend.calls[0].ctx) is SimpleContext
        assert ModelOption.STREAM not in member.backend.calls[0].model_options
