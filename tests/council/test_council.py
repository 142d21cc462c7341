"""`Council`: what is answered, what is told meanwhile, and at what pace."""

from __future__ import annotations

import asyncio
import gc
import re

import pytest

from pytest_streamval import (
    Backend,
    ConcurrentReadError,
    Council,
    CouncilEvent,
    CouncilResult,
    Delay,
    Delta,
    DifferentLoopsError,
    InvalidArgumentError,
    ModelAnswer,
    ModelOption,
    ModelOutputThunk,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    Transcript,
    Usage,
    ValidationResult,
    per_member,
)
from pytest_streamval.errors import EventLoopRunningError, UnknownChunkingError
from pytest_streamval.plugin.snapshot import TranscriptSnapshotExtension

SENTENCES = "One fish. Two fish. Red fish. Blue fish."


class Never(Requirement):
    """Fails a chunk that has a word in it."""

    def __init__(self, word: str) -> None:
        super().__init__(f"never say {word}")
        self.word = word

    async def stream_validate(self, chunk, *, backend, ctx):
        if self.word in chunk:
            return PartialValidationResult("fail", reason=f"it says {chunk}")
        return PartialValidationResult("pass")

    async def validate(self, backend, ctx, **options):
        return ValidationResult(True)


class Short(Requirement):
    """Fails a whole output that is long."""

    async def validate(self, backend, ctx, **options):
        return ValidationResult(len(str(ctx.last_output())) < 30, reason="too long")


def texts(events: list[CouncilEvent], name: str) -> str:
    return "".join(event.text for event in events if event.member == name and event.type.endswith("_delta"))


# Events and results


async def test_each_text_comes_in_deltas_then_whole_and_last_comes_the_result(council) -> None:
    asked = council({"alice": "Hello.", "bob": "Hi."}, synthesizer="Both greet.")
    events = [event async for event in asked.ask_stream("Say hello")]
    assert [event.text for event in events if event.member == "alice"] == [*"Hello.", ""]
    result = events[-1].result
    assert [event.type for event in events if event.type.endswith("done")] == [
        "member_done",
        "member_done",
        "synthesis_done",
        "done",
    ]
    assert result.prompt == "Say hello"
    assert result.mode == "synthesize"
    assert [(answer.name, answer.text, answer.error) for answer in result.answers] == [
        ("alice", "Hello.", None),
        ("bob", "Hi.", None),
    ]
    assert {event.answer for event in events if event.type == "member_done"} == set(result.answers)
    assert result.synthesis == "Both greet."
    assert not result.cached
    assert events[-2].answer == result.synthesizer


async def test_without_a_synthesizer_there_are_the_answers_alone(council) -> None:
    events = [event async for event in council("Hello.", "Hi.").ask_stream("Say hello")]
    assert {event.type for event in events} == {"member_delta", "member_done", "done"}
    assert events[-1].result.synthesis is None


@pytest.mark.streamval_allow_unplayed(reason="the synthesizer is not to be asked")
@pytest.mark.parametrize("chosen", [{"synthesize": False}, {"mode": "raw"}])
async def test_raw_asks_no_synthesizer(council, chosen) -> None:
    asked = council("Hello.", synthesizer="Never asked.")
    assert (await asked.ask("Say hello", **chosen)).mode == "raw"
    assert asked.synthesizer.backend.calls == []


async def test_the_synthesizer_is_told_the_prompt_and_every_usable_answer(council) -> None:
    asked = council({"alice": "A fish.", "bob": Script.of("A bi", Raise(ValueError("gone")))}, synthesizer="So.")
    result = await asked.ask("What swims?")
    told = str(asked.synthesizer.backend.calls[0].action)
    assert "What swims?" in told
    assert "A fish." in told
    assert "A bi" not in told
    assert [answer.usable for answer in result.answers] == [True, False]


@pytest.mark.streamval_allow_unplayed(reason="the synthesizer is not to be asked")
async def test_where_nobody_gave_a_usable_answer_there_is_no_synthesis(council) -> None:
    asked = council(Script.of(Raise(ValueError("gone"))), "  \n", synthesizer="Never asked.")
    result = await asked.ask("Say hello")
    assert result.synthesis is None
    assert result.synthesizer is None
    assert result.usable_answers == ()
    assert [answer.ok for answer in result.answers] == [False, True]


async def test_a_synthesizer_that_fails_leaves_the_answers(council) -> None:
    asked = council("Hello.", synthesizer=Script.of("So", Raise(ValueError("gone"))))
    events = [event async for event in asked.ask_stream("Say hello")]
    result = events[-1].result
    assert result.synthesis is None
    assert (result.synthesizer.text, result.synthesizer.error) == ("So", "ValueError: gone")
    assert events[-2].type == "synthesis_done"
    assert result.answers[0].ok


async def test_usage_and_reason_are_those_of_the_provider(council) -> None:
    script = Script.of("Hello.", Delta(usage=Usage(3, 5)), finish_reason="length")
    answer = (await council(script).ask("Say hello")).answers[0]
    assert (answer.usage, answer.finish_reason) == (Usage(3, 5), "length")


def test_members_interleave_as_their_text_arrives(council, virtual_clock) -> None:
    async def order() -> list[tuple[str | None, str]]:
        slow = Script.of("a", Delay(2), "b", Delay(2), "c")
        quick = Script.of(Delay(1), "1", Delay(2), "2")
        events = [event async for event in council({"slow": slow, "quick": quick}).ask_stream("Count")]
        assert [answer.latency_s for answer in events[-1].result.answers] == [4, 3]
        return [(event.member, event.text) for event in events if event.type == "member_delta"]

    assert virtual_clock.run(order()) == [("slow", "a"), ("quick", "1"), ("slow", "b"), ("quick", "2"), ("slow", "c")]


STREAMED = {
    "two texts": (["Hello.", "Hi."], {}),
    "a synthesis": (["Hello.", "Hi."], {"synthesizer": "Both."}),
    "usage and reason": ([Script.of("Hello.", Delta(usage=Usage(3, 5)), finish_reason="stop")], {}),
    "an error": ([Script.of("Hel", Raise(ValueError("gone"))), "Hi."], {"synthesizer": "One."}),
    "an error at once": ([Script.of(Raise(ValueError("gone"))), "Hi."], {}),
    "a requirement": ([SENTENCES, "One."], {"requirements": [Never("Red")], "synthesizer": "One."}),
    "a whole that fails": ([SENTENCES, "One."], {"requirements": [Short("short")], "synthesizer": "One."}),
    "nothing": (["", "Hi."], {}),
}


@pytest.mark.parametrize("case", STREAMED)
async def test_streamed_and_buffered_runs_give_equal_results(council, case) -> None:
    scripts, options = STREAMED[case]
    events = [event async for event in council(*scripts, **options).ask_stream("Go")]
    buffered = council(*scripts, **options)
    result = await buffered.ask("Go")
    assert events[-1].result == result
    for answer in result.answers:
        assert texts(events, answer.name) == answer.text
    backends = [member.backend for member in [*buffered.members, buffered.synthesizer] if member is not None]
    assert not any(ModelOption.STREAM in backend.calls[0].model_options for backend in backends)


# Requirements


async def test_a_member_that_fails_a_check_is_stopped_marked_and_left_out(council) -> None:
    long = f"{SENTENCES} {'And so on. ' * 100}"
    asked = council({"alice": long, "bob": "One."}, synthesizer="So.", requirements=[Never("Red")], token_size=4)
    events = [event async for event in asked.ask_stream("Go")]
    failed, good = events[-1].result.answers
    assert failed.text == texts(events, "alice") == "One fish. Two fish."
    assert failed.failed_requirement == "Never('never say Red'): it says Red fish."
    assert failed.error is None
    assert good.usable
    assert asked.members[0].backend.calls[0].cancelled
    assert "fish" not in str(asked.synthesizer.backend.calls[0].action)


async def test_every_check_is_an_event_before_the_text_it_released(council) -> None:
    events = [event async for event in council("One. Red.", requirements=[Never("Red")]).ask_stream("Go")]
    assert [str(event) for event in events] == [
        "member-1: check passed",
        'member-1: delta "One."',
        'member-1: check FAILED, "it says Red."',
        "member-1: done 4 characters, FAILED \"Never('never say Red'): it says Red.\"",
        "done synthesize, 0 usable of 1",
    ]
    assert events[2].check.results[0].reason == "it says Red."


async def test_what_stands_between_two_chunks_is_told_too(council) -> None:
    text = "  One.\n\nTwo.  Three \n"
    events = [event async for event in council(text, requirements=[Never("Red")]).ask_stream("Go")]
    assert texts(events, "member-1") == events[-1].result.answers[0].text == text


async def test_an_answer_that_fails_as_a_whole_was_told_and_is_left_out(council) -> None:
    answer = (await council(SENTENCES, requirements=[Short("short")]).ask("Go")).answers[0]
    assert answer.text == SENTENCES
    assert answer.failed_requirement == "Short('short'): too long"
    assert not answer.usable


async def test_a_judge_is_the_member_unless_another_backend_is_named(council, streaming_mock_backend) -> None:
    asked = council([SENTENCES, "yes"], requirements=[Requirement("It is about fish.")])
    assert (await asked.ask("Go")).answers[0].usable
    judge = streaming_mock_backend("no")
    asked = council(SENTENCES, requirements=[Requirement("It is about fish.")], validation_backend=judge)
    assert (await asked.ask("Go")).answers[0].failed_requirement == "Requirement('It is about fish.'): no"


# What a member cannot do


class Computed(Backend):
    """Answers at once, whatever it is asked for."""

    def __init__(self, thunk: ModelOutputThunk) -> None:
        self.thunk = thunk

    async def generate_from_context(self, action, ctx, **options):
        return self.thunk, ctx.add(action).add(self.thunk)


async def test_a_model_that_cannot_stream_gives_its_answer_in_one_delta() -> None:
    thunk = ModelOutputThunk("All at once.")
    thunk.generation.usage = Usage(1, 2)
    events = [event async for event in Council({"whole": Computed(thunk)}).ask_stream("Go")]
    assert [event.text for event in events if event.type == "member_delta"] == ["All at once."]
    assert events[-1].result.answers[0].usage == Usage(1, 2)


async def test_an_output_that_had_failed_before_is_an_error() -> None:
    thunk = ModelOutputThunk()
    thunk.fail(ValueError("gone"))
    with pytest.raises(ValueError, match="gone"):
        await thunk.avalue()
    assert (await Council([Computed(thunk)]).ask("Go")).answers[0].error == "ValueError: gone"


class Buffered(Backend):
    """Refuses streams, in the way it is told."""

    def __init__(self, refusal: BaseException, backend: Backend) -> None:
        self.refusal = refusal
        self.backend = backend

    async def generate_from_context(self, action, ctx, **options):
        if options["model_options"].get(ModelOption.STREAM):
            raise self.refusal
        return await self.backend.generate_from_context(action, ctx, **options)


async def test_a_backend_that_refuses_streams_is_asked_for_the_whole(streaming_mock_backend) -> None:
    whole = streaming_mock_backend(Script.of("All at once."))
    events = [event async for event in Council([Buffered(NotImplementedError(), whole)]).ask_stream("Go")]
    assert [event.text for event in events if event.type == "member_delta"] == ["All at once."]


@pytest.mark.streamval_allow_unplayed(reason="an error of another kind is not answered by another call")
async def test_another_error_is_no_reason_to_ask_again(streaming_mock_backend) -> None:
    whole = streaming_mock_backend("All at once.")
    answer = [event async for event in Council([Buffered(ValueError("no"), whole)]).ask_stream("Go")][-1].result.answers
    assert answer[0].error == "ValueError: no"
    assert whole.calls == []


# Pace


async def test_a_reader_that_pauses_holds_every_member_back(council) -> None:
    asked = council(*["word " * 1000] * 3)
    seen = dict.fromkeys((member.name for member in asked.members), 0)
    async with asked.ask_stream("Go") as events:
        async for event in events:
            seen[event.member] += len(event.text)
            for _ in range(50):
                await asyncio.sleep(0)
            for member in asked.members:
                sent = member.backend.calls[0].deltas_sent if member.backend.calls else 0
                assert sent - seen[member.name] <= ModelOutputThunk.capacity
            if min(seen.values()) > 100:
                break


async def test_a_member_with_nothing_to_release_is_not_held_back(council) -> None:
    text = "word " * 200  # no sentence ends before the end
    result = (await council(text, requirements=[Never("Red")]).ask("Go")).answers[0]
    events = [event async for event in council(text, requirements=[Never("Red")]).ask_stream("Go")]
    assert events[-1].result.answers[0] == result
    assert result.text == text


async def test_one_reader_means_an_error_for_the_second(council) -> None:
    async with council("Hello.").ask_stream("Go") as events:
        first = asyncio.create_task(anext(events), name="first reader")
        await asyncio.sleep(0)
        with pytest.raises(ConcurrentReadError):
            await anext(events)
        assert (await first).text == "H"


async def test_nobody_is_asked_before_the_first_event_is(council) -> None:
    asked = council("Hello.")
    events = asked.ask_stream("Go")
    await asyncio.sleep(0)
    assert asked.members[0].backend.calls == []
    assert len([event async for event in events]) == 8
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_a_stream_that_is_closed_before_it_began_asks_nobody(council) -> None:
    asked = council([])
    events = asked.ask_stream("Go")
    await events.aclose()
    assert [event async for event in events] == []


# Without a loop


def test_ask_sync_and_stream_sync_give_the_result(council) -> None:
    seen: list[CouncilEvent] = []
    streamed = council("Hello.", synthesizer="So.").stream_sync("Go", seen.append)
    assert streamed == council("Hello.", synthesizer="So.").ask_sync("Go")
    assert seen[-1].result == streamed
    assert isinstance(streamed, CouncilResult)


def test_what_on_event_raises_stops_everybody_and_is_raised(council) -> None:
    asked = council("Hello. " * 100)

    def refuse(event: CouncilEvent) -> None:
        raise ValueError(event.type)

    with pytest.raises(ValueError, match="member_delta"):
        asked.stream_sync("Go", refuse)
    assert asked.members[0].backend.calls[0].cancelled


@pytest.mark.streamval_allow_unplayed(reason="it is refused")
async def test_inside_a_loop_the_synchronous_methods_say_what_to_do(council) -> None:
    with pytest.raises(EventLoopRunningError, match=re.escape("to_thread(Council.ask_sync, ...)")):
        council("Hello.").ask_sync("Go")
    with pytest.raises(EventLoopRunningError, match=re.escape("to_thread(Council.stream_sync, ...)")):
        council("Hello.").stream_sync("Go", print)


# Names and arguments


def test_members_are_called_by_their_spec_and_told_apart(streaming_mock_backend) -> None:
    mocks = [streaming_mock_backend(), streaming_mock_backend()]
    found = Council(["openai:gpt-4.1", "openai:gpt-4.1", "nobody:x", *mocks]).members
    assert [(member.name, member.model) for member in found] == [
        ("openai:gpt-4.1", "gpt-4.1"),
        ("openai:gpt-4.1-2", "gpt-4.1"),
        ("nobody:x", "x"),
        ("StreamingMockBackend", "StreamingMockBackend"),
        ("StreamingMockBackend-2", "StreamingMockBackend"),
    ]
    assert repr(Council({"alice": mocks[0]}, synthesizer=mocks[1])) == (
        "<Council of alice, synthesized by synthesizer>"
    )
    assert repr(Council({"alice": mocks[0]})) == "<Council of alice>"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (([],), InvalidArgumentError, "one member or more"),
        (("openai:gpt-4.1",), InvalidArgumentError, "Put a single one into a list"),
        (([42],), InvalidArgumentError, "model=42"),
    ],
)
def test_models_that_are_none_are_refused(arguments, error, says) -> None:
    with pytest.raises(error, match=says):
        Council(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"synthesizer": 42}, InvalidArgumentError, "model=42"),
        ({"chunking": "sentances"}, UnknownChunkingError, "sentances"),
        ({"timeout": 0}, InvalidArgumentError, "timeout=0"),
        ({"cache": 42}, InvalidArgumentError, "cache=42"),
        ({"requirements": ["short"]}, InvalidArgumentError, "requirements"),
        ({"validation_backend": "openai:gpt-4.1"}, InvalidArgumentError, "validation_backend"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anybody_is_asked(options, error, says) -> None:
    with pytest.raises(error, match=says):
        Council(["openai:gpt-4.1"], **options)


async def test_what_cannot_be_asked_is_refused() -> None:
    asked = Council(["openai:gpt-4.1"])
    for ask, says in [
        (lambda: asked.ask(42), "prompt=42"),
        (lambda: asked.ask("Go", mode="vote"), "mode='vote'"),
        (lambda: asked.debate("Go", rounds=0), "rounds=0"),
    ]:
        with pytest.raises(InvalidArgumentError, match=says):
            await ask()
    with pytest.raises(InvalidArgumentError, match="what streams is synthesize and raw"):
        asked.ask_stream("Go", mode="debate")


async def test_the_fixture_takes_backends_too(council, streaming_mock_backend) -> None:
    mine = streaming_mock_backend("Hi.")
    asked = council("Hello.", mine, synthesizer="Both.")
    assert [member.name for member in asked.members] == ["member-1", "member-2"]
    assert asked.members[1].backend is mine
    assert (await asked.ask("Go")).synthesis == "Both."


# Comparing


async def test_events_compare_member_by_member(council) -> None:
    scripts = {"alice": Script.of("a", "b"), "bob": Script.of("1", "2")}
    events = [event async for event in council(scripts, synthesizer=Script.of("So.")).ask_stream("Go")]
    shuffled = sorted(events[:6], key=lambda event: event.member, reverse=True) + events[6:]
    assert shuffled != events
    assert per_member(shuffled) == per_member(events)
    members = [*["alice"] * 3, *["bob"] * 3]
    assert [event.member for event in per_member(shuffled)] == [*members, *["synthesizer"] * 2, None]
    assert [event.member for event in per_member(shuffled[:6])] == members


async def test_a_snapshot_has_them_member_by_member(council) -> None:
    events = [event async for event in council({"alice": Script.of("a", "b"), "bob": "12"}).ask_stream("Go")]
    shuffled = sorted(events[:-1], key=lambda event: event.member, reverse=True) + events[-1:]
    shown = TranscriptSnapshotExtension().serialize
    assert (
        shown(events) == shown(shuffled) == shown(Transcript.of(shuffled)) == Transcript.of(per_member(events)).text()
    )


async def test_a_transcript_holds_a_line_for_each_event(council) -> None:
    script = Script.of("Hello.", finish_reason="stop")
    events = [event async for event in council({"alice": script}, synthesizer=Script.of("So.")).ask_stream("Go")]
    assert Transcript.of(per_member(events)).lines == [
        'alice: delta "Hello."',
        "alice: done 6 characters, finished by stop",
        'synthesis delta "So."',
        "synthesis done 3 characters",
        "done synthesize, 1 usable of 1",
    ]


def test_an_answer_that_took_longer_is_equal() -> None:
    assert ModelAnswer("a", "m", "Hi.", latency_s=1.0) == ModelAnswer("a", "m", "Hi.", latency_s=2.0)


async def test_nothing_is_left_of_a_council_that_was_dropped(council) -> None:
    asked = council("Hello. " * 100)
    async for _ in asked.ask_stream("Go"):
        break
    del _
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)
    assert asked.members[0].backend.calls[0].cancelled


async def test_a_stream_of_a_council_cannot_be_read_or_closed_in_another_event_loop(council) -> None:
    stream = council({"alice": "Hello. Hi."}).ask_stream("Hi")
    first = await anext(stream)
    assert first.type == "member_delta"
    for method in (stream.__anext__, stream.aclose):
        with pytest.raises(DifferentLoopsError, match=r"This council .* another event loop"):
            await asyncio.to_thread(_run, method)
    await stream.aclose()
    await asyncio.to_thread(_run, stream.aclose)


def _run(method) -> None:
    """Call a method in an event loop of its own."""

    async def call() -> None:
        await method()

    asyncio.run(call())
