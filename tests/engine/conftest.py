"""Test doubles for runs: a backend that plays steps, scripted requirements, and assertions that hold for all runs."""

import asyncio
import gc
import inspect
from types import SimpleNamespace

import pytest

from pytest_streamval.engine.backend import Backend
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.events import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    StreamingDoneEvent,
)
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.model import Delta

_started = set()


def own(task):
    """End a task at the end of the test, which may fail or be cancelled before it does so itself."""
    _started.add(task)
    task.add_done_callback(_started.discard)
    return task


@pytest.fixture(autouse=True)
def owner(monkeypatch):
    """End the tasks that the test has started, if they still run at its end."""
    tasks = set()
    monkeypatch.setitem(globals(), "_started", tasks)
    yield
    for task in tuple(tasks):
        loop = task.get_loop()
        if not task.done() and not loop.is_closed():
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))


class PlayedBackend(Backend):
    """A backend that plays steps: deltas to put, exceptions to raise, and functions to call and, if needed, await."""

    def __init__(self, *steps, cleanup=None):
        self.steps = steps
        self.cleanup = cleanup
        self.sent = []
        self.asked = []
        self.running = False
        self.finished = False
        self.stopped = False

    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        self.asked.append(SimpleNamespace(action=action, ctx=ctx, format=format, model_options=model_options))
        self.thunk = ModelOutputThunk(action=action)
        self.thunk.start(self.produce)
        own(self.thunk.producer)
        self.answer_ctx = ctx.add(action).add(self.thunk)
        return self.thunk, self.answer_ctx

    async def produce(self, thunk):
        self.running = True
        try:
            for step in self.steps:
                await self.play(step, thunk)
            self.finished = True
        except asyncio.CancelledError:
            self.stopped = True
            raise
        finally:
            try:
                if self.cleanup is not None:
                    await self.cleanup()
            finally:
                self.running = False

    async def play(self, step, thunk):
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            answer = step()
            if inspect.isawaitable(answer):
                await answer
        else:
            await thunk.put(step)
            self.sent.append(step)

    @property
    def text(self):
        """The complete text of the steps."""
        deltas = [step for step in self.steps if isinstance(step, str | Delta)]
        return "".join(step if isinstance(step, str) else step.text for step in deltas)


class Judge(Requirement):
    """A requirement that returns its answers in order, and then `"pass"` for every further chunk.

    An answer is a verdict, an exception to raise, or a function of the chunk that returns, or awaits, one of these.
    `record` is shared with the copies that runs make.
    """

    def __init__(self, *answers, final=True, name="judge"):
        super().__init__(name)
        self.answers = answers
        self.final = final
        self.record = SimpleNamespace(seen=[], asked=[], cancelled=0, running=0, final_ctx=None)

    async def stream_validate(self, chunk, *, backend, ctx):
        record = self.record
        record.seen.append(chunk)
        record.asked.append((backend, ctx))
        at = len(record.seen) - 1
        verdict = await self.answer(self.answers[at] if at < len(self.answers) else "pass", chunk)
        return PartialValidationResult(verdict) if isinstance(verdict, str) else verdict

    async def validate(self, backend, ctx, *, format=None, model_options=None):  # noqa: A002
        self.record.final_ctx = ctx
        verdict = await self.answer(self.final, ctx)
        return ValidationResult(verdict) if isinstance(verdict, bool) else verdict

    async def answer(self, answer, about):
        self.record.running += 1
        try:
            while callable(answer):
                answer = answer(about)
                if inspect.isawaitable(answer):
                    answer = await answer
            if isinstance(answer, BaseException):
                raise answer
        except asyncio.CancelledError:
            self.record.cancelled += 1
            raise
        finally:
            self.record.running -= 1
        return answer


def shape_of(events):
    """One short word for each event."""
    return [_word(event) for event in events]


def _word(event):
    match event:
        case QuickCheckEvent(index, 1, passed, _):
            return f"check {index} {'passed' if passed else 'failed'}"
        case ChunkEvent(text, index, 1, _, _):
            return f"chunk {index} {text}"
        case StreamingDoneEvent(1, _):
            return "done"
        case FullValidationEvent(1, passed, _):
            return f"validation {'passed' if passed else 'failed'}"
        case ErrorEvent(kind, _):
            return f"error {kind}"
        case CompletedEvent(success, _, 1):
            return f"completed {success}"
    raise AssertionError(event)


def check_invariants(result, backend):
    """Assert the invariants of every run that has ended."""
    history = result.history
    kinds = [type(event) for event in history]
    assert kinds.count(CompletedEvent) == 1
    assert kinds[-1] is CompletedEvent
    last = history[-1]
    assert (last.success, last.full_text) == (result.completed, result.full_text)
    chunks = [event for event in history if isinstance(event, ChunkEvent)]
    assert [event.chunk_index for event in chunks] == list(range(len(chunks)))
    assert all(backend.text[event.start : event.end] == event.text for event in chunks)
    assert result.full_text == (backend.text if result.completed else backend.text[: chunks[-1].end if chunks else 0])
    assert kinds.count(ErrorEvent) <= 1
    assert ErrorEvent not in kinds or (kinds[-2] is ErrorEvent and not result.completed)
    if QuickCheckEvent in kinds:
        for at, kind in enumerate(kinds):
            assert kind is not ChunkEvent or (kinds[at - 1] is QuickCheckEvent and history[at - 1].passed)
    stamps = [event.timestamp for event in history]
    assert stamps == sorted(stamps)
    assert result.task.done()
    assert result.as_thunk.value == result.full_text
    assert not backend.running


def tasks_left():
    """The tasks of the running loop besides the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}


@pytest.fixture(scope="session")
def played():
    """The class of backends that play steps."""
    return PlayedBackend


@pytest.fixture(scope="session")
def judge():
    """The class of requirements that answer from a script."""
    return Judge


@pytest.fixture(scope="session")
def start():
    """Start a run of steps or of a backend, and return the result and the backend."""

    async def start_run(steps, *requirements, cleanup=None, **options):
        backend = steps if isinstance(steps, Backend) else PlayedBackend(*steps, cleanup=cleanup)
        result = await stream_with_chunking("Tell.", backend, SimpleContext(), requirements=requirements, **options)
        own(result.task)
        return result, backend

    return start_run


@pytest.fixture(scope="session")
def shape():
    """Turn events into one short word each."""
    return shape_of


@pytest.fixture(scope="session")
def assert_over():
    """Assert the invariants of a run that has ended, and that no task of it is left."""

    def check(result, backend, *judges):
        check_invariants(result, backend)
        assert tasks_left() == set()
        assert [each.record.running for each in judges] == [0] * len(judges)

    return check


@pytest.fixture(scope="session")
def turns():
    """Let the loop go round a number of times."""

    async def go_round(count=1):
        for _ in range(count):
            await asyncio.sleep(0)

    return go_round


@pytest.fixture(scope="session")
def spawn():
    """Start a task, which ends with the test at the latest."""
    return lambda coroutine, **options: own(asyncio.create_task(coroutine, **options))


@pytest.fixture(scope="session")
def own_task():
    """End a task with the test at the latest, and return it."""
    return own


@pytest.fixture(scope="session")
def generate():
    """Start the generation of an output, which ends with the test at the latest."""

    def start_generation(thunk, produce):
        thunk.start(produce)
        own(thunk.producer)

    return start_generation


@pytest.fixture(scope="session")
def left():
    """Return the tasks of the running loop besides the test's own."""
    return tasks_left


@pytest.fixture(scope="session")
def suspending():
    """Turn an answer into one that suspends first, a number of times."""

    def after(count, answer="pass"):
        async def slowly(about):
            for _ in range(count):
                await asyncio.sleep(0)
            return answer

        return slowly

    return after


@pytest.fixture(scope="session")
def never():
    """Return an answer that never comes."""

    async def wait_for_ever(about=None):
        await asyncio.get_running_loop().create_future()

    return wait_for_ever


@pytest.fixture
async def loop_clock(monkeypatch):
    """The loop's time, which does not change until the test advances it."""
    loop = asyncio.get_running_loop()
    clock = SimpleNamespace(now=loop.time())

    def advance(seconds):
        clock.now += seconds

    clock.advance = advance
    monkeypatch.setattr(loop, "time", lambda: clock.now)
    return clock


@pytest.fixture
def no_cyclic_gc():
    """Free by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
