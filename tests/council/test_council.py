"""Answers, events and requirements of a council."""

from __future__ import annotations

import pytest

from pytest_streamval import (
    Backend,
    Council,
    CouncilEvent,
    Delay,
    Delta,
    ModelOption,
    ModelOutputThunk,
    Raise,
    Requirement,
    Script,
    SimpleContext,
    ToolCall,
    ToolCallDelta,
    Usage,
    ValidationResult,
)
from tests.council.doubles import Never

SENTENCES = "One fish. Two fish. Red fish. Blue fish."


class Short(Requirement):
    """Fails a long output at its end."""

    async def validate(self, backend, ctx, **options):
        return ValidationResult(len(str(ctx.last_output())) < 30, reason="too long")


def texts(events: list[CouncilEvent], name: str) -> str:
    return "".join(event.text for event in events if event.member == name and event.type.endswith("_delta"))


async def test_a_council_stream_ends_with_the_result(council) -> None:
    the_council = council({"alice": "Hello.", "bob": "Hi."}, synthesizer="Both greet.")
    events = [event async for event in the_council.ask_stream("Say hello")]
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


async def test_a_council_without_a_synthesizer_has_no_synthesis(council) -> None:
    events = [event async for event in council("Hello.", "Hi.").ask_stream("Say hello")]
    assert {event.type for event in events} == {"member_delta", "member_done", "done"}
    assert events[-1].result.synthesis is None


@pytest.mark.streamval_allow_unplayed(reason="the synthesizer receives no request")
@pytest.mark.parametrize("chosen", [{"synthesize": False}, {"mode": "raw"}])
async def test_the_raw_mode_does_not_ask_the_synthesizer(council, chosen) -> None:
    the_council = council("Hello.", synthesizer="Never asked.")
    assert (await the_council.ask("Say hello", **chosen)).mode == "raw"
    assert the_council.synthesizer.backend.calls == []


async def test_the_synthesizer_receives_the_prompt_and_every_usable_answer(council) -> None:
    the_council = council({"alice": "A fish.", "bob": Script.of("A bi", Raise(ValueError("gone")))}, synthesizer="So.")
    result = await the_council.ask("What swims?")
    prompt = str(the_council.synthesizer.backend.calls[0].action)
    assert "What swims?" in prompt
    assert "A fish." in prompt
    assert "A bi" not in prompt
    assert [answer.usable for answer in result.answers] == [True, False]


@pytest.mark.streamval_allow_unplayed(reason="the synthesizer receives no request")
async def test_the_synthesizer_is_not_asked_without_a_usable_answer(council) -> None:
    the_council = council(Script.of(Raise(ValueError("gone"))), "  \n", synthesizer="Never asked.")
    result = await the_council.ask("Say hello")
    assert result.synthesis is None
    assert result.synthesizer is None
    assert result.usable_answers == ()
    assert [answer.ok for answer in result.answers] == [False, True]


async def test_a_failed_synthesizer_keeps_the_answers(council) -> None:
    the_council = council("Hello.", synthesizer=Script.of("So", Raise(ValueError("gone"))))
    events = [event async for event in the_council.ask_stream("Say hello")]
    result = events[-1].result
    assert result.synthesis is None
    assert (result.synthesizer.text, result.synthesizer.error) == ("So", "ValueError: gone")
    assert events[-2].type == "synthesis_done"
    assert result.answers[0].ok


async def test_an_answer_has_the_usage_and_finish_reason_of_its_provider(council) -> None:
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


async def test_each_member_has_its_own_context(streaming_mock_backend) -> None:
    the_council = Council([streaming_mock_backend("One."), streaming_mock_backend("Two.")])
    await the_council.ask("Go")
    for member in the_council.members:
        assert type(member.backend.calls[0].ctx) is SimpleContext
        assert ModelOption.STREAM not in member.backend.calls[0].model_options


STREAMED = {
    "two texts": (["Hello.", "Hi."], {}),
    "a synthesis": (["Hello.", "Hi."], {"synthesizer": "Both."}),
    "usage and reason": ([Script.of("Hello.", Delta(usage=Usage(3, 5)), finish_reason="stop")], {}),
    "an error": ([Script.of("Hel", Raise(ValueError("gone"))), "Hi."], {"synthesizer": "One."}),
    "an error at once": ([Script.of(Raise(ValueError("gone"))), "Hi."], {}),
    "a requirement": ([SENTENCES, "One."], {"requirements": [Never("Red")], "synthesizer": "One."}),
    "a failed final validation": ([SENTENCES, "One."], {"requirements": [Short("short")], "synthesizer": "One."}),
    "an empty text": (["", "Hi."], {}),
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


async def test_a_member_that_fails_a_check_is_stopped_and_not_synthesized(council) -> None:
    long = f"{SENTENCES} {'And so on. ' * 100}"
    the_council = council({"alice": long, "bob": "One."}, synthesizer="So.", requirements=[Never("Red")], token_size=4)
    events = [event async for event in the_council.ask_stream("Go")]
    failed, good = events[-1].result.answers
    assert failed.text == texts(events, "alice") == "One fish. Two fish."
    assert failed.failed_requirement == "Never('never say Red'): it says Red fish."
    assert failed.error is None
    assert good.usable
    assert the_council.members[0].backend.calls[0].cancelled
    assert "fish" not in str(the_council.synthesizer.backend.calls[0].action)


async def test_a_member_check_comes_before_the_text_that_it_releases(council) -> None:
    events = [event async for event in council("One. Red.", requirements=[Never("Red")]).ask_stream("Go")]
    assert [str(event) for event in events] == [
        "member-1: check passed",
        'member-1: delta "One."',
        'member-1: check FAILED, "it says Red."',
        "member-1: done 4 characters, FAILED \"Never('never say Red'): it says Red.\"",
        "done synthesize, 0 usable of 1",
    ]
    assert events[2].check.results[0].reason == "it says Red."


async def test_member_deltas_include_the_text_between_chunks(council) -> None:
    text = "  One.\n\nTwo.  Three \n"
    events = [event async for event in council(text, requirements=[Never("Red")]).ask_stream("Go")]
    assert texts(events, "member-1") == events[-1].result.answers[0].text == text


async def test_an_answer_that_fails_its_final_validation_is_not_usable(council) -> None:
    answer = (await council(SENTENCES, requirements=[Short("short")]).ask("Go")).answers[0]
    assert answer.text == SENTENCES
    assert answer.failed_requirement == "Short('short'): too long"
    assert not answer.usable


async def test_a_member_without_released_text_is_not_held_back(council) -> None:
    text = "word " * 200  # no sentence ends before the end
    result = (await council(text, requirements=[Never("Red")]).ask("Go")).answers[0]
    events = [event async for event in council(text, requirements=[Never("Red")]).ask_stream("Go")]
    assert events[-1].result.answers[0] == result
    assert result.text == text


async def test_a_requirement_asks_its_member_or_the_validation_backend(council, streaming_mock_backend) -> None:
    the_council = council([SENTENCES, "yes"], requirements=[Requirement("It is about fish.")])
    assert (await the_council.ask("Go")).answers[0].usable
    judge = streaming_mock_backend("no")
    the_council = council(SENTENCES, requirements=[Requirement("It is about fish.")], validation_backend=judge)
    assert (await the_council.ask("Go")).answers[0].failed_requirement == "Requirement('It is about fish.'): no"


# Backends that cannot stream


class Computed(Backend):
    """Returns a computed output, streaming or not."""

    def __init__(self, thunk: ModelOutputThunk) -> None:
        self.thunk = thunk

    async def generate_from_context(self, action, ctx, **options):
        return self.thunk, ctx.add(action).add(self.thunk)


async def test_a_computed_output_arrives_in_one_delta() -> None:
    thunk = ModelOutputThunk()
    calls = (ToolCallDelta(0, "i", "search", "{}"),)
    thunk.try_put(Delta("All at once.", "Hm.", calls, Usage(1, 2), refusal="No.", signature="Eq"))
    thunk.close()
    await thunk.avalue()
    events = [event async for event in Council({"whole": Computed(thunk)}).ask_stream("Go")]
    assert [event.text for event in events if event.type == "member_delta"] == ["All at once."]
    answer = events[-1].result.answers[0]
    assert (answer.usage, answer.thinking) == (Usage(1, 2), "Hm.")
    assert (answer.refusal, answer.signature) == ("No.", "Eq")
    assert answer.tool_calls == (ToolCall("i", "search", "{}"),)


async def test_a_failed_computed_output_is_the_error_of_its_member() -> None:
    thunk = ModelOutputThunk()
    thunk.fail(ValueError("gone"))
    with pytest.raises(ValueError, match="gone"):
        await thunk.avalue()
    assert (await Council([Computed(thunk)]).ask("Go")).answers[0].error == "ValueError: gone"


class Buffered(Backend):
    """Raises an error for a stream."""

    def __init__(self, refusal: BaseException, backend: Backend) -> None:
        self.refusal = refusal
        self.backend = backend

    async def generate_from_context(self, action, ctx, **options):
        if options["model_options"].get(ModelOption.STREAM):
            raise self.refusal
        return await self.backend.generate_from_context(action, ctx, **options)


async def test_a_backend_that_refuses_streams_is_asked_for_the_complete_answer(streaming_mock_backend) -> None:
    whole = streaming_mock_backend(Script.of("All at once."))
    events = [event async for event in Council([Buffered(NotImplementedError(), whole)]).ask_stream("Go")]
    assert [event.text for event in events if event.type == "member_delta"] == ["All at once."]


@pytest.mark.streamval_allow_unplayed(reason="the backend receives no second request")
async def test_a_backend_with_another_error_is_not_asked_again(streaming_mock_backend) -> None:
    whole = streaming_mock_backend("All at once.")
    answer = [event async for event in Council([Buffered(ValueError("no"), whole)]).ask_stream("Go")][-1].result.answers
    assert answer[0].error == "ValueError: no"
    assert whole.calls == []
