"""The database of failing cuts, which later runs, workers and other machines share."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import TcpFakeServer
from hypothesis.database import DirectoryBasedExampleDatabase
from redis import Redis

from pytest_streamval.fuzzing.failing_cut_database import _KEY, FailingCut, fetched
from tests.plugin.test_fuzz import INI, MISSES_A_CUT_WORD, PASSES, outcomes, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

TEST = "test_it.py::test_finds_it[bad]"
FIXED = MISSES_A_CUT_WORD.replace('any("BAD" in delta for delta in deltas)', '"BAD" in "".join(deltas)')


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(test_it=MISSES_A_CUT_WORD)


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start Redis on a free port: the real server if it is installed, otherwise a Python server with its protocol."""
    program = shutil.which("redis-server")
    if program is None:
        server = TcpFakeServer(("127.0.0.1", 0))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        server.server_close()
        thread.join()
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.PIPE, text=True) as process:
        assert any("Ready to accept connections" in line for line in process.stdout)
        yield port
        process.terminate()
        process.stdout.read()


@pytest.fixture
def redis(redis_port: int) -> str:
    """Return the address of an empty database of Redis."""
    with Redis(port=redis_port, db=3) as client:
        client.flushdb()
        if shutil.which("redis-server"):
            client.acl_setuser("user", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all"])
    return f"redis://user:secret@127.0.0.1:{redis_port}/3"


def kept(directory: Path) -> set[FailingCut]:
    return fetched(DirectoryBasedExampleDatabase(directory))


def failed(result: pytest.RunResult) -> set[FailingCut]:
    """Return the failing cuts that a run has printed, with workers or without."""
    names = re.findall(r"^FAILED (\S+)\[bad-cut-([\w-]+)\]", result.stdout.str(), re.MULTILINE)
    return {FailingCut(f"{test}[bad]", cut) for test, cut in names}


def test_a_database_without_fuzzing_is_a_usage_error_and_its_ini_value_is_not(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--streamval-fuzz-db=db")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --streamval-fuzz-db is for runs with other cuts. Add --streamval-fuzz 20*"])
    assert run(pytester, "-o", "streamval_fuzz_db=db").ret == pytest.ExitCode.OK


def test_failing_cuts_are_kept_where_hypothesis_keeps_its_own(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--streamval-fuzz", "20")
    assert kept(pytester.path / ".hypothesis" / "examples") == failed(result) == {FailingCut(TEST, "at-7")}
    assert (pytester.path / ".hypothesis" / ".gitignore").read_text("utf-8") == "*\n"


def test_workers_find_and_keep_the_same_cuts_as_one_process(pytester: pytest.Pytester) -> None:
    alone = failed(run(pytester, "--streamval-fuzz", "20", "--streamval-fuzz-db", "alone"))
    together = failed(run(pytester, "--streamval-fuzz", "20", "--streamval-fuzz-db", "together", "-n", "2"))
    assert alone == together == kept(pytester.path / "alone") == kept(pytester.path / "together")


def test_another_machine_repeats_failing_cuts_first(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (f"--streamval-fuzz-db={tmp_path / 'shared'}",)
    failed(run(pytester, "--streamval-fuzz", "20", *place))
    machine = pytester.mkdir("another")
    for name in ("tox.ini", "test_it.py"):
        (pytester.path / name).rename(machine / name)
    monkeypatch.chdir(machine)
    for workers in ((), ("-n", "1")):
        result = run(pytester, "--streamval-fuzz", "2", *place, *workers)
        result.assert_outcomes(passed=2, failed=1)
        result.stdout.fnmatch_lines(["streamval: 1 that had failed before came first, 0 of them pass now"])
    ran = list(outcomes(run(pytester, "--streamval-fuzz", "2", *place)))
    assert ran == ["test_finds_it[bad]", "test_finds_it[bad-cut-at-7]", "test_finds_it[bad-cut-1]"]


def test_a_cut_under_which_the_test_passes_is_forgotten(pytester: pytest.Pytester) -> None:
    run(pytester, "--streamval-fuzz", "20")
    pytester.makepyfile(test_it=FIXED)
    result = run(pytester, "--streamval-fuzz", "1", "-n", "1")
    result.stdout.fnmatch_lines(["streamval: 1 that had failed before came first, 1 of them pass now"])
    assert kept(pytester.path / ".hypothesis" / "examples") == set()
    assert len(outcomes(run(pytester, "--streamval-fuzz", "1"))) == 2


def test_a_cut_of_a_test_that_did_not_pass_is_kept(pytester: pytest.Pytester) -> None:
    source = FIXED.replace('["fine. BAD."], ids=["bad"]', '["fine. BAD.", "BAD."], ids=["bad", "worse"]')
    source = source.replace("    backend =", '    if text == "BAD.":\n        pytest.skip("not here")\n    backend =')
    pytester.makepyfile(test_it=source)
    database = DirectoryBasedExampleDatabase(pytester.path / "db")
    known = [
        FailingCut(f"test_it.py::{test}", "9") for test in ("test_finds_it[bad]", "test_finds_it[worse]", "test_gone")
    ]
    for each in known:
        database.save(_KEY, each.encode())
    run(pytester, "--streamval-fuzz", "2", "--streamval-fuzz-db", "db").assert_outcomes(passed=3, skipped=3)
    assert kept(pytester.path / "db") == set(known[1:])


def test_a_redis_is_shared_like_a_directory(pytester: pytest.Pytester, redis: str) -> None:
    found = failed(run(pytester, "--streamval-fuzz", "20", "--streamval-fuzz-db", redis))
    assert found == {FailingCut(TEST, "at-7")}
    again = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", redis, "-n", "1")
    assert failed(again) == found
    assert not (pytester.path / ".hypothesis").exists()
    pytester.makepyfile(test_it=FIXED)
    run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", redis)
    assert len(outcomes(run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", redis))) == 2


def test_the_ini_value_is_relative_to_the_root_and_the_option_to_the_working_directory(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini(f"{INI}\nstreamval_fuzz_db = from_ini\n")
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    run(pytester, "--rootdir", str(pytester.path), str(pytester.path), "--streamval-fuzz", "2")
    assert kept(pytester.path / "from_ini") == {FailingCut(TEST, "at-7")}
    run(pytester, str(pytester.path), "--streamval-fuzz", "2", "--streamval-fuzz-db", "from_option")
    assert kept(below / "from_option") == {FailingCut(TEST, "at-7")}


def test_all_workers_collect_the_cuts_that_the_controller_knew(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        f"""
        from hypothesis.database import DirectoryBasedExampleDatabase
        from pytest_streamval.fuzzing.failing_cut_database import _KEY, FailingCut

        def pytest_configure(config):
            if hasattr(config, "workerinput"):
                number = "10" + config.workerinput["workerid"].removeprefix("gw")
                database = DirectoryBasedExampleDatabase({str(pytester.path / "db")!r})
                database.save(_KEY, FailingCut({TEST!r}, number).encode())
        """
    )
    result = run(pytester, "--streamval-fuzz", "3", "--streamval-fuzz-db", "db", "-n", "2")
    assert sum(result.parseoutcomes().get(name, 0) for name in ("passed", "failed", "failing")) >= 3
    assert FailingCut(TEST, "at-7") in kept(pytester.path / "db")


# Places that cannot be used


def test_a_directory_that_cannot_be_made_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("file").write_text("")
    result = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", "file/db")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--streamval-fuzz-db */file/db cannot be used: Not a directory. It must be a directory*"]
    )


def test_a_server_that_does_not_answer_is_a_usage_error_without_its_password(pytester: pytest.Pytester) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"redis://user:secret@127.0.0.1:{unused.getsockname()[1]}/0"
        result = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", url)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--streamval-fuzz-db redis://127.0.0.1:*/0 cannot be used: *the address of a running Redis*"]
    )
    assert "secret" not in result.stderr.str()


def test_an_invalid_address_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", "redis://localhost:port/0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--streamval-fuzz-db redis://localhost:port/0 cannot be used: *"])


def test_a_run_without_the_client_of_redis_names_the_extra_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "hypothesis.extra.redis", raising=False)
    result = run(pytester, "--streamval-fuzz", "1", "--streamval-fuzz-db", "redis://localhost")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['*redis*not installed*pip install "pytest-streamval[[]redis]"'])


def test_a_run_reports_that_the_usual_directory_cannot_be_written(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath(".hypothesis").write_text("")
    result = run(pytester, "--streamval-fuzz", "2")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["streamval: not all failing cuts are kept in .hypothesis/examples, which cannot be written."]
    )
    pytester.makepyfile(test_it=PASSES)
    run(pytester, "--streamval-fuzz", "2").stdout.no_fnmatch_line("*not all failing cuts*")


def test_a_run_ignores_a_directory_that_cannot_be_made(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.mkdir

    def mkdir(path: Path, *args: Any, **options: Any) -> None:
        if path.name == ".hypothesis":
            raise PermissionError
        original(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    pytester.makepyfile(test_it=PASSES)
    run(pytester, "--streamval-fuzz", "1", "-p", "no:cacheprovider").assert_outcomes(passed=3)
