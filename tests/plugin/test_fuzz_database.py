"""Failing cuts that outlive a run: found again by the next one, by other workers and on other machines."""

from __future__ import annotations

import re
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import TcpFakeServer
from hypothesis.database import DirectoryBasedExampleDatabase

import pytest_streamval.plugin.variants  # noqa: F401  # before a run in this process, which forgets what it loads
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.failing_cuts import _KEY, FailingCut, fetched
from tests.plugin.test_fuzz import INI, MISSES_A_CUT_WORD, PASSES, outcomes, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

TEST = "test_it.py::test_finds_it[bad]"
MENDED = MISSES_A_CUT_WORD.replace('any("BAD" in delta for delta in deltas)', '"BAD" in "".join(deltas)')


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(test_it=MISSES_A_CUT_WORD)


@pytest.fixture
def redis() -> Iterator[str]:
    """Serve a Redis on a real socket, and return its address."""
    server = TcpFakeServer(("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"redis://user:secret@127.0.0.1:{server.server_address[1]}/3"
    server.shutdown()
    server.server_close()
    thread.join()


def kept(directory: Path) -> set[FailingCut]:
    return fetched(DirectoryBasedExampleDatabase(directory))


def failed(result: pytest.RunResult) -> set[FailingCut]:
    """Return what a run says has failed, with workers or without."""
    names = re.findall(r"^FAILED (\S+)\[bad-cut~(\w+)\]", result.stdout.str(), re.MULTILINE)
    return {FailingCut(f"{test}[bad]", cut) for test, cut in names}


def test_failing_cuts_are_kept_where_hypothesis_keeps_its_own(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--streamval-fuzz", "20")
    assert len(failed(result)) > 3
    assert kept(pytester.path / ".hypothesis" / "examples") == failed(result)
    assert (pytester.path / ".hypothesis" / ".gitignore").read_text("utf-8") == "*\n"


@pytest.mark.parametrize("workers", ["2", "4"])
def test_workers_find_and_keep_what_one_process_does(pytester: pytest.Pytester, workers: str) -> None:
    alone = failed(run(pytester, "--streamval-fuzz", "20", "--streamval-fuzz-db", "alone"))
    together = failed(run(pytester, "--streamval-fuzz", "20", "--streamval-fuzz-db", "together", "-n", workers))
    assert len(alone) > 3
    assert alone == together == kept(pytester.path / "alone") == kept(pytester.path / "together")


def test_another_machine_replays_them_first_and_others_after_them(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (f"--streamval-fuzz-db={tmp_path / 'shared'}",)
    known = sorted((each.cut for each in failed(run(pytester, "--streamval-fuzz", "20", *place))), key=by_rank)
    machine = pytester.mkdir("another")
    for name in ("tox.ini", "test_it.py"):
        (pytester.path / name).rename(machine / name)
    monkeypatch.chdir(machine)
    for workers in ("0", "2"):
        result = run(pytester, "--streamval-fuzz", "2", *place, "-n", workers)
        result.assert_outcomes(passed=3, failed=len(known))
        lines = [f"streamval: {len(known)} that had failed before came first, 0 of them pass now"]
        result.stdout.fnmatch_lines(lines)
    ran = list(outcomes(run(pytester, "--streamval-fuzz", "2", *place)))
    assert ran == ["test_finds_it[bad]", *(f"test_finds_it[bad-cut~{cut}]" for cut in [*known, "whole", "words"])]


def by_rank(cut: str) -> tuple[int, int]:
    return Cut(cut).rank


def test_a_cut_under_which_the_test_passes_now_is_forgotten(pytester: pytest.Pytester) -> None:
    known = failed(run(pytester, "--streamval-fuzz", "20"))
    pytester.makepyfile(test_it=MENDED)
    result = run(pytester, "--streamval-fuzz", "1", "-n", "2")
    result.stdout.fnmatch_lines(
        [f"streamval: {len(known)} that had failed before came first, {len(known)} of them pass now"]
    )
    assert kept(pytester.path / ".hypothesis" / "examples") == set()
    assert len(outcomes(run(pytester, "--streamval-fuzz", "1"))) == 2


def test_only_what_has_passed_is_forgotten(pytester: pytest.Pytester) -> None:
    source = MENDED.replace('["fine. BAD."], ids=["bad"]', '["fine. BAD.", "BAD."], ids=["bad", "worse"]')
    source = source.replace("    backend =", '    if text == "BAD.":\n        pytest.skip("not here")\n    backend =')
    pytester.makepyfile(test_it=source)
    database = DirectoryBasedExampleDatabase(pytester.path / "db")
    known = [
        FailingCut(f"test_it.py::{test}", "9") for test in ("test_finds_it[bad]", "test_finds_it[worse]", "test_gone")
    ]
    for each in known:
        database.save(_KEY, each.encode())
    run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", "db").assert_outcomes(passed=3, skipped=3)
    assert kept(pytester.path / "db") == set(known[1:])


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_redis_is_shared_like_a_directory(pytester: pytest.Pytester, redis: str, workers: tuple[str, ...]) -> None:
    found = failed(run(pytester, "--streamval-fuzz", "20", "--streamval-fuzz-db", redis, *workers))
    assert len(found) > 3
    again = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", redis, *workers)
    assert failed(again) == found
    assert not (pytester.path / ".hypothesis").exists()
    pytester.makepyfile(test_it=MENDED)
    run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", redis, *workers)
    assert len(outcomes(run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", redis))) == 2


def test_the_ini_value_names_a_place_from_the_root_the_option_from_where_pytest_was_started(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini(f"{INI}\nstreamval_fuzz_db = from_ini\n")
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    run(pytester, "--rootdir", str(pytester.path), str(pytester.path), "--streamval-fuzz", "2")
    assert kept(pytester.path / "from_ini") == {FailingCut(TEST, "chars")}
    run(pytester, str(pytester.path), "--streamval-fuzz", "2", "--streamval-fuzz-db", "from_option")
    assert kept(below / "from_option") == {FailingCut(TEST, "chars")}


def test_all_workers_collect_the_same_whatever_becomes_known_meanwhile(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        f"""
        from hypothesis.database import DirectoryBasedExampleDatabase
        from pytest_streamval.fuzzing.failing_cuts import _KEY, FailingCut

        def pytest_configure(config):
            if hasattr(config, "workerinput"):
                number = "10" + config.workerinput["workerid"].removeprefix("gw")
                database = DirectoryBasedExampleDatabase({str(pytester.path / "db")!r})
                database.save(_KEY, FailingCut({TEST!r}, number).encode())
        """
    )
    result = run(pytester, "--streamval-fuzz", "3", "--streamval-fuzz-db", "db", "-n", "2")
    result.assert_outcomes(passed=3, failed=1)
    assert kept(pytester.path / "db") == {FailingCut(TEST, cut) for cut in ("chars", "100", "101")}


# Places that cannot be used


def test_a_directory_that_is_none_is_refused(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("file").write_text("")
    result = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", "file/db")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--streamval-fuzz-db */file/db cannot be used: Not a directory. It must be a directory*"]
    )


def test_a_server_that_does_not_answer_is_refused_without_its_password(pytester: pytest.Pytester) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"redis://user:secret@127.0.0.1:{unused.getsockname()[1]}/0"
        result = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", url)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--streamval-fuzz-db redis://127.0.0.1:*/0 cannot be used: *the address of a running Redis*"]
    )
    assert "secret" not in result.stderr.str()


def test_an_address_that_is_none_is_refused(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", "redis://localhost:port/0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--streamval-fuzz-db redis://localhost:port/0 cannot be used: *"])


def test_without_the_client_of_redis_it_says_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "hypothesis.extra.redis", raising=False)
    result = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", "redis://localhost")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['*redis*not installed*pip install "pytest-streamval[[]redis]"'])


def test_where_the_usual_place_cannot_be_written_the_run_says_so(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath(".hypothesis").write_text("")
    result = run(pytester, "--streamval-fuzz", "2")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["streamval: not all failing cuts are kept in .hypothesis/examples, which cannot be written."]
    )
    pytester.makepyfile(test_it=PASSES)
    run(pytester, "--streamval-fuzz", "2").stdout.no_fnmatch_line("*not all failing cuts*")


def test_a_home_that_cannot_be_made_ends_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.mkdir

    def mkdir(path: Path, *args: Any, **options: Any) -> None:
        if path.name == ".hypothesis":
            raise PermissionError
        original(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    pytester.makepyfile(test_it=PASSES)
    run(pytester, "--streamval-fuzz", "1", "-p", "no:cacheprovider").assert_outcomes(passed=3)
