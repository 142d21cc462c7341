"""The sources of the tests that tests/plugin/test_leaks.py runs."""

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

BY_ITSELF = """
async def test_it(streaming_mock_backend):
    result = await start(streaming_mock_backend)
    assert 1 == 2

@pytest.fixture
def failing(streaming_mock_backend):
    yield
    raise ValueError("by itself")

@pytest.fixture
async def leaving(failing):
    yield asyncio.create_task(forever())

def test_teardown(leaving):
    pass
"""
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
"""
CANCELLED_ANYIO = """
import sys

async def cancel_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)

async def interrupt():
    asyncio.get_running_loop().call_soon(sys.exit, "from outside")
    await forever()

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
@pytest.mark.parametrize("how", [cancel_itself, interrupt])
async def test_anyio(anyio_backend, streaming_mock_backend, how):
    await leave_a_task(streaming_mock_backend)
    await how()
"""
ALLOWED = """
{mark}
async def test_it{number}(streaming_mock_backend):
    streaming_mock_backend("never played")
    await leave_a_task(streaming_mock_backend)
    unstarted = start(streaming_mock_backend)
    unstarted.close()
"""
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
DYNAMIC = """
def test_it(request):
    make = request.getfixturevalue("streaming_mock_backend")
    asyncio.run(leave_a_task(make))
    make("never played")
"""
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
SHARED_LOOP = """
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
ALLOWED_NAMES = [
    "watcher*",
    "test_allowed_by_name.watch",
    "test_allowed_*.numbers",
    "builtins.print",
    "ProviderServer",
]
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
VARIANTS = """
kept = []

async def test_it(streaming_mock_backend):
    backend = streaming_mock_backend("One. Two.")
    thunk, _ = await backend.generate_from_context("go", SimpleContext())
    assert await thunk.avalue() == "One. Two."
    if len(backend.calls[0].script.steps) == 1:
        kept.append(asyncio.create_task(forever()))
"""
EXAMPLES = """
from hypothesis import HealthCheck, given, settings, strategies as st

examples = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4, deadline=None, database=None
)
kept = []

@examples
@given(st.integers())
async def test_pytest_asyncio(streaming_mock_backend, number):
    kept.append(asyncio.create_task(forever()))

@examples
@given(st.integers())
def test_run(streaming_mock_backend, number):
    asyncio.run(leave_a_task(None))
"""
EXAMPLES_ANYIO = """
from hypothesis import HealthCheck, given, settings, strategies as st

examples = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4, deadline=None, database=None
)
kept = []

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
@pytest.mark.parametrize("case", [1, 2])
@examples
@given(number=st.integers())
async def test_anyio(anyio_backend, streaming_mock_backend, case, number):
    kept.append(asyncio.create_task(forever()))
"""
NEXT = """
pytestmark = pytest.mark.asyncio(loop_scope="module")
kept = []

async def test_it(streaming_mock_backend):
    kept.append(await start(streaming_mock_backend))
    kept.append(asyncio.create_task(forever()))
    await streaming_mock_backend(Script.of(Stall())).generate_from_context("go", SimpleContext())

async def test_next(streaming_mock_backend):
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert kept[0].finished
"""
