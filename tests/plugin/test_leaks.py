"""The guards of the plugin: against leaks, and against passing for nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

pytest_plugins = ["pytester"]

DATA = Path(__file__).parent.parent / "data" / "leaks"
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\nstrict = true\n"
WAYS = ("test_under_pytest_asyncio", "test_under_anyio", "test_by_asyncio_run")


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)


def reports(pytester: pytest.Pytester, *args: str) -> dict[str, list[pytest.TestReport]]:
    """Run pytest in this process, and return the reports of each test, but for those of phases that passed quietly."""
    recorder = pytester.inline_run("-p", "no:randomly", *args)
    found: dict[str, list[pytest.TestReport]] = {}
    for report in recorder.getreports("pytest_runtest_logreport"):
        kept = found.setdefault(report.nodeid.partition("::")[2], [])
        if report.when == "call" or not report.passed:
            kept.append(report)
    return found


def run(pytester: pytest.Pytester, source: str, *args: str) -> dict[str, list[pytest.TestReport]]:
    pytester.makepyfile(HEAD + source)
    return reports(pytester, "--asyncio-mode", "auto", *args)


def run_file(pytester: pytest.Pytester, name: str, *args: str) -> dict[str, list[pytest.TestReport]]:
    pytester.makepyfile(**{f"test_{name}": (DATA / f"{name}.py").read_text(encoding="utf-8")})
    return reports(pytester, *args)


def outcomes(found: Iterable[pytest.TestReport]) -> list[tuple[str, str]]:
    return [(str(report.when), report.outcome) for report in found]


HEAD = """
import asyncio
import pytest
from pytest_streamval import Script, SimpleContext, Stall, Transcript, stream_with_chunking, transcribe

async def forever():
    await asyncio.Event().wait()

def start(make):
    return stream_with_chunking("go", make(Script.of("One. ", Stall())), SimpleContext())

KEPT = []

async def leave_a_task(make):
    KEPT.append(asyncio.create_task(forever(), name="mine"))
    await asyncio.sleep(0)

"""
ENDS = (
    "A test ends what it starts, and a fixture, in its teardown, what was started for a test.\n"
    'To allow this one: @pytest.mark.streamval_allow_leaks(reason="..."); a whole run: --streamval-leaks=off.'
)
FOREVER = r"at test_planted.py:\d+ in forever: await asyncio.Event\(\).wait\(\)"
AWAIT = "Await it, or cancel it and await it; asyncio.TaskGroup does this for all that are started in it."
READ = "Read it to its end, for instance with `await thunk.avalue()`, or `await thunk.cancel_generation()`."
CLOSE = "Use 'async with', or await acomplete() or aclose(), or read astream() to its end."
ACLOSE = "Read it in `async with contextlib.aclosing(...)`, or await its aclose()."
JOIN = "Tell it to end, and join() it."
CANCEL = "Keep the handle that call_later() or call_at() returns, and cancel() it."
LEAVE = "Use 'with', or call close() or, on a session, await aclose()."
# What is said of each: what it is, where it is suspended, what to do about it.
PLANTED = {
    "producer": [
        (
            "an output neither read to its end nor cancelled: the answer to 'go'",
            r"its producer has sent 20 of 250 deltas and is at .*thunk.py:\d+ in ModelOutputThunk.put",
            READ,
        )
    ],
    "producer_that_has_sent_all": [
        (
            "an output neither read to its end nor cancelled: the answer to 'go'",
            "its producer has sent 4 of 4 deltas",
            READ,
        )
    ],
    "task": [("a task still pending: mine, forever()", FOREVER, AWAIT)],
    "task_that_has_not_begun": [  # asyncio.run lets it begin
        (
            r"a task (that has not even begun|still pending): Task-#, forever\(\)",
            rf"({FOREVER}|at test_planted.py:\d+ in forever: async def forever\(\):)",
            AWAIT,
        )
    ],
    "task_that_nobody_keeps": [
        (
            "a task destroyed while it was pending: Task-#, forever()",
            r"of test_planted.py:\d+ in forever",
            f"An event loop does not keep its tasks. {AWAIT}",
        )
    ],
    "task_that_ignores_its_cancellation": [
        (
            r"a task still pending, though it was cancelled: Task-#, task_that_ignores.*stubborn\(\)",
            FOREVER,
            AWAIT,
        )
    ],
    "generator": [
        ("an asynchronous generator not closed: numbers()", r"at test_planted.py:\d+ in numbers: yield 1", ACLOSE)
    ],
    "generator_that_is_kept": [
        ("an asynchronous generator not closed: numbers()", r"at test_planted.py:\d+ in numbers: yield 1", ACLOSE)
    ],
    "result": [
        (
            r"a StreamChunkingResult .*: streamval run 'go'.*",
            r"(at .*run.py:\d+ in (Run.drive|_first_step)|from test_planted.py:\d+ in result)",
            CLOSE,
        )
    ],
    "result_that_is_kept": [
        (
            r"a StreamChunkingResult neither .* closed: streamval run 'go', from .*:\d+ in result_that_is_kept",
            r"at .*thunk.py:\d+ in ModelOutputThunk.take_deltas",
            CLOSE,
        )
    ],
    "result_that_was_dropped": [
        (
            "a StreamChunkingResult dropped while it was running: streamval run 'go'",
            r"from test_planted.py:\d+ in result_that_was_dropped",
            CLOSE,
        )
    ],
    "output_that_was_dropped": [
        (
            r"an output dropped while it was generated: streamval producer output_that_.*, output_.*produce\(\)",
            r"(of|at) test_planted.py:\d+ in output_that_was_dropped.<locals>.produce",
            "Read it to its end, or await cancel_generation().",
        )
    ],
    "thread": [
        (
            "a daemon thread still alive: mine",
            r"at test_planted.py:\d+ in thread.<locals>.<lambda>: threading.Thread\(.*",
            JOIN,
        )
    ],
    "thread_that_the_interpreter_waits_for": [
        ("a thread still alive: mine", r"at test_planted.py:\d+ in thread_that_.*<lambda>: threading.Thread\(.*", JOIN)
    ],
    "task_group": [
        (
            "a task still pending: Task-#, task_group.<locals>.parent()",
            r"at test_planted.py:\d+ in task_group.<locals>.parent: async with asyncio.TaskGroup\(\) as group:",
            AWAIT,
        ),
        ("a task still pending: Task-#, forever()", FOREVER, AWAIT),
    ],
    "validator": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "validators_of_a_run": [
        (
            r"a StreamChunkingResult neither .* closed: streamval run 'go', from .*:\d+ in validators_of_a_run",
            FOREVER,
            CLOSE,
        )
    ],
    "timeout": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "task_begun_from_a_thread": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "task_begun_in_an_executor": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "task_begun_in_an_empty_context": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "timer": [("a timer that has not fired: builtins.print", r"from test_planted.py:\d+ in timer", CANCEL)],
    "timer_in_an_empty_context": [
        ("a timer that has not fired: list.clear", r"from test_planted.py:\d+ in timer_in_an_empty_context", CANCEL)
    ],
    "session": [
        (r"a Session left open: <Session open over .*>", r"opened at test_planted.py:\d+ in session", LEAVE),
    ],
    "session_of_an_output": [
        ("an output neither read to its end nor cancelled: the answer to '.*go.*'", "its producer has sent .*", READ),
    ],
    "server": [
        (r"a ProviderServer left open: <ProviderServer .*>", r"opened at test_planted.py:\d+ in server", LEAVE),
    ],
    "server_that_was_dropped": [
        ("dropped while it was open: <ProviderServer .*>", r"opened at test_planted.py:\d+ in server_that_.*", LEAVE),
    ],
}


def said(report: pytest.TestReport) -> list[tuple[str, str, str]]:
    """Return what a failure says of each thing, below the picture of a stream, without the numbers of asyncio."""
    _, found, accusation = report.longreprtext.removesuffix(ENDS).rpartition("This test left")
    first, *lines = f"{found}{accusation}".splitlines()
    number = len(lines) // 3
    assert first == f"This test left {number} thing{'' if number == 1 else 's'} behind:"
    parts = [re.sub(r"Task-\d+", "Task-#", line.strip()) for line in lines]
    return list(zip(parts[0::3], parts[1::3], parts[2::3], strict=True))


def test_every_kind_of_leak_is_found_in_every_way_to_run_a_test(
    pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]
) -> None:
    found = run_file(pytester, "planted")
    assert set(found) == {f"{way}[{kind}]" for way in WAYS for kind in PLANTED}
    for name, kept in found.items():
        kind = name.partition("[")[2].removesuffix("]")
        assert outcomes(kept) == [("call", "failed")], name
        for (what, place, way_out), (expected, where, advice) in zip(said(kept[0]), PLANTED[kind], strict=True):
            assert what == expected or re.fullmatch(expected, what), name
            assert re.fullmatch(where, place), name
            assert way_out == advice
    assert "destroyed" not in capfd.readouterr().err


def test_none_of_a_hundred_clean_tests_is_accused(pytester: pytest.Pytester) -> None:
    found = run_file(pytester, "clean")
    assert len(found) >= 140
    assert [name for name, kept in found.items() if outcomes(kept) != [("call", "passed")]] == []


def test_what_fixtures_and_sessions_hold_is_no_leak(pytester: pytest.Pytester) -> None:
    found = run_file(pytester, "clean_fixtures")
    assert len(found) >= 25
    assert [name for name, kept in found.items() if outcomes(kept) != [("call", "passed")]] == []


def test_what_a_fixture_leaves_behind_its_teardown_is_an_error_there(pytester: pytest.Pytester) -> None:
    found = run_file(pytester, "left_by_fixtures")
    (clean,) = (kept for name, kept in found.items() if "clean" in name)
    assert outcomes(clean) == [("call", "passed")]
    for name, kept in found.items():
        if "clean" not in name:
            assert outcomes(kept) == [("call", "passed"), ("teardown", "failed")], name
            assert len(said(kept[1])) == 1, name


def test_what_passes_for_nothing_fails_in_plain_words(pytester: pytest.Pytester) -> None:
    found = run_file(pytester, "in_vain", "--asyncio-mode", "auto")
    failed = {name: kept[0].longreprtext for name, kept in found.items() if kept[0].failed}
    assert {name.removeprefix("test_"): IN_VAIN[name] in text for name, text in failed.items()} == {
        name.removeprefix("test_"): True for name in IN_VAIN
    }
    assert sum("clean" in name for name in found) == len(found) - len(failed) == 14


IN_VAIN = {
    "test_no_script_played": (
        "A mock backend was given 2 scripts, one for each call, and was never called. Never played:\n"
        "  script 1: 'One. One. One. One. One. One. One. One. ... ne. One. One. One. One. One. One. One. '\n"
        "  script 2: 'yes'\n"
    ),
    "test_one_script_not_played": (
        "A mock backend was given 3 scripts, one for each call, and was called once. Never played:\n"
        "  script 2: 'yes'\n"
        "  script 3: 'no'\n"
    ),
    "test_a_call_too_many_swallowed": "\nCall 2 of this mock backend came from CBlock 'again', but it was given 1 ",
    "test_a_call_too_many_swallowed_in_the_test_itself": (
        "A mock backend was called too often, and the error did not reach the test: it ended at test_in_vain.py:"
    ),
    "test_a_judge_without_a_script_that_nobody_noticed": "came from Instruction 'Requirement: is short",
    "test_a_playback_not_read": "A playback of 'abc' was made and never read: ",
    "test_a_script_not_played": (
        "stream_script made 2 scripts for this test. Never played:\n"
        f"  '{'d' * 39} ... {'d' * 39}'\n"
        "Play each one with play() or play_sync(), or give it to a backend or a server.\n"
        "If this is intended, mark the test with @pytest.mark.streamval_allow_unplayed."
    ),
    "test_events_not_read": (
        "A transcript without events was made, and nobody has read the events of\n  the run 'go': 3 events\n"
    ),
    "test_a_transcript_made_too_early": "nobody has read the events of\n  the run 'go': 3 events\n",
}

ITSELF = """
async def test_it(streaming_mock_backend):
    result = await start(streaming_mock_backend)
    assert 1 == 2
"""


def test_a_test_that_fails_by_itself_shows_what_it_left_behind_below_its_failure(pytester: pytest.Pytester) -> None:
    (report,) = run(pytester, ITSELF)["test_it"]
    assert "assert 1 == 2" in report.longreprtext
    assert "This test left" not in report.longreprtext
    ((title, text),) = report.sections
    assert title == "Captured leaks call"
    assert text.startswith("This test left 1 thing behind:\n  a StreamChunkingResult neither completed nor closed")


TEARDOWN = """
@pytest.fixture
def failing(streaming_mock_backend):
    yield
    raise ValueError("by itself")

@pytest.fixture
async def leaving(failing):
    yield asyncio.create_task(forever())

def test_it(leaving):
    pass
"""


def test_so_does_a_teardown_that_fails_by_itself(pytester: pytest.Pytester) -> None:
    _, report = run(pytester, TEARDOWN)["test_it"]
    assert "by itself" in report.longreprtext
    ((title, text),) = report.sections
    assert title == "Captured leaks teardown"
    assert "forever()" in text


CANCELLED = """
import sys

async def cancel_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)

async def interrupt():
    asyncio.get_running_loop().call_soon(sys.exit, "from outside")
    await forever()

@pytest.mark.parametrize("how", [cancel_itself, interrupt])
async def test_it(streaming_mock_backend, how):
    await leave_a_task(streaming_mock_backend)
    await how()

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
@pytest.mark.parametrize("how", [cancel_itself, interrupt])
async def test_anyio(anyio_backend, streaming_mock_backend, how):
    await leave_a_task(streaming_mock_backend)
    await how()
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_a_test_that_is_cancelled_or_interrupted_is_asked_only_for_what_else_it_left(
    pytester: pytest.Pytester, mode: str
) -> None:
    pytester.makepyfile(HEAD + CANCELLED.replace("@pytest.mark.param", "@pytest.mark.asyncio\n@pytest.mark.param", 1))
    found = reports(pytester, "--asyncio-mode", mode, "-k", "anyio" if mode == "strict" else "test_it")
    assert len(found) == 2
    for (report,) in found.values():
        assert report.failed
        ((_, text),) = report.sections
        assert text.count("still pending") == 1
        assert "still pending: mine, forever()" in text


ALLOWED = """
{mark}
async def test_it(streaming_mock_backend):
    streaming_mock_backend("never played")
    await leave_a_task(streaming_mock_backend)
    gone = start(streaming_mock_backend)
    gone.close()
"""
PARTS = {"leaks": "still pending", "unplayed": "Never played"}


@pytest.mark.parametrize("what", PARTS)
@pytest.mark.parametrize("how", ["marker", "option", "ini"])
def test_each_guard_is_switched_off_by_a_marker_an_option_or_an_ini_value(
    pytester: pytest.Pytester, what: str, how: str
) -> None:
    args = [f"--streamval-{what}=off"] if how == "option" else []
    if how == "ini":
        pytester.makeini(f"{INI}streamval_{what} = off\n")
    mark = f"@pytest.mark.streamval_allow_{what}(reason='it is about that')" if how == "marker" else ""
    (report,) = run(pytester, ALLOWED.format(mark=mark), *args)["test_it"]
    assert {name: words in report.longreprtext for name, words in PARTS.items()} == {
        name: name != what for name in PARTS
    }


def test_an_option_overrules_the_ini_value(pytester: pytest.Pytester) -> None:
    pytester.makeini(f"{INI}streamval_leaks = off\n")
    (report,) = run(pytester, ALLOWED.format(mark=""), "--streamval-leaks", "on")["test_it"]
    assert "still pending" in report.longreprtext


@pytest.mark.parametrize("what", PARTS)
def test_a_value_that_is_neither_is_an_error_of_usage(pytester: pytest.Pytester, what: str) -> None:
    pytester.makeini(f"{INI}streamval_{what} = maybe\n")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*Invalid streamval_{what}: maybe. It must be on or off."])
    result = pytester.runpytest_subprocess(f"--streamval-{what}", "maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*argument --streamval-{what}: invalid choice: 'maybe' (choose from *on*, *off*"])


def test_options_and_markers_are_documented(pytester: pytest.Pytester) -> None:
    pytester.runpytest_subprocess("--help").stdout.fnmatch_lines(["*--streamval-leaks=*", "*--streamval-unplayed=*"])
    pytester.runpytest_subprocess("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.streamval_allow_leaks(reason=None): *", "@pytest.mark.streamval_allow_unplayed(reason=None): *"]
    )


UNGUARDED = """
async def test_it():
    await leave_a_task(None)
    Transcript()
    Script.from_text("x").play()

def test_other(streaming_mock_backend):
    pass

async def test_again():
    from pytest_streamval import StreamingMockBackend
    kept = await start(StreamingMockBackend)
    await kept.aclose()
"""


def test_tests_without_the_plugins_fixtures_are_left_alone(pytester: pytest.Pytester) -> None:
    found = run(pytester, UNGUARDED)
    assert {outcome for kept in found.values() for outcome in outcomes(kept)} == {("call", "passed")}


LATE = """
def test_it(request):
    make = request.getfixturevalue("streaming_mock_backend")
    asyncio.run(leave_a_task(make))
    make("never played")
"""


@pytest.mark.parametrize(
    "others", ["", "def test_other(streaming_mock_backend): pass\n"], ids=["alone", "among others"]
)
def test_a_fixture_that_is_asked_for_by_the_test_itself_guards_from_then_on(
    pytester: pytest.Pytester, others: str
) -> None:
    kept = run(pytester, others + LATE)["test_it"]
    assert kept[-1].failed
    assert "still pending: mine, forever()" in kept[-1].longreprtext
    if others:
        assert "Never played" in kept[-1].longreprtext


UNITTEST = """
import threading
import unittest

@pytest.mark.usefixtures("streaming_mock_backend")
class TestIt(unittest.IsolatedAsyncioTestCase):
    async def test_task(self):
        KEPT.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)

    async def test_generator(self):
        async def numbers():
            yield 1

        KEPT.append(numbers())
        await anext(KEPT[-1])

    async def test_thread(self):
        over = threading.Event()
        self.addClassCleanup(over.set)
        threading.Thread(target=over.wait).start()

    async def test_run(self):
        from pytest_streamval import StreamingMockBackend
        KEPT.append(await start(StreamingMockBackend))

class TestSetUp(TestIt):
    async def asyncSetUp(self):
        KEPT.append(asyncio.create_task(forever()))

    async def test_task(self):
        pass

    test_generator = test_thread = test_run = None
"""


def test_leaks_of_asynchronous_tests_of_unittest_are_found(pytester: pytest.Pytester) -> None:
    found = run(pytester, UNITTEST)
    assert {name: said(kept[0])[0][0].split(":")[0] for name, kept in found.items()} == {
        "TestIt::test_task": "a task still pending",
        "TestIt::test_generator": "an asynchronous generator not closed",
        "TestIt::test_thread": "a thread still alive",
        "TestIt::test_run": "a StreamChunkingResult neither completed nor closed",
        "TestSetUp::test_task": "a task still pending",
    }


SHARED = """
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context

pytestmark = pytest.mark.asyncio(loop_scope="session")
EXECUTOR = ThreadPoolExecutor(1)

def start_elsewhere(loop):
    KEPT.append(asyncio.run_coroutine_threadsafe(forever(), loop))

async def test_first(streaming_mock_backend):
    pass

@pytest.mark.parametrize("call", [Context().run, lambda *call: EXECUTOR.submit(*call).result()])
async def test_later(streaming_mock_backend, call):
    call(start_elsewhere, asyncio.get_running_loop())
    await asyncio.sleep(0)

async def test_without_a_guard():
    start_elsewhere(asyncio.get_running_loop())
    EXECUTOR.submit(start_elsewhere, asyncio.get_running_loop()).result()

async def test_clean(streaming_mock_backend):
    pass

async def test_end():
    EXECUTOR.shutdown()
"""


def test_a_task_that_came_into_a_shared_loop_from_elsewhere_is_of_the_test_that_was_running(
    pytester: pytest.Pytester,
) -> None:
    found = run(pytester, SHARED)
    assert {name: kept[0].outcome for name, kept in found.items()} == {
        "test_first": "passed",
        "test_later[run]": "failed",
        "test_later[<lambda>]": "failed",
        "test_without_a_guard": "passed",
        "test_clean": "passed",
        "test_end": "passed",
    }


ALLOWED_BY_NAME = """
import gc
import threading
from pytest_streamval import ProviderServer

async def watch():
    await asyncio.Event().wait()

async def test_task(streaming_mock_backend):
    KEPT.append(asyncio.create_task(forever(), name="watcher-1"))
    await asyncio.sleep(0)

async def test_function(streaming_mock_backend):
    KEPT.append(asyncio.create_task(watch()))
    await asyncio.sleep(0)

def test_thread(streaming_mock_backend):
    over = threading.Event()
    threading.Thread(target=over.wait, name="watcher", daemon=True).start()
    KEPT.append(over)

async def test_timer(streaming_mock_backend):
    asyncio.get_running_loop().call_later(3600, print)

async def test_generator(streaming_mock_backend):
    async def numbers():
        yield 1

    KEPT.append(numbers())
    await anext(KEPT[-1])

async def test_destroyed_task(streaming_mock_backend):
    asyncio.create_task(forever(), name="watcher-2")
    await asyncio.sleep(0)
    gc.collect()

def test_server(streaming_mock_backend):
    KEPT.append(ProviderServer("x").start())

async def test_other(streaming_mock_backend):
    KEPT.append(asyncio.create_task(forever(), name="other"))
    await asyncio.sleep(0)

async def test_dropped_run(streaming_mock_backend):
    await start(streaming_mock_backend)
    for _ in range(9):
        await asyncio.sleep(0)

def test_end():
    [each.set() for each in KEPT if isinstance(each, threading.Event)]
    [each.close() for each in KEPT if isinstance(each, ProviderServer)]
"""


def test_the_ini_value_allows_leaks_by_name(pytester: pytest.Pytester) -> None:
    patterns = ["watcher*", "test_*.watch", "test_*.numbers", "builtins.print", "ProviderServer"]
    pytester.makeini(INI + "\n  ".join(["streamval_leaks_allow =", *patterns]))
    found = run(pytester, ALLOWED_BY_NAME)
    assert [name for name, kept in found.items() if kept[0].failed] == ["test_other", "test_dropped_run"]


VARIANTS = """
kept = []

async def test_it(streaming_mock_backend):
    backend = streaming_mock_backend("One. Two.")
    thunk, _ = await backend.generate_from_context("go", SimpleContext())
    assert await thunk.avalue() == "One. Two."
    if len(backend.calls[0].script.steps) == 1:
        kept.append(asyncio.create_task(forever()))
"""


def test_a_leak_of_one_variant_only_is_found(pytester: pytest.Pytester) -> None:
    found = run(pytester, VARIANTS, "--streamval-fuzz", "3")
    assert {name: kept[0].outcome for name, kept in found.items()} == {
        "test_it": "passed",
        "test_it[cut~whole]": "failed",
        "test_it[cut~chars]": "passed",
        "test_it[cut~words]": "passed",
    }


EXAMPLES = """
from hypothesis import HealthCheck, given, settings, strategies as st

examples = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4, deadline=None, database=None
)
kept = []

@pytest.fixture
def anyio_backend():
    return "asyncio"

@examples
@given(st.integers())
async def test_pytest_asyncio(streaming_mock_backend, number):
    kept.append(asyncio.create_task(forever()))

@pytest.mark.anyio
@pytest.mark.parametrize("case", [1, 2])
@examples
@given(number=st.integers())
async def test_anyio(anyio_backend, streaming_mock_backend, case, number):
    kept.append(asyncio.create_task(forever()))

@examples
@given(st.integers())
def test_run(streaming_mock_backend, number):
    asyncio.run(leave_a_task(None))
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_a_leak_of_every_example_is_told_once(pytester: pytest.Pytester, mode: str) -> None:
    pytester.makepyfile(HEAD + EXAMPLES)
    found = reports(pytester, "--asyncio-mode", mode, "-k", "not anyio" if mode == "auto" else "anyio")
    assert len(found) == 2
    for (report,) in found.values():
        ((what, _, _),) = said(report)
        assert what.endswith("forever() (4 times)")


def test_a_leak_does_not_disturb_the_next_test(pytester: pytest.Pytester) -> None:
    found = run(
        pytester,
        """
pytestmark = pytest.mark.asyncio(loop_scope="module")
kept = []

async def test_it(streaming_mock_backend):
    kept.append(await start(streaming_mock_backend))
    kept.append(asyncio.create_task(forever()))
    await streaming_mock_backend(Script.of(Stall())).generate_from_context("go", SimpleContext())

async def test_next(streaming_mock_backend):
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert kept[0].finished
""",
    )
    assert len(said(found["test_it"][0])) == 3
    assert outcomes(found["test_next"]) == [("call", "passed")]


def test_workers_of_xdist_guard_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HEAD + "async def test_it(streaming_mock_backend):\n    await leave_a_task(None)\n")
    result = pytester.runpytest_subprocess("-n", "1", "--asyncio-mode", "auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a task still pending: mine, forever()*"])
