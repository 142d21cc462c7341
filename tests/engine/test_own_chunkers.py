"""Custom chunkers: any class with `feed` and `flush`, whose results are checked."""

import pytest

from pytest_streamval import (
    Chunk,
    Chunker,
    ChunkingStrategy,
    SimpleContext,
    StreamingMockBackend,
    WordChunker,
    stream_with_chunking,
)
from pytest_streamval.errors import ChunkingContractError


class Pairs:
    """Splits text into pairs of characters, without a base class."""

    def __init__(self):
        self.text = ""
        self.end = 0

    def feed(self, text):
        self.text += text
        chunks = []
        while len(self.text) - self.end >= 2:
            chunks.append((self.text[self.end : self.end + 2], self.end, self.end + 2))
            self.end += 2
        return chunks

    def flush(self):
        rest = self.text[self.end :]
        return [Chunk(rest, self.end, len(self.text))] if rest else []


def strategy(make):
    class Own(ChunkingStrategy):
        def split(self, accumulated_text):
            return []

        def chunker(self):
            return make()

    return Own()


async def chunks_of(make, text="abcde"):
    backend = StreamingMockBackend(text)
    async with await stream_with_chunking("Go.", backend, SimpleContext(), chunking=strategy(make)) as result:
        return [chunk async for chunk in result.astream()]


class Joining(Pairs):
    joins_deltas = True


class Subclass(Pairs, Chunker):
    pass


@pytest.mark.parametrize("make", [Pairs, Joining, Subclass])
async def test_a_chunker_needs_no_base_class(make):
    assert await chunks_of(make) == ["ab", "cd", "e"]


async def test_a_custom_strategy_can_return_a_built_in_chunker():
    assert await chunks_of(WordChunker().chunker, "ab cd") == ["ab", "cd"]


@pytest.mark.parametrize(
    "made",
    [None, "chunker", Pairs, SimpleContext(), type("Half", (), {"feed": lambda self, text: []})()],
    ids=["nothing", "a text", "a class", "something else", "half of one"],
)
async def test_an_object_that_is_no_chunker_is_refused_before_generation(made):
    backend = StreamingMockBackend("never asked")
    with pytest.raises(ChunkingContractError, match=r"Own.chunker\(\) returned .* with feed\(text\) and flush\(\)"):
        await stream_with_chunking("Go.", backend, SimpleContext(), chunking=strategy(lambda: made))
    assert backend.calls == []


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (None, "It must return a list of Chunk"),
        ("ab", "It must return a list of Chunk"),
        (["ab"], r"Each chunk must be a Chunk\(text, start, end\)"),
        ([("ab", 0)], r"Each chunk must be a Chunk\(text, start, end\)"),
        ([(b"ab", 0, 2)], r"Each chunk must be a Chunk\(text, start, end\)"),
        ([("ab", "0", "2")], r"Each chunk must be a Chunk\(text, start, end\)"),
        ([("ab", 0, 1)], "Its offsets must be those of its text"),
        ([("ab", 0, 2), ("c", 1, 2)], "at or after the end of the previous chunk: 2"),
    ],
    ids=["nothing", "a text", "texts", "pairs", "bytes", "no offsets", "a wrong end", "chunks that overlap"],
)
@pytest.mark.parametrize("method", ["feed", "flush"])
async def test_an_invalid_chunk_raises_an_error_with_the_rule(answer, rule, method):
    class Faulty(Pairs):
        def feed(self, text):
            return answer if method == "feed" else []

        def flush(self):
            return answer if method == "flush" else []

    with pytest.raises(ChunkingContractError, match=rf"Faulty.{method}\(\) returned .*{rule}"):
        await chunks_of(Faulty)
