"""What is kept of a council's results, under which name, and by how many at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass

import pytest

from pytest_streamval import (
    Backend,
    ChunkingStrategy,
    Council,
    CouncilCache,
    CouncilResult,
    Delta,
    InvalidArgumentError,
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
from pytest_streamval.council.cache import default_path

KEY = "planted-key-0123456789abcdef"
RESULT = CouncilResult(
    "Go",
    "debate",
    (ModelAnswer("a", "m", "Hi.", usage=Usage(1, 2), finish_reason="stop", latency_s=0.5),),
    "So.",
    synthesizer=ModelAnswer("s", "m", "So."),
    rounds=((ModelAnswer("a", "m", "Hi."),),),
)


class Word(Requirement):
    """Fails a chunk with a word in it."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if self.word in chunk else "pass")


class Lines(ChunkingStrategy):
    """A strategy of one's own."""

    def split(self, accumulated_text):
        return accumulated_text.splitlines()


@pytest.fixture
def cache(tmp_path) -> CouncilCache:
    return CouncilCache(tmp_path / "folder" / "council.sqlite3")


# Hits


@pytest.mark.parametrize("first", ["streamed", "buffered"])
async def test_a_hit_asks_nobody_and_gives_each_text_in_one_delta(council, cache, first) -> None:
    scripts = {"alice": Script.of("Hel", "lo.", Delta(usage=Usage(1, 2)), finish_reason="stop"), "bob": "Hi."}
    asked = council(scripts, synthesizer="So.", cache=cache)
    result = await asked.ask("Go") if first == "buffered" else [e async for e in asked.ask_stream("Go")][-1].result
    assert not result.cached
    events = [event async for event in asked.ask_stream("Go")]
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
    assert again == result == await asked.ask("Go")
    assert again.answers[0].latency_s == result.answers[0].latency_s
    assert [len(member.backend.calls) for member in asked.members] == [1, 1]


async def test_another_council_of_the_same_members_has_the_hit_too(council, cache) -> None:
    await council("Hi.", cache=cache).ask("Go", mode="raw")
    again = council("Hi.", cache=str(cache.path))
    assert (await again.ask("Go", mode="raw")).cached
    again.members[0].backend.scripts = ()  # which it was not to play


async def test_a_debate_is_kept_with_its_rounds(council, cache) -> None:
    asked = council(["a", "b"], ["c", "d"], synthesizer="So.", cache=cache)
    result = await asked.debate("Go")
    again = await asked.debate("Go")
    assert again.cached
    assert again == result
    assert len(again.rounds) == 2


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (Script.of("Hel", Raise(ValueError("gone"))), {}),
        ("One. dogs.", {"requirements": [Word("dogs")]}),
        ("Hi.", {"synthesizer": Script.of("S", Raise(ValueError("gone")))}),
    ],
    ids=["a member failed", "a member was cut", "the synthesizer failed"],
)
async def test_a_run_that_failed_or_was_cut_is_not_kept(council, cache, script, options) -> None:
    await council(script, cache=cache, **options).ask("Go")
    assert not cache.path.exists()


async def test_a_run_that_was_stopped_is_not_kept(council, cache) -> None:
    async with council("Hello.", cache=cache).ask_stream("Go") as events:
        await anext(events)
    assert not cache.path.exists()


# Judging anew

FORBIDDEN = ["dogs"]


class Helped(Requirement):
    """Judges by a global, which is nowhere in its code."""

    async def stream_validate(self, chunk, *, backend, ctx):
        found = [word for word in FORBIDDEN if word in chunk]
        return PartialValidationResult("fail", reason=f"says {found[0]}") if found else PartialValidationResult("pass")


async def told_of(asked: Council, prompt: str = "Go") -> tuple[list[str], CouncilResult]:
    events = [event async for event in asked.ask_stream(prompt)]
    return [str(event) for event in per_member(events)], events[-1].result


async def test_a_kept_answer_that_fails_the_rules_of_today_is_told_as_a_fresh_one(council, cache, monkeypatch) -> None:
    def asking(**options) -> Council:
        scripts = {"a": ["One cat. Two cats. Three."], "b": ["No pets."]}
        return council(scripts, synthesizer=["Both.", "One."], requirements=[Helped()], **options)

    kept = asking(cache=cache)
    assert (await kept.ask("Go")).ok
    monkeypatch.setitem(globals(), "FORBIDDEN", ["Two cats"])
    lines, result = await told_of(kept)
    assert result.answers[0].failed_requirement == "Helped: says Two cats"
    assert result.answers[0].text.strip() == "One cat."
    assert [len(member.backend.calls) for member in kept.members] == [1, 1]
    assert not result.cached, "the synthesizer was asked about the answer that is left"
    assert result.synthesis == "One."
    assert "Two cats" not in str(kept.synthesizer.backend.calls[1].action)
    fresh = asking()
    output, _ = await fresh.synthesizer.backend.generate_from_context("first", SimpleContext())
    assert await output.avalue() == "Both."
    fresh_lines, fresh_result = await told_of(fresh)
    assert lines == fresh_lines
    assert 'a: check FAILED, "says Two cats"' in lines
    assert result == fresh_result

    monkeypatch.setitem(globals(), "FORBIDDEN", [])
    assert (await kept.ask("Go")).cached, "a failed judgement takes no answer from the cache"


async def test_an_answer_that_fails_as_a_whole_today_is_no_hit_for_the_synthesis(council, cache) -> None:
    await council("Hello there.", synthesizer="So.", cache=cache).ask("Go")
    short = Requirement("short", lambda ctx: len(str(ctx.last_output())) < 5)
    strict = council("Hello there.", synthesizer="So.", requirements=[short], cache=cache)
    result = await strict.ask("Go")
    assert result.answers[0].failed_requirement
    assert (result.synthesis, result.cached) == (None, True)
    assert not strict.members[0].backend.calls
    strict.members[0].backend.scripts = strict.synthesizer.backend.scripts = ()  # which they were not to play


async def test_a_debate_goes_on_without_the_one_that_fails_today(council, cache) -> None:
    def debating(*requirements) -> Council:
        scripts = {"a": ["cats", "cats"], "b": ["b1", "b2"], "c": ["c1", "c2"]}
        return council(scripts, synthesizer="So.", requirements=requirements, cache=cache)

    assert (await debating().debate("Go")).ok
    asked = debating(Word("cats"))
    result = await asked.debate("Go")
    assert [[answer.name for answer in turn] for turn in result.rounds] == [["a", "b", "c"], ["b", "c"]]
    assert [len(member.backend.calls) for member in asked.members] == [0, 1, 1], "the second round was asked anew"
    assert "cats" not in str(asked.members[1].backend.calls[0].action)
    for member in asked.members:
        member.backend.scripts = member.backend.scripts[: len(member.backend.calls)]


async def test_thinking_and_tool_calls_are_judged_anew(council, cache) -> None:
    call = ToolCallDelta(0, "i", "search", "{}")
    script = Script.of(Delta(thinking="Hm."), "Hi.", Delta(tool_calls=(call,)))
    await council(script, cache=cache).ask("Go", mode="raw")
    seen = []

    def look(ctx) -> bool:
        seen.append((ctx.last_output().thinking, ctx.last_output().tool_calls))
        return True

    asked = council(script, requirements=[Requirement("looks", look)], cache=cache)
    assert (await asked.ask("Go", mode="raw")).cached
    assert seen == [("Hm.", (ToolCall("i", "search", "{}"),))]
    asked.members[0].backend.scripts = ()  # which it was not to play


async def test_a_result_that_an_earlier_version_kept_is_not_given(council, cache) -> None:
    old = {"versions": [1, 1], "prompt": "Go", "mode": "raw", "rounds": 1}
    facts = RESULT.as_dict()
    for answer in (*facts["answers"], facts["synthesizer"], *facts["rounds"][0]):
        del answer["thinking"], answer["tool_calls"]
    cache.store(key := hashlib.sha256(json.dumps(old).encode()).hexdigest(), RESULT)
    with closing(sqlite3.connect(cache.path)) as connection, connection:
        connection.execute("UPDATE results SET result = ?", (json.dumps(facts),))
    assert cache.load(key) is None
    assert not (await council("Hi.", cache=cache).ask("Go", mode="raw")).cached


# The name


class Named(Backend):
    """Says what it is."""

    def __init__(self, identity: str | None) -> None:
        self._identity = identity

    @property
    def identity(self):
        return self._identity

    async def generate_from_context(self, action, ctx, **options):
        raise NotImplementedError


def key(prompt: str = "Go", mode: str = "synthesize", rounds: int = 2, models=None, **options: object) -> str | None:
    council = Council(models or {"alice": Named("a"), "bob": Named("b")}, cache="unused", **options)
    return council.sitting(prompt, mode, rounds=rounds)._key


@dataclass
class Setting:
    """Something that an option may be."""

    limit: int


BASE = {"requirements": [Word("x")], "synthesizer": Named("s")}
OTHERS = {
    "the prompt": {"prompt": "Go!"},
    "the mode": {"mode": "raw"},
    "the rounds": {"mode": "debate", "rounds": 3},
    "a debate": {"mode": "debate"},
    "a member": {"models": {"alice": Named("a"), "bob": Named("c")}},
    "a name": {"models": {"alice": Named("a"), "rob": Named("b")}},
    "their order": {"models": {"bob": Named("b"), "alice": Named("a")}},
    "the synthesizer": {"synthesizer": Named("t")},
    "an option": {"model_options": {"temperature": 0}},
    "another option": {"model_options": {"temperature": "0"}},
    "a list": {"model_options": {"stop": ["x"]}},
    "a set": {"model_options": {"stop": {"x", "y"}}},
    "a mapping": {"model_options": {"stop": {"x": "y"}}},
    "a dataclass": {"model_options": {"stop": Setting(1)}},
    "another dataclass": {"model_options": {"stop": Setting(2)}},
}


def test_the_name_is_another_for_all_that_can_change_the_answer() -> None:
    names = {case: key(**{**BASE, **options}) for case, options in OTHERS.items()} | {"as it is": key(**BASE)}
    assert [case for case, name in names.items() if name is None] == []
    assert len(set(names.values())) == len(names)
    assert {case: key(**{**BASE, **options}) for case, options in OTHERS.items()}.items() <= names.items()


SAME = {
    "a requirement": {"requirements": [Word("y")]},
    "a function": {"requirements": [Requirement("short", lambda ctx: True)]},
    "no requirement": {"requirements": []},
    "the chunking": {"chunking": Lines()},
    "the judge": {"validation_backend": Named(None)},
}


@pytest.mark.parametrize("options", SAME.values(), ids=SAME)
def test_the_name_is_the_same_whatever_judges_the_answer(options) -> None:
    assert key(**{**BASE, **options}) == key(**BASE) is not None


@pytest.mark.parametrize(
    "options",
    [
        {"models": {"alice": Named(None)}},
        {"models": ["nobody:x"]},
        {"model_options": {"format": object()}},
    ],
)
async def test_what_cannot_be_told_apart_has_no_name(options) -> None:
    assert key(**options) is None


async def test_what_has_no_name_is_asked_every_time(council, cache) -> None:
    asked = council(["Hi.", "Hi."], model_options={"setting": object()}, cache=cache)
    assert not (await asked.ask("Go")).cached
    assert not (await asked.ask("Go")).cached
    assert not cache.path.exists()


# The file


def test_what_is_kept_comes_back_the_same(cache) -> None:
    assert cache.load("k") is None
    cache.store("k", RESULT)
    again = cache.load("k")
    assert again == RESULT
    assert again.answers[0].latency_s == 0.5
    assert again.cached
    assert cache.load("other") is None
    cache.clear()
    assert cache.load("k") is None


def test_the_file_is_for_its_user_alone(cache) -> None:
    cache.store("k", RESULT)
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600


def test_the_newest_are_kept(tmp_path) -> None:
    small = CouncilCache(tmp_path / "small", limit=2)
    for name in "abc":
        small.store(name, RESULT)
    assert [small.load(name) is not None for name in "abc"] == [False, True, True]
    with pytest.raises(InvalidArgumentError, match="limit=0"):
        CouncilCache(tmp_path / "none", limit=0)


def spoil_file(cache) -> None:
    cache.path.write_bytes(b"this is no database" * 100)


def spoil_json(cache) -> None:
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE results SET result = '{'")
    connection.close()


def spoil_facts(cache) -> None:
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE results SET result = ?", (json.dumps({"answers": []}),))
    connection.close()


@pytest.mark.parametrize("spoil", [spoil_file, spoil_json, spoil_facts])
def test_what_cannot_be_read_is_not_there_and_is_logged(cache, caplog, spoil) -> None:
    cache.store("k", RESULT)
    spoil(cache)
    assert cache.load("k") is None
    assert "cannot be read" in caplog.text


async def test_what_cannot_be_written_is_not_kept_and_is_logged(council, tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("no folder")
    found = await council("Hi.", cache=tmp_path / "file" / "council.sqlite3").ask("Go")
    assert found.answers[0].ok
    assert "cannot be written" in caplog.text


def test_the_usual_file_is_where_caches_are(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "pytest-streamval" / "council.sqlite3"
    assert Council(["openai:x"], cache=True).cache.path == default_path()
    assert Council(["openai:x"], cache=False).cache is None
    assert repr(CouncilCache("a.sqlite3")) == "CouncilCache('a.sqlite3')"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".cache" / "pytest-streamval" / "council.sqlite3"


WRITER = """
import sys
import threading
from pytest_streamval import CouncilCache, CouncilResult

cache = CouncilCache(sys.argv[1])
for number in range(30):
    cache.store(f"{sys.argv[2]}-{number}", CouncilResult(str(number), "raw", ()))
    assert cache.load(f"{sys.argv[2]}-{number}").prompt == str(number)
"""


def test_several_processes_share_a_file(cache) -> None:
    command = [sys.executable, "-W", "error", "-c", WRITER, str(cache.path)]
    writers = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for name in "abcd"
    ]
    assert [writer.communicate()[0] for writer in writers] == [""] * 4
    assert [writer.returncode for writer in writers] == [0] * 4
    found = [cache.load(f"{name}-{number}") for name in "abcd" for number in range(30)]
    assert [result.prompt for result in found] == [str(number) for number in range(30)] * 4


async def test_no_key_is_kept(council, cache, monkeypatch, caplog) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://user:{KEY}@127.0.0.1:1")
    await council("Hi.", cache=cache).ask("Go")
    Council(["openai:x"], cache=cache).sitting("Go", "raw")
    await council(f"Your key is {KEY}.", cache=cache).ask("Go")
    assert "looks like the key of a provider" in caplog.text
    for path in cache.path.parent.iterdir():
        assert re.search(KEY.encode(), path.read_bytes()) is None


class Waiting(CouncilCache):
    """Is busy until it is let go."""

    def __init__(self, path) -> None:
        super().__init__(path)
        self.begun, self.let_go = threading.Event(), threading.Event()

    def store(self, key, result) -> None:
        self.begun.set()
        assert self.let_go.wait(10)
        super().store(key, result)


async def test_a_disk_that_takes_its_time_holds_up_nobody_else(council, tmp_path) -> None:
    busy = Waiting(tmp_path / "council.sqlite3")
    asking = asyncio.create_task(council("Hi.", cache=busy).ask("Go"), name="ask")
    assert await asyncio.to_thread(busy.begun.wait, 10)
    assert not asking.done()
    busy.let_go.set()
    assert (await asking).answers[0].ok
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_cancellation_while_a_result_is_kept_leaves_no_thread(council, tmp_path) -> None:
    busy = Waiting(tmp_path / "council.sqlite3")
    asking = asyncio.create_task(council("Hi.", cache=busy).ask("Go"), name="ask")
    assert await asyncio.to_thread(busy.begun.wait, 10)
    busy.let_go.set()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not any(thread.name.startswith("streamval council") for thread in threading.enumerate())
    await asyncio.get_running_loop().shutdown_default_executor()
