"""The validators of a run: their calls, their kinds of functions, and invalid results."""

import asyncio

import pytest

from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.engine.validators import ValidatorGroup
from pytest_streamval.errors import InvalidVerdictError

PASS = PartialValidationResult("pass")


@pytest.fixture
def judges_of(played):
    def make(*requirements, timeout=None, fail_fast=False):
        return ValidatorGroup(requirements, played(), SimpleContext(), timeout=timeout, fail_fast=fail_fast)

    return make


async def returned(value):
    await asyncio.sleep(0)
    return value


class Synchronous(Requirement):
    def stream_validate(self, chunk, *, backend, ctx):
        return PASS


class SynchronousValidation(Requirement):
    def validate(self, backend, ctx, *, format=None, model_options=None):  # noqa: A002
        return ValidationResult(True)


class Returning(Requirement):
    """A plain function that returns something to await."""

    def stream_validate(self, chunk, *, backend, ctx):
        return asyncio.ensure_future(returned(PASS))

    def validate(self, backend, ctx, *, format=None, model_options=None):  # noqa: A002
        return returned(ValidationResult(True))


class Narrow(Requirement):
    async def stream_validate(self, chunk):
        return PASS

    async def validate(self):
        return ValidationResult(True)


def says(chunk_verdict, final=None):
    class Saying(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return chunk_verdict

        async def validate(self, backend, ctx, *, format=None, model_options=None):  # noqa: A002
            return final

    return Saying("said")


COUNTS = pytest.mark.parametrize("peers", [0, 1, 3])


@COUNTS
async def test_a_round_without_suspension_leaves_no_task(judges_of, judge, left, peers):
    judges = judges_of(*(judge() for _ in range(peers + 1)))
    assert await judges.check("One.") == (PASS,) * (peers + 1)
    await judges.aclose()
    assert left() == set()


@COUNTS
async def test_a_plain_function_may_return_an_awaitable(judges_of, judge, left, peers):
    judges = judges_of(*(judge() for _ in range(peers)), Returning())
    assert (await judges.check("One."))[-1] is PASS
    assert (await judges.validate())[-1] == ValidationResult(True)
    await judges.aclose()
    assert left() == set()


@COUNTS
async def test_a_plain_function_that_returns_a_result_raises_an_error_that_asks_for_async(judges_of, judge, peers):
    judges = judges_of(*(judge() for _ in range(peers)), Synchronous())
    with pytest.raises(
        InvalidVerdictError, match=r"Synchronous\.stream_validate\(\) .*async def stream_validate"
    ) as caught:
        await judges.check("One.")
    assert repr(PASS) in str(caught.value)
    judges = judges_of(*(judge() for _ in range(peers)), SynchronousValidation())
    with pytest.raises(InvalidVerdictError, match=r"SynchronousValidation\.validate\(\) .*async def validate"):
        await judges.validate()


@COUNTS
@pytest.mark.parametrize("fail_fast", [False, True])
@pytest.mark.parametrize("verdict", [None, True, "pass", ValidationResult(True)], ids=repr)
async def test_an_invalid_result_on_a_chunk_is_refused(judges_of, judge, peers, fail_fast, verdict):
    judges = judges_of(*(judge() for _ in range(peers)), says(verdict), fail_fast=fail_fast)
    with pytest.raises(InvalidVerdictError) as caught:
        await judges.check("One.")
    rule = "It must return a PartialValidationResult on every path."
    assert str(caught.value) == f"Saying('said').stream_validate() returned {verdict!r}. {rule}"


@COUNTS
@pytest.mark.parametrize("verdict", [None, True, PASS], ids=repr)
async def test_an_invalid_result_on_the_complete_output_is_refused(judges_of, judge, peers, verdict):
    judges = judges_of(*(judge() for _ in range(peers)), says(PASS, verdict))
    with pytest.raises(InvalidVerdictError) as caught:
        await judges.validate()
    assert str(caught.value) == (
        f"Saying('said').validate() returned {verdict!r}. It must return a ValidationResult on every path."
    )


@COUNTS
async def test_a_validator_that_does_not_accept_the_arguments_leaves_no_coroutine_unawaited(judges_of, judge, peers):
    judges = judges_of(*(judge() for _ in range(peers)), Narrow(), judge())
    with pytest.raises(TypeError, match="backend"):
        await judges.check("One.")
    with pytest.raises(TypeError, match=r"validate\(\)"):
        await judges.validate()


async def test_a_group_without_requirements_returns_no_results(judges_of):
    assert await judges_of().validate() == ()


async def test_validate_waits_for_all_results_even_if_one_fails(judges_of, judge, suspending):
    failing, slow = judge(final=False), judge(final=suspending(3, True))
    verdicts = await judges_of(failing, slow, fail_fast=True).validate()
    assert [bool(verdict) for verdict in verdicts] == [False, True]
    assert slow.record.cancelled == 0


async def test_fail_fast_starts_no_check_after_one_that_fails_at_once(judges_of, judge):
    asked, failing, unasked = judge(), judge("fail"), judge()
    verdicts = await judges_of(asked, failing, unasked, fail_fast=True).check("One.")
    assert [verdict.success for verdict in verdicts] == ["pass", "fail", "unknown"]
    assert "cancelled" in verdicts[2].reason
    assert (len(asked.record.seen), len(unasked.record.seen)) == (1, 0)


async def test_fail_fast_awaits_the_clean_up_of_those_that_it_cancels(judges_of, judge, never, turns):
    cleaned = []

    async def tidy(chunk):
        try:
            await never()
        finally:
            await turns(5)
            cleaned.append(chunk)

    verdicts = await judges_of(judge(tidy), judge("fail"), fail_fast=True).check("One.")
    assert cleaned == ["One."]
    assert [verdict.success for verdict in verdicts] == ["unknown", "fail"]


async def test_a_result_of_a_cancelled_check_does_not_hide_the_fail(judges_of, judge, never):
    async def answer_anyway(chunk):
        try:
            await never()
        except asyncio.CancelledError:
            return "pass"

    verdicts = await judges_of(judge(answer_anyway), judge("fail"), fail_fast=True).check("One.")
    assert verdicts[0].success in {"pass", "unknown"}
    assert verdicts[1].success == "fail"


@pytest.mark.streamval_not_cancelled  # it catches a cancellation
@pytest.mark.parametrize("fail_fast", [False, True])
async def test_cancelling_a_check_cancels_and_awaits_its_validators(
    judges_of, judge, never, turns, fail_fast, left, spawn
):
    cleaned = []

    async def tidy(chunk):
        try:
            await never()
        finally:
            await turns(3)
            cleaned.append(chunk)

    judges = judges_of(judge(tidy), judge(tidy), judge(), fail_fast=fail_fast)
    asking = spawn(judges.check("One."))
    await turns(3)
    asking.cancel()
    await turns(2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert cleaned == ["One."] * 2
    assert left() == set()


async def test_equal_results_are_kept_once(judges_of, judge):
    judges = judges_of(judge("pass", "unknown", "unknown"))
    results = [await judges.check("a") for _ in range(3)]
    assert [result[0].success for result in results] == ["pass", "unknown", "unknown"]
    assert results[1] is results[2]


@pytest.mark.parametrize("others", [0, 2], ids=["alone", "among others"])
@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "later"])
async def test_an_error_has_a_note_with_its_validator(others, suspends):
    class Broken(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            if suspends:
                await asyncio.sleep(0)
            raise ZeroDivisionError

    class Fine(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("pass")

    judges = ValidatorGroup(
        [*(Fine() for _ in range(others)), Broken("rare")], None, None, timeout=None, fail_fast=False
    )
    with pytest.raises(ZeroDivisionError) as caught:
        await judges.check("Hello.")
    await judges.aclose()
    assert caught.value.__notes__ == ["Raised by Broken('rare').stream_validate() about the chunk 'Hello.'."]
