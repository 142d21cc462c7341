"""The requests, the outputs and the contexts of the methods of a session."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass

import pytest

from pytest_streamval import (
    CBlock,
    ChatContext,
    Delay,
    Instruction,
    Message,
    ModelOption,
    ModelOutputThunk,
    PartialValidationResult,
    Requirement,
    Script,
    Session,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    ValidationResult,
    start_session,
    wait_for_all_mots,
)

METHODS = ["instruct", "chat", "act", "validate", "query", "transform"]
SHORT = Requirement("short", validation_fn=lambda ctx: len(str(ctx.last_output())) < 10)


class Never(Requirement):
    """Fails every chunk."""

    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail", reason="never")


@dataclass
class Robot:
    """A dataclass that is not a component."""

    name: str


@pytest.mark.parametrize("method", METHODS)
def test_the_two_forms_of_a_session_method_have_the_same_signature(method):
    twin = getattr(Session, f"a{method}")
    assert inspect.signature(getattr(Session, method)) == inspect.signature(twin)
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(getattr(Session, method))


# The output


async def test_ainstruct_returns_while_the_generation_runs(streaming_mock_backend):
    backend = streaming_mock_backend("A haiku.")
    async with start_session(backend) as session:
        thunk = await session.ainstruct("Write a haiku.")
        assert not thunk.is_computed()
        assert len(backend.calls) == 1
        assert await thunk.avalue() == "A haiku."


async def test_ainstruct_runs_many_generations_at_the_same_time(virtual_clock, streaming_mock_backend):
    scripts = [Script.of(Delay(10), f"poem {number}") for number in range(5)]
    async with start_session(streaming_mock_backend(*scripts)) as session:
        thunks = [await session.ainstruct("Write a poem.") for _ in range(5)]
        assert await asyncio.gather(*(thunk.avalue() for thunk in thunks)) == [f"poem {at}" for at in range(5)]
    assert virtual_clock.elapsed == 10


async def test_a_streamed_output_of_a_session_has_no_repeated_text(streaming_mock_backend):
    backend = streaming_mock_backend("A story about a robot. " * 20)
    printed = []
    async with start_session(backend) as session:
        thunk = await session.ainstruct("Tell a story.", model_options={ModelOption.STREAM: True})
        while not thunk.is_computed():
            printed.append(await thunk.astream())
    assert len(printed) > 1
    assert "".join(printed) == thunk.value == "A story about a robot. " * 20
    assert backend.calls[0].model_options == {ModelOption.STREAM: True}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("instruct", ["Answer."]),
        ("chat", ["Answer."]),
        ("act", [Instruction("Answer.")]),
        ("query", ["a text", "What?"]),
        ("transform", ["a text", "Change it."]),
    ],
)
def test_synchronous_methods_return_a_computed_output(streaming_mock_backend, method, arguments):
    with start_session(streaming_mock_backend("A robot.")) as session:
        output = getattr(session, method)(*arguments, model_options={ModelOption.STREAM: True})
        assert output.is_computed()
        assert str(output) == "A robot."
        assert asyncio.run(output.avalue()) == "A robot."


def test_act_parses_the_answer_with_the_component(streaming_mock_backend):
    with start_session(streaming_mock_backend("Hello.")) as session:
        assert session.act(Message("user", "Hi")).parsed_repr == Message("assistant", "Hello.")


@pytest.mark.parametrize("action", ["Go on.", CBlock("Go on.")])
def test_act_accepts_a_text(streaming_mock_backend, action):
    with start_session(streaming_mock_backend("Yes.")) as session:
        session.act(action)
        assert session.backend.calls[0].action == CBlock("Go on.")


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        ("R2", "R2"),
        (CBlock("R2"), "R2"),
        (Instruction("Be R2."), "Be R2."),
        (ModelOutputThunk("beep"), "beep"),
        (Robot("R2"), "Robot(name='R2')"),
        ({"name": "R2"}, "{'name': 'R2'}"),
    ],
    ids=["text", "block", "component", "output", "dataclass", "dict"],
)
@pytest.mark.parametrize("method", ["query", "transform"])
def test_query_and_transform_send_the_text_of_an_object(streaming_mock_backend, obj, text, method):
    with start_session(streaming_mock_backend("Beep.")) as session:
        getattr(session, method)(obj, "What is its name?")
        prompt = session.backend.calls[0].action.format_for_llm()
    assert "What is its name?" in prompt
    assert prompt.endswith(f"Text:\n{text}")


@pytest.mark.parametrize("method", ["instruct", "chat", "act"])
def test_the_options_of_a_call_override_those_of_the_session(streaming_mock_backend, method):
    options = {ModelOption.SEED: 1, ModelOption.TEMPERATURE: 0, "top_k": 3}
    with start_session(streaming_mock_backend("Yes."), model_options=options) as session:
        getattr(session, method)("Go.", model_options={"seed": 2}, format={"type": "string"})
        call = session.backend.calls[0]
    assert call.model_options == {"seed": 2, "temperature": 0, "top_k": 3}
    assert call.format == {"type": "string"}


# Requirements and variables


def test_instruct_sends_requirements_that_are_not_check_only(streaming_mock_backend):
    requirements = [Requirement("be short"), Requirement("be kind", check_only=True), Requirement(validation_fn=bool)]
    with start_session(streaming_mock_backend("Yes.")) as session:
        session.instruct("Answer.", requirements=requirements)
        assert session.backend.calls[0].action == Instruction("Answer.", ("be short",))


def test_instruct_replaces_variables_once(streaming_mock_backend):
    rain = Requirement("about {{topic}}")
    with start_session(streaming_mock_backend("Wet.")) as session:
        session.instruct(
            "Write {{ count }} lines to {{who}}.",
            requirements=[rain],
            user_variables={"count": 2, "who": "{{topic}}", "topic": "rain"},
        )
        assert session.backend.calls[0].action == Instruction("Write 2 lines to {{topic}}.", ("about rain",))
    assert rain.description == "about {{topic}}"


def test_instruct_keeps_braces_without_variables(streaming_mock_backend):
    with start_session(streaming_mock_backend("Yes.")) as session:
        session.instruct("Explain {{ this }}.")
        assert session.backend.calls[0].action.description == "Explain {{ this }}."


def test_validate_returns_a_result_for_each_requirement_in_their_order(streaming_mock_backend):
    judge = Requirement("kind", output_to_bool=lambda thunk: "KIND" in str(thunk))
    with start_session(streaming_mock_backend("Hello there, you.", "It is KIND.")) as session:
        session.instruct("Greet.")
        results = session.validate([SHORT, judge])
        prompt = session.backend.calls[1].action.format_for_llm()
    assert [bool(result) for result in results] == [False, True]
    assert results[1].reason == "It is KIND."
    assert "Requirement: kind" in prompt
    assert "Text:\nHello there, you." in prompt


def test_avalidate_runs_requirements_at_the_same_time(virtual_clock, streaming_mock_backend):
    async def main():
        scripts = [Script.of(Delay(5), "yes"), Script.of(Delay(5), "no")]
        async with start_session(streaming_mock_backend(*scripts)) as session:
            return await session.avalidate([Requirement("kind"), Requirement("short")], "Hi.")

    assert [bool(result) for result in virtual_clock.run(main())] == [True, False]
    assert virtual_clock.elapsed == 5


async def test_avalidate_waits_for_a_running_output(streaming_mock_backend):
    async with start_session(streaming_mock_backend("Short.", "A long answer.")) as session:
        first = await session.ainstruct("Answer.")
        await session.ainstruct("Answer.")
        assert not (await session.avalidate([SHORT]))[0]
        assert (await session.avalidate([SHORT], first))[0]
        assert (await session.avalidate([SHORT], "a"))[0]
        assert not (await session.avalidate([SHORT], CBlock("a" * 10)))[0]


def test_validate_uses_copies_of_requirements(streaming_mock_backend):
    class Counting(Requirement):
        count = 0

        async def validate(self, backend, ctx):
            self.count += 1
            return ValidationResult(self.count == 1)

    counting = Counting()
    with start_session(streaming_mock_backend()) as session:
        assert session.validate([counting], "a") == session.validate([counting], "b") == [ValidationResult(True)]
    assert counting.count == 0


def test_validate_passes_model_options_to_requirements(streaming_mock_backend):
    backend = streaming_mock_backend("yes", "yes")
    with start_session(backend, model_options={ModelOption.SEED: 1}) as session:
        session.validate([Requirement("kind")], "Hi.")
        session.validate([Requirement("kind")], "Hi.", model_options={ModelOption.SEED: 2})
    assert [call.model_options for call in backend.calls] == [{"seed": 1}, {"seed": 2}]


# Contexts


def test_a_session_on_a_simple_context_keeps_the_newest_exchange(streaming_mock_backend):
    with start_session(streaming_mock_backend("one", "two")) as session:
        session.instruct("first")
        session.instruct("second")
        assert [str(entry) for entry in session.ctx.as_list()][1:] == ["two"]
        assert session.backend.calls[1].ctx.view_for_generation() == []


def test_every_session_method_continues_a_chat_context(streaming_mock_backend):
    ctx = ChatContext(window_size=3)
    with start_session(streaming_mock_backend("one", "two"), ctx=ctx) as session:
        session.chat("first")
        session.act("second")
        assert [str(entry) for entry in session.backend.calls[1].ctx.as_list()][1:] == ["one"]
        assert len(session.ctx.as_list()) == 4
        assert len(session.ctx.view_for_generation()) == 3
    assert ctx.as_list() == []


def test_chat_has_a_separate_conversation_beside_a_simple_context(streaming_mock_backend):
    with start_session(streaming_mock_backend("Hi.", "A poem.", "You said hello.")) as session:
        session.chat("Hello.")
        session.instruct("Write a poem.")
        session.chat(Message("user", "What did I say?"))
        view = session.backend.calls[2].ctx.view_for_generation()
        assert [getattr(entry, "content", str(entry)) for entry in view] == ["Hello.", "Hi."]
        assert str(session.ctx.last_output()) == "A poem."
        assert session.validate([Requirement("", lambda ctx: "hello" in str(ctx.last_output()))])[0]


async def test_parallel_requests_on_a_simple_context_do_not_warn(streaming_mock_backend, caplog):
    async with start_session(streaming_mock_backend("a", "b")) as session:
        await wait_for_all_mots([await session.ainstruct("Go."), await session.ainstruct("Go.")])
    assert not caplog.records


async def test_parallel_requests_on_a_simple_context_take_linear_time(streaming_mock_backend):
    class Counting(SimpleContext):
        views = 0

        def view_for_generation(self):
            Counting.views += 1
            return []

    async with start_session(streaming_mock_backend(*["a"] * 20), ctx=Counting()) as session:
        await wait_for_all_mots([await session.ainstruct("Go.") for _ in range(20)])
    assert Counting.views <= 3 * 20


async def test_sequential_requests_on_a_chat_context_do_not_warn(streaming_mock_backend, caplog):
    async with start_session(streaming_mock_backend("a", "b", "c", "d"), ctx=ChatContext()) as session:
        await (await session.ainstruct("Go.")).avalue()
        await (await session.ainstruct("Go.")).avalue()
        await session.achat("Go.")
        await session.achat("Go.")
        assert len(session.ctx.as_list()) == 8
    assert not caplog.records


async def test_achat_with_stream_returns_while_the_generation_runs(streaming_mock_backend):
    async with start_session(streaming_mock_backend("Hello.")) as session:
        answer = await session.achat("Hi.", model_options={ModelOption.STREAM: True})
        assert not answer.is_computed()
        assert [text async for text in answer] == ["Hello."]


async def test_the_context_of_a_session_leaves_out_a_cancelled_exchange(streaming_mock_backend):
    backend = streaming_mock_backend("Hi.", Script.of("Well", Stall()), Script.of("ok"))
    async with start_session(backend, ctx=ChatContext()) as session:
        await session.achat("Hello.")
        thunk = await session.ainstruct("Go on for ever.")
        await thunk.astream()
        await thunk.cancel_generation()
        assert len(session.ctx.as_list()) == 2
        await session.achat("And now?")
        assert [str(entry) for entry in backend.calls[2].ctx.as_list()][1:] == ["Hi."]


# Streams


async def test_stream_uses_the_session_and_adds_the_exchange_to_its_context(streaming_mock_backend):
    backend = streaming_mock_backend("One. Two.", "yes")
    options = {ModelOption.SEED: 1}
    async with start_session(backend, ctx=ChatContext(), model_options=options) as session:
        result = await session.stream("Count.", requirements=[Requirement("numbers")], model_options={"top_k": 2})
        assert session.ctx.as_list() == []
        async for _ in result.astream():
            pass
        assert [str(entry) for entry in session.ctx.as_list()] == ["Count.", "One. Two."]
        assert session.ctx.last_output().value == result.full_text
    assert backend.calls[0].model_options == {"seed": 1, "top_k": 2, "stream": True}


@pytest.mark.parametrize(
    "requirement",
    [Never(), Requirement("valid", lambda ctx: False)],
    ids=["stopped", "invalid at the end"],
)
async def test_stream_adds_no_invalid_answer_to_the_context(streaming_mock_backend, requirement):
    async with start_session(streaming_mock_backend("One. Two. Three."), ctx=ChatContext()) as session:
        result = await session.stream("Count.", requirements=[requirement], chunking="word")
        await result.acomplete()
        assert session.ctx.as_list() == []


async def test_stream_adds_no_run_of_another_session_to_the_context(streaming_mock_backend):
    class Slow(StreamingMockBackend):
        async def generate_from_context(self, *args, **options):
            await gate.wait()
            return await super().generate_from_context(*args, **options)

    gate = asyncio.Event()
    async with start_session(Slow("Mine.")) as session, start_session(streaming_mock_backend("Yours.")) as other:
        begun = asyncio.ensure_future(session.stream("Go."))
        await asyncio.sleep(0)  # until it waits for the gate
        await (await other.stream("Go.")).acomplete()
        assert session.ctx.as_list() == []
        gate.set()
        await (await begun).acomplete()
        assert str(session.ctx.last_output()) == "Mine."
        assert str(other.ctx.last_output()) == "Yours."


async def test_stream_keeps_exchanges_that_end_during_the_run(streaming_mock_backend, caplog):
    backend = streaming_mock_backend(Script.of("One.", Stall()), "Two.", "Three.")
    async with start_session(backend, ctx=ChatContext()) as session:
        async with await session.stream("Go.") as result:
            await session.achat("And?")
            assert [str(entry) for entry in session.ctx.as_list()][1:] == ["Two."]
        assert not result.completed
        assert "the context is stale" in caplog.text
        await (await session.stream("Go.")).acomplete()
        assert [str(entry) for entry in session.ctx.as_list()][1:] == ["Two.", "Go.", "Three."]


def test_the_repr_of_a_session_names_its_backend(streaming_mock_backend):
    with start_session(streaming_mock_backend()) as session:
        assert repr(session) == "<Session open over <StreamingMockBackend, 0 of 0 scripts played>>"
        assert isinstance(session.ctx, SimpleContext)
        assert not session.closed
    assert repr(session).startswith("<Session closed")
