"""Mutated streams, read by the official clients and by this package: python -m tests.sdks.differential [NUMBER [SEED]].

Every stream that a client reads completely is read completely here, with the same text and calls, or with more.
`REASONS` lists the differences that remain, each with its reason. The command makes NUMBER mutants of each protocol
(20,000), prints the number of differences for each reason, and fails if one has none.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import httpx2
from anthropic import Anthropic
from google import genai
from ollama import Client
from openai import OpenAI

from pytest_streamval import Delta, StreamReading, ToolCallDelta, Usage, read_stream
from pytest_streamval.errors import (
    MalformedFrameError,
    ProviderStreamError,
    StreamTruncatedError,
    UnencodableDeltaError,
)
from pytest_streamval.wire import ADAPTERS, NDJSONDecoder, ParsedRequest, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROTOCOLS = ("openai", "openai-responses", "anthropic", "gemini", "ollama")
DATA = Path(__file__).parents[1] / "data"
_MESSAGES = [{"role": "user", "content": "Go."}]
_DONE = "[DONE]"
_MOST = 40  # frames of a recorded stream that are mutated
SCRIPTS = (
    [Delta("Hel"), Delta("lo"), Delta(" 🍎."), Delta(usage=Usage(3, 4), finish_reason="stop")],
    [
        Delta(thinking="Hm."),
        Delta("Well."),
        Delta(tool_calls=(ToolCallDelta(0, "a", "weather", '{"city": '), ToolCallDelta(0, arguments='"Ö"}'))),
        Delta(tool_calls=(ToolCallDelta(1, "b", "now", "{}"),)),
        Delta(usage=Usage(3, 4)),
    ],
    [Delta("One two three."), Delta(finish_reason="length")],
    [Delta(thinking="So.", signature="EqQB"), Delta("Yes."), Delta(tool_calls=(ToolCallDelta(0, "a", "now", "{}"),))],
    [Delta(refusal="I can"), Delta(refusal="not."), Delta(finish_reason="stop")],
    [
        Delta(tool_calls=(ToolCallDelta(0, "a", "code", "x = ", "custom"), ToolCallDelta(0, arguments="1"))),
        Delta(tool_calls=(ToolCallDelta(1, "b", "city", '{"a": 1}'),), usage=Usage(3, 4)),
    ],
)
# Items of tools that OpenAI runs, which no decoder makes a call of, beside one that the client approves.
_MCP_ITEMS = (
    {"type": "mcp_list_tools", "id": "l", "server_label": "s", "tools": []},
    {"type": "mcp_call", "id": "m", "server_label": "s", "name": "f", "arguments": "{}", "output": "o", "error": None},
    {
        "type": "message",
        "id": "t",
        "role": "assistant",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "Done.", "annotations": [], "logprobs": []},
        ],
    },
)


# Mutation


class Frame(NamedTuple):
    """One frame of a stream: its event name, or an empty string, and its data."""

    event: str
    data: Any


class Mutant(NamedTuple):
    """A changed stream."""

    protocol: str
    body: bytes
    change: str
    """The change in words."""


def streams(protocol: str) -> Iterator[list[Frame]]:
    """Yield the streams to mutate: encoded, recorded and reported ones."""
    for deltas in SCRIPTS:
        encoder = ADAPTERS[protocol].encoder(ParsedRequest("m"), created=1_795_247_877.5)
        with suppress(UnencodableDeltaError):  # a refusal, or a custom call
            yield frames(protocol, b"".join([*map(encoder.encode, deltas), encoder.finish()]))
    if protocol == "openai-responses":
        yield list(_mcp_stream())
    for path in sorted((DATA / "streams").glob(f"{protocol}-*.jsonl")):
        _, *reads = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        recorded = frames(protocol, b"".join(read["text"].encode() for read in reads))
        yield [*recorded[: _MOST // 2], *recorded[-_MOST // 2 :]]
    for path in sorted((DATA / "wire").glob("*.json")):
        if json.loads(path.read_text(encoding="utf-8"))["protocol"] == protocol:
            yield frames(protocol, path.with_suffix(".body").read_bytes())
    for line in (DATA / "reported_streams.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        with suppress(ValueError):  # an unframed line
            if case["protocol"] == protocol:
                yield frames(protocol, case["body"].encode())


def _mcp_stream() -> Iterator[Frame]:
    response = {"id": "r", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": []}
    bodies: list[dict[str, Any]] = [{"type": "response.created", "response": response}]
    for number, item in enumerate(_MCP_ITEMS):
        bodies.append({"type": "response.output_item.added", "output_index": number, "item": item})
        bodies.append({"type": "response.output_item.done", "output_index": number, "item": item})
    end = {**response, "status": "completed", "output": list(_MCP_ITEMS)}
    bodies.append({"type": "response.completed", "response": end})
    for number, body in enumerate(bodies):
        yield Frame(body["type"], {**body, "sequence_number": number})


def frames(protocol: str, body: bytes) -> list[Frame]:
    """Return the frames of a stream."""
    if protocol == "ollama":
        return [Frame("", json.loads(line.data)) for line in NDJSONDecoder().feed(body)]
    return [Frame("" if each.event == "message" else each.event, parsed(each.data)) for each in SSEDecoder().feed(body)]


def parsed(data: str) -> Any:
    """Return the JSON of a frame, or its data if it is none."""
    try:
        return json.loads(data)
    except ValueError:
        return data


def encoded(protocol: str, given: list[Frame]) -> bytes:
    """Return the bytes of frames."""
    if protocol == "ollama":
        return b"".join(f"{text_of(data)}\n".encode() for _, data in given)
    return b"".join(
        f"{f'event: {event}' + chr(10) if event else ''}data: {text_of(data)}\n\n".encode() for event, data in given
    )


def text_of(data: Any) -> str:
    return data if isinstance(data, str) else json.dumps(data)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths to all fields of the objects in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, dict):
            yield (*path, key)
        yield from places(inner, (*path, key))


def mutants(protocol: str, number: int, seed: int = 0) -> Iterator[Mutant]:
    """Yield changed streams, the same ones for the same seed."""
    random = Random(f"{protocol} {seed}")  # noqa: S311  # for repeatable mutants
    sources = [each for each in streams(protocol) if any(isinstance(frame.data, dict) and frame.data for frame in each)]
    for _ in range(number):
        given = deepcopy(random.choice(sources))
        change = random.choice([*_FIELD_CHANGES, *_FRAME_CHANGES, _cut])
        words, body = change(random, protocol, given)
        yield Mutant(protocol, body, words)


def _field_of(random: Random, given: list[Frame]) -> tuple[int, Any, tuple[Any, ...]]:
    number = random.choice(
        [number for number, frame in enumerate(given) if isinstance(frame.data, dict) and frame.data]
    )
    path = random.choice(list(places(given[number].data)))
    holder = given[number].data
    for key in path[:-1]:
        holder = holder[key]
    return number, holder, path


def _drop(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    number, holder, path = _field_of(random, given)
    del holder[path[-1]]
    return f"frame {number} without {path}", encoded(protocol, given)


def _rename(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    number, holder, path = _field_of(random, given)
    holder[f"x_{path[-1]}"] = holder.pop(path[-1])
    return f"frame {number} with {path} renamed", encoded(protocol, given)


def _move(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    number, holder, path = _field_of(random, given)
    given[number].data[path[-1]] = holder.pop(path[-1])
    return f"frame {number} with {path} moved to its top", encoded(protocol, given)


def _double(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    number, holder, path = _field_of(random, given)
    holder["x_double"] = holder[path[-1]]
    text = json.dumps(given[number].data).replace('"x_double"', json.dumps(path[-1]), 1)
    given[number] = Frame(given[number].event, text)
    return f"frame {number} with {path} twice", encoded(protocol, given)


def _retype(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    number, holder, path = _field_of(random, given)
    value = holder[path[-1]]
    others = [None, "", {}, [], 0, str(value), [value], {"type": value}]
    holder[path[-1]] = random.choice(others)
    return f"frame {number} with {path} = {holder[path[-1]]!r}", encoded(protocol, given)


def _double_frame(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    number = random.randrange(len(given))
    given.insert(number, given[number])
    return f"frame {number} twice", encoded(protocol, given)


def _swap(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    number = random.randrange(max(1, len(given) - 1))
    given[number : number + 2] = reversed(given[number : number + 2])
    return f"frames {number} and {number + 1} swapped", encoded(protocol, given)


def _lose(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    number = random.randrange(len(given))
    del given[number]
    return f"frame {number} lost", encoded(protocol, given)


def _cut(random: Random, protocol: str, given: list[Frame]) -> tuple[str, bytes]:
    body = encoded(protocol, given)
    end = random.choice([random.randrange(len(body)), len(body) - random.randrange(min(len(body), 60))])
    return f"cut at byte {end} of {len(body)}", body[:end]


_FIELD_CHANGES = (_drop, _rename, _move, _double, _retype)
_FRAME_CHANGES = (_double_frame, _swap, _lose)


# The official clients


@dataclass
class Content:
    """The content that a client read."""

    text: str = ""
    thinking: str = ""
    reason: str | None = None
    calls: dict[object, list[str]] = field(default_factory=dict)
    """The name and the pieces of the arguments of each call."""

    def add(self, key: object, name: str | None, arguments: object) -> None:
        """Add a fragment of a call. A client passes values of other types on."""
        known = self.calls.setdefault(key, [""])
        known[0] += name or ""
        known.append(text_of(arguments))

    @property
    def whole_calls(self) -> list[tuple[str, Any]]:
        """The names and the parsed arguments of all calls."""
        return [(name, parsed("".join(pieces) or "{}")) for name, *pieces in self.calls.values()]


class _Served:
    """The body that the transports of the clients return."""

    body = b""

    @classmethod
    def answer(cls, module: Any, media_type: str = "text/event-stream") -> Any:
        headers = {"content-type": media_type}
        return module.MockTransport(lambda _: module.Response(200, headers=headers, content=cls.body))


@cache
def _client(protocol: str) -> Any:
    if protocol == "ollama":
        return Client(host="http://localhost", transport=_Served.answer(httpx, "application/x-ndjson"))
    http = httpx2.Client(transport=_Served.answer(httpx2))
    if protocol == "gemini":
        return genai.Client(api_key="none", http_options=genai.types.HttpOptions(httpx_client=http))
    kind = Anthropic if protocol == "anthropic" else OpenAI
    return kind(api_key="none", base_url="http://localhost", http_client=http, max_retries=0)


def _openai(client: Any) -> Content:
    content = Content()
    for chunk in client.chat.completions.create(model="m", messages=_MESSAGES, stream=True):
        for choice in chunk.choices or []:
            if choice.index:
                continue
            delta = choice.delta
            content.text += (delta and delta.content) or ""
            for call in (delta and delta.tool_calls) or []:
                function, custom = call.function, getattr(call, "custom", None)
                if isinstance(custom, dict):  # the types of the client lack it
                    content.add(call.index, custom.get("name"), custom.get("input") or "")
                content.add(call.index, function and function.name, (function and function.arguments) or "")
            content.reason = choice.finish_reason or content.reason
    return content


def _responses(client: Any) -> Content:
    with client.responses.stream(model="m", input="Go.") as stream:
        for _ in stream:
            pass
        response = stream.get_final_response()
    content = Content(response.output_text, reason=response.status)
    for item in response.output:
        if item.type == "function_call":
            content.add(len(content.calls), item.name, item.arguments or "")
        elif item.type == "custom_tool_call":
            content.add(len(content.calls), item.name, item.input or "")
    return content


def _anthropic(client: Any) -> Content:
    with client.messages.stream(model="m", max_tokens=9, messages=_MESSAGES) as stream:
        kinds = {event.type for event in stream}
        message = stream.get_final_message()
    # the first event alone ends nothing, even if it has a reason
    content = Content(reason=message.stop_reason if kinds & {"message_delta", "message_stop"} else None)
    for block in message.content:
        if block.type == "text":
            content.text += block.text
        elif block.type == "tool_use":
            content.add(len(content.calls), block.name, json.dumps(block.input))
    return content


def _gemini(client: Any) -> Content:
    content = Content()
    for chunk in client.models.generate_content_stream(model="m", contents="Go."):
        for candidate in chunk.candidates or []:
            if candidate.index:
                continue
            for part in (candidate.content and candidate.content.parts) or []:
                content.text += (not part.thought and part.text) or ""
                if part.function_call:
                    call = part.function_call
                    content.add(len(content.calls), call.name, json.dumps(call.args or {}))
            reason = candidate.finish_reason
            content.reason = reason.value if reason else content.reason
    return content


def _ollama(client: Any) -> Content:
    content = Content()
    for line in client.chat(model="m", messages=_MESSAGES, stream=True):
        content.text += line.message.content or ""
        for call in line.message.tool_calls or []:
            content.add(len(content.calls), call.function.name, json.dumps(dict(call.function.arguments)))
        if line.done:
            content.reason = line.done_reason or "done"
    return content


_READERS: dict[str, Callable[[Any], Content]] = {
    "openai": _openai,
    "openai-responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
}


def official(mutant: Mutant) -> Content | None:
    """Return the content that the client read, or None if it raised or saw no end of the output."""
    _Served.body = mutant.body
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydantic warns of values of other types
            content = _READERS[mutant.protocol](_client(mutant.protocol))
    except Exception:  # noqa: BLE001  # any error of a client says that it did not read the stream
        return None
    return content if content.reason and isinstance(content.reason, str) else None


# The comparison


def difference(mutant: Mutant) -> tuple[str, Content, StreamReading] | None:
    """Return the reason of a difference, empty if there is none for it, or None if the two agree."""
    theirs = official(mutant)
    if theirs is None:
        return None
    ours = read_stream(mutant.protocol, mutant.body)
    calls = [(call.name or "", parsed(call.arguments or "{}")) for call in ours.tool_calls]
    if ours.error is None and (ours.text, calls) == (theirs.text, theirs.whole_calls):
        return None
    found = (reason for reason, applies in REASONS.items() if applies(theirs, ours))
    return next(found, ""), theirs, ours


def _says_more(theirs: Content, ours: StreamReading) -> bool:
    calls = [(call.name or "", parsed(call.arguments or "{}")) for call in ours.tool_calls]
    characters = iter(ours.text)
    has_text = all(character in characters for character in theirs.text)  # in this order, perhaps with others
    return ours.error is None and has_text and all(call in calls for call in theirs.whole_calls if call[1])


def _notes(*kinds: str) -> Callable[[Content, StreamReading], bool]:
    return lambda _, ours: ours.error is None and any(each.kind in kinds for each in ours.deviations)


def _ends_inside_a_frame(_: Content, ours: StreamReading) -> bool:
    return isinstance(ours.error, StreamTruncatedError) and bool(ours.error.left)


def _has_broken_arguments(_: Content, ours: StreamReading) -> bool:
    return ours.error is None and any(isinstance(parsed(call.arguments), str) for call in ours.tool_calls)


def _has_calls_of_the_items(theirs: Content, ours: StreamReading) -> bool:
    return ours.error is None and theirs.text == ours.text and len(theirs.calls) <= len(ours.tool_calls)


def _has_nameless_calls(theirs: Content, ours: StreamReading) -> bool:
    return ours.error is None and any(not name for name, _ in theirs.whole_calls)


def _is_error_of_the_provider(_: Content, ours: StreamReading) -> bool:
    return isinstance(ours.error, ProviderStreamError)


def _is_malformed(*faults: str) -> Callable[[Content, StreamReading], bool]:
    return lambda _, ours: (
        isinstance(ours.error, MalformedFrameError) and any(map(ours.error.fault.__contains__, faults))
    )


REASONS: dict[str, Callable[[Content, StreamReading], bool]] = {
    "the reading here says more": _says_more,
    "an error that the client takes for a part of the output": _is_error_of_the_provider,
    "pieces and calls that repeat what was read are read once": _notes("repeated-whole"),
    "calls with one index and two ids are two calls": _notes("call-identity"),
    "halves of surrogate pairs are joined or replaced": _notes("split-surrogate", "lone-surrogate"),
    "calls that the client takes apart, or leaves without a name, are one call": _has_nameless_calls,
    "a name that is repeated or comes after the arguments is no new piece": _notes("name-in-pieces"),
    "arguments that are no JSON are kept as they are": _has_broken_arguments,
    "the complete output lacks what its items have said": _has_calls_of_the_items,
    "the body ends inside of a frame": _ends_inside_a_frame,
    "the pieces contradict the complete text, and have been passed on": _is_malformed("but the sum of its pieces is"),
    "a piece of another type than its block, which the client leaves out": _is_malformed("in a block of type"),
    "a value of another type, of which the output depends": _is_malformed(", not a", ", not true or false"),
    "a piece of arguments without its place, which the client leaves out": _is_malformed("not the place of a value"),
    "a field is missing, without which a part of the output is lost": _is_malformed("is missing"),
    "a piece of a block or a call that has never started": _is_malformed("is not open", "call that has started"),
}
"""The differences that remain: each reason, and whether it applies to the two readings."""


def main(number: int = 20_000, seed: int = 0) -> int:
    """Compare the readings of so many mutants of each protocol, and print the differences."""
    failed = 0
    for protocol in PROTOCOLS:
        reasons: Counter[str] = Counter()
        shown = 0
        for mutant in mutants(protocol, number, seed):
            found = difference(mutant)
            if found is None:
                continue
            reasons[found[0]] += 1
            if not found[0] and shown < 5:
                shown += 1
                print(f"{protocol}: {mutant.change}\n  theirs {found[1]}\n  ours   {found[2]}\n")
        failed += reasons[""]
        print(f"{protocol}: {number} mutants, {sum(reasons.values())} differences, {reasons['']} without a reason")
        for reason, count in sorted(reasons.items()):
            print(f"  {count:6}  {reason or 'no reason'}")
    return failed


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
