"""The streams that users of other clients have reported, as `tests/data/README.md` explains them."""

import json
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from random import Random

import pytest

from pytest_streamval import LiveBackend, read_stream
from pytest_streamval.engine.backend import ModelOption
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.errors import InvalidArgumentError, WireError
from pytest_streamval.model import Delta
from pytest_streamval.recordings.cassette import Cassette, Read
from pytest_streamval.wire import ADAPTERS, Answer, StreamReading
from tests.loopback import answering, chunk, head

FOLDER = Path(__file__).parents[1] / "data" / "wire"
LINES = (FOLDER.parent / "reported_streams.jsonl").read_text(encoding="utf-8").splitlines()
MORE = {fields["name"]: fields for fields in map(json.loads, LINES)}
CASES = sorted(path.stem for path in FOLDER.glob("*.json")) + list(MORE)
# The largest number of pairs of places at which a stream is cut.
MOST_PAIRS = 300
cases = pytest.mark.parametrize("name", CASES)


@cache
def case(name):
    if name in MORE:
        return MORE[name]["protocol"], MORE[name]["body"].encode(), MORE[name]["expected"]
    facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return facts["protocol"], (FOLDER / f"{name}.body").read_bytes(), facts["expected"]


def assert_as_expected(reading, expected):
    """Check the facts that a case gives. A fact that it leaves out is not known."""
    if expected.get("or_error") and reading.error is not None:
        return
    calls = reading.tool_calls
    usage = reading.usage and [reading.usage.input_tokens, reading.usage.output_tokens]
    found = {
        "text": reading.text,
        "thinking": reading.thinking,
        "signature": reading.signature,
        "finish_reason": reading.finish_reason,
        "usage": usage,
        "error": None if reading.error is None else type(reading.error).__name__,
        "thinking_present": bool(reading.thinking),
        "refusal_present": bool(reading.refusal),
        "tool_names": [call.name for call in calls],
        "tool_calls": [[call.id, call.name, call.arguments] for call in calls],
        "calls_present": len(calls),
    }
    for fact, value in expected.items():
        if fact == "calls_json":
            assert [[call.name, json.loads(call.arguments)] for call in calls] == value
        elif fact == "calls_present":
            assert len(calls) >= value
        elif fact != "or_error":
            assert found[fact] == value, fact


def content(reading):
    """Return everything in a reading but the identity of its error."""
    return (*(getattr(reading, name) for name in StreamReading.__slots__ if name != "error"), str(reading.error))


def cut(body, *places):
    return [body[start:end] for start, end in pairwise((0, *places, len(body)))]


def test_the_reported_streams_exist():
    assert (len(CASES) - len(MORE), len(MORE)) == (37, len(LINES))
    assert {case(name)[0] for name in CASES} <= set(ADAPTERS)


@cases
def test_a_reported_stream_is_read_as_expected(name):
    protocol, body, expected = case(name)
    assert_as_expected(read_stream(protocol, body), expected)


@cases
def test_a_reported_stream_is_read_in_the_same_way_byte_by_byte_and_with_every_two_cuts(name):
    protocol, body, _ = case(name)
    whole = content(read_stream(protocol, body))
    assert content(read_stream(protocol, [body[at : at + 1] for at in range(len(body))])) == whole
    pairs = list(combinations(range(len(body) + 1), 2))
    sample = pairs if len(pairs) <= MOST_PAIRS else Random(name).sample(pairs, MOST_PAIRS)  # noqa: S311  # repeatable
    for first, second in sample:
        assert content(read_stream(protocol, cut(body, first, second))) == whole


@cases
def test_a_reported_stream_is_read_as_expected_through_a_cassette(name, tmp_path):
    protocol, body, expected = case(name)
    reads = (Read(0.1 * number, data) for number, data in enumerate(cut(body, len(body) // 3, len(body) // 2), 1))
    Cassette(str(tmp_path / "case.jsonl"), {"protocol": protocol}, tuple(reads)).dump()
    recording = Cassette.load(tmp_path / "case.jsonl").decode()
    answer = Answer.of(delta for _, deltas in recording.reads for delta in deltas)
    facts = {field: getattr(answer, field) for field in Answer.__dataclass_fields__}
    assert_as_expected(StreamReading(**facts, error=recording.error, deviations=recording.deviations), expected)
    assert recording.deviations == read_stream(protocol, body).deviations


@cases
async def test_a_reported_stream_is_read_as_expected_over_a_socket(name, provider):
    protocol, body, expected = case(name)
    pieces = [body[at : at + 97] for at in range(0, len(body), 97)]
    answer = answering(head(kind=ADAPTERS[protocol].media_type), *map(chunk, pieces), chunk(b""))
    async with provider(answer) as served:
        backend = LiveBackend(f"{protocol}:m", base_url=served.url)
        thunk, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
        error = None
        try:
            await thunk.avalue()
        except WireError as caught:
            error = caught
    output = thunk.as_delta()
    names = ("text", "thinking", "usage", "finish_reason", "refusal", "signature")
    fields = {name: getattr(output, name) for name in names}
    reading = StreamReading(**fields, tool_calls=thunk.tool_calls, error=error)
    assert_as_expected(reading, expected)
    assert thunk.generation.deviations == read_stream(protocol, body).deviations


def test_a_reading_of_an_unknown_protocol_is_an_argument_error():
    for protocol in ("openrouter", [], None):
        with pytest.raises(
            InvalidArgumentError, match="It must be one of 'anthropic', 'gemini', 'ollama', 'openai', 'op"
        ):
            read_stream(protocol, b"")


def test_a_reading_of_text_is_an_argument_error():
    with pytest.raises(InvalidArgumentError, match="data"):
        read_stream("openai", ["data: {}"])


def test_the_delta_of_an_output_has_its_refusal_and_signature():
    delta = Delta("a", "b", refusal="c", signature="d")
    assert Answer.of([delta, delta]).to_delta() == Delta("aa", "bb", refusal="cc", signature="dd")
