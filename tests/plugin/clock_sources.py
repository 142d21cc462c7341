"""The sources of the tests that tests/plugin/test_clock.py runs."""

STORY = """
import asyncio, time, unittest
import anyio, pytest, pytest_asyncio
from hypothesis import HealthCheck, given, settings, strategies
from pytest_streamval import Delay, Requirement, Script, SimpleContext, StreamingMockBackend, stream_with_chunking

script = Script.of("Once. ", Delay(1200), "Upon. ", Delay(2400.5), "A time.")

async def story(clock):
    began, start = clock.elapsed, clock.now - clock.elapsed
    async with asyncio.timeout(3601):
        result = await stream_with_chunking("go", StreamingMockBackend(script), SimpleContext())
        await result.acomplete()
    assert [event.timestamp - start - began for event in result.history] == [0, 1200, 3600.5, 3600.5, 3600.5]
    assert clock.elapsed - began == 3600.5
    assert time.time() == clock.now == 1767225600 + clock.elapsed
    with anyio.move_on_after(1):
        await asyncio.Event().wait()
    assert await asyncio.to_thread(lambda: "waited for") == "waited for"
    assert clock.elapsed - began == 3601.5

"""
WAYS = """
@pytest.mark.asyncio
async def test_asyncio(virtual_clock):
    await story(virtual_clock)

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(anyio_backend, virtual_clock):
    await story(virtual_clock)

def test_run(virtual_clock):
    for _ in range(2):
        virtual_clock.run(story(virtual_clock))

def test_asyncio_run(virtual_clock):
    asyncio.run(story(virtual_clock))
    anyio.run(story, virtual_clock)

@pytest_asyncio.fixture
async def prepared(virtual_clock):
    await asyncio.sleep(60)
    yield
    await asyncio.sleep(60)

@pytest.mark.asyncio
async def test_async_fixture(prepared, virtual_clock):
    assert virtual_clock.elapsed == 60
    await story(virtual_clock)

@pytest.mark.asyncio
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strategies.floats(1, 1e6))
async def test_hypothesis(virtual_clock, seconds):
    await asyncio.sleep(seconds)

@pytest.mark.usefixtures("virtual_clock")
class TestUnittest(unittest.IsolatedAsyncioTestCase):
    async def test_sleep(self):
        await asyncio.sleep(3600)
        self.assertEqual(time.time(), 1767225600 + 3600)
"""
SCOPES = """
own = {}

def is_real(loop):
    return "time" not in vars(loop) and abs(loop.time() - time.monotonic()) < 60

@pytest.mark.asyncio(loop_scope="session")
async def test_session(virtual_clock):
    own["session"] = asyncio.get_running_loop()
    await story(virtual_clock)

@pytest.mark.asyncio(loop_scope="session")
async def test_session_afterwards():
    loop = asyncio.get_running_loop()
    assert loop is own["session"] and is_real(loop)
    await asyncio.sleep(0.001)

@pytest.mark.asyncio(loop_scope="session")
async def test_session_again(virtual_clock):
    assert asyncio.get_running_loop() is own["session"]
    await story(virtual_clock)

@pytest.mark.asyncio(loop_scope="module")
async def test_module(virtual_clock):
    own["module"] = asyncio.get_running_loop()
    await story(virtual_clock)

@pytest.mark.asyncio(loop_scope="module")
async def test_module_afterwards():
    assert asyncio.get_running_loop() is own["module"] and is_real(own["module"])

@pytest.mark.asyncio(loop_scope="class")
class TestClass:
    async def test_first(self, virtual_clock):
        own["class"] = asyncio.get_running_loop()
        await story(virtual_clock)

    async def test_second(self):
        assert asyncio.get_running_loop() is own["class"] and is_real(own["class"])

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module")
async def shared(anyio_backend):
    own["anyio"] = asyncio.get_running_loop()
    yield
    assert is_real(own["anyio"])

@pytest.mark.anyio
async def test_anyio_module(shared, virtual_clock):
    assert asyncio.get_running_loop() is own["anyio"]
    await story(virtual_clock)

@pytest.mark.anyio
async def test_anyio_module_afterwards(shared):
    assert is_real(own["anyio"])
"""
DEADLOCKS = """
import asyncio
import pytest, pytest_asyncio

pytestmark = pytest.mark.streamval_allow_leaks

async def wait():
    await asyncio.Event().wait()

@pytest.mark.asyncio
async def test_asyncio(virtual_clock):
    await wait()

@pytest.mark.asyncio(loop_scope="module")
async def test_module(virtual_clock):
    await wait()

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(anyio_backend, virtual_clock):
    await wait()

def test_run(virtual_clock):
    virtual_clock.run(wait())

def test_asyncio_run(virtual_clock):
    asyncio.run(wait())

@pytest_asyncio.fixture
async def stuck(virtual_clock):
    await wait()

@pytest.mark.asyncio
async def test_fixture(stuck):
    pass

@pytest.mark.asyncio(loop_scope="module")
async def test_afterwards():
    await asyncio.sleep(0.001)
"""
FREEZER = """
import asyncio, datetime as dt, time
import freezegun, pytest

START = dt.datetime(2000, 2, 2, 10, tzinfo=dt.UTC).timestamp()

def check(clock, began=START):
    assert clock.now == time.time() == dt.datetime.now().timestamp() == began
    clock.run(asyncio.sleep(60))
    assert clock.now == time.time() == dt.datetime.now().timestamp() == began + 60
    assert time.strftime("%F %T") == f"{dt.datetime.now():%F %T}"

@pytest.mark.freeze_time("2000-02-02 10:00")
def test_marker(virtual_clock):
    check(virtual_clock)

@pytest.mark.freeze_time("2000-02-02 10:00")
def test_marker_and_fixture(virtual_clock, freezer):
    check(virtual_clock)

def test_freezer_first(freezer, virtual_clock):
    freezer.move_to("2000-02-02 10:00")
    check(virtual_clock)
    freezer.tick(30)
    check(virtual_clock, START + 90)

def test_clock_first(virtual_clock, freezer):
    check(virtual_clock, 1767225600)
    freezer.move_to("2000-02-02 10:00")
    check(virtual_clock)
    freezer.tick(30)
    check(virtual_clock, START + 90)

@freezegun.freeze_time("2000-02-02 10:00")
def test_decorator(virtual_clock):
    check(virtual_clock)

@freezegun.freeze_time("2000-02-02 10:00")
@pytest.mark.asyncio
async def test_async(virtual_clock):
    await asyncio.sleep(3600)
    assert time.time() == virtual_clock.now == START + 3600

def test_real_time_is_back():
    assert dt.datetime.now().year > 2025 and time.gmtime().tm_year > 2025 and dt.datetime.__module__ == "datetime"
"""
MARKED = """
import asyncio, datetime as dt, unittest
import pytest

@pytest.mark.streamval_clock("2030-05-05T12:00+02:00")
def test_it(virtual_clock):
    assert dt.datetime.now() == dt.datetime(2030, 5, 5, 10)

@pytest.mark.streamval_clock(start=dt.datetime(2030, 5, 5))
class TestClass:
    def test_without_fixture(self):
        asyncio.run(asyncio.sleep(3600))
        assert dt.datetime.now() == dt.datetime(2030, 5, 5, 1)

    @pytest.mark.streamval_clock(0)
    @pytest.mark.asyncio
    async def test_closest(self):
        await asyncio.sleep(3600)
        assert dt.datetime.now() == dt.datetime(1970, 1, 1, 1)

@pytest.mark.streamval_clock("2030-05-05")
class TestUnittest(unittest.TestCase):
    def test_case(self):
        assert dt.date.today() == dt.date(2030, 5, 5)

@pytest.mark.streamval_clock("soon")
def test_wrong():
    pass
"""
FIRST_IMPORT = """
import datetime as dt, importlib, importlib.util, sys, time

def test_first_import(virtual_clock, tmp_path):
    assert "pydantic" not in sys.modules and "fastapi" not in sys.modules
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def root(day: dt.date, at: dt.datetime | None = None) -> dict:
        return {"now": dt.datetime.now(dt.UTC).timestamp()}

    import pydantic.v1  # which derives from date, with a metaclass
    assert pydantic.v1.types.ConstrainedDate.__bases__ == (dt.date,)
    source = "from datetime import date, datetime\\nfrom time import time\\nclass Day(date): pass"
    (tmp_path / "late.py").write_text(source)
    sys.path.insert(0, str(tmp_path))
    spec = importlib.util.find_spec("late")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    late = importlib.util.module_from_spec(spec)
    sys.modules["late"] = late
    spec.loader.exec_module(late)
    for _ in range(2):
        assert (late.Day.today(), late.time()) == (late.Day(2026, 1, 1), virtual_clock.now)
        assert late.datetime.now(dt.UTC).timestamp() == virtual_clock.now
        late = importlib.reload(late)

def test_real_time_is_back():
    import late
    assert late.time is time.time and late.datetime is dt.datetime and late.Day.today().year == time.gmtime().tm_year
"""
TEST_CLIENT = """
import pytest

def request():
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    assert TestClient(FastAPI()).get("/docs").status_code == 200

@pytest.mark.filterwarnings("default")
def test_warned(virtual_clock):
    request()

@pytest.mark.filterwarnings("ignore::pytest_streamval.RealTimeWarning")
def test_intended(virtual_clock):
    request()

def test_real_time():
    request()
"""
LIVE = """
import pytest

@pytest.mark.e2e
def test_live(virtual_clock):
    pass
"""
FEATURES = """
import asyncio, logging, pytest, time
@pytest.mark.asyncio
async def test_it(virtual_clock, subtests, capsys, caplog, recwarn, tmp_path, monkeypatch):
    assert asyncio.get_running_loop().get_debug()
    for number in range(3):
        with subtests.test(number=number):
            await asyncio.sleep(3600)
            print(time.strftime("%H:%M"))
            logging.getLogger("app").warning("at %s", virtual_clock.elapsed)
            assert number != 1
    assert capsys.readouterr().out == "01:00\\n02:00\\n03:00\\n"
    assert [record.created - 1767225600 for record in caplog.records] == [3600, 7200, 10800]
"""
