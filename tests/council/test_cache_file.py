"""The keys and the file of the cache of a council."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from dataclasses import dataclass

import pytest

from pytest_streamval import (
    Backend,
    ChunkingStrategy,
    Council,
    CouncilCache,
    CouncilResult,
    InvalidArgumentError,
    ModelAnswer,
    Requirement,
    Usage,
)
from pytest_streamval.council.cache import default_path
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


class Lines(ChunkingStrategy):
    """A custom strategy."""

    def split(self, accumulated_text):
        return accumulated_text.splitlines()


@pytest.fixture
def cache(tmp_path) -> CouncilCache:
    return CouncilCache(tmp_path / "folder" / "council.sqlite3")


# Keys


class Named(Backend):
    """A backend with an identity."""

    def __init__(self, identity: str | None) -> None:
        self._identity = identity

    @property
    def identity(self):
        return self._identity

    async def generate_from_context(self, action, ctx, **options):
        raise NotImplementedError


def key(prompt: str = "Go", mode: str = "synthesize", rounds: int = 2, models=None, **options: object) -> str | None:
    council = Council(models or {"alice": Named("a"), "bob": Named("b")}, cache="unused", **options)
    return council.new_run(prompt, mode, rounds=rounds).key


@dataclass
class Setting:
    """A value of an option."""

    limit: int


BASE = {"requirements": [Never("x")], "synthesizer": Named("s")}


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


def test_the_cache_key_depends_on_everything_that_models_receive() -> None:
    keys = {case: key(**{**BASE, **options}) for case, options in OTHERS.items()} | {"no change": key(**BASE)}
    assert [case for case, found in keys.items() if found is None] == []
    assert len(set(keys.values())) == len(keys)
    assert {case: key(**{**BASE, **options}) for case, options in OTHERS.items()}.items() <= keys.items()


SAME = {
    "a requirement": {"requirements": [Never("y")]},
    "a function": {"requirements": [Requirement("short", lambda ctx: True)]},
    "no requirement": {"requirements": []},
    "the chunking": {"chunking": Lines()},
    "the judge": {"validation_backend": Named(None)},
}


@pytest.mark.parametrize("options", SAME.values(), ids=SAME)
def test_the_cache_key_does_not_depend_on_the_checks(options) -> None:
    assert key(**{**BASE, **options}) == key(**BASE) is not None


@pytest.mark.parametrize(
    "options",
    [
        {"models": {"alice": Named(None)}},
        {"models": ["nobody:x"]},
        {"model_options": {"format": object()}},
    ],
)
async def test_a_question_without_stable_parts_has_no_cache_key(options) -> None:
    assert key(**options) is None


# The file


def test_the_cache_loads_the_stored_result(cache) -> None:
    assert cache.load("k") is None
    cache.store("k", RESULT)
    again = cache.load("k")
    assert again == RESULT
    assert again.answers[0].latency_s == 0.5
    assert again.cached
    assert cache.load("other") is None
    cache.clear()
    assert cache.load("k") is None


def test_the_cache_file_is_readable_by_its_user_alone(cache) -> None:
    cache.store("k", RESULT)
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600


def test_the_cache_keeps_the_newest_results(tmp_path) -> None:
    small = CouncilCache(tmp_path / "small", limit=2)
    for name in "abc":
        small.store(name, RESULT)
    assert [small.load(name) is not None for name in "abc"] == [False, True, True]
    with pytest.raises(InvalidArgumentError, match="Invalid limit: 0"):
        CouncilCache(tmp_path / "none", limit=0)


def spoil_file(cache) -> None:
    cache.path.write_bytes(b"not a database" * 100)


def spoil_json(cache) -> None:
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE results SET result = '{'")
    connection.close()


def spoil_facts(cache) -> None:
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE results SET result = ?", (json.dumps({"answers": []}),))
    connection.close()


@pytest.mark.parametrize("spoil", [spoil_file, spoil_json, spoil_facts])
def test_the_cache_logs_results_that_it_cannot_read(cache, caplog, spoil) -> None:
    cache.store("k", RESULT)
    spoil(cache)
    assert cache.load("k") is None
    assert "cannot be read" in caplog.text


def test_the_default_cache_file_is_in_the_cache_folder_of_the_user(monkeypatch, tmp_path) -> None:
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


def test_several_processes_share_a_cache(cache) -> None:
    command = [sys.executable, "-W", "error", "-c", WRITER, str(cache.path)]
    writers = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for name in "ab"
    ]
    assert [writer.communicate()[0] for writer in writers] == [""] * 2
    assert [writer.returncode for writer in writers] == [0] * 2
    found = [cache.load(f"{name}-{number}") for name in "ab" for number in range(30)]
    assert [result.prompt for result in found] == [str(number) for number in range(30)] * 2
