"""Attempts at an instruction: their prompts, their number, and their result."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import (
    ChatContext,
    Delay,
    Delta,
    Instruction,
    ModelOption,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    ToolCall,
    ToolCallDelta,
    Usage,
    ValidationResult,
    start_session,
)
from pytest_streamval.errors import NoAcceptedAttemptError


def has(word):
    """Return a requirement for a word."""

    def validate(ctx):
        found = word in str(ctx.last_output())
        return ValidationResult(found, reason=None if found else f"there is no {word!r} in it")

    return Requirement(f"contains {word}", validate)


def test_an_attempt_prompt_contains_the_rejected_answer_and_its_reasons(streaming_mock_backend):
    backend = streaming_mock_backend("Hello.", "Hello Ada.", "Hello Ada. Bye.")
    with start_session(backend) as session:
        output = session.instruct("Greet.", requirements=[has("Ada"), has("Bye")], max_attempts=3)
    assert output.value == "Hello Ada. Bye."
    assert output.parsed_repr == "Hello Ada. Bye."
    assert backend.calls[0].action == Instruction("Greet.", ("contains Ada", "contains Bye"))
    repair = backend.calls[2].action
    assert repair.parts() == (backend.calls[0].action,)
    assert repair.format_for_llm() == (
        "Greet.\n\nThe answer has to fulfil:\n- contains Ada\n- contains Bye\n\n"
        "This answer was not accepted:\nHello Ada.\n\n"
        "What is wrong with it:\n- contains Bye: there is no 'Bye' in it\n\n"
        "Answer again, and put that right."
    )
    assert backend.calls[2].thunk.parsed_repr == "Hello Ada. Bye."


def test_attempts_can_be_validated_by_a_model(streaming_mock_backend):
    backend = streaming_mock_backend("You!", "No, it is rude.", "Dear you.", "Yes.")
    with start_session(backend, model_options={ModelOption.SEED: 1}) as session:
        output = session.instruct("Greet.", requirements=[Requirement("kind")], max_attempts=2, model_options={"n": 2})
    assert str(output) == "Dear you."
    assert "- kind: No, it is rude." in backend.calls[2].action.format_for_llm()
    assert [call.model_options for call in backend.calls] == [{"seed": 1, "n": 2}, {"seed": 1}] * 2


def test_an_attempt_prompt_contains_no_empty_reason(streaming_mock_backend):
    class Silent(Requirement):
        async def validate(self, backend, ctx):
            return ValidationResult(len(backend.calls) == 2)

    backend = streaming_mock_backend("a", "b")
    with start_session(backend) as session:
        assert str(session.instruct("Go.", requirements=[Silent()], max_attempts=2)) == "b"
    assert "wrong with it:\n- Silent\n\nAnswer again" in backend.calls[1].action.format_for_llm()


@pytest.mark.parametrize("limit", [1, 3])
def test_attempts_end_at_the_limit(streaming_mock_backend, limit):
    backend = streaming_mock_backend(*["Hello."] * limit)
    with start_session(backend) as session, pytest.raises(NoAcceptedAttemptError) as caught:
        session.instruct("Greet.", requirements=[has("Ada")], max_attempts=limit)
    assert caught.value.attempts == len(backend.calls) == limit
    assert caught.value.text == "Hello."
    assert caught.value.failures == ("contains Ada: there is no 'Ada' in it",)
    assert session.ctx.as_list() == []


async def test_an_output_resolves_to_the_accepted_attempt(streaming_mock_backend):
    backend = streaming_mock_backend("Hello.", "Hello Ada.")
    async with start_session(backend, ctx=ChatContext()) as session:
        output = await session.ainstruct("Greet.", requirements=[has("Ada")], max_attempts=2)
        assert len(backend.calls) == 1
        assert not output.is_computed()
        assert await output.astream() == "Hello Ada."
        assert output.is_computed()
        assert [str(entry) for entry in session.ctx.as_list()][1:] == ["Hello Ada."]
        assert session.ctx.as_list()[0] == Instruction("Greet.", ("contains Ada",))
    assert backend.calls[1].ctx.as_list() == []


async def test_attempts_on_a_chat_context_are_no_parallel_requests(streaming_mock_backend, caplog):
    async with start_session(streaming_mock_backend("a", "b", "c"), ctx=ChatContext()) as session:
        await (await session.ainstruct("Go.", requirements=[has("b")], max_attempts=2)).avalue()
        await session.achat("Go on.")
    assert not caplog.records


async def test_attempts_of_several_outputs_run_at_the_same_time(virtual_clock, streaming_mock_backend):
    scripts = [Script.of(Delay(2), text) for text in ("no", "no", "Ada", "Ada")]
    async with start_session(streaming_mock_backend(*scripts)) as session:
        outputs = [await session.ainstruct("Go.", requirements=[has("Ada")], max_attempts=2) for _ in range(2)]
        assert await asyncio.gather(*(output.avalue() for output in outputs)) == ["Ada", "Ada"]
    assert virtual_clock.elapsed == 4


async def test_an_output_has_the_metadata_of_the_accepted_attempt(streaming_mock_backend):
    known = [
        Delta("Ada", "hm", (ToolCallDelta(0, "id", "find", "{}"),), refusal="No.", signature="Eq"),
        Delta(usage=Usage(1, 2), finish_reason="stop"),
    ]
    async with start_session(streaming_mock_backend(Script.of(*known))) as session:
        output = await session.ainstruct("Go.", requirements=[has("Ada")], max_attempts=2)
        await output.avalue()
    assert output.thinking == "hm"
    assert (output.refusal, output.signature) == ("No.", "Eq")
    assert output.tool_calls == (ToolCall("id", "find", "{}"),)
    assert output.generation.usage == Usage(1, 2)
    assert output.generation.finish_reason == "stop"
    assert output.generation.provider == "mock"


async def test_attempts_without_requirements_accept_the_first_output(streaming_mock_backend):
    backend = streaming_mock_backend("Hello there.")
    async with start_session(backend) as session:
        output = await session.ainstruct("Greet.", max_attempts=3)
        assert output is backend.calls[0].thunk
        assert await output.avalue() == "Hello there."


async def test_attempts_raise_the_error_of_a_generation(streaming_mock_backend):
    backend = streaming_mock_backend("a", Script.of("b", Raise(ConnectionError("reset"))))
    async with start_session(backend) as session:
        output = await session.ainstruct("Go.", requirements=[has("Ada")], max_attempts=5)
        with pytest.raises(ConnectionError, match="reset"):
            await output.avalue()


async def test_attempts_raise_the_error_of_a_requirement_and_stop_the_others(streaming_mock_backend, caplog):
    async def for_ever(ctx):
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("clean-up")

    def broken(ctx):
        raise ZeroDivisionError

    async with start_session(streaming_mock_backend("a")) as session:
        requirements = [Requirement("", for_ever), Requirement("", broken)]
        output = await session.ainstruct("Go.", requirements=requirements, max_attempts=5)
        with pytest.raises(ZeroDivisionError):
            await output.avalue()
    assert "The clean-up of a cancelled requirement failed." in caplog.text


def test_each_attempt_is_validated_by_new_copies(streaming_mock_backend):
    class Once(Requirement):
        used = False

        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("pass")

        async def validate(self, backend, ctx):
            used, self.used = self.used, True
            return ValidationResult(not used and str(ctx.last_output()) == "b")

    once = Once()
    with start_session(streaming_mock_backend("a", "b")) as session:
        assert str(session.instruct("Go.", requirements=[once], max_attempts=2)) == "b"
    assert not once.used
