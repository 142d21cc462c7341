"""The failing cuts of a run of pytest."""

from __future__ import annotations

from types import SimpleNamespace

from pytest_streamval.fuzzing.failing_cuts import FailingCut, FailingCuts
from pytest_streamval.plugin.failing_cuts import WORKER_INPUT, failing_cuts_of


class Broken(InMemoryExampleDatabase):
    """A database whose server has gone."""

    def save(self, key, value):
        raise ConnectionError("the server went away")

    delete = save


def test_the_next_run_finds_the_cuts_that_were_kept():
    database = InMemoryExampleDatabase()
    cuts = FailingCuts((), database)
    for found in (ONE, OTHER, ONE):
        cuts.keep(found)
    again = FailingCuts(fetched(database), database)
    assert again.known == (ONE, OTHER)
    assert again.of_function("t.py::test_it") == [Cut("chars"), Cut("17")]
    again.drop(ONE)
    again.drop(ONE)
    assert fetched(database) == {OTHER}
    assert (cuts.trouble, again.trouble) == ("", "")


def test_the_cuts_of_a_function_are_those_of_all_its_parameters_and_of_no_other_function():
    known = [
        FailingCut(test, cut) for test, cut in (("t.py::test", "9"), ("t.py::test[a-b]", "10"), ("t.py::test_2", "3"))
    ]
    assert FailingCuts(known).of_function("t.py::test") == [Cut("9"), Cut("10")]
    assert FailingCuts(known).of_function("t.py::tes") == []


def test_the_order_of_known_cuts_is_always_the_same():
    names = ["12", "words", "3", "chars", "whole"]
    for given in (names, names[::-1]):
        found = FailingCuts(FailingCut("t", name) for name in given).of_function("t")
        assert [cut.name for cut in found] == ["whole", "chars", "words", "3", "12"]


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
    ],
)
def test_other_values_in_the_database_are_ignored(value):
    database = InMemoryExampleDatabase()
    database.save(_KEY, value)
    database.save(_KEY, ONE.encode())
    assert fetched(database) == {ONE}


def test_a_value_is_readable_json():
    assert json.loads(FailingCut("t.py::test_it[ü]", "3").encode()) == ["t.py::test_it[ü]", "3"]


def test_the_cuts_for_a_worker_can_be_sent():
    known = FailingCuts([ONE, OTHER])
    assert {type(each) for each in known.to_lists()} == {list}
    assert FailingCuts(FailingCut(*each) for each in known.to_lists()).known == known.known


def test_a_worker_writes_no_database():
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
    assert cuts.trouble == "here, which cannot be written."


def test_a_worker_begins_with_the_cuts_of_its_controller():
    shipped = FailingCuts([ONE, OTHER]).to_lists()
    assert failing_cuts_of(SimpleNamespace(workerinput={WORKER_INPUT: shipped})).known == (ONE, OTHER)
