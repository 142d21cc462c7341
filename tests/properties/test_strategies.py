"""The strategies for faults, requirements, several streams and failing scripts, and those that `from_type` finds."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import pytest_streamval
from pytest_streamval import (
    ChunkEvent,
    ChunkingStrategy,
    Delta,
    InvalidArgumentError,
    Raise,
    Requirement,
    Script,
    SimpleContext,
    StreamEvent,
    StreamingMockBackend,
    ToolCallDelta,
    Usage,
    faults,
    strategies,
    stream_with_chunking,
)
from pytest_streamval.properties.registration import strategy_of
from pytest_streamval.properties.values import STRATEGIES


def drawn(strategy: st.SearchStrategy[object], count: int = 60) -> list:
    found = []

    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])
    @given(strategy)
    def collect(value: object) -> None:
        found.append(value)

    collect()
    return found


@given(script=strategies.scripts("One. Two. Three.", failures=True))
def test_a_script_with_failures_has_the_beginning_of_the_text_and_no_finish_after_an_error(script) -> None:
    assert "One. Two. Three.".startswith(script.text)
    assert not any(isinstance(step, Raise) for step in script.steps[:-1])


def test_scripts_with_failures_end_in_every_way() -> None:
    scripts = drawn(strategies.scripts("One. Two.", failures=True), 300)
    errors = {type(script.steps[-1].exc) for script in scripts if script.steps and isinstance(script.steps[-1], Raise)}
    assert errors == {ConnectionResetError, TimeoutError, OSError, ValueError}
    assert {script.text == "One. Two." for script in scripts} == {True, False}
    complete = [s for s in scripts if s.text == "One. Two." and not any(isinstance(step, Raise) for step in s.steps)]
    assert {any(delta.finish_reason for delta in script.deltas) for script in complete} == {True, False}


def test_scripts_with_failures_shrink_to_an_error_alone() -> None:
    fails = find(strategies.scripts(failures=True), lambda s: any(isinstance(step, Raise) for step in s.steps))
    assert [type(step.exc) for step in fails.steps] == [ConnectionResetError]


@given(script=strategies.scripts(failures=True))
def test_a_run_of_a_script_with_failures_ends(script) -> None:
    async def outcome() -> str | None:
        async with stream_with_chunking("go", StreamingMockBackend(script), SimpleContext()) as run:
            await run.aexception()
            return run.outcome

    fails = any(isinstance(step, Raise) for step in script.steps)
    assert asyncio.run(outcome()) == ("failed" if fails else "done")


def test_faults_are_of_every_kind_and_at_any_place() -> None:
    found = drawn(strategies.faults(max_deltas=2), 600)
    assert {fault.name for fault in found} == {fault.name for fault in faults.all()}
    assert {fault.after_deltas for fault in found} == {None, 0, 1, 2}


@given(requirement=strategies.requirements())
def test_requirements_have_the_verdicts_that_a_run_gets(requirement) -> None:
    async def events() -> list[StreamEvent]:
        script = "One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten."
        async with stream_with_chunking(
            "go", StreamingMockBackend(script), SimpleContext(), requirements=[requirement]
        ) as run:
            await run.acomplete()
            return list(run.history)

    for _ in range(2):  # a run works on a copy
        history = asyncio.run(events())
        checks = [
            event.results[0].success for event in history if hasattr(event, "chunk_index") and hasattr(event, "passed")
        ]
        verdicts = [*requirement.verdicts, *["unknown"] * 10][:10]
        assert checks == (verdicts[: verdicts.index("fail") + 1] if "fail" in verdicts else verdicts)
        finals = [event.passed for event in history if type(event).__name__ == "FullValidationEvent"]
        assert finals == ([] if "fail" in verdicts else [requirement.complete])


def test_requirements_without_fail_accept_the_complete_output() -> None:
    found = drawn(strategies.requirements(["pass", "unknown"], max_size=2))
    assert all(each.complete and len(each.verdicts) <= 2 and "fail" not in each.verdicts for each in found)
    assert (
        repr(find(strategies.requirements(), lambda each: not each.complete)) == "ScriptedRequirement(complete=False)"
    )
    assert repr(find(strategies.requirements(), lambda each: "fail" in each.verdicts)) == "ScriptedRequirement('fail')"


def test_cuts_of_all_have_the_shape_of_the_texts() -> None:
    named = drawn(strategies.cuts_of_all({"a": "One.", "b": ""}))
    assert all(set(cuts) == {"a", "b"} and cuts["b"] == () for cuts in named)
    assert len({cuts["a"] for cuts in named}) > 3
    assert all(len(cuts) == 2 for cuts in drawn(strategies.cuts_of_all(["One.", "Two."])))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: strategies.requirements("pass"), "Invalid verdicts: 'pass'"),
        (lambda: strategies.requirements([]), "Invalid verdicts"),
        (lambda: strategies.requirements(["maybe"]), "Invalid verdicts"),
        (lambda: strategies.requirements(max_size=-1), "Invalid max_size: -1"),
        (lambda: strategies.faults(max_deltas="1"), "Invalid max_deltas: '1'"),
        (lambda: strategies.cuts_of_all("One."), "Invalid texts: 'One.'"),
        (lambda: strategies.cuts_of_all([]), "Invalid texts"),
        (lambda: strategies.cuts_of_all([b"x"]), "Invalid text"),
        (lambda: strategies.cuts_of_all(3), "Invalid texts: 3"),
    ],
    ids=map(str, range(9)),
)
def test_an_invalid_argument_of_a_strategy_is_rejected_before_a_draw(make, message) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()


# from_type


@pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)
def test_from_type_draws_a_public_value(kind) -> None:
    found = drawn(st.from_type(kind), 20)
    assert found
    assert all(isinstance(value, kind) for value in found)


@pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)
def test_an_event_from_from_type_survives_json(kind) -> None:
    for event in drawn(st.from_type(kind), 10):
        if isinstance(event, StreamEvent):
            assert StreamEvent.from_dict(event.as_dict()) == event


def test_from_type_finds_a_strategy_for_all_events_and_other_values() -> None:
    values = {
        value
        for name in pytest_streamval.__all__
        if isinstance(value := getattr(pytest_streamval, name), type)
        and (issubclass(value, StreamEvent | ChunkingStrategy) or value in {Delta, Script, Usage, ToolCallDelta})
    }
    assert values - {pytest_streamval.CouncilEvent} <= set(STRATEGIES)
    assert strategy_of(int) is None
    assert strategy_of(list[int]) is None
    assert strategy_of(pytest_streamval.Council) is None


def test_from_type_resolves_annotations_with_public_values() -> None:
    def takes(script: Script, events: list[ChunkEvent], requirement: Requirement | None) -> tuple:
        return script, events, requirement

    takes.__annotations__ = {"script": Script, "events": list[ChunkEvent], "requirement": Requirement | None}
    assert drawn(st.builds(takes), 5)


REGISTERED = """
import sys
from hypothesis import strategies as st
assert not [name for name in sys.modules if name.startswith("pytest_streamval.") and "properties" not in name
            and "_lazy" not in name], sorted(sys.modules)
from pytest_streamval import Script
from hypothesis import find
print(type(find(st.from_type(Script), lambda script: len(script.text) > 0)))
"""


def test_hypothesis_registers_the_strategies_when_it_is_imported_and_loads_nothing_for_that() -> None:
    command = [sys.executable, "-W", "error", "-c", REGISTERED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("<class 'pytest_streamval.scripting.script.Script'>\n", "")


def test_a_version_of_hypothesis_without_a_table_of_packages_gets_all_strategies(monkeypatch) -> None:
    from hypothesis.strategies._internal import types

    from pytest_streamval.properties.registration import register

    before = dict(types._global_type_lookup)
    monkeypatch.delattr(types, "_global_extra_lookup")
    try:
        register()
        assert set(STRATEGIES) <= set(types._global_type_lookup)
    finally:
        types._global_type_lookup.clear()
        types._global_type_lookup.update(before)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Delta(), "Delta()"),
        (Delta("Hi", usage=Usage(7)), "Delta(text='Hi', usage=Usage(input_tokens=7))"),
        (Delta(tool_calls=(ToolCallDelta(name="f"),)), "Delta(tool_calls=(ToolCallDelta(name='f'),))"),
        (faults.reset(), "Fault(name='reset', after_deltas=1)"),
        (faults.refuse(), "Fault(name='refuse')"),
    ],
    ids=str,
)
def test_the_repr_of_a_value_leaves_defaults_out(value, shown) -> None:
    assert repr(value) == shown
