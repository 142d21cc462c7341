"""Contexts: immutable histories, and the part of them that a model is shown."""

import copy
import gc

import pytest

from pytest_streamval.engine.component import CBlock, Message
from pytest_streamval.engine.context import ChatContext, Context, SimpleContext
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError

every_kind = pytest.mark.parametrize("kind", [SimpleContext, ChatContext])


@every_kind
def test_an_empty_context_has_nothing(kind):
    ctx = kind()
    assert ctx.as_list() == []
    assert ctx.last_output() is None
    assert ctx.view_for_generation() == []
    assert repr(ctx) == f"<{kind.__name__} of 0 entries>"


@every_kind
def test_add_returns_a_longer_context_and_does_not_change_the_old_one(kind):
    empty = kind()
    one = empty.add(Message("user", "Hi"))
    two, other = one.add(CBlock("x")), one.add("y")
    assert type(two) is kind
    assert empty.as_list() == []
    assert one.as_list() == [Message("user", "Hi")]
    assert two.as_list() == [Message("user", "Hi"), CBlock("x")]
    assert other.as_list() == [Message("user", "Hi"), CBlock("y")]


@every_kind
def test_a_change_of_the_list_from_as_list_does_not_change_the_context(kind):
    ctx = kind().add("x")
    ctx.as_list().clear()
    assert ctx.as_list() == [CBlock("x")]


@every_kind
def test_a_string_is_added_as_a_block_and_an_output_as_itself(kind):
    output = ModelOutputThunk("Hello")
    assert kind().add("Hi").add(output).as_list() == [CBlock("Hi"), output]


@every_kind
@pytest.mark.parametrize(
    ("entries", "last"),
    [
        (["a"], None),
        (["a", ModelOutputThunk("1")], "1"),
        (["a", ModelOutputThunk("1"), "b"], "1"),
        (["a", ModelOutputThunk("1"), "b", ModelOutputThunk("2"), Message("user", "c")], "2"),
    ],
    ids=["none", "at the end", "before a question", "the newer of two"],
)
def test_the_last_output_of_a_context_is_the_newest_at_any_position(kind, entries, last):
    ctx = kind()
    for entry in entries:
        ctx = ctx.add(entry)
    output = ctx.last_output()
    assert (output and output.value) == last


@every_kind
def test_the_last_output_of_a_context_can_still_be_generated(kind):
    output = ModelOutputThunk()
    assert kind().add("Hi").add(output).last_output() is output


@every_kind
def test_a_very_long_context_is_read_without_recursion(kind):
    ctx = kind()
    for number in range(5000):
        ctx = ctx.add(str(number))
    assert len(ctx.as_list()) == 5000
    assert ctx.last_output() is None


@every_kind
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_has_the_same_history(kind, copied):
    assert copied(kind().add("a").add(Message("user", "b"))).as_list() == [CBlock("a"), Message("user", "b")]


def test_a_context_without_view_for_generation_cannot_be_created():
    with pytest.raises(TypeError, match="view_for_generation"):
        Context()


def test_a_simple_context_shows_no_history():
    ctx = SimpleContext().add("Hi").add(ModelOutputThunk("Hello"))
    assert ctx.view_for_generation() == []


@pytest.mark.parametrize(("window", "shown"), [(None, "abcd"), (1, "d"), (3, "bcd"), (4, "abcd"), (9, "abcd")])
def test_a_chat_context_shows_the_newest_entries_that_fit_its_window(window, shown):
    ctx = ChatContext(window)
    for entry in "abcd":
        ctx = ctx.add(entry)
    assert ctx.window_size == window
    assert "".join(map(str, ctx.view_for_generation())) == shown
    assert "".join(map(str, ctx.as_list())) == "abcd"


@pytest.mark.parametrize("window", [0, -3])
def test_a_window_size_must_be_a_positive_number_or_none(window):
    with pytest.raises(InvalidArgumentError, match=f"Invalid window_size: {window}. It must be a positive number"):
        ChatContext(window_size=window)


# Requests that run at the same time


def request(ctx, entry="Hi"):
    """Begin a request as backends do."""
    output = ModelOutputThunk()
    return output, ctx.add(entry).add(output)


async def finish(output):
    await output.put("Hello")
    output.close()
    await output.avalue()


@pytest.mark.parametrize("before", [[], ["Hi"]], ids=["an empty one", "one with history"])
def test_two_concurrent_requests_on_one_chat_context_log_a_warning_with_cause_and_remedy(caplog, before):
    ctx = ChatContext()
    for entry in before:
        ctx = ctx.add(entry)
    first, _ = request(ctx)
    assert not caplog.records
    request(ctx)
    (record,) = caplog.records
    assert record.name == "pytest_streamval"
    assert record.levelname == "WARNING"
    assert "ChatContext" in record.message
    assert "another one on it is still being generated" in record.message
    assert "Await the first output" in record.message
    assert "SimpleContext" in record.message
    assert not first.is_computed()


@pytest.mark.parametrize("end", [finish, ModelOutputThunk.cancel_generation], ids=["awaited", "cancelled"])
async def test_sequential_requests_log_no_warning(caplog, end):
    ctx = ChatContext(window_size=4)
    first, answered = request(ctx)
    await end(first)
    again, _ = request(ctx)
    await end(again)
    following, _ = request(answered)
    await end(following)
    assert not caplog.records


def test_a_dropped_request_causes_no_warning(caplog):
    ctx = ChatContext()
    first, answered = request(ctx)
    del first, answered
    gc.collect()
    second, _ = request(ctx)
    assert not caplog.records
    assert not second.is_computed()


@pytest.mark.parametrize(
    "contexts",
    [
        lambda: [SimpleContext()] * 2,
        lambda: [ChatContext(), ChatContext()],
        lambda: [(root := ChatContext()).add("a"), root.add("b")],
    ],
    ids=["a simple one", "two chats", "two branches"],
)
def test_concurrent_requests_that_share_no_chat_context_log_no_warning(caplog, contexts):
    running = [request(ctx) for ctx in contexts()]
    assert not caplog.records
    assert len(running) == 2


def test_an_output_that_is_added_twice_is_one_request(caplog):
    ctx = ChatContext()
    asked = ctx.add("Hi")
    output = ModelOutputThunk()
    assert asked.add(output).last_output() is asked.add(output).last_output()
    assert not caplog.records


def test_an_output_can_be_the_first_entry_of_a_chat_context(caplog):
    running = ModelOutputThunk()
    assert ChatContext().add(running).as_list() == [running]
    assert not caplog.records


async def test_a_request_after_an_unfinished_answer_logs_a_warning(caplog):
    running = ModelOutputThunk()
    stale = ChatContext().add("Hi").add(running)
    stale.add("And?").add(ModelOutputThunk())
    assert "the context is stale" in caplog.text
