"""The conversation that a backend sends: the entries of a context as turns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_streamval.engine.component import CBlock, Message
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.wire.tool_turns import MADE_UP, calling_turn, result_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_streamval.engine.context import Entry
    from pytest_streamval.model import ToolCall

_NO_RESULT = "There is no result."


def turns_of(entries: Iterable[Entry]) -> Iterator[dict[str, object]]:
    """Yield the turns of a conversation.

    An output that called tools has its thoughts with their signatures, and its calls. Every call has a result, because
    providers refuse a call without one: that of a message with the role `tool`, or words that there is none.
    """
    open_calls: list[ToolCall] = []
    number = 0
    for entry in entries:
        if isinstance(entry, Message) and entry.role == "tool":
            call = next((each for each in open_calls if entry.tool_call_id in (None, each.id)), None)
            if call is not None:
                open_calls.remove(call)
                yield result_turn(call, entry.content)
                continue
        yield from _without_result(open_calls)
        open_calls = []
        if isinstance(entry, ModelOutputThunk) and entry.tool_calls:
            for call in entry.tool_calls:
                number += 1
                open_calls.append(call if call.id else replace(call, id=f"{MADE_UP}{number}"))
            yield calling_turn(str(entry), entry.thoughts, open_calls)
        else:
            yield _turn_of_entry(entry)
    yield from _without_result(open_calls)


def _without_result(calls: Iterable[ToolCall]) -> Iterator[dict[str, object]]:
    return (result_turn(call, _NO_RESULT) for call in calls)


def _turn_of_entry(entry: Entry) -> dict[str, object]:
    if isinstance(entry, ModelOutputThunk):
        return {"role": "assistant", "content": str(entry) or entry.refusal}
    if isinstance(entry, Message):
        call = {} if entry.tool_call_id is None else {"tool_call_id": entry.tool_call_id}
        return {"role": entry.role, "content": entry.content, **call}
    return {"role": "user", "content": str(entry) if isinstance(entry, CBlock) else entry.format_for_llm()}
