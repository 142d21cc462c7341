"""The mock backend plays scripts, and keeps the producer's own record of its calls."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import (
    Backend,
    CBlock,
    ChatContext,
    Context,
    Delay,
    Delta,
    InvalidArgumentError,
    ModelOption,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    ScriptExhaustedError,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    Usage,
    stream_with_chunking,
)


async def test_a_mock_backend_plays_a_text_in_tokens_of_the_given_size() -> None:
    backend = StreamingMockBackend("Hello.", token_size=4)
    thunk, ctx = await backend.generate_from_context("Hi", SimpleContext())
    assert await thunk.avalue() == "Hello."
    assert ctx.last_output() is thunk
    [call] = backend.calls
    assert (call.deltas_sent, call.finished, call.cancelled, call.sent_text) == (2, True, False, "Hello.")


async def test_each_call_of_a_mock_backend_plays_the_next_script() -> None:
    backend = StreamingMockBackend("One.", Script.of("Two", "."))
    outputs = [await backend.generate_from_context(f"Call {number}", SimpleContext()) for number in range(2)]
    assert [await thunk.avalue() for thunk, _ in outputs] == ["One.", "Two."]
    assert [str(call.action) for call in backend.calls] == ["Call 0", "Call 1"]


async def test_a_mock_call_has_the_arguments_of_the_call() -> None:
    backend, ctx = StreamingMockBackend("x"), ChatContext()
    options = {ModelOption.STREAM: True, ModelOption.SEED: 7}
    thunk, _ = await backend.generate_from_context("Hi", ctx, format=dict, model_options=options)
    [call] = backend.calls
    assert call.ctx is ctx
    assert call.format is dict
    assert call.model_options == options
    assert call.thunk is thunk
    assert thunk.generation.streaming
    assert thunk.generation.provider == "mock"
    await thunk.avalue()


async def test_a_mock_backend_sends_complete_deltas() -> None:
    usage = Usage(input_tokens=3, output_tokens=2)
    script = Script.of(Delta(thinking="Hm."), "Yes.", Delta(usage=usage), finish_reason="stop")
    thunk, _ = await StreamingMockBackend(script).generate_from_context("Hi", SimpleContext())
    assert await thunk.avalue() == "Yes."
    assert thunk.thinking == "Hm."
    assert thunk.generation.usage == usage
    assert thunk.generation.finish_reason == "stop"


async def test_a_script_that_raises_fails_the_output_after_its_text() -> None:
    backend = StreamingMockBackend(Script.of("So far. ", Raise(ConnectionError("gone")), "Never."))
    result = await stream_with_chunking("Hi", backend, SimpleContext())
    with pytest.raises(ConnectionError, match="gone"):
        await result.acomplete()
    assert result.full_text == "So far."
    [call] = backend.calls
    assert (call.deltas_sent, call.finished, call.cancelled, call.sent_text) == (1, False, False, "So far. ")


async def test_a_reader_stops_a_script_that_stalls() -> None:
    backend = StreamingMockBackend(Script.of("So far. ", "And", Stall()))
    async with await stream_with_chunking("Hi", backend, SimpleContext()) as result:
        async for chunk in result.astream():
            assert chunk == "So far."
            break
    [call] = backend.calls
    assert (call.finished, call.cancelled) == (False, True)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_delay_of_zero_lets_other_tasks_run() -> None:
    backend = StreamingMockBackend(Script.of("a", Delay(0), "b"))
    thunk, _ = await backend.generate_from_context("Hi", SimpleContext())
    assert await thunk.astream() == "a"
    assert await thunk.avalue() == "ab"


async def test_a_mock_call_is_cancelled_before_its_first_step() -> None:
    backend = StreamingMockBackend("Hello.")
    thunk, _ = await backend.generate_from_context("Hi", SimpleContext())
    await thunk.cancel_generation()
    [call] = backend.calls
    assert (call.deltas_sent, call.finished, call.cancelled, call.sent_text) == (0, False, True, "")


async def test_a_call_without_a_script_is_an_error_that_names_the_caller() -> None:
    backend = StreamingMockBackend("A story.")
    judge = Requirement("It is short.")
    result = await stream_with_chunking("Tell a story", backend, SimpleContext(), requirements=[judge])
    with pytest.raises(ScriptExhaustedError) as caught:
        await result.acomplete()
    message = str(caught.value)
    assert "Call 2" in message
    assert "1 script," in message
    assert "came from Instruction 'Requirement: It is short." in message
    assert "a call of Requirement('It is short.'), but" in message
    assert "call 1: CBlock 'Tell a story'" in message
    assert "takes a script too" in message


class AsksItself(Requirement):
    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        await backend.generate_from_context(CBlock(f"Is {chunk} good?"), SimpleContext())
        return PartialValidationResult("pass")


@pytest.mark.parametrize("peers", [0, 1])
async def test_a_call_without_a_script_names_the_requirement_that_called_by_itself(peers: int) -> None:
    requirements = [*[Requirement("peer", validation_fn=lambda _: True)] * peers, AsksItself(name="the asker")]
    result = await stream_with_chunking("Go", StreamingMockBackend("A."), SimpleContext(), requirements=requirements)
    error = await result.aexception()
    assert "came from CBlock 'Is A. good?', a call of the asker, but" in str(error)


async def test_a_call_without_a_script_by_other_code_names_no_requirement() -> None:
    with pytest.raises(ScriptExhaustedError, match="came from CBlock 'Hi', but"):
        await StreamingMockBackend().generate_from_context("Hi", SimpleContext())


async def test_a_judge_receives_the_next_script() -> None:
    backend = StreamingMockBackend("A story.", "Yes, it is.")
    judge = Requirement("It is short.")
    result = await stream_with_chunking("Tell a story", backend, SimpleContext(), requirements=[judge])
    await result.acomplete()
    [verdict] = result.final_validations
    assert verdict
    assert verdict.reason == "Yes, it is."


def test_a_mock_backend_rejects_other_values_than_scripts() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Invalid scripts\[1\]: \['x'\]"):
        StreamingMockBackend("x", ["x"])


async def test_mock_backends_and_calls_have_a_repr_with_their_progress() -> None:
    backend = StreamingMockBackend("ab", Script.of(Stall()))
    first, _ = await backend.generate_from_context("Hi", SimpleContext())
    assert repr(backend) == "<StreamingMockBackend, 1 of 2 scripts played>"
    assert repr(backend.calls[0]) == "<MockCall playing, 0 of 2 deltas sent>"
    await first.avalue()
    assert repr(backend.calls[0]) == "<MockCall finished, 2 of 2 deltas sent>"
    second, _ = await backend.generate_from_context("Hi", SimpleContext())
    await second.cancel_generation()
    assert repr(backend.calls[1]) == "<MockCall cancelled, 0 of 0 deltas sent>"


def test_pytest_does_not_collect_the_mock_backend() -> None:
    assert StreamingMockBackend.__test__ is False


def test_the_identity_of_a_mock_backend_depends_on_its_scripts() -> None:
    assert StreamingMockBackend("One.").identity == StreamingMockBackend("One.").identity
    different = ["One!"], ["One.", "Two."], [Script.of("One.")], [Script.of(*"One.", finish_reason="stop")]
    identities = {StreamingMockBackend(*scripts).identity for scripts in (["One."], *different)}
    assert len(identities) == 5
