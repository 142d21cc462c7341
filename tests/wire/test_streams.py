import json
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from pytest_streamval.engine.delta import Delta, Usage
from pytest_streamval.errors import StreamTruncatedError
from pytest_streamval.wire import AnthropicMessagesDecoder, OpenAIChatDecoder, SSEDecoder

FOLDER = Path(__file__).parents[1] / "data" / "streams"
NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
SUBJECTS = sorted({name.split("-")[1] for name in NAMES})
DECODERS = {"openai": OpenAIChatDecoder, "anthropic": AnthropicMessagesDecoder}


def recorded(name):
    """The reads of a recorded stream."""
    _, *reads = map(json.loads, (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
    return [read["text"].encode() for read in reads]


def decode(name, reads):
    decoder = DECODERS[name.split("-")[0]]()
    deltas = [delta for read in reads for delta in decoder.feed(read)]
    return deltas + decoder.close()


def cut(body, cuts):
    return [body[start:end] for start, end in pairwise([0, *sorted(cuts), len(body)])]


def frames(body):
    """The frames of a recording, all of them ended by two LF and nothing else."""
    return [frame + b"\n\n" for frame in body.split(b"\n\n")[:-1]]


def objects(name):
    data = [frame.split(b"data: ")[1] for frame in frames(b"".join(recorded(name)))]
    return [json.loads(each) for each in data if not each.startswith(b"[DONE]")]


def test_the_recordings_are_all_there():
    assert len(NAMES) == 12
    assert len(SUBJECTS) == 6


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_stream_gives_the_text_that_its_frames_hold(name):
    bodies = objects(name)
    if name.startswith("openai"):
        texts = [choice["delta"].get("content") for body in bodies for choice in body["choices"]]
    else:
        texts = [body["delta"].get("text") for body in bodies if "delta" in body]
    texts = [text for text in texts if text]
    deltas = decode(name, recorded(name))
    assert [delta for delta in deltas if delta.text] == [Delta(text) for text in texts]
    assert len(texts) >= 30


@pytest.mark.parametrize("subject", SUBJECTS)
def test_both_protocols_tell_the_same_story(subject):
    openai, anthropic = (decode(name, recorded(name)) for name in (f"openai-{subject}", f"anthropic-{subject}"))
    assert "".join(delta.text for delta in openai) == "".join(delta.text for delta in anthropic)
    reasons = [[delta.finish_reason for delta in deltas if delta.finish_reason] for deltas in (openai, anthropic)]
    assert reasons in ([["stop"], ["end_turn"]], [["length"], ["max_tokens"]])


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject != "emoji"])
def test_both_protocols_count_the_same_tokens(subject):
    usages = [decode(name, recorded(name))[-1].usage for name in (f"openai-{subject}", f"anthropic-{subject}")]
    assert usages[0] == usages[1]
    assert usages[0].input_tokens > 30


def test_a_message_that_llama_cpp_never_started_lacks_the_count_of_its_prompt():
    assert decode("anthropic-emoji", recorded("anthropic-emoji"))[-1].usage == Usage(None, 260)
    assert decode("openai-emoji", recorded("openai-emoji"))[-1].usage == Usage(50, 260)


@pytest.mark.parametrize("name", NAMES)
def test_reads_of_any_size_give_the_deltas_of_the_recorded_reads(name):
    reads = recorded(name)
    body = b"".join(reads)
    expected = decode(name, reads)
    for size in (1, 7, 1000, len(body)):
        assert decode(name, cut(body, range(size, len(body), size))) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_at_every_byte_offset_gives_the_same_frames(name):
    # A protocol's decoder sees nothing of the reads but the frames that come of them. Each frame is cut at each of its
    # bytes, by one decoder for all cuts: what a cut left behind would show in the next.
    body = b"".join(recorded(name))
    decoder, position = SSEDecoder(), 0
    for frame, event in zip(frames(body), SSEDecoder().feed(body), strict=True):
        for offset in range(1, len(frame) + 1):
            (found,) = decoder.feed(frame[:offset]) + decoder.feed(frame[offset:])
            assert (found.event, found.data, found.offset) == (event.event, event.data, position)
            position += len(frame)


def test_a_cut_at_every_byte_offset_of_a_whole_stream_gives_the_same_deltas():
    body = b"".join(recorded("anthropic-water"))
    expected = decode("anthropic-water", [body])
    for offset in range(len(body)):
        assert decode("anthropic-water", [body[:offset], body[offset:]]) == expected


@pytest.mark.parametrize("name", NAMES)
def test_random_cuts_give_the_same_deltas(name):
    random = Random(name)  # noqa: S311, cuts need repeatable chance, not secrets
    body = b"".join(recorded(name))
    expected = decode(name, [body])
    for _ in range(1_500_000 // len(body)):
        cuts = random.sample(range(len(body)), random.randint(2, 200))
        assert decode(name, cut(body, cuts)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_that_ends_after_any_of_its_frames_is_truncated(name):
    decoder_class = DECODERS[name.split("-")[0]]
    *body, _ = frames(b"".join(recorded(name)))
    expected = decode(name, recorded(name))
    step = max(1, len(body) // 30)
    for kept in range(0, len(body), step):
        decoder = decoder_class()
        deltas = decoder.feed(b"".join(body[:kept]) + body[kept][:-1])
        with pytest.raises(StreamTruncatedError) as caught:
            decoder.close()
        assert deltas == expected[: len(deltas)]
        assert caught.value.text == "".join(delta.text for delta in deltas)
        assert caught.value.left == body[kept][:-1]
