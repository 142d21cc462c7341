"""Faults of members and of requirements, and the secrets in their errors."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import (
    Council,
    Delay,
    ModelOutputThunk,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    Stall,
    StreamingMockBackend,
)
from tests.council.doubles import FunctionBackend

KEY = "planted-key-0123456789abcdef"


async def raises_at_once(ctx):
    raise ValueError("at once")


async def raises_a_base_exception(ctx):
    raise BaseException("out of the way")  # noqa: TRY002  # neither an error nor a cancellation


async def cancels_itself(ctx):
    raise asyncio.CancelledError("by itself")


async def returns_nothing(ctx):
    return None


async def never_answers(ctx):
    await asyncio.get_running_loop().create_future()


async def raises_a_timeout(ctx):
    raise TimeoutError("of its own")


async def fails_to_clean_up(ctx):
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


async def raises_without_message(ctx):
    raise SilentError


# The behaviour of a member, its error, and its text.
FAULTS = {
    "it raises before it answers": (FunctionBackend(raises_at_once), "ValueError: at once", ""),
    "it raises a BaseException": (FunctionBackend(raises_a_base_exception), "BaseException: out of the way", ""),
    "it raises a CancelledError": (FunctionBackend(cancels_itself), "CancelledError: by itself", ""),
    "it raises a TimeoutError": (FunctionBackend(raises_a_timeout), "TimeoutError: of its own", ""),
    "its error has no message": (
        FunctionBackend(raises_without_message),
        "SilentError: <its message raised RuntimeError>",
        "",
    ),
    "it returns nothing": (
        FunctionBackend(returns_nothing),
        "InvalidArgumentError: Invalid FunctionBackend",
        "",
    ),
    "it never answers": (FunctionBackend(never_answers), "MemberTimeoutError: bad sent nothing for 5 s", ""),
    "it breaks off": (Script.of("Hel", Raise(ConnectionResetError("gone"))), "ConnectionResetError: gone", "Hel"),
    "it stalls": (Script.of("Hel", Stall()), "MemberTimeoutError: bad sent nothing for 5 s", "Hel"),
    "it stalls at once": (Script.of(Stall()), "MemberTimeoutError: bad sent nothing for 5 s", ""),
    "its clean-up raises": (FunctionBackend(fails_to_clean_up), "MemberTimeoutError: bad sent nothing for 5 s", "Hel"),
    "it is cancelled": (Script.of("Hel", Raise(asyncio.CancelledError())), "GenerationCancelledError: ", "Hel"),
    "it cancels its output": (FunctionBackend(cancels_its_output), "GenerationCancelledError: ", "Hel"),
    "its provider is unknown": ("nobody:x", "UnknownNameError: Unknown backend 'nobody:x'", ""),
    "it has no key": ("openai:gpt-4.1", "MissingKeyError: openai needs a key", ""),
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


@pytest.mark.parametrize(("position", "case"), [(index % 3, case) for index, case in enumerate(FAULTS)])
def test_a_fault_of_a_member_leaves_the_other_members_complete(virtual_clock, no_keys, case, position) -> None:
    bad, error, text = FAULTS[case]

    async def stream(the_council: Council):
        return [event async for event in the_council.ask_stream("Go")][-1].result

    streamed = council_of(bad, position, synthesizer=StreamingMockBackend("So."))
    result = virtual_clock.run(stream(streamed))
    assert virtual_clock.run(council_of(bad, position, synthesizer=StreamingMockBackend("So.")).ask("Go")) == result
    answers = {answer.name: answer for answer in result.answers}
    assert list(answers) == [member.name for member in streamed.members]
    failed = answers.pop("bad")
    assert failed.error.startswith(error)
    assert failed.text == text
    assert [(answer.text, answer.ok) for answer in answers.values()] == [("One fish.", True), ("Two fish.", True)]
    assert result.synthesis == "So."


def test_a_stalled_member_is_cancelled(virtual_clock, council) -> None:
    the_council = council(Script.of("Hel", Stall()), timeout=5)
    virtual_clock.run(the_council.ask("Go"))
    assert the_council.members[0].backend.calls[0].cancelled
    assert virtual_clock.elapsed == 5


async def puts_in_the_turn_of_the_timeout(ctx):
    async def produce(thunk):
        await thunk.put("Hel")
        asyncio.get_running_loop().call_later(5 - 1e-10, thunk.try_put, "lo.")  # in the turn of the timeout
        await asyncio.sleep(6)

    thunk = ModelOutputThunk()
    thunk.start(produce)
    return thunk, ctx.add(thunk)


def test_a_delta_in_the_turn_of_the_timeout_is_in_time(virtual_clock) -> None:
    the_council = Council([FunctionBackend(puts_in_the_turn_of_the_timeout)], timeout=5)
    answer = virtual_clock.run(the_council.ask("Go")).answers[0]
    assert (answer.text, answer.error) == ("Hello.", None)


def test_a_slow_member_does_not_time_out(virtual_clock, council) -> None:
    steps = [step for letter in "Hello." for step in (Delay(4), letter)]
    found = virtual_clock.run(council(Script.of(*steps), timeout=5).ask("Go"))
    assert found.answers[0].ok
    assert found.answers[0].latency_s == 24


def test_a_slow_reader_does_not_time_out_a_member(virtual_clock, council) -> None:
    async def read_slowly():
        async with council("Hello.", timeout=5).ask_stream("Go") as events:
            async for _ in events:
                await asyncio.sleep(10)
        return events.so_far()

    assert virtual_clock.run(read_slowly()).answers[0].ok


# Requirements


class Judge(Requirement):
    """Calls a function for its verdict."""

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


@pytest.mark.parametrize(("judge", "error"), [(breaks, "ValueError: no verdict"), (hangs, "ValidatorTimeoutError: ")])
def test_an_error_or_timeout_of_a_requirement_is_the_error_of_its_member(virtual_clock, council, judge, error) -> None:
    the_council = council("One fish. Two fish. Three.", requirements=[Judge(judge)], timeout=5)
    answer = virtual_clock.run(the_council.ask("Go")).answers[0]
    assert answer.error.startswith(error)
    assert answer.text == "One fish."
    assert answer.failed_requirement is None


@pytest.mark.streamval_as_scripted
def test_a_slow_requirement_does_not_time_out_a_member(virtual_clock, council) -> None:
    the_council = council(Script.of("One. Two. Three. ", "Four."), requirements=[Judge(slow)], timeout=5)
    answer = virtual_clock.run(the_council.ask("Go")).answers[0]
    assert answer.ok
    assert answer.text == "One. Two. Three. Four."


# Secrets


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "buffered"])
@pytest.mark.parametrize(
    "message",
    [f"the key {KEY} is not accepted", f"a long message with {KEY[:20]} ... {KEY[20:]} in it", "Bearer abcdefgh12345"],
)
async def test_errors_of_members_contain_no_key(council, monkeypatch, caplog, message, streams) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    the_council = council(Script.of("Hel", Raise(RuntimeError(message))), timeout=5)
    events = [event async for event in the_council.ask_stream("Go")] if streams else [await the_council.ask("Go")]
    output = f"{events!r} {[str(event) for event in events]} {caplog.text} {the_council!r}"
    for piece in (KEY, KEY[:8], KEY[-8:], "abcdefgh12345"):
        assert piece not in output
    assert "[redacted]" in output


async def test_the_error_of_an_invalid_spec_contains_no_key(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    answer = (await Council({"bad": KEY}).ask("Go")).answers[0]
    assert KEY not in answer.error


class Redacts(Requirement):
    """Removes a word."""

    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail", replacement="") if chunk == "secret" else PartialValidationResult("pass")


@pytest.mark.parametrize("text", ["secret One two.", "One secret two.", "secret secret", "One two. secret"])
async def test_a_member_goes_on_after_a_replaced_chunk(council, text) -> None:
    the_council = council(Script.of(*text), requirements=[Redacts()], chunking="word")
    events = [event async for event in the_council.ask_stream("Go")]
    [answer] = events[-1].result.answers
    assert answer.text == text.replace("secret", "")
    assert answer.ok
    assert "".join(event.text for event in events if event.type == "member_delta") == answer.text
