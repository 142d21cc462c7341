"""Failing cuts are kept in a database of Hypothesis."""

from __future__ import annotations

import json

import pytest
from hypothesis.database import DirectoryBasedExampleDatabase, InMemoryExampleDatabase

from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.failing_cut_database import _KEY, FailingCut, FailingCuts, fetched, without_password

ONE, OTHER = FailingCut("t.py::test_it[a]", "chars"), FailingCut("t.py::test_it[b]", "17")


class Broken(InMemoryExampleDatabase):
    """A database whose server is gone."""

    def save(self, key, value):
        raise ConnectionError("the server went away")

    delete = save


def test_failing_cuts_that_are_kept_are_known_to_the_next_run():
    database = InMemoryExampleDatabase()
    cuts = FailingCuts((), database)
    for found in (ONE, OTHER, ONE):
        cuts.keep(found)
    again = FailingCuts(fetched(database), database)
    assert again.known == (ONE, OTHER)
    assert [again.of_test(each.test) for each in (ONE, OTHER)] == [[Cut("chars")], [Cut("17")]]
    again.drop(ONE)
    again.drop(ONE)
    assert fetched(database) == {OTHER}
    assert (cuts.trouble, again.trouble) == ("", "")


def test_the_failing_cuts_of_a_test_are_its_own_in_the_order_of_their_ranks():
    names = ["12", "words", "at-7", "3", "chars", "whole"]
    for given in (names, names[::-1]):
        cuts = FailingCuts([*(FailingCut("t[a]", name) for name in given), FailingCut("t[b]", "1")])
        assert [cut.name for cut in cuts.of_test("t[a]")] == ["at-7", "whole", "chars", "words", "3", "12"]
        assert cuts.of_test("t") == []


def test_a_failing_cut_takes_the_place_of_the_others_of_its_test():
    database = InMemoryExampleDatabase()
    cuts = FailingCuts((), database)
    for found in (ONE, OTHER, ONE._replace(cut="at-3")):
        cuts.keep(found)
    assert fetched(database) == {ONE._replace(cut="at-3"), OTHER}


class Counting(InMemoryExampleDatabase):
    """A database that counts the values that are read."""

    read = 0

    def fetch(self, key):
        for value in super().fetch(key):
            self.read += 1
            yield value


def test_keeping_many_cuts_reads_each_of_them_once():
    database = Counting()
    cuts = FailingCuts((), database)
    for number in range(300):
        cuts.keep(FailingCut(f"test[{number}]", "at-1"))
    cuts.check()
    assert (cuts.trouble, database.read) == ("", 300)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"[]",
        b"3",
        b"{}",
        b'["t.py::test_it"',
        b'["t.py::test_it", "no cut"]',
        b'["t.py::test_it", 3]',
        b'["one", "chars", "too many"]',
        b"[" * 100_000,
        b"[" * 500 + b'"a", "chars"' + b"]" * 500,
        b'["a", "%s"]' % (b"9" * 5000),
        b'["\\ud800", "chars"]',
        b'[["a"], "chars"]',
        '["a", "chars"]'.encode("utf-16"),
        b"9" * 5000,
    ],
)
def test_other_values_in_the_database_are_ignored(value):
    database = InMemoryExampleDatabase()
    database.save(_KEY, value)
    database.save(_KEY, ONE.encode())
    assert fetched(database) == {ONE}


def test_a_failing_cut_whose_file_was_cut_off_is_written_again(tmp_path):
    places = {"root": tmp_path, "base": tmp_path}
    FailingCuts.load("cuts", **places).keep(ONE)
    (damaged,) = [path for path in (tmp_path / "cuts").rglob("*") if path.is_file() and b"test_it" in path.read_bytes()]
    damaged.write_bytes(b'["t.py')
    again = FailingCuts.load("cuts", **places)
    assert again.known == ()
    again.keep(ONE)
    assert again.trouble == ""
    assert FailingCuts.load("cuts", **places).known == (ONE,)


def test_a_failing_cut_is_readable_json_in_the_database():
    assert json.loads(FailingCut("t.py::test_it[ü]", "3").encode()) == ["t.py::test_it[ü]", "3"]


def test_known_failing_cuts_can_be_sent_as_lists():
    known = FailingCuts([ONE, OTHER])
    assert {type(each) for each in known.to_lists()} == {list}
    assert FailingCuts(FailingCut(*each) for each in known.to_lists()).known == known.known


def test_failing_cuts_without_a_database_are_not_written():
    cuts = FailingCuts([ONE])
    cuts.keep(OTHER)
    cuts.drop(ONE)
    assert cuts.trouble == ""


@pytest.mark.parametrize("method", ["keep", "drop"])
def test_an_error_of_the_database_is_reported_and_not_raised(method):
    cuts = FailingCuts([ONE], Broken(), "redis://somewhere")
    getattr(cuts, method)(ONE if method == "drop" else OTHER)
    assert cuts.trouble == "redis://somewhere: ConnectionError: the server went away"


def test_a_directory_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    cuts = FailingCuts((), DirectoryBasedExampleDatabase(tmp_path / "file" / "examples"), "here")
    cuts.keep(ONE)
    cuts.check()
    cuts.check()
    assert cuts.trouble == "here, which cannot be written."


@pytest.mark.parametrize(("place", "folder"), [("", ".hypothesis/examples"), ("cuts", "base/cuts")])
def test_failing_cuts_are_loaded_from_a_directory(place, folder, tmp_path):
    places = {"root": tmp_path, "base": tmp_path / "base"}
    FailingCuts.load(place, **places).keep(ONE)
    assert FailingCuts.load(place, **places).known == (ONE,)
    assert fetched(DirectoryBasedExampleDatabase(tmp_path / folder)) == {ONE}
    assert tmp_path.joinpath(".hypothesis", ".gitignore").exists() == (place == "")


def test_failing_cuts_cannot_be_loaded_from_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="exists"):
        FailingCuts.load("file", root=tmp_path, base=tmp_path)


def test_an_address_is_shown_without_its_password():
    assert without_password("redis://user:secret@box:6379/3") == "redis://box:6379/3"
