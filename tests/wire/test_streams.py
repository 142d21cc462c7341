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
# Nobody recorded these yet: they are what OpenAI's deltas make.
UNRECORDED = ("openai-responses", "gemini", "ollama")
PROTOCOLS = ("openai", "openai-responses", "anthropic", "gemini", "ollama")
NAMES = RECORDED + [f"{protocol}-{subject}" for protocol in UNRECORDED for subject in SUBJECTS]
# A long stream is cut at so many places, a short one at all; `python -m benchmarks.wire cuts` cuts everywhere.
MOST = 15_000
ENDS = {"openai": b"\n\n", "openai-responses": b"\n\n", "anthropic": b"\n\n", "gemini": b"\r\n\r\n", "ollama": b"\n"}


@cache
def reads_of(name):
    """The reads of a stream, recorded or made."""
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
    """The protocol that a stream is of, or that is named itself."""
    return name if name in ADAPTERS else name.rpartition("-")[0]


def decode(name, reads):
    decoder = decoder_of(name)
    deltas = [delta for read in reads for delta in decoder.feed(read)]
    return deltas + decoder.close()


def cut(body, cuts):
    return [body[start:end] for start, end in pairwise([0, *sorted(cuts), len(body)])]


def frames(name):
    """The frames of a stream, all of them with the same end and nothing else."""
    end = ENDS[protocol_of(name)]
    return [frame + end for frame in b"".join(reads_of(name)).split(end)[:-1]]


def objects(name):
    data = [frame.split(b"data: ")[1] for frame in frames(name)]
    return [json.loads(each) for each in data if not each.startswith(b"[DONE]")]


def test_the_recordings_are_all_there():
    assert len(RECORDED) == 12
    assert len(SUBJECTS) == 6


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_stream_gives_the_text_that_its_frames_hold(name):
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
def test_all_protocols_tell_the_same_story(subject):
    names = [f"{protocol}-{subject}" for protocol in PROTOCOLS]
    answers = [Answer.of(decode(name, reads_of(name))) for name in names]
    assert len({answer.text for answer in answers}) == 1
    reasons = [answer.finish_reason for answer in answers]
    stopped, cut_off = "stop completed end_turn STOP stop", "length max_output_tokens max_tokens MAX_TOKENS length"
    assert " ".join(reasons) in {stopped, cut_off}


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject != "emoji"])
def test_all_protocols_count_the_same_tokens(subject):
    names = [f"{protocol}-{subject}" for protocol in PROTOCOLS]
    usages = {Answer.of(decode(name, reads_of(name))).usage for name in names}
    assert len(usages) == 1
    assert usages.pop().input_tokens > 30


def test_a_message_that_llama_cpp_never_started_lacks_the_count_of_its_prompt():
    assert decode("anthropic-emoji", reads_of("anthropic-emoji"))[-1].usage == Usage(None, 260)
    assert decode("openai-emoji", reads_of("openai-emoji"))[-1].usage == Usage(50, 260)


@pytest.mark.parametrize("name", NAMES)
def test_reads_of_any_size_give_the_deltas_of_the_recorded_reads(name):
    reads = reads_of(name)
    body = b"".join(reads)
    expected = decode(name, reads)
    for size in (1 + len(body) // MOST, 1000, len(body)):
        assert decode(name, cut(body, range(size, len(body), size))) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_at_any_byte_offset_gives_the_same_frames(name):
    # A protocol's decoder sees nothing of the reads but the frames that come of them. One decoder reads all cuts, as
    # what one of them left behind would show in the next.
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
def test_a_cut_at_every_byte_offset_of_a_whole_stream_gives_the_same_deltas(protocol):
    call = ToolCallDelta(0, "x", "f", '{"a": "é"}')
    given = [Delta(thinking="Hm…"), Delta("One 🍎"), Delta(" two"), Delta(tool_calls=(call,)), Delta(usage=Usage(3, 4))]
    encoder = ADAPTERS[protocol].encoder(ParsedRequest())
    body = b"".join([*map(encoder.encode, given), encoder.finish()])
    expected = decode(protocol, [body])
    assert Answer.of(expected).text == "One 🍎 two"
    for offset in range(len(body)):
        assert decode(protocol, [body[:offset], body[offset:]]) == expected


@pytest.mark.parametrize("name", NAMES)
def test_random_cuts_give_the_same_deltas(name):
    random = Random(name)  # noqa: S311, cuts need repeatable chance, not secrets
    body = b"".join(reads_of(name))
    expected = decode(name, [body])
    for _ in range(400_000 // len(body)):
        cuts = random.sample(range(len(body)), random.randint(2, 200))
        assert decode(name, cut(body, cuts)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_that_ends_after_any_of_its_frames_is_truncated(name):
    *body, _ = frames(name)
    if name.startswith("gemini"):
        body.pop()  # the last frame holds the counts alone, and the one before it ends the stream
    expected = decode(name, reads_of(name))
    step = max(1, len(body) // 30)
    for kept in range(0, len(body), step):
        decoder = decoder_of(name)
        deltas = decoder.feed(b"".join(body[:kept]) + body[kept][: len(body[kept]) // 2])
        with pytest.raises(StreamTruncatedError) as caught:
            decoder.close()
        assert deltas == expected[: len(deltas)]
        assert caught.value.text == "".join(delta.text for delta in deltas)
        assert caught.value.left == body[kept][: len(body[kept]) // 2]


@pytest.mark.parametrize("protocol", ADAPTERS)
def test_a_frame_of_a_megabyte_comes_through(protocol):
    text = "🍎" * 250_000
    encoder = ADAPTERS[protocol].encoder(ParsedRequest())
    body = encoder.encode(text) + encoder.finish()
    assert Answer.of(decode(protocol, cut(body, range(999, len(body), 999)))).text == text


@pytest.mark.parametrize("protocol", ADAPTERS)
def test_thousands_of_frames_may_come_in_one_read(protocol):
    encoder = ADAPTERS[protocol].encoder(ParsedRequest())
    body = b"".join(encoder.encode(f"{number} ") for number in range(5_000)) + encoder.finish()
    deltas = decode(protocol, [body])
    assert [delta.text for delta in deltas if delta.text] == [f"{number} " for number in range(5_000)]
