"""Encoding and decoding again gives the same deltas, in the form of each protocol."""

import json
from dataclasses import replace
from itertools import accumulate, count, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.wire import ADAPTERS, Answer, ParsedRequest

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
counts = st.none() | st.integers(0, 99)
usages = st.builds(Usage, counts, counts).filter(lambda usage: usage != Usage())
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
objects = st.dictionaries(words, values | st.lists(values, max_size=2), max_size=2)
speeches = st.builds(
    Delta, words, words, usage=st.none() | usages, finish_reason=st.sampled_from([None, None, None, "stop", "length"])
)


@st.composite
def calls(draw):
    """Return the deltas of one call, in one piece or in several, without its index."""
    arguments = draw(st.sampled_from(["", "{}"]) | objects.map(json.dumps))
    cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
    first, *rest = [arguments[start:end] for start, end in pairwise([0, *cuts, len(arguments)])]
    begun = ToolCallDelta(0, draw(st.none() | names), draw(names), first)
    fragments = [begun, *(ToolCallDelta(0, arguments=piece) for piece in rest)]
    if draw(st.booleans()):
        return [Delta(tool_calls=tuple(fragments))]
    return [Delta(tool_calls=(fragment,)) for fragment in fragments]


@st.composite
def scripts(draw):
    groups = draw(st.lists(speeches.map(lambda delta: [delta]) | calls(), max_size=6))
    indices = draw(st.permutations(range(len(groups))))
    return [numbered(delta, index) for group, index in zip(groups, indices, strict=True) for delta in group]


def numbered(delta, index):
    return replace(delta, tool_calls=tuple(replace(call, index=index) for call in delta.tool_calls))


def compact(arguments):
    return json.dumps(json.loads(arguments or "{}"), ensure_ascii=False, separators=(",", ":"))


REASONS = {
    "openai": {"stop": "stop", "length": "length", None: ("stop", "tool_calls")},
    "openai-responses": {"stop": "completed", "length": "max_output_tokens", None: ("completed", "completed")},
    "anthropic": {"stop": "end_turn", "length": "max_tokens", None: ("end_turn", "tool_use")},
    "gemini": {"stop": "STOP", "length": "MAX_TOKENS", None: ("STOP", "STOP")},
    "ollama": {"stop": "stop", "length": "length", None: ("stop", "stop")},
}


def last_reason(protocol, deltas):
    reasons = [delta.finish_reason for delta in deltas if delta.finish_reason]
    called = any(delta.tool_calls for delta in deltas)
    return REASONS[protocol][reasons[-1]] if reasons else REASONS[protocol][None][called]


def running_usages(deltas):
    """Return the counts after each delta."""

    def after(before, usage):
        return [new if new is not None else old for old, new in zip(before, usage, strict=True)]

    reports = [
        (delta.usage.input_tokens, delta.usage.output_tokens) if delta.usage else (None, None) for delta in deltas
    ]
    return [Usage(*counts) for counts in accumulate(reports, after, initial=(None, None))][1:]


def with_zeros(usage):
    return Usage(usage.input_tokens or 0, usage.output_tokens or 0)


def renumbered(deltas, prefix):
    """Yield the deltas with their calls numbered from 0, named once, and with an id if the protocol generates one."""
    begun = {}
    for delta in deltas:
        fragments = []
        for call in delta.tool_calls:
            if call.index in begun:
                fragments.append(ToolCallDelta(begun[call.index], None, None, call.arguments))
            else:
                position = begun[call.index] = len(begun)
                ident = call.id or (f"{prefix}_{position}" if prefix else None)
                fragments.append(ToolCallDelta(position, ident, call.name, call.arguments))
        yield replace(delta, tool_calls=tuple(call for call in fragments if call.name or call.arguments))


def as_openai(deltas):
    """Yield the finish reason alone, and the counts at the end."""
    for delta in renumbered(deltas, "call_1"):
        said = replace(delta, usage=None, finish_reason=None)
        yield said
        if delta.finish_reason:
            yield Delta(finish_reason=REASONS["openai"][delta.finish_reason])
    if not any(delta.finish_reason for delta in deltas):
        yield Delta(finish_reason=last_reason("openai", deltas))
    if any(delta.usage for delta in deltas):
        yield Delta(usage=with_zeros(running_usages(deltas)[-1]))


def as_anthropic(deltas):
    """Yield each piece of each kind alone, the counts at both ends, and the finish reason at the end."""
    usages = running_usages(deltas) or [Usage()]
    yield Delta(usage=with_zeros(usages[0]))
    yield from apart(renumbered(deltas, "toolu_1"))
    yield Delta(usage=with_zeros(usages[-1]), finish_reason=last_reason("anthropic", deltas))


def as_responses(deltas):
    """Yield each piece of each kind alone, and the counts and the finish reason at the end."""
    yield from apart(renumbered(deltas, "call_1"))
    usage = with_zeros(running_usages(deltas)[-1]) if any(delta.usage for delta in deltas) else None
    yield Delta(usage=usage, finish_reason=last_reason("openai-responses", deltas))


def apart(deltas):
    """Yield thinking, text, the start of each call and its arguments in deltas of their own."""
    for delta in deltas:
        yield from (Delta(thinking=delta.thinking), Delta(delta.text))
        for call in delta.tool_calls:
            if call.name:
                yield Delta(tool_calls=(replace(call, arguments=""),))
            if call.arguments:
                yield Delta(tool_calls=(ToolCallDelta(call.index, arguments=call.arguments),))


def with_whole_calls(deltas, releases):
    """Yield the deltas with complete calls, each in its own delta or in the next one that `releases` allows."""
    waiting, whole = {}, count()
    for delta in [*renumbered(deltas, ""), None]:
        before = []
        if delta is None or delta.text or delta.thinking:
            before, waiting = [*waiting.values()], {}
        at_once = []
        for call in delta.tool_calls if delta else ():
            if call.index in waiting:
                held = waiting[call.index]
                waiting[call.index] = replace(held, arguments=held.arguments + call.arguments)
            elif not waiting and is_whole(call.arguments):
                at_once.append(call)
            else:
                waiting[call.index] = call
        behind = []
        if delta and releases(delta):
            behind, waiting = [*waiting.values()], {}
        yield (
            [
                tuple(replace(call, index=next(whole), arguments=compact(call.arguments)) for call in group)
                for group in (before, at_once, behind)
            ],
            delta,
        )


def is_whole(arguments):
    try:
        json.loads(arguments)
    except ValueError:
        return False
    return True


def as_gemini(deltas):
    """Yield frames with everything, including the counts so far. Counts alone wait for the next frame."""
    usages = iter(running_usages(deltas))
    usage, is_known, is_owed = None, False, False
    for (before, at_once, behind), delta in with_whole_calls(deltas, lambda delta: delta.finish_reason):
        if delta is not None:
            counts, reason = next(usages), delta.finish_reason and REASONS["gemini"][delta.finish_reason]
            called = before + at_once + behind
            is_known |= delta.usage is not None
            usage = counts if is_known else None
            is_owed |= delta.usage is not None
            is_frame = bool(delta.text or delta.thinking or called or reason)
            sent = usage if is_frame and (is_owed or reason) else None
            is_owed &= not is_frame
            yield replace(delta, tool_calls=called, usage=sent, finish_reason=reason)
        elif before or is_owed or not any(delta.finish_reason for delta in deltas):
            yield Delta(tool_calls=before, usage=usage, finish_reason=last_reason("gemini", deltas))


def as_ollama(deltas):
    """Yield the counts and the finish reason at the end."""
    for (before, at_once, _), delta in with_whole_calls(deltas, lambda _: False):
        yield Delta(tool_calls=before)
        if delta is not None:
            yield replace(delta, tool_calls=at_once, usage=None, finish_reason=None)
    usage = running_usages(deltas)[-1] if any(delta.usage for delta in deltas) else None
    yield Delta(usage=usage, finish_reason=last_reason("ollama", deltas))


NORMALISED = {
    "openai": as_openai,
    "openai-responses": as_responses,
    "anthropic": as_anthropic,
    "gemini": as_gemini,
    "ollama": as_ollama,
}
SCRIPT = [
    Delta("a", "b", usage=Usage(3)),
    Delta(tool_calls=(ToolCallDelta(1, None, "f", '{"a": '), ToolCallDelta(1, arguments='"é"}'))),
    Delta("c", usage=Usage(None, 4), finish_reason="length"),
    Delta(tool_calls=(ToolCallDelta(0, "x", "g", "{}"),)),
    Delta("d"),
    Delta(tool_calls=(ToolCallDelta(2, "y", "h"),)),
]


def returned(protocol, deltas):
    adapter = ADAPTERS[protocol]
    encoder, decoder = adapter.encoder(ParsedRequest("m")), adapter.decoder()
    found = decoder.feed(b"".join([*map(encoder.encode, deltas), encoder.finish()]))
    return found + decoder.close()


def with_compact_arguments(answer):
    calls = tuple(replace(call, arguments=compact(call.arguments)) for call in answer.tool_calls)
    return replace(answer, tool_calls=calls)


@pytest.mark.parametrize("protocol", NORMALISED)
@settings(max_examples=30, deadline=None)
@example(deltas=[])
@example(deltas=[Delta("a")])
@example(deltas=SCRIPT)
@given(deltas=scripts())
def test_deltas_return_from_a_stream_and_their_answer_from_a_response(protocol, deltas):
    found = returned(protocol, deltas)
    assert found == [delta for delta in NORMALISED[protocol](deltas) if delta != Delta()]
    again = returned(protocol, found)
    assert [delta for delta in again if delta.text] == [delta for delta in found if delta.text]
    assert Answer.of(again) == Answer.of(found)

    adapter = ADAPTERS[protocol]
    buffered = adapter.parse_response(adapter.encode_response(Answer.of(deltas), ParsedRequest("m")))
    assert with_compact_arguments(buffered) == with_compact_arguments(Answer.of(found))
