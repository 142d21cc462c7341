"""Answers without text, cut at their limit or stopped by a filter."""

import pytest

from pytest_streamval import CouncilResult, Delta, Script, Stall, ToolCallDelta, Usage
from pytest_streamval.council import ModelAnswer
from pytest_streamval.model import ToolCall


@pytest.mark.parametrize(
    ("answer", "problem", "usable", "degraded"),
    [
        ({"text": "Yes.", "finish_reason": "stop"}, None, True, False),
        ({"text": "Yes."}, None, True, False),
        ({"finish_reason": "SAFETY"}, "no text (finished by SAFETY)", False, False),
        ({"text": " \n"}, "no text", False, False),
        ({"refusal": "I cannot."}, "no text, but a refusal: 'I cannot.'", False, False),
        (
            {"tool_calls": (ToolCall("1", "look", "{}"),), "finish_reason": "tool_calls"},
            "no text, but 1 tool call (finished by tool_calls)",
            False,
            False,
        ),
        ({"thinking": "Hm", "finish_reason": "length"}, "no text, only thinking (finished by length)", False, False),
        ({"text": "Ye", "finish_reason": "MAX_TOKENS"}, "cut at its limit (finished by MAX_TOKENS)", True, True),
        (
            {"text": "Ye", "finish_reason": "content_filter"},
            "stopped by a filter (finished by content_filter)",
            True,
            True,
        ),
        ({"text": "Ye", "error": "OSError: gone", "finish_reason": "length"}, "OSError: gone", False, False),
        ({"text": "Ye", "failed_requirement": "Polite"}, "failed Polite", False, False),
    ],
)
def test_the_problem_of_an_answer_says_why_it_is_not_complete(answer, problem, usable, degraded):
    found = ModelAnswer("a", "m", **answer)
    assert (found.problem, found.usable, found.degraded) == (problem, usable, degraded)
    assert {name: found.as_dict()[name] for name in ("ok", "usable", "degraded")} == {
        "ok": found.ok,
        "usable": usable,
        "degraded": degraded,
    }


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens"])
def test_every_providers_word_for_its_limit_cuts_an_answer(reason):
    assert ModelAnswer("a", "m", "Ye", finish_reason=reason).problem.startswith("cut at its limit")


@pytest.mark.parametrize("reason", ["content_filter", "refusal", "SAFETY", "RECITATION", "SPII", "BLOCKLIST"])
def test_every_providers_word_for_its_filter_stops_an_answer(reason):
    assert ModelAnswer("a", "m", "Ye", finish_reason=reason).problem.startswith("stopped by a filter")


async def test_a_result_carries_its_verdicts_and_is_read_back_with_them(council):
    result = await council({"a": "Yes.", "b": ""}, synthesizer=Script.of(Delta(finish_reason="SAFETY"))).ask("Go")
    found = result.as_dict()
    assert (found["ok"], found["usable"], found["degraded"]) == (True, True, True)
    assert [(each["ok"], each["usable"]) for each in found["answers"]] == [(True, True), (True, False)]
    assert found["synthesizer"]["usable"] is False
    assert CouncilResult.from_dict(result.as_dict()) == result
    older = {name: value for name, value in found.items() if name not in {"ok", "usable", "degraded"}}
    assert CouncilResult.from_dict(older) == result
    with pytest.raises(ValueError, match="degraded is 5, it must be true or false"):
        CouncilResult.from_dict({**found, "degraded": 5})


@pytest.mark.streamval_allow_unplayed
async def test_a_result_is_not_degraded_without_a_request_to_the_synthesizer(council):
    assert not (await council("", synthesizer="Both.").ask("Go")).degraded
    assert not (await council("Yes.").ask("Go")).degraded
    assert not (await council("Yes.", synthesizer="Both.").ask("Go")).degraded


async def test_the_usage_of_a_cut_answer_is_the_last_count_that_the_provider_sent(council, virtual_clock):
    script = Script.of(Delta(usage=Usage(7, 1)), "It", Delta(tool_calls=(ToolCallDelta(name="x"),)), Stall())
    (answer,) = (await council(script, timeout=5).ask("Go")).answers
    assert answer.error.startswith("MemberTimeoutError")
    assert answer.usage == Usage(7, 1)
