"""Requirements and their results."""

import asyncio
import copy
import pickle
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from functools import partial

import pytest

from pytest_streamval.engine.backend import Backend, ModelOption
from pytest_streamval.engine.context import ChatContext, SimpleContext
from pytest_streamval.engine.requirement import (
    PartialValidationResult,
    Requirement,
    ValidationResult,
    default_output_to_bool,
)
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError, InvalidVerdictError


class Judge(Backend):
    """Answers every question with the same text, or goes on for ever."""

    def __init__(self, answer=None, error=None):
        self.answer = answer
        self.error = error
        self.asked = []
        self.stopped = False
        self.thunk = None

    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        self.asked.append((action.format_for_llm(), ctx, format, model_options))
        self.thunk = ModelOutputThunk(action=action)
        self.thunk.start(self.produce)
        return self.thunk, ctx.add(action).add(self.thunk)

    async def produce(self, thunk):
        try:
            for character in "I think" if self.answer is None else self.answer:
                await thunk.put(character)
                await asyncio.sleep(0)
            if self.error is not None:
                raise self.error
            if self.answer is None:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.stopped = True
            raise


class Unasked(Backend):
    """A backend that no requirement may use as judge."""

    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        pytest.fail("nobody should ask")


def pickled(value, protocol=None):
    return pickle.loads(pickle.dumps(value, protocol))  # noqa: S301  # its own


def answered(text="The answer."):
    return SimpleContext().add("Question?").add(ModelOutputThunk(text))


# Verdicts


@pytest.mark.parametrize(
    ("result", "passed"),
    [
        (ValidationResult(True), True),
        (ValidationResult(False), False),
        (PartialValidationResult("pass"), True),
        (PartialValidationResult("fail"), False),
        (PartialValidationResult("unknown"), False),
    ],
    ids=repr,
)
def test_only_a_pass_is_true(result, passed):
    assert result.as_bool() is passed
    assert bool(result) is passed


RESULTS = [
    ValidationResult(True),
    ValidationResult(False, reason="too long", score=0.25),
    PartialValidationResult("fail", reason="a word that must not be said"),
    PartialValidationResult("unknown", score=0.5),
    PartialValidationResult("pass"),
    PartialValidationResult("fail"),
    PartialValidationResult("unknown"),
]
every_result = pytest.mark.parametrize("result", RESULTS, ids=repr)


@every_result
@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        *(partial(pickled, protocol=protocol) for protocol in range(2, 6)),
    ],
    ids=["copy", "deepcopy", "pickle 2", "pickle 3", "pickle 4", "pickle 5"],
)
def test_results_are_equal_to_their_copies_and_to_nothing_else(result, copied):
    twin = copied(result)
    assert twin == result
    assert hash(twin) == hash(result)
    assert type(twin) is type(result)
    assert (twin.success, twin.reason, twin.score) == (result.success, result.reason, result.score)
    assert [other for other in RESULTS if other == twin] == [result]


@pytest.mark.parametrize("other", [True, "pass", None, ValidationResult(True)])
def test_a_result_of_one_kind_equals_no_other_kind(other):
    assert PartialValidationResult("pass") != other


@every_result
@pytest.mark.parametrize("name", ["success", "reason", "score", "thunk", "context", "note"])
def test_results_are_immutable(result, name):
    before = repr(result)
    with pytest.raises(AttributeError, match=f"{type(result).__name__} is immutable. Make a new one with {name}='x'"):
        setattr(result, name, "x")
    with pytest.raises(AttributeError, match=f"immutable, so {name} cannot be deleted"):
        delattr(result, name)
    assert repr(result) == before


@pytest.mark.parametrize("verdict", ["pass", "fail", "unknown"])
def test_results_with_only_a_verdict_are_shared(verdict):
    plain = PartialValidationResult(verdict)
    assert PartialValidationResult(verdict) is plain
    assert PartialValidationResult(verdict, reason="why") is not plain
    assert pickled(plain) is plain


def test_a_subclass_of_a_result_keeps_its_class():
    class Graded(PartialValidationResult):
        __slots__ = ()

    assert type(Graded("pass")) is Graded
    assert Graded("pass") == Graded("pass")
    assert type(copy.copy(Graded("pass", score=1.0))) is Graded
    assert Graded("pass") != PartialValidationResult("pass")


@pytest.mark.parametrize("verdict", ["passed", "", True, None, ["fail"], {"fail"}, b"pass", ValidationResult(True)])
@pytest.mark.parametrize("reason", [None, "why"])
def test_a_verdict_is_one_of_three_words(verdict, reason):
    with pytest.raises(InvalidArgumentError, match='It must be "pass", "fail" or "unknown"') as caught:
        PartialValidationResult(verdict, reason=reason)
    assert str(caught.value).startswith(f"Invalid success: {verdict!r}")


def test_a_result_keeps_its_arguments_and_shows_them():
    thunk, ctx = ModelOutputThunk("yes"), SimpleContext()
    for result in (
        ValidationResult(True, reason="so", score=0.5, thunk=thunk, context=ctx),
        PartialValidationResult("pass", reason="so", score=0.5, thunk=thunk, context=ctx),
    ):
        assert (result.reason, result.score, result.thunk, result.context) == ("so", 0.5, thunk, ctx)
        assert repr(result) == (
            f"{type(result).__name__}({result.success!r}, reason='so', score=0.5, thunk={thunk!r}, context={ctx!r})"
        )


# A requirement on its own


async def test_stream_validate_returns_unknown_by_default():
    verdict = await Requirement("No jargon").stream_validate("Synergy.", backend=Unasked(), ctx=answered())
    assert verdict == PartialValidationResult("unknown")


def test_format_for_llm_returns_the_description_of_a_requirement():
    assert Requirement("No jargon").format_for_llm() == "No jargon"
    assert Requirement().format_for_llm() == ""


def test_the_name_of_a_requirement_has_its_class_and_description():
    class Short(Requirement):
        pass

    assert repr(Requirement("No jargon")) == Requirement("No jargon").name == "Requirement('No jargon')"
    assert Short().name == "Short"
    assert len(Short("x" * 1000).name) < 100


def test_the_name_of_a_requirement_can_be_an_argument_or_an_attribute():
    class Named(Requirement):
        name = "no phone numbers"

    class NamesItself(Requirement):
        def __init__(self):
            self.name = "itself"

    assert repr(Requirement("No jargon", name="jargon")) == "jargon"
    assert Requirement("No jargon", name="jargon").description == "No jargon"
    assert Named().name == copy.copy(Named()).name == "no phone numbers"
    assert Named(name="another").name == copy.copy(Named(name="another")).name == "another"
    assert NamesItself().name == "itself"
    assert Requirement.name == "Requirement"


@pytest.mark.parametrize("name", ["", 5])
def test_an_invalid_name_of_a_requirement_raises(name):
    with pytest.raises(InvalidArgumentError, match=r"Invalid name: .* It must be a str that is not empty"):
        Requirement("No jargon", name=name)


class ChecksChunks(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("pass")


class IsJudged(ChecksChunks):
    judge = True


async def test_a_requirement_that_checks_chunks_asks_no_judge():
    verdict = await ChecksChunks("No jargon").validate(Unasked(), answered())
    assert (bool(verdict), verdict.reason) == (True, "judged chunk by chunk")


@pytest.mark.parametrize("requirement", [ChecksChunks("No jargon", judge=True), IsJudged("No jargon")])
async def test_a_requirement_that_checks_chunks_asks_a_judge_if_it_is_told_to(requirement):
    judge = Judge("no")
    assert not await copy.copy(requirement).validate(judge, answered())
    assert "No jargon" in judge.asked[0][0]


async def test_a_judge_without_a_description_raises():
    with pytest.raises(InvalidArgumentError, match="Invalid description: None"):
        await ChecksChunks(judge=True).validate(Unasked(), answered())


def test_a_function_as_description_of_a_requirement_raises():
    with pytest.raises(InvalidArgumentError, match=r"Invalid description: <function .* as validation_fn="):
        Requirement(lambda ctx: True)


# Judging by a function


class Truth:
    """A function that is an object, and asynchronous."""

    async def __call__(self, ctx):
        return True


async def long(ctx):
    await asyncio.sleep(0)
    return len(str(ctx.last_output())) > 5


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (lambda ctx: True, ValidationResult(True)),
        (lambda ctx: False, ValidationResult(False)),
        (lambda ctx: "answer" in str(ctx.last_output()), ValidationResult(True)),
        (lambda ctx: ValidationResult(False, reason="no", score=0.1), ValidationResult(False, reason="no", score=0.1)),
        (long, ValidationResult(True)),
        (Truth(), ValidationResult(True)),
        (lambda ctx: asyncio.ensure_future(long(ctx)), ValidationResult(True)),
    ],
    ids=["yes", "no", "by the output", "a result", "async", "an async object", "a future"],
)
async def test_a_validation_fn_decides_without_the_backend(function, result):
    assert await Requirement("Fine", function).validate(Unasked(), answered()) == result


async def answer_nothing(ctx):
    pass


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (lambda ctx: None, "None"),
        (answer_nothing, "None"),
        (lambda ctx: "yes", "'yes'"),
        (lambda ctx: 1, "1"),
        (lambda ctx: PartialValidationResult("pass"), r"PartialValidationResult\('pass'\)"),
    ],
    ids=["None", "async None", "str", "int", "partial"],
)
async def test_a_validation_fn_that_returns_no_result_raises_an_error(function, shown):
    message = (
        rf"The validation_fn of Requirement\('Fine'\) returned {shown}. It must return a bool or a ValidationResult."
    )
    with pytest.raises(InvalidVerdictError, match=message) as caught:
        await Requirement("Fine", function).validate(Unasked(), answered())
    assert isinstance(caught.value, TypeError)


async def test_an_error_of_a_validation_fn_is_raised():
    def broken(ctx):
        raise LookupError("no such word")

    with pytest.raises(LookupError, match="no such word"):
        await Requirement("Fine", broken).validate(Unasked(), answered())


# Judging by a model


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ("yes", True),
        ("no", False),
        ("Yes, it is fine. No doubt.", True),
        ("NO. Yes would be a lie.", False),
        ("**Yes**", True),
        ("Well, yes", True),
        ("nothing yesterday", False),
        ("maybe", False),
        ("", False),
    ],
)
async def test_without_a_validation_fn_the_backend_is_the_judge(answer, passed):
    judge = Judge(answer)
    requirement = Requirement("No jargon")
    result = await requirement.validate(
        judge, answered("Synergy."), format="schema", model_options={ModelOption.SEED: 1}
    )
    assert result.as_bool() is passed
    assert result.reason == answer
    assert result.thunk is judge.thunk
    assert result.context.last_output() is judge.thunk
    ((question, ctx, schema, options),) = judge.asked
    assert "No jargon" in question
    assert "Synergy." in question
    assert ctx.as_list() == []
    assert (schema, options) == ("schema", {ModelOption.SEED: 1})
    assert default_output_to_bool(answer) is passed


async def test_output_to_bool_converts_the_answer_of_a_judge():
    requirement = Requirement("No jargon", output_to_bool=lambda output: "10" in str(output))
    assert await requirement.validate(Judge("10 of 10"), answered())
    assert not await requirement.validate(Judge("yes"), answered())


async def test_a_context_without_an_output_is_validated_as_an_empty_text():
    judge = Judge("no")
    assert not await Requirement("No jargon").validate(judge, ChatContext())
    assert judge.asked[0][0].endswith("Text:\n")


async def test_cancelling_a_validation_stops_the_judge(spawn):
    judge = Judge()
    validation = spawn(Requirement("No jargon").validate(judge, answered()))
    while judge.thunk is None or judge.thunk.deltas_read < 2:  # noqa: ASYNC110  # it is a fixed number of turns
        await asyncio.sleep(0)
    validation.cancel()
    await asyncio.wait([validation])
    assert validation.cancelled()
    assert judge.stopped
    assert judge.thunk.cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_of_a_judge_is_raised():
    judge = Judge("yes", error=OSError("connection lost"))
    with pytest.raises(OSError, match="connection lost"):
        await Requirement("No jargon").validate(judge, answered())
    assert judge.thunk.value == "yes"


# Subclasses


class NoInit(Requirement):
    """Has a constructor that forgets its base."""

    def __init__(self, word):
        self.word = word

    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if self.word in chunk else "unknown")


async def test_a_subclass_that_does_not_call_its_base_works_too():
    requirement = NoInit("jargon")
    assert (requirement.description, requirement.validation_fn, requirement.check_only) == (None, None, False)
    assert requirement.name == "NoInit"
    assert requirement.format_for_llm() == ""
    assert await requirement.validate(Judge("yes"), answered())
    twin = copy.copy(requirement)
    assert twin.word == "jargon"
    assert await twin.stream_validate("jargon", backend=Unasked(), ctx=answered()) == PartialValidationResult("fail")


# Copies


class Collecting(Requirement):
    """A requirement with every kind of collection."""

    made = 0

    def __init__(self, *args, **options):
        type(self).made += 1
        super().__init__(*args, **options)
        self.collected = [
            ["seen"],
            {"seen": 1},
            {"seen"},
            bytearray(b"seen"),
            deque(["seen"], maxlen=5),
            Counter(["seen"]),
            defaultdict(list, seen=[]),
            Log(["seen"]),
        ]
        for number, collection in enumerate(self.collected):
            setattr(self, f"collection_{number}", collection)


class Log(list):
    """A list with a name."""


def test_a_copy_of_a_requirement_has_its_own_collections_of_the_same_kind():
    original = Collecting("Fine")
    twin = copy.copy(original)
    for number, mine in enumerate(original.collected):
        its = getattr(twin, f"collection_{number}")
        assert its == mine
        assert type(its) is type(mine)
        assert its is not mine
        its.clear()
        assert mine
    assert twin.collected is not original.collected
    assert Collecting.made == 1


def test_a_copy_of_a_requirement_shares_other_objects():
    class Scorer:
        pass

    def judge(ctx):
        return True

    original = Requirement("Fine", judge, output_to_bool=bool, check_only=True)
    original.scorer = Scorer()
    original.words = ("a", "b")
    twin = copy.copy(original)
    assert type(twin) is Requirement
    assert vars(twin) == vars(original)
    assert twin.scorer is original.scorer
    twin.note = "mine"
    assert not hasattr(original, "note")


@pytest.mark.parametrize("verdict", ["fail", "pass", "", None])
def test_a_word_is_no_result_on_a_complete_output(verdict):
    with pytest.raises(InvalidArgumentError, match="True or False"):
        ValidationResult(verdict)


async def test_a_subclass_of_requirement_can_define_attributes_for_all_its_instances():
    class Short(Requirement):
        description = "It is short."
        check_only = True

        def validation_fn(self, ctx):
            return len(str(ctx.last_output())) < 9

        def output_to_bool(self, output):
            return str(output) == "ja"

    thunk = ModelOutputThunk("Hello.")
    requirement = Short()
    assert requirement.description == "It is short."
    assert requirement.check_only
    assert requirement.output_to_bool("ja")
    assert await requirement.validate(None, SimpleContext().add("Hi").add(thunk))
    assert not Short("Other", lambda ctx: False, output_to_bool=bool).output_to_bool("")
    assert Short(check_only=True).check_only


async def test_a_requirement_that_only_checks_chunks_passes_at_the_end():
    class Streaming(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("pass")

    verdict = await Streaming().validate(None, SimpleContext())
    assert verdict
    assert verdict.reason == "judged chunk by chunk"


async def test_a_requirement_without_condition_raises():
    with pytest.raises(InvalidArgumentError, match="so that a model can act as judge"):
        await Requirement().validate(None, SimpleContext())


def test_a_copy_of_a_requirement_with_slots_is_complete():
    @dataclass(slots=True)
    class Slotted(Requirement):
        limit: int
        seen: list

    original = Slotted(3, [])
    twin = copy.copy(original)
    twin.seen.append("x")
    assert twin.limit == 3
    assert original.seen == []
