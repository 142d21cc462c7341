import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from pytest_streamval.errors import StreamTruncatedError
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.wire import ADAPTERS, Answer, NDJSONDecoder, ParsedRequest, SSEDecoder

FOLDER = Path(__file__).parents[1] / "data" / "streams"
RECORDED = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
SUBJECTS = sorted({name.split("-")[1] for name in RECORDED})
# These are not recorded. They are encoded from OpenAI's deltas.
UNRECORDED = ("openai-responses", "gemini", "ollama")
PROTOCOLS = ("openai", "openai-responses", "anthropic", "gemini", "ollama")
NAMES = RECORDED + [f"{protocol}-{subject}" for protocol in UNRECORDED for subject in SUBJECTS]
# The largest number of cuts in a stream. `python -m benchmarks.wire cuts` cuts at every offset.
MOST = 4_000
ENDS = {"openai": b"\n\n", "openai-responses": b"\n\n", "anthropic": b"\n\n", "gemini": b"\r\n\r\n", "ollama": b"\n"}


@cache
def reads_of(name):
    """Return the reads of a stream, recorded or encoded."""
    protocol, _, subject = name.rpartition("-")
    if name not in RECORDED:
        encoder = ADAPTERS[protocol].encoder(ParsedRequest("smollm2"))
        made = [*map(encoder.encode, decode(f"openai-{subject}", reads_of(f"openai-{subject}"))), encoder.finish()]
        return [read for read in made if read]
    _, *reads = map(json.loads, (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
    return [read["text"].encode() for read in reads]


def decoder_of(name):
    return ADAPTERS[protocol_of(name)].decoder()


def protocol_of(name):
    """Return the protocol of a stream, or the protocol itself."""
    return name if name in ADAPTERS else name.rpartition("-")[0]


def decode(name, reads):
    decoder = decoder_of(name)
    deltas = [delta for read in reads for delta in decoder.feed(read)]
    return deltas + decoder.close()


def cut(body, cuts):
    return [body[start:end] for start, end in pairwise([0, *sorted(cuts), len(body)])]


def frames(name):
    """Return the frames of a stream. All have the same end."""
    end = ENDS[protocol_of(name)]
    return [frame + end for frame in b"".join(reads_of(name)).split(end)[:-1]]


def objects(name):
    data = [frame.split(b"data: ")[1] for frame in frames(name)]
    return [json.loads(each) for each in data if not each.startswith(b"[DONE]")]


def test_the_recordings_exist():
    assert len(RECORDED) == 12
    assert len(SUBJECTS) == 6


@pytest.mark.parametrize("name", RECORDED)
def test_a_decoder_returns_the_text_in_the_frames_of_a_recorded_stream(name):
    bodies = objects(name)
    if name.startswith("openai"):
        texts = [choice["delta"].get("content") for body in bodies for choice in body["choices"]]
    else:
        texts = [body["delta"].get("text") for body in bodies if "delta" in body]
    texts = [text for text in texts if text]
    deltas = decode(name, reads_of(name))
    assert [delta for delta in deltas if delta.text] == [Delta(text) for text in texts]
    assert len(texts) >= 30


@pytest.mark.parametrize("subject", SUBJECTS)
def test_all_protocols_give_the_same_answer(subject):
    names = [f"{protocol}-{subject}" for protocol in PROTOCOLS]
    answers = [Answer.of(decode(name, reads_of(name))) for name in names]
    assert len({answer.text for answer in answers}) == 1
    reasons = [answer.finish_reason for answer in answers]
    stopped, cut_off = "stop completed end_turn STOP stop", "length max_output_tokens max_tokens MAX_TOKENS length"
    assert " ".join(reasons) in {stopped, cut_off}


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject != "emoji"])
def test_all_protocols_count_the_same_tokens(subject):
    names = [f"{protocol}-{subject}" for protocol in PROTOCOLS]
    usages = [Answer.of(decode(name, reads_of(name))).usage for name in names]
    ((tokens, _),) = {(usage.input_tokens, usage.output_tokens) for usage in usages}
    assert tokens > 30
    # The same prompt came several times, and the model's server kept it.
    assert all(usage.cached_tokens is None or 0 < usage.cached_tokens < tokens for usage in usages)


def test_a_message_without_a_start_lacks_the_token_count_of_its_prompt():
    found = decode("anthropic-emoji", reads_of("anthropic-emoji"))[-1].usage
    assert (found.input_tokens, found.output_tokens) == (None, 260)
    found = decode("openai-emoji", reads_of("openai-emoji"))[-1].usage
    assert (found.input_tokens, found.output_tokens) == (50, 260)


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_returns_the_same_deltas_for_reads_of_any_size(name):
    reads = reads_of(name)
    body = b"".join(reads)
    expected = decode(name, reads)
    for size in (1 + len(body) // MOST, 1000, len(body)):
        assert decode(name, cut(body, range(size, len(body), size))) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_framing_returns_the_same_frames_for_a_cut_at_any_offset(name):
    # A protocol's decoder depends on the reads only through the frames. One decoder reads all cuts, because the rest of
    # one cut would show in the next.
    framing = NDJSONDecoder if name.startswith("ollama") else SSEDecoder
    decoder, position = framing(), 0
    step = 1 + sum(map(len, frames(name))) // MOST
    for frame, whole in zip(frames(name), framing().feed(b"".join(reads_of(name))), strict=True):
        for offset in range(1 + position % step, len(frame) + 1, step):
            (found,) = decoder.feed(frame[:offset]) + decoder.feed(frame[offset:])
            assert (found.data, found.offset, found.intact) == (whole.data, position, True)
            assert getattr(found, "event", "") == getattr(whole, "event", "")
            position += len(frame)


@pytest.mark.parametrize("protocol", ADAPTERS)
def test_a_decoder_returns_the_same_deltas_for_a_cut_at_any_offset(protocol):
    call = ToolCallDelta(0, "x", "f", '{"a": "é"}')
    given = [Delta("One 🍎", "Hm…", (call,), Usage(3, 4))]
    encoder = ADAPTERS[protocol].encoder(ParsedRequest())
    body = b"".join([*map(encoder.encode, given), encoder.finish()])
    expected = decode(protocol, [body])
    assert Answer.of(expected).text == "One 🍎"
    for offset in range(len(body)):
        assert decode(protocol, [body[:offset], body[offset:]]) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_returns_the_same_deltas_for_random_cuts(name):
    random = Random(name)  # noqa: S311  # for repeatable cuts
    body = b"".join(reads_of(name))
    expected = decode(name, [body])
    for _ in range(1 + 100_000 // len(body)):
        cuts = random.sample(range(len(body)), random.randint(2, 200))
        assert decode(name, cut(body, cuts)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_reports_a_stream_that_ends_in_any_frame_as_truncated(name):
    *body, _ = frames(name)
    if name.startswith("gemini"):
        body.pop()  # the last frame holds the counts alone, and the one before it ends the stream
    expected = decode(name, reads_of(name))
    step = max(1, len(body) // 10)
    for kept in range(0, len(body), step):
        decoder = decoder_of(name)
        deltas = decoder.feed(b"".join(body[:kept]) + body[kept][: len(body[kept]) // 2])
        with pytest.raises(StreamTruncatedError) as caught:
            decoder.close()
        assert deltas == expected[: len(deltas)]
        assert caught.value.text == "".join(delta.text for delta in deltas)
        assert caught.value.left == body[kept][: len(body[kept]) // 2]


@pytest.mark.parametrize("protocol", ADAPTERS)
def test_a_decoder_decodes_a_frame_of_a_hundred_thousand_characters(protocol):
    text = "🍎" * 100_000
    encoder = ADAPTERS[protocol].encoder(ParsedRequest())
    body = encoder.encode(text) + encoder.finish()
    assert Answer.of(decode(protocol, cut(body, range(999, len(body), 999)))).text == text


@pytest.mark.parametrize("protocol", ADAPTERS)
def test_a_decoder_decodes_a_thousand_frames_in_one_read(protocol):
    encoder = ADAPTERS[protocol].encoder(ParsedRequest())
    body = b"".join(encoder.encode(f"{number} ") for number in range(1_000)) + encoder.finish()
    deltas = decode(protocol, [body])
    assert [delta.text for delta in deltas if delta.text] == [f"{number} " for number in range(1_000)]
