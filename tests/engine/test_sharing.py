"""Contexts, observers and weak references: shared by several threads and by requests at the same time."""

import logging

import pytest

from pytest_streamval import (
    ChatContext,
    Context,
    ModelOutputThunk,
    SimpleContext,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.engine import observer as observer_module
from pytest_streamval.engine.context import NO_REQUEST, requested_by
from pytest_streamval.engine.observer import Observer, ObserverGroup, observing
from pytest_streamval.engine.weak_objects import WeakObjects


def test_changes_of_the_observers_while_runs_begin_lose_no_observer(monkeypatch):
    class Watching(Observer):
        pass

    def leave():
        opened.__exit__(None, None, None)

    opened = observing(leave)
    opened.__enter__()
    with observing(Watching):
        observers = ObserverGroup.for_new_run()
        assert [type(each) for each in observers.members if isinstance(each, Watching)] == [Watching]
    assert leave not in observer_module._factories


def test_one_chat_context_can_be_used_by_several_threads(in_threads, caplog):
    caplog.set_level(logging.CRITICAL)
    ctx = ChatContext()

    def work(number):
        for index in range(300):
            output = ModelOutputThunk()
            assert ctx.add(str(index)).add(output).last_output() is output
        return number

    assert in_threads(work) == [0, 1, 2, 3]


def test_weak_objects_can_be_added_dropped_and_listed_by_several_threads(in_threads):
    class Thing:
        pass

    bag = WeakObjects()
    kept = [Thing() for _ in range(10)]
    for thing in kept:
        bag.add(thing)

    def work(number):
        for _ in range(500):
            bag.add(Thing())
            assert set(kept) <= set(bag)
        return number

    in_threads(work)
    assert set(bag) == set(kept)
    assert len(bag) == len(kept)


def test_a_weak_object_at_a_reused_address_is_another_object(monkeypatch):
    class Thing:
        pass

    bag = WeakObjects()
    first, second = Thing(), Thing()
    bag.add(first)
    (address,) = bag._refs
    stale = bag._refs[address]
    bag.add(second)
    bag._refs[address] = bag._refs.pop(id(second))  # as if it had the address of the first one
    forget = stale.__callback__
    forget(stale)
    assert list(bag) == [second]


class Shown(Context):
    """A custom context that shows models their answers."""

    def view_for_generation(self):
        return self.as_list()


class Hidden(Context):
    """A custom context that shows models no answers."""

    def view_for_generation(self):
        return [entry for entry in self.as_list() if not isinstance(entry, ModelOutputThunk)]


async def test_a_custom_context_that_shows_answers_logs_a_warning(caplog):
    ctx = Shown()
    kept = [ctx.add("Hi.").add(ModelOutputThunk()), ctx.add("Ho.").add(ModelOutputThunk())]
    (record,) = caplog.records
    assert record.message.startswith("A request began from a Shown while another one on it is still being generated")
    assert len(kept) == 2


@pytest.mark.parametrize("ctx", [Hidden(), SimpleContext()], ids=repr)
async def test_a_context_that_shows_no_answers_logs_no_warning(caplog, ctx):
    kept = [ctx.add("Hi.").add(ModelOutputThunk()), ctx.add("Ho.").add(ModelOutputThunk())]
    assert not caplog.records
    assert len(kept) == 2


def ask(ctx, method):
    """Begin two requests in one context, as a session does."""
    kept = []
    for text in ("Hi.", "Ho."):
        token = requested_by.set((ctx, method))
        kept.append(ctx.add(text).add(ModelOutputThunk()))
        requested_by.reset(token)
    return kept


def test_the_warning_about_requests_of_a_session_names_its_method(caplog):
    kept = ask(ChatContext(), "achat")
    (record,) = caplog.records
    assert record.message.startswith("achat() was called while an earlier request of the session's conversation is")
    assert "ChatContext" not in record.message
    assert len(kept) == 2


def test_a_finished_exchange_is_no_request(caplog):
    kept = ask(ChatContext(), NO_REQUEST)
    assert not caplog.records
    assert len(kept) == 2


class Ends(Observer):
    def __init__(self):
        self.runs = []

    def ended(self, run):
        self.runs.append(run)


async def test_an_observer_can_be_attached_later_and_sees_the_end_even_afterwards():
    others, first, late = Ends(), Ends(), Ends()
    with observing(lambda: others):
        result = await stream_with_chunking("Go.", StreamingMockBackend("One."), SimpleContext())
    result.observe(first)
    await result.acomplete()
    result.observe(late)
    assert others.runs == first.runs == late.runs
    assert len(late.runs) == 1
