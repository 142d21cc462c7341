"""The file of a cache may be a stranger's. No file stops a run, or makes it wait for long."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import CouncilCache, CouncilResult, ModelAnswer
from pytest_streamval.council.cache import _TABLE

if TYPE_CHECKING:
    from pathlib import Path

RESULT = CouncilResult("Go", "raw", (ModelAnswer("a", "m", "Hi."),))
FACTS = json.loads(json.dumps(RESULT.as_dict()))
ENDLESS = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a"


def with_row(path: Path, row: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(_TABLE)
        connection.execute("INSERT OR REPLACE INTO results VALUES ('k', ?, 0)", (row,))


def with_statements(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


ROWS = {
    "deep JSON": "[" * 100_000,
    "JSON of 200 levels": f'{{"a": {"[" * 200}{"]" * 200}}}',
    "a number with thousands of digits": "9" * 5000,
    "no object": "[]",
    "no text": 5,
    "bytes": b"\xff",
    "an empty object": "{}",
    **{f"{name} is a number": json.dumps({**FACTS, name: 5}) for name in FACTS if name != "cached"},
    "an answer is null": json.dumps({**FACTS, "answers": [None]}),
    "a text is a list": json.dumps({**FACTS, "answers": [{**FACTS["answers"][0], "text": ["a"]}]}),
    "a usage is a text": json.dumps({**FACTS, "answers": [{**FACTS["answers"][0], "usage": "a"}]}),
    "a call is a number": json.dumps({**FACTS, "answers": [{**FACTS["answers"][0], "tool_calls": [1]}]}),
    "an infinite latency": json.dumps({**FACTS, "answers": [{**FACTS["answers"][0], "latency_s": float("inf")}]}),
    "a round is an object": json.dumps({**FACTS, "rounds": [{}]}),
}
MADE_OF = {
    "a view": lambda path: with_statements(path, f"CREATE VIEW results AS SELECT 'k' AS key, ({ENDLESS}) AS result"),
    "an endless trigger": lambda path: with_statements(
        path, _TABLE, f"CREATE TRIGGER t BEFORE INSERT ON results BEGIN {ENDLESS}; END"
    ),
    "an endless column": lambda path: with_statements(
        path, "CREATE TABLE results (key TEXT, result TEXT GENERATED ALWAYS AS (zeroblob(1000000000)))"
    ),
    "another table": lambda path: with_statements(path, "CREATE TABLE results (a, b)"),
    "text that is not UTF-8": lambda path: with_statements(
        path, _TABLE, "INSERT INTO results VALUES ('k', CAST(X'ff' AS TEXT), 0)"
    ),
    "no database": lambda path: path.write_bytes(b"no database" * 1000),
    "a head alone": lambda path: path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "council.sqlite3"


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_cache_ignores_a_row_that_is_no_result(path: Path, caplog: pytest.LogCaptureFixture, row: object) -> None:
    with_row(path, row)
    cache = CouncilCache(path)
    assert cache.load("k") is None
    assert "cannot be read" in caplog.text
    cache.store("k", RESULT)
    assert cache.load("k") == RESULT


@pytest.mark.parametrize("make", MADE_OF.values(), ids=MADE_OF)
def test_the_cache_does_not_use_a_file_that_it_did_not_make(path: Path, caplog, make) -> None:
    make(path)
    cache = CouncilCache(path)
    assert cache.load("k") is None
    cache.store("k", RESULT)
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert str(path) in caplog.text


def test_the_cache_does_not_follow_a_link_to_another_file(path: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "missing", tmp_path / "theirs.sqlite3"):
        if target.name != "missing":
            with_statements(target, "CREATE TABLE theirs (a)")
        path.symlink_to(target)
        CouncilCache(path).store("k", RESULT)
        assert CouncilCache(path).load("k") is None
        path.unlink()
    assert not (tmp_path / "missing").exists()
    with closing(sqlite3.connect(tmp_path / "theirs.sqlite3")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "\ud800"])
def test_a_path_that_no_file_can_have_stops_no_run(tmp_path: Path, name: str) -> None:
    cache = CouncilCache(tmp_path / name)
    cache.store("k", RESULT)
    assert cache.load("k") is None


def test_a_query_that_takes_too_long_is_ended(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = CouncilCache(path)
    with cache._logging_failures("read"), cache._connected() as connection:
        connection.execute(ENDLESS).fetchall()
    assert "A query takes too long" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "Another prompt"},
        {"mode": "synthesize"},
        {"answers": [{**FACTS["answers"][0], "error": "no"}]},
    ],
    ids=["prompt", "mode", "error"],
)
async def test_a_run_ignores_a_row_of_another_run(council, path: Path, caplog, changes: dict[str, object]) -> None:
    first = await council({"a": "One."}, cache=CouncilCache(path)).ask("Go", mode="raw")
    with closing(sqlite3.connect(path)) as connection, connection:
        (text,) = connection.execute("SELECT result FROM results").fetchone()
        connection.execute("UPDATE results SET result = ?", (json.dumps({**json.loads(text), **changes}),))
    again = await council({"a": "One."}, cache=CouncilCache(path)).ask("Go", mode="raw")
    assert (again, again.cached) == (first, False)
    assert "a result of another run" in caplog.text
