"""The cost of decoding: python -m benchmarks.wire [cuts [NUMBER [SEED]]].

Without arguments, it prints the time of each decoder divided by that of `json.loads` for the same frames, in process
time, as the median of alternating rounds, and how that time grows. If the official SDKs are installed (pip install
openai anthropic), it prints their time on the same bytes too.

With `cuts`, it cuts every stream at each of its byte offsets, and then NUMBER times (10,000) at several random places.
Each time, the deltas must be those of the complete stream. That takes about half an hour.

The streams are recorded. There are no recordings of Gemini and Ollama, so their streams are OpenAI's deltas, encoded.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from copy import deepcopy
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.recordings.cassette import Cassette
from pytest_streamval.wire import ADAPTERS, NDJSONDecoder, ParsedRequest, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_streamval.model import Delta
    from pytest_streamval.wire import FrameDecoder

STREAMS = Path(__file__).parent.parent / "tests" / "data" / "streams"
ROUNDS = 15
AT_MOST = 3.0  # times json.loads
AT_LEAST = 3.0  # times faster than an SDK
MANY, LONG = 100_000, 1_000_000  # frames in one read, bytes in one frame


class Stream(NamedTuple):
    """A stream of one protocol."""

    name: str
    """The name of its recording."""
    protocol: str
    """The protocol."""
    reads: list[bytes]
    """The reads of its body."""


def streams() -> Iterator[Stream]:
    """Yield all recorded streams, and those that are encoded from them."""
    for path in sorted(STREAMS.glob("*.jsonl")):
        cassette = Cassette.load(path)
        protocol = cassette.header["protocol"]
        yield Stream(path.stem, protocol, [read.data for read in cassette.reads])
        if protocol == "openai":
            deltas = [delta for _, found in cassette.decode().reads for delta in found]
            for other in ("gemini", "ollama"):
                yield Stream(path.stem.replace(protocol, other), other, encoded(other, deltas))


def encoded(protocol: str, deltas: Iterable[Delta]) -> list[bytes]:
    """Return the reads of a stream of these deltas."""
    encoder = ADAPTERS[protocol].encoder(ParsedRequest("smollm2"), ident="42", created=1_795_247_877)
    reads = [*map(encoder.encode, deltas), encoder.finish()]
    return [read for read in reads if read]


def decode(protocol: str, reads: Iterable[bytes]) -> list[Delta]:
    """Return the deltas of a stream."""
    decoder = ADAPTERS[protocol].decoder()
    deltas = [delta for read in reads for delta in decoder.feed(read)]
    return deltas + decoder.close()


def frames(stream: Stream) -> list[str]:
    """Return the JSON of a stream's frames."""
    framing = NDJSONDecoder() if stream.protocol == "ollama" else SSEDecoder()
    return [frame.data for frame in framing.feed(b"".join(stream.reads)) if frame.data != "[DONE]"]


def parse(texts: Sequence[str]) -> None:
    """Parse the JSON of all frames, which every decoder has to do."""
    for text in texts:
        json.loads(text)


def seconds(work: Callable[[], object]) -> float:
    """Return the process time of a call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def ratio(work: Callable[[], object], yardstick: Callable[[], object]) -> float:
    """Run both alternately, and return the median of the ratios of their times."""
    work()  # warm up
    return statistics.median([seconds(work) / seconds(yardstick) for _ in range(ROUNDS)])


def sdk(stream: Stream) -> Callable[[], object] | None:
    """Return a function that decodes a stream with its provider's SDK, or None if the SDK is not installed."""
    if stream.protocol not in {"anthropic", "openai"} or find_spec(stream.protocol) is None:
        return None
    import httpx2  # which both build on

    headers = {"content-type": "text/event-stream"}
    answer = partial(httpx2.Response, 200, headers=headers)
    client = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer(content=iter(stream.reads))))
    if stream.protocol == "openai":
        from openai import OpenAI

        chat = OpenAI(api_key="none", base_url="http://localhost", http_client=client).chat.completions
        messages = [{"role": "user", "content": "Go."}]
        return lambda: list(chat.create(model="m", messages=messages, stream=True))
    from anthropic import Anthropic

    messages_of = Anthropic(api_key="none", base_url="http://localhost", http_client=client).messages
    messages = [{"role": "user", "content": "Go."}]
    return lambda: list(messages_of.create(model="m", max_tokens=5, messages=messages, stream=True))


def costs() -> int:
    """Print the cost of each protocol, and return the number of missed limits."""
    columns = ("frames", "in reads", "as recorded", "in one read", "SDK over ours")
    print(f"{'x json.loads':16}" + "".join(f"{column:>14}" for column in columns))
    missed = 0
    for stream in streams():
        if not stream.name.endswith("story"):
            continue
        texts = frames(stream)
        yardstick = partial(parse, texts)
        ways = (stream.reads, [b"".join(stream.reads)])
        recorded, at_once = (ratio(partial(decode, stream.protocol, reads), yardstick) for reads in ways)
        theirs = sdk(stream)
        times = None if theirs is None else ratio(theirs, partial(decode, stream.protocol, stream.reads))
        missed += max(recorded, at_once) > AT_MOST
        missed += times is not None and times < AT_LEAST
        shown = "-" if times is None else f"{times:.1f}"
        cells = (str(len(texts)), str(len(stream.reads)), f"{recorded:.2f}", f"{at_once:.2f}", shown)
        print(f"{stream.name:16}" + "".join(f"{cell:>14}" for cell in cells), flush=True)
    print(f"at most {AT_MOST:g} times json.loads, and at least {AT_LEAST:g} times as fast as the SDK\n")
    return missed


def growth() -> None:
    """Print the time of many frames and of a long frame, divided by the time of a tenth of them."""
    print(f"{'':16} {MANY:,} frames in one read   {LONG:,} bytes in one frame, in reads of 1,000: divided by a tenth")
    for protocol in ADAPTERS:
        many, fewer = (b"".join(encoded(protocol, ["word "] * count)) for count in (MANY, MANY // 10))
        long, shorter = (pieces(b"".join(encoded(protocol, ["x" * count])), 1_000) for count in (LONG, LONG // 10))
        of_frames = ratio(partial(decode, protocol, [many]), partial(decode, protocol, [fewer]))
        of_bytes = ratio(partial(decode, protocol, long), partial(decode, protocol, shorter))
        print(f"{protocol:16} {of_frames:23.1f} {of_bytes:36.1f}", flush=True)


def pieces(body: bytes, size: int) -> list[bytes]:
    """Return a body in reads of `size` bytes."""
    return [body[at : at + size] for at in range(0, len(body), size)]


def cut(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Return a body in pieces, cut at these offsets."""
    return [body[begin:end] for begin, end in pairwise([0, *sorted(cuts), len(body)])]


def everywhere(stream: Stream) -> int:
    """Cut a stream in two at each of its bytes, and return the number of differences.

    Each cut is decoded from the frame before it to the end of the frame after it. The decoder must end in the same
    state as without the cut, so that it decodes everything after that in the same way.
    """
    body = b"".join(stream.reads)
    framing = NDJSONDecoder() if stream.protocol == "ollama" else SSEDecoder()
    starts = [frame.offset for frame in framing.feed(body)]
    differences = 0
    decoder = ADAPTERS[stream.protocol].decoder()
    for begin, middle, end in zip(starts, [*starts[1:], len(body)], [*starts[2:], len(body), len(body)], strict=True):
        whole = deepcopy(decoder)
        expected = (whole.feed(body[begin:end]), state(whole))
        for offset in range(begin + 1, middle + 1):
            halves = deepcopy(decoder)
            found = halves.feed(body[begin:offset]) + halves.feed(body[offset:end])
            differences += (found, state(halves)) != expected
        decoder.feed(body[begin:middle])
        decoder._texts.clear()  # earlier text has no effect and makes a copy slow
    return differences


def state(decoder: FrameDecoder) -> dict[str, object]:
    """Return the state that decides how a decoder continues."""
    return {**vars(decoder), "_framing": vars(decoder._framing)}


def at_random(stream: Stream, number: int, chance: random.Random) -> int:
    """Cut a stream `number` times at several places at once, and return the number of differences."""
    body = b"".join(stream.reads)
    expected = decode(stream.protocol, [body])
    places = (chance.sample(range(1, len(body)), chance.randint(2, 200)) for _ in range(number))
    return sum(decode(stream.protocol, cut(body, at)) != expected for at in places)


def cuts(number: int, seed: int) -> int:
    """Cut all streams everywhere and at random, and return the number of differences."""
    chance = random.Random(seed)
    differences = 0
    for stream in streams():
        found = everywhere(stream) + at_random(stream, number, chance)
        differences += found
        size = sum(map(len, stream.reads))
        print(f"{stream.name:18} {size:7,} offsets, {number:,} random cuts: {found} differences", flush=True)
    print(f"seed {seed}: {differences} differences in {time.process_time():.0f} s")
    return differences


def main(arguments: list[str]) -> int:
    """Run the benchmark that the arguments name, and return the number of faults."""
    if arguments[:1] == ["cuts"]:
        given = [int(argument) for argument in arguments[1:]]
        return cuts(*(given + [10_000, 0][len(given) :]))
    missed = costs()
    growth()
    return missed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
