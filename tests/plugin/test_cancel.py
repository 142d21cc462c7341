"""`--streamval-cancel`: each test again, cancelled at places that are spread over the steps of its event loop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import plugin_lines, run

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]

INI = (
    "[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\nfilterwarnings = error\n"
    "strict = true\naddopts = -p no:randomly\n"
)
HEAD = """
import asyncio
from contextlib import suppress
import pytest
from pytest_streamval import PartialValidationResult, Requirement, SimpleContext, stream_with_chunking

async def forever():
    await asyncio.Event().wait()

async def pause():
    await asyncio.sleep(0)

class Short(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        await asyncio.sleep(0)
        return PartialValidationResult("pass" if len(chunk) < 9 else "fail")
"""
FAULTY = {
    "swallows": """
    try:
        await pause()
    except asyncio.CancelledError:
        pass
""",
    "suppresses": """
    with suppress(asyncio.CancelledError):
        await pause()
    await pause()
""",
    "replaces": """
    try:
        await pause()
    except BaseException as error:
        raise RuntimeError("failed") from error
""",
    "groups": """
    try:
        await pause()
    except BaseException as error:
        raise BaseExceptionGroup("several", [error])
""",
    "leaves a task": """
    task = asyncio.create_task(forever())
    await pause()
    task.cancel()
    await asyncio.wait([task])
""",
    "leaves a task of a task": """
    async def start():
        tasks.append(asyncio.create_task(forever()))
    tasks = []
    await asyncio.create_task(start())
    await pause()
    tasks[0].cancel()
    await asyncio.wait(tasks)
""",
    "shields": """
    async def work():
        await asyncio.sleep(3600)
    task = asyncio.create_task(work())
    await pause()
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(task), 0.01)
    task.cancel()
    await asyncio.wait([task])
""",
    "keeps a lock for a task": """
    lock = asyncio.Lock()
    async def hold():
        async with lock:
            await forever()
    holder = asyncio.create_task(hold())
    await pause()
    await pause()
    holder.cancel()
    await asyncio.wait([holder])
""",
    "goes on in its clean-up": """
    try:
        await pause()
    finally:
        return
""",
    "cleans up with an error": """
    opened = False
    try:
        await pause()
        opened = True
    finally:
        await pause()
        if not opened:
            raise LookupError("no resource")
""",
}
RIGHT = {
    "passes it on": "    await pause()\n",
    "cleans up": """
    seen = []
    try:
        await pause()
    finally:
        seen.append(1)
        await pause()
""",
    "raises it again": """
    try:
        await pause()
    except asyncio.CancelledError:
        await pause()
        raise
""",
    "ends its task": """
    task = asyncio.create_task(forever())
    try:
        await pause()
    finally:
        task.cancel()
        await asyncio.wait([task])
""",
    "uses a task group": """
    async with asyncio.TaskGroup() as group:
        group.create_task(pause())
        group.create_task(pause())
        await pause()
""",
    "gathers": "    await asyncio.gather(pause(), pause())\n",
    "has a timeout": """
    async with asyncio.timeout(60):
        await pause()
        await pause()
""",
    "waits for another": """
    task = asyncio.ensure_future(pause())
    await task
    await pause()
""",
    "handles other errors": """
    with pytest.raises(ValueError, match="no"):
        await pause()
        raise ValueError("no")
    await pause()
""",
    "reads a run": """
    backend = streaming_mock_backend("One. Two. Three.", token_size=2)
    async with stream_with_chunking("Go", backend, SimpleContext(), requirements=[Short()]) as result:
        assert [chunk async for chunk in result.astream()] == ["One.", "Two.", "Three."]
""",
}
FIXTURE = """
@pytest.fixture
async def tasks():
    started = []
    yield started
    for task in started:
        {end}

async def test_it(tasks, streaming_mock_backend):
    tasks.append(asyncio.create_task(forever()))
    await pause()
"""
WAYS = {
    "pytest-asyncio": ("async def test_it(streaming_mock_backend):\n{body}", ()),
    "anyio": (
        """
@pytest.fixture
def anyio_backend():
    return 'asyncio'

@pytest.mark.anyio
async def test_it(streaming_mock_backend):
{body}""",
        ("-p", "no:asyncio", "-o", "asyncio_mode=strict"),
    ),
    "asyncio.run": (
        "def test_it(streaming_mock_backend):\n    async def main():\n{indented}\n    asyncio.run(main())\n",
        ("--asyncio-mode", "strict"),
    ),
}


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(f"{INI}streamval_unplayed = off\n")


def source(body: str, way: str) -> str:
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return HEAD + WAYS[way][0].format(body=body, indented=indented)


def cancelled(pytester: pytest.Pytester, body: str, way: str = "pytest-asyncio", *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=source(body, way))
    extra = [] if way == "anyio" else list(WAYS[way][1])
    return run(pytester, "--streamval-cancel", "20", *extra, *options)


@pytest.mark.parametrize("way", ["pytest-asyncio", "asyncio.run"])
@pytest.mark.parametrize("fault", FAULTY)
def test_cancel_finds_a_planted_fault(pytester: pytest.Pytester, fault: str, way: str) -> None:
    result = cancelled(pytester, FAULTY[fault], way)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(
        [
            r"_+ test_it\[cancel-\d+\] _+",
            r"(The cancellation (was swallowed|was replaced by|left).*|This test left 1 thing behind:)",
            r"-+ streamval: cancelled -+",
            r"Cancelled before step \d+ of its event loop, at test_it\.py:\d+ in \w+: .*",
            r"Again:  pytest 'test_it\.py::test_it\[cancel-\d+\]'",
            r"streamval: 1 test cancelled \d+ times?, 1 failed",
        ]
    )


@pytest.mark.parametrize("way", ["pytest-asyncio", "asyncio.run"])
@pytest.mark.parametrize("name", RIGHT)
def test_cancel_accuses_no_right_consumer(pytester: pytest.Pytester, name: str, way: str) -> None:
    result = cancelled(pytester, RIGHT[name], way)
    result.assert_outcomes(passed=2)
    assert re.fullmatch(r"1 test cancelled \d+ times?, 0 failed", plugin_lines(result)[-1])


@pytest.mark.parametrize(("body", "failed"), [(FAULTY["swallows"], 1), (RIGHT["reads a run"], 0)])
def test_cancel_works_with_anyio(pytester: pytest.Pytester, body: str, failed: int) -> None:
    pytester.makeini(
        "[pytest]\naddopts = -p no:randomly -p no:asyncio\nfilterwarnings = error\nstreamval_unplayed = off\n"
    )
    pytester.makepyfile(test_it=source(body, "anyio"))
    result = run(pytester, "--streamval-cancel", "20", "-p", "anyio")
    result.assert_outcomes(passed=2 - failed, failed=failed)


def test_a_run_that_only_the_cancelled_test_refers_to_ends_with_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=f"""{HEAD}
from pytest_streamval import StreamingMockBackend

async def test_it():
    backend = StreamingMockBackend("One. Two. Three.", token_size=2)
    result = await stream_with_chunking("Go", backend, SimpleContext(), requirements=[Short()])
    await pause()
    await result.aclose()
"""
    )
    result = run(pytester, "--streamval-cancel", "5")
    result.stdout.fnmatch_lines(["streamval: 1 test cancelled * time*, 0 failed"])


@pytest.mark.parametrize(
    ("end", "failed"),
    [("task.cancel()", 0), ("task.cancel(); await asyncio.wait([task])", 0), ("pass", 1)],
)
def test_a_task_that_a_fixture_holds_must_end_in_its_teardown(pytester: pytest.Pytester, end: str, failed: int) -> None:
    pytester.makepyfile(test_it=HEAD + FIXTURE.format(end=end))
    result = run(pytester, "--streamval-cancel", "5", "--streamval-leaks=off")
    result.stdout.fnmatch_lines([f"streamval: 1 test cancelled * time*, {failed} failed"])
    assert ("The cancellation left Task-" in result.stdout.str()) is bool(failed)


def test_the_id_of_a_failure_cancels_there_again_by_itself_with_k_and_with_lf(pytester: pytest.Pytester) -> None:
    result = cancelled(pytester, FAULTY["suppresses"])
    (name,) = re.findall(r"^FAILED (\S+)", result.stdout.str(), re.MULTILINE)
    for options in ([name], ["--lf"], ["-k", re.search(r"cancel-\d+", name)[0]]):
        again = run(pytester, *options)
        assert re.findall(r"^FAILED (\S+)", again.stdout.str(), re.MULTILINE) == [name], options


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_a_test_that_ends_before_the_requested_cancellation_is_skipped(
    pytester: pytest.Pytester, options: Sequence[str]
) -> None:
    pytester.makepyfile(test_it=f"{HEAD}\nasync def test_it():\n    await pause()\n\ndef test_sync():\n    pass\n")
    result = run(pytester, "-rs", "-k", "cancel-99999", *options)
    result.assert_outcomes(skipped=2, deselected=0 if options else 2)
    result.stdout.re_match_lines_random(
        [
            r"SKIPPED \[1\] test_it\.py:\d+: not cancelled: it ended before step 99999, as its event loop ran \d+ .*",
            r"SKIPPED \[1\] test_it\.py:\d+: not cancelled: it ended before step 99999, as no event loop ran",
        ]
    )
    assert plugin_lines(result)[-1] == "no test was cancelled: none has the requested step"


def test_workers_cancel_like_one_process(pytester: pytest.Pytester) -> None:
    result = cancelled(pytester, FAULTY["swallows"], "pytest-asyncio", "-n", "2")
    result.assert_outcomes(passed=1, failed=1)
    assert re.search(r"^FAILED test_it\.py::test_it\[cancel-\d+\]", result.stdout.str(), re.MULTILINE)


def test_a_test_without_an_event_loop_and_a_marked_one_are_not_cancelled(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=f"{HEAD}\ndef test_loop():\n    pass\n\n"
        f"@pytest.mark.streamval_not_cancelled\nasync def test_marked():\n{FAULTY['swallows']}"
    )
    result = run(pytester, "--streamval-cancel", "5")
    result.assert_outcomes(passed=2)
    assert plugin_lines(result)[-1] == "no test was cancelled: none has an event loop"


def test_fixtures_end_after_a_cancellation(pytester: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def resource():
    yield []

@pytest.fixture
async def user(resource):
    yield resource
    await pause()
    assert resource == [], resource

async def test_it(user):
    user.append(1)
    await pause()
    user.clear()
"""
    pytester.makepyfile(test_it=HEAD + body)
    result = run(pytester, "--streamval-cancel", "5")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.re_match_lines([r"ERROR test_it\.py::test_it\[cancel-\d+\] - .*"])


def test_a_parametrised_test_keeps_its_ids(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=f"{HEAD}\n@pytest.mark.parametrize('n', [1, 2])\nasync def test_it(n):\n"
        "    try:\n        await pause()\n    except asyncio.CancelledError:\n        if n == 1:\n            raise\n"
    )
    result = run(pytester, "--streamval-cancel", "5")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.re_match_lines([r"FAILED test_it\.py::test_it\[2-cancel-\d\] - .*"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--streamval-cancel=-1"], "*Invalid --streamval-cancel: -1.*"),
        (["--streamval-cancel=3", "--streamval-fuzz=3"], "*Use one.*"),
        (["--streamval-fuzz-each"], "ERROR: --streamval-fuzz-each is for runs with other cuts. Add *"),
        (["--streamval-backend=openai:m"], "ERROR: --streamval-backend is for runs with a live model. Add *"),
        (["--streamval-url=http://127.0.0.1:1"], "ERROR: --streamval-url is for runs with a live model. Add *"),
    ],
)
def test_invalid_options_are_usage_errors(pytester: pytest.Pytester, options: Sequence[str], message: str) -> None:
    result = run(pytester, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_cancel_ends_the_fixtures_of_a_module_whose_last_test_has_no_event_loop(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_a="import pytest\n\n@pytest.fixture(scope='module', autouse=True)\ndef of_module():\n    yield\n"
        "    assert False, 'the fixture ends'\n\ndef test_loop():\n    pass\n",
        test_b=f"{HEAD}\nasync def test_it():\n    await pause()\n",
    )
    result = run(pytester, "--streamval-cancel", "5")
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["E*AssertionError: the fixture ends", "streamval: 1 test cancelled * 0 failed"])


@pytest.mark.parametrize(("limit", "restarts"), [("600", True), ("0", False)])
def test_each_run_of_a_cancelled_test_has_the_time_limit_of_one_test(
    pytester: pytest.Pytester, limit: str, restarts: bool
) -> None:
    pytester.makepyfile(
        conftest="""
import faulthandler

STARTED = []
original = faulthandler.dump_traceback_later

def started(seconds, **options):
    STARTED.append((seconds, options["exit"]))
    original(seconds, **options)

faulthandler.dump_traceback_later = started
""",
        test_it=f"{HEAD}\nRUNS = []\n\nasync def test_it():\n    RUNS.append(1)\n    await pause()\n",
        test_later="""
import conftest, test_it

def test_limits():
    print("LIMITS", len(test_it.RUNS), conftest.STARTED)
""",
    )
    options = ("-o", f"faulthandler_timeout={limit}", "-o", "faulthandler_exit_on_timeout=true", "-s")
    output = run(pytester, "--streamval-cancel", "5", "-p", "no:randomly", *options).stdout.str()
    runs, started = re.search(r"LIMITS (\d+) (.*)", output).groups()
    tests = 3  # the one of asyncio as scripted and cancelled, and the last one
    assert started == str([(600.0, True)] * (int(runs) - 1 + tests) if restarts else [])


def test_cancel_uses_the_snapshot_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=f"{HEAD}\n@pytest.mark.parametrize('n', [1])\n"
        "async def test_it(n, streaming_mock_backend, event_snapshot):\n"
        "    async with stream_with_chunking('', streaming_mock_backend('One.'), SimpleContext()) as run:\n"
        "        await run.acomplete()\n"
        "    assert run == event_snapshot\n",
    )
    run(pytester, "--snapshot-update", "--streamval-cancel", "5").assert_outcomes(passed=2)
    assert [path.name for path in pytester.path.rglob("*.transcript")] == ["test_it[1].transcript"]
    result = run(pytester, "--streamval-cancel", "5")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["streamval: 1 test cancelled * 0 failed"])
    result.stdout.no_fnmatch_line("*snapshot failed*")


SUBTESTS = """
async def test_it(subtests):
    for number in range(2):
        with subtests.test(number=number):
            {body}
"""


@pytest.mark.parametrize(
    ("body", "failed"),
    [("await pause()", 0), ("with suppress(BaseException): await pause()", 1)],
    ids=["right", "swallows"],
)
def test_a_cancellation_passes_through_subtests(pytester: pytest.Pytester, body: str, failed: int) -> None:
    pytester.makepyfile(test_it=HEAD + SUBTESTS.format(body=body))
    result = run(pytester, "--streamval-cancel", "20")
    result.stdout.fnmatch_lines([f"streamval: 1 test cancelled * time*, {failed} failed"])
    assert "SUBFAILED" not in result.stdout.str()


def test_a_cancellation_passes_through_the_subtests_of_asyncio_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=f"{HEAD}\ndef test_it(subtests):\n    for _ in range(2):\n        with subtests.test():\n"
        "            asyncio.run(pause())\n"
    )
    result = run(pytester, "--streamval-cancel", "20")
    result.stdout.fnmatch_lines(["streamval: 1 test cancelled * time*, 0 failed"])


@pytest.mark.parametrize("message", ["no " * 200, "first line\nsecond line"])
def test_a_long_error_in_the_place_of_the_cancellation_is_elided(pytester: pytest.Pytester, message: str) -> None:
    body = f"try:\n        await pause()\n    except BaseException:\n        raise ValueError({message!r})"
    pytester.makepyfile(test_it=f"{HEAD}\nasync def test_it():\n    {body}\n")
    result = run(pytester, "--streamval-cancel", "5")
    lines = [line for line in result.outlines if line.startswith("The cancellation was replaced by ValueError: '")]
    assert lines
    assert all(len(line) < 360 and "test_it.py:" in line for line in lines)
