"""Cached answers of a council: hits, repeated checks, and the runs that are not stored."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import threading
from contextlib import closing

import pytest

from pytest_streamval import (
    Council,
    CouncilCache,
    CouncilResult,
    Delta,
    ModelAnswer,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    SimpleContext,
    ToolCall,
    ToolCallDelta,
    Usage,
    per_member,
)
from tests.council.doubles import Never

KEY = "planted-key-0123456789abcdef"


RESULT = CouncilResult(
    "Go",
    "debate",
    (ModelAnswer("a", "m", "Hi.", usage=Usage(1, 2), finish_reason="stop", latency_s=0.5),),
    "So.",
    synthesizer=ModelAnswer("s", "m", "So."),
    rounds=((ModelAnswer("a", "m", "Hi."),),),
)


@pytest.fixture
def cache(tmp_path) -> CouncilCache:
    return CouncilCache(tmp_path / "folder" / "council.sqlite3")


# Hits


@pytest.mark.parametrize("first", ["streamed", "buffered"])
async def test_a_cache_hit_asks_no_model_and_sends_each_text_in_one_delta(council, cache, first) -> None:
    scripts = {"alice": Script.of("Hel", "lo.", Delta(usage=Usage(1, 2)), finish_reason="stop"), "bob": "Hi."}
    the_council = council(scripts, synthesizer="So.", cache=cache)
    result = (
        await the_council.ask("Go")
        if first == "buffered"
        else [e async for e in the_council.ask_stream("Go")][-1].result
    )
    assert not result.cached
    events = [event async for event in the_council.ask_stream("Go")]
    assert [(event.type, event.member, event.text) for event in events] == [
        ("member_delta", "alice", "Hello."),
        ("member_done", "alice", ""),
        ("member_delta", "bob", "Hi."),
        ("member_done", "bob", ""),
        ("synthesis_delta", "synthesizer", "So."),
        ("synthesis_done", "synthesizer", ""),
        ("done", None, ""),
    ]
    again = events[-1].result
    assert again.cached
    assert again == result == await the_council.ask("Go")
    assert again.answers[0].latency_s == result.answers[0].latency_s
    assert [len(member.backend.calls) for member in the_council.members] == [1, 1]


async def test_a_council_of_equal_members_shares_the_cache(council, cache) -> None:
    await council("Hi.", cache=cache).ask("Go", mode="raw")
    again = council("Hi.", cache=str(cache.path))
    assert (await again.ask("Go", mode="raw")).cached
    again.members[0].backend.scripts = ()  # so that none is left unplayed


async def test_the_cache_stores_a_debate_with_its_rounds(council, cache) -> None:
    the_council = council(["a", "b"], ["c", "d"], synthesizer="So.", cache=cache)
    result = await the_council.debate("Go")
    again = await the_council.debate("Go")
    assert again.cached
    assert again == result
    assert len(again.rounds) == 2


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (Script.of("Hel", Raise(ValueError("gone"))), {}),
        ("One. dogs.", {"requirements": [Never("dogs")]}),
        ("Hi.", {"synthesizer": Script.of("S", Raise(ValueError("gone")))}),
    ],
    ids=["a member failed", "a member was cut", "the synthesizer failed"],
)
async def test_the_cache_stores_no_failed_or_cut_run(council, cache, script, options) -> None:
    await council(script, cache=cache, **options).ask("Go")
    assert not cache.path.exists()


async def test_the_cache_stores_no_stopped_run(council, cache) -> None:
    async with council("Hello.", cache=cache).ask_stream("Go") as events:
        await anext(events)
    assert not cache.path.exists()


async def test_a_question_without_a_cache_key_is_asked_every_time(council, cache) -> None:
    the_council = council(["Hi.", "Hi."], model_options={"setting": object()}, cache=cache)
    assert not (await the_council.ask("Go")).cached
    assert not (await the_council.ask("Go")).cached
    assert not cache.path.exists()


async def test_the_cache_stores_no_api_key(council, cache, monkeypatch, caplog) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://user:{KEY}@127.0.0.1:1")
    await council("Hi.", cache=cache).ask("Go")
    Council(["openai:x"], cache=cache).new_run("Go", "raw")
    await council(f"Your key is {KEY}.", cache=cache).ask("Go")
    assert "it seems to contain an API key" in caplog.text
    for path in cache.path.parent.iterdir():
        assert re.search(KEY.encode(), path.read_bytes()) is None


async def test_the_cache_logs_results_that_it_cannot_write(council, tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("no folder")
    found = await council("Hi.", cache=tmp_path / "file" / "council.sqlite3").ask("Go")
    assert found.answers[0].ok
    assert "cannot be written" in caplog.text


# Checks of cached answers


FORBIDDEN = ["dogs"]


class NotForbidden(Requirement):
    """Fails a chunk with a word of a global list, so that tests can change the rule."""

    async def stream_validate(self, chunk, *, backend, ctx):
        found = [word for word in FORBIDDEN if word in chunk]
        return PartialValidationResult("fail", reason=f"says {found[0]}") if found else PartialValidationResult("pass")


async def lines_and_result(the_council: Council, prompt: str = "Go") -> tuple[list[str], CouncilResult]:
    events = [event async for event in the_council.ask_stream(prompt)]
    return [str(event) for event in per_member(events)], events[-1].result


async def test_a_cached_answer_that_fails_a_requirement_is_reported_like_a_new_one(council, cache, monkeypatch) -> None:
    def make_council(**options) -> Council:
        scripts = {"a": ["One cat. Two cats. Three."], "b": ["No pets."]}
        return council(scripts, synthesizer=["Both.", "One."], requirements=[NotForbidden()], **options)

    cached_council = make_council(cache=cache)
    assert (await cached_council.ask("Go")).ok
    monkeypatch.setitem(globals(), "FORBIDDEN", ["Two cats"])
    lines, result = await lines_and_result(cached_council)
    assert result.answers[0].failed_requirement == "NotForbidden: says Two cats"
    assert result.answers[0].text.strip() == "One cat."
    assert [len(member.backend.calls) for member in cached_council.members] == [1, 1]
    assert not result.cached, "the synthesizer has combined the remaining answers"
    assert result.synthesis == "One."
    assert "Two cats" not in str(cached_council.synthesizer.backend.calls[1].action)
    fresh = make_council()
    output, _ = await fresh.synthesizer.backend.generate_from_context("first", SimpleContext())
    assert await output.avalue() == "Both."
    fresh_lines, fresh_result = await lines_and_result(fresh)
    assert lines == fresh_lines
    assert 'a: check FAILED, "says Two cats"' in lines
    assert result == fresh_result

    monkeypatch.setitem(globals(), "FORBIDDEN", [])
    assert (await cached_council.ask("Go")).cached, "a failed check removes no answer from the cache"


async def test_a_cached_answer_that_fails_its_final_validation_is_not_synthesized(council, cache) -> None:
    await council("Hello there.", synthesizer="So.", cache=cache).ask("Go")
    short = Requirement("short", lambda ctx: len(str(ctx.last_output())) < 5)
    strict = council("Hello there.", synthesizer="So.", requirements=[short], cache=cache)
    result = await strict.ask("Go")
    assert result.answers[0].failed_requirement
    assert (result.synthesis, result.cached) == (None, True)
    assert not strict.members[0].backend.calls
    strict.members[0].backend.scripts = strict.synthesizer.backend.scripts = ()  # so that none is left unplayed


async def test_a_cached_debate_continues_without_a_member_that_fails_a_requirement(council, cache) -> None:
    def debating(*requirements) -> Council:
        scripts = {"a": ["cats", "cats"], "b": ["b1", "b2"], "c": ["c1", "c2"]}
        return council(scripts, synthesizer="So.", requirements=requirements, cache=cache)

    assert (await debating().debate("Go")).ok
    the_council = debating(Never("cats"))
    result = await the_council.debate("Go")
    assert [[answer.name for answer in turn] for turn in result.rounds] == [["a", "b", "c"], ["b", "c"]]
    assert [len(member.backend.calls) for member in the_council.members] == [0, 1, 1], (
        "the second round sends new requests"
    )
    assert "cats" not in str(the_council.members[1].backend.calls[0].action)
    for member in the_council.members:
        member.backend.scripts = member.backend.scripts[: len(member.backend.calls)]


async def test_requirements_see_the_thinking_and_tool_calls_of_a_cached_answer(council, cache) -> None:
    call = ToolCallDelta(0, "i", "search", "{}")
    script = Script.of(Delta(thinking="Hm.", signature="Eq"), "Hi.", Delta(tool_calls=(call,), refusal="No."))
    await council(script, cache=cache).ask("Go", mode="raw")
    seen = []

    def look(ctx) -> bool:
        output = ctx.last_output()
        seen.append((output.thinking, output.tool_calls, output.refusal, output.signature))
        return True

    the_council = council(script, requirements=[Requirement("looks", look)], cache=cache)
    assert (await the_council.ask("Go", mode="raw")).cached
    assert seen == [("Hm.", (ToolCall("i", "search", "{}"),), "No.", "Eq")]
    the_council.members[0].backend.scripts = ()  # so that none is left unplayed


async def test_the_cache_ignores_the_results_of_an_earlier_version(council, cache) -> None:
    old = {"versions": [1, 1], "prompt": "Go", "mode": "raw", "rounds": 1}
    facts = RESULT.as_dict()
    for answer in (*facts["answers"], facts["synthesizer"], *facts["rounds"][0]):
        del answer["thinking"], answer["tool_calls"]
    cache.store(key := hashlib.sha256(json.dumps(old).encode()).hexdigest(), RESULT)
    with closing(sqlite3.connect(cache.path)) as connection, connection:
        connection.execute("UPDATE results SET result = ?", (json.dumps(facts),))
    assert cache.load(key) is None
    assert not (await council("Hi.", cache=cache).ask("Go", mode="raw")).cached


# Threads


class SlowCache(CouncilCache):
    """Stores a result when its gate opens."""

    def __init__(self, path) -> None:
        super().__init__(path)
        self.started, self.gate = threading.Event(), threading.Event()

    def store(self, key, result) -> None:
        self.started.set()
        assert self.gate.wait(60)
        super().store(key, result)


async def test_a_slow_cache_does_not_block_the_event_loop(council, tmp_path) -> None:
    busy = SlowCache(tmp_path / "council.sqlite3")
    make_council = asyncio.create_task(council("Hi.", cache=busy).ask("Go"), name="ask")
    assert await asyncio.to_thread(busy.started.wait, 10)
    assert not make_council.done()
    busy.gate.set()
    assert (await make_council).answers[0].ok
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_cancellation_while_the_cache_stores_leaves_no_thread(council, tmp_path) -> None:
    busy = SlowCache(tmp_path / "council.sqlite3")
    make_council = asyncio.create_task(council("Hi.", cache=busy).ask("Go"), name="ask")
    assert await asyncio.to_thread(busy.started.wait, 10)
    busy.gate.set()
    make_council.cancel()
    with pytest.raises(asyncio.CancelledError):
        await make_council
    assert not any(thread.name.startswith("streamval council") for thread in threading.enumerate())
    await asyncio.get_running_loop().shutdown_default_executor()
