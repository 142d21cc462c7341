"""Chunking: the four rules of every built-in strategy for any text, and the checks of custom strategies."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.simple_chunkers import (
    LineChunker,
    ParagraphChunker,
    SentenceChunker,
    WordChunker,
    resolve_chunking,
)
from pytest_streamval.errors import ChunkingContractError, InvalidArgumentError, UnknownNameError

BUILT_IN = {"sentence": SentenceChunker, "word": WordChunker, "paragraph": ParagraphChunker, "line": LineChunker}
every_built_in = pytest.mark.parametrize("alias", BUILT_IN)

# The characters of boundaries, similar ones, and characters of other languages.
NASTY = [
    *("a", "b", "Dr", "1", ".", "!", "?", "...", "\u2026", "\u3002", ","),
    *('"', "'", "\u201d", "\u2019", ")", "(", "\u201c"),
    *(" ", "\t", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\v", "\f"),
    *("\xa0", "\u2028", "\u2029", "\u3000", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\u200b", "\ufeff"),
    *("🍎", "👩\u200d👩\u200d👧", "e\u0301", "\u0301", "\u200d", "\ud83c", "\udf4e"),
]
texts = st.lists(st.sampled_from(NASTY), max_size=30).map("".join) | st.text(max_size=30)


@st.composite
def cut_texts(draw):
    """Return a text in pieces, cut at random, some of them empty."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]


# A second implementation of each strategy: the complete chunks of a text, and the flushed rest.


def words(text):
    found = text.split()
    return (found, []) if not text or text[-1].isspace() else (found[:-1], found[-1:])


def lines(text):
    *complete, rest = text.replace("\r\n", "\n").split("\n")
    return [line for line in complete if line], [rest] if rest else []


def paragraphs(text):
    *complete, rest = re.split(r"(?:\r?\n){2,}", text)
    return [paragraph for paragraph in complete if paragraph], [rest] if rest else []


def sentences(text):
    complete, rest = [], ""
    for character in text:
        core = rest[:-1] if rest[-1:] in {'"', "'", "\u201d", "\u2019", ")"} else rest
        if character.isspace() and (rest.endswith((".", "!", "?")) or core.endswith((".", "!", "?"))):
            complete.append(rest.strip())
            rest = ""
        else:
            rest = (rest + character).lstrip()
    return complete, [rest.strip()] if rest.strip() else []


REFERENCES = {"sentence": sentences, "word": words, "paragraph": paragraphs, "line": lines}
SEPARATORS = {"sentence": r"\s*", "word": r"\s*", "paragraph": r"(\r?\n)*", "line": r"(\r?\n)*"}


def whole(alias, text):
    complete, rest = REFERENCES[alias](text)
    return complete + rest


def texts_of(chunks):
    return [chunk.text for chunk in chunks]


def chunked(strategy, pieces):
    chunker = strategy.chunker()
    return [chunk for piece in pieces for chunk in chunker.feed(piece)] + chunker.flush()


@every_built_in
@settings(max_examples=80, deadline=None)
@given(pieces=cut_texts())
@example(["a.", ")", "\n", "b"])
@example(["a\r", "\n", "\r", "\n", "b"])
@example(["a\n", "\r", "b"])
@example(["a\n\n\r"])
@example([" ", "a", " "])
def test_every_cut_of_every_text_gives_the_chunks_of_the_reference(alias, pieces):
    """Check after every piece that the chunks are monotone, delta-invariant, without delay, and those of split."""
    strategy = resolve_chunking(alias)
    chunker = strategy.chunker()
    so_far, emitted = "", []
    for piece in pieces:
        so_far += piece
        emitted += chunker.feed(piece)
        complete, rest = REFERENCES[alias](so_far)
        assert texts_of(emitted) == strategy.split(so_far) == complete
        assert strategy.flush(so_far) == rest
    emitted += chunker.flush()
    assert texts_of(emitted) == strategy.split(so_far) + strategy.flush(so_far)


@every_built_in
@settings(max_examples=40, deadline=None)
@given(pieces=cut_texts())
@example(["a\n\n\r"])
@example(["\n", "\r"])
def test_offsets_are_exact_and_omit_only_separators(alias, pieces):
    full_text = "".join(pieces)
    chunks = chunked(resolve_chunking(alias), pieces)
    assert chunks == chunked(resolve_chunking(alias), [full_text]) == chunked(resolve_chunking(alias), full_text)
    end = 0
    for chunk in [*chunks, Chunk("", len(full_text), len(full_text))]:
        assert full_text[chunk.start : chunk.end] == chunk.text
        assert re.fullmatch(SEPARATORS[alias], full_text[end : chunk.start])
        end = chunk.end
    assert all(texts_of(chunks))


@pytest.mark.parametrize(
    ("alias", "text", "complete", "rest"),
    [
        ("sentence", "One. Two! Three? Four", ["One.", "Two!", "Three?"], ["Four"]),
        ("sentence", 'He said "no." She (too.) He.', ['He said "no."', "She (too.)"], ["He."]),
        ("sentence", "\u201cWhat?\u201d \u2018So!\u2019 Fine", ["\u201cWhat?\u201d", "\u2018So!\u2019"], ["Fine"]),
        ("sentence", "Dr. Smith", ["Dr."], ["Smith"]),
        ("sentence", "3.14 is e.g. pi... yes", ["3.14 is e.g.", "pi..."], ["yes"]),
        ("sentence", 'Two closers.") Here', [], ['Two closers.") Here']),
        ("sentence", "  \n One.\r\n\r\nTwo \n", ["One."], ["Two"]),
        ("sentence", "One.", [], ["One."]),
        ("sentence", "One.\xa0Two.\u2028Three", ["One.", "Two."], ["Three"]),
        ("word", "  one\ttwo\r\nthree\u3000four ", ["one", "two", "three", "four"], []),
        ("word", "one two", ["one"], ["two"]),
        ("word", "zero\u200bwidth x", ["zero\u200bwidth"], ["x"]),
        ("paragraph", "One\nstill one\n\nTwo\r\n\r\n\r\nThree\n", ["One\nstill one", "Two"], ["Three\n"]),
        ("paragraph", "One\n\r\nTwo\r\n\nThree", ["One", "Two"], ["Three"]),
        ("paragraph", "One\n \nstill one", [], ["One\n \nstill one"]),
        ("paragraph", "\n One \t", [], ["\n One \t"]),
        ("paragraph", "\n\n\nOne\r\r", [], ["One\r\r"]),
        ("line", "one\n\n  two \r\nthree\rthree", ["one", "  two "], ["three\rthree"]),
        ("line", "one\r", [], ["one\r"]),
        ("line", "one\u2028one\x85one\n", ["one\u2028one\x85one"], []),
    ],
)  # fmt: skip
def test_the_boundaries_are_those_of_the_documented_table(alias, text, complete, rest):
    strategy = resolve_chunking(alias)
    assert strategy.split(text) == complete
    assert strategy.flush(text) == rest


@every_built_in
@pytest.mark.parametrize("text", ["", " ", "\r\n", " \n\n \t\n\n"])
def test_a_text_of_separators_gives_only_the_chunks_that_a_paragraph_or_line_keeps(alias, text):
    chunks = texts_of(chunked(resolve_chunking(alias), text))
    if alias in {"sentence", "word"}:
        assert chunks == []
    else:
        assert chunks == whole(alias, text)


@every_built_in
def test_a_strategy_keeps_no_state_between_streams(alias):
    strategy = resolve_chunking(alias)
    first, second = strategy.chunker(), strategy.chunker()
    first.feed("An unfinished ")
    assert chunked(strategy, ["One. Two.\n\n"]) == second.feed("One. Two.\n\n") + second.flush()


# Linear: the number of characters that a chunker reads


class Counting:
    """A pattern that counts the characters that it is shown."""

    def __init__(self, pattern):
        self.pattern = pattern
        self.seen = 0

    def search(self, text, at):
        found = self.pattern.search(text, at)
        self.seen += (found.end() if found else len(text)) - at
        return found

    def match(self, text, at):
        found = self.pattern.match(text, at)
        self.seen += found.end() - at + 1
        return found


@every_built_in
@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize(
    "text",
    ["x", "x.", ".)", "x\r", "\n", " ", "\r\n", "\n \r", "\n\r", "a. \n\n"],
    ids=["letters", "dots", "closers", "returns", "line ends", "spaces", "CRLF", "broken", "LFCR", "boundaries"],
)
def test_each_character_is_read_only_a_few_times(alias, text, size, monkeypatch):
    kind = type(resolve_chunking(alias).chunker())
    patterns = {name: Counting(getattr(kind, name)) for name in ("_boundary", "_separators")}
    for name, pattern in patterns.items():
        monkeypatch.setattr(kind, name, pattern)
    text *= 2000
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    chunks = chunked(resolve_chunking(alias), pieces)
    assert texts_of(chunks) == whole(alias, text)
    assert sum(pattern.seen for pattern in patterns.values()) <= 6 * len(text)


@every_built_in
def test_only_the_last_characters_of_a_text_without_a_boundary_are_joined_to_the_next(alias):
    chunker = resolve_chunking(alias).chunker()
    seen = []

    class Text(str):
        __slots__ = ()

        def __radd__(self, other):
            seen.append(len(other))
            return other + str(self)

    for _ in range(1000):
        assert chunker.feed(Text("x.)")) == []
    assert len(seen) == 1000
    assert max(seen) <= 3


# Strategies of one's own


class Pairs(ChunkingStrategy):
    """Two characters each."""

    def __init__(self):
        self.asked = []

    def split(self, accumulated_text):
        self.asked.append(accumulated_text)
        return re.findall(r"(?s)..", accumulated_text)


class PairsAndRest(Pairs):
    def flush(self, accumulated_text):
        return [accumulated_text[-1]] if len(accumulated_text) % 2 else []


@settings(max_examples=50, deadline=None)
@given(pieces=cut_texts())
def test_a_strategy_with_only_split_discards_the_rest(pieces):
    full_text = "".join(pieces)
    pairs = [Chunk(full_text[at : at + 2], at, at + 2) for at in range(0, len(full_text) - 1, 2)]
    assert chunked(Pairs(), pieces) == pairs
    assert Pairs().flush(full_text) == []
    size = len(full_text)
    rest = [Chunk(full_text[-1], size - 1, size)] if size % 2 else []
    assert chunked(PairsAndRest(), pieces) == pairs + rest


def test_split_of_a_custom_strategy_is_called_with_the_text_so_far_after_every_delta():
    strategy = Pairs()
    chunker = strategy.chunker()
    assert not chunker.joins_deltas
    assert [texts_of(chunker.feed(delta)) for delta in ("a", "b", "", "cde")] == [[], ["ab"], [], ["cd"]]
    assert strategy.asked == ["a", "ab", "ab", "abcde"]


def test_equal_chunks_have_their_own_offsets():
    assert chunked(Pairs(), ["aaaa"]) == [Chunk("aa", 0, 2), Chunk("aa", 2, 4)]


def test_text_between_two_chunks_can_be_omitted():
    class Numbers(ChunkingStrategy):
        def split(self, accumulated_text):
            return re.findall(r"\d+(?=\D)", accumulated_text)

    assert chunked(Numbers(), ["1 a", "pple, 22", "2 pears"]) == [Chunk("1", 0, 1), Chunk("222", 9, 12)]


def scripted(*answers, flushed=()):
    """Return a strategy that gives these answers, one for each delta."""

    class Scripted(ChunkingStrategy):
        def __init__(self):
            self.answers = iter(answers)

        def split(self, accumulated_text):
            return next(self.answers)

        def flush(self, accumulated_text):
            return flushed

    return Scripted()


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (scripted([""]), r"Scripted.split\(\) returned \[''\]. .* a non-empty str"),
        (scripted(["One", ""]), r"split\(\) returned \['One', ''\]"),
        (scripted(None), r"split\(\) returned None. It must return a list"),
        (scripted("One"), r"split\(\) returned 'One'. It must return a list"),
        (scripted(("One",)), r"split\(\) returned \('One',\). It must return a list"),
        (scripted([b"One"]), r"split\(\) returned \[b'One'\]"),
        (scripted([Chunk("One", 0, 3)]), r"split\(\) returned \[Chunk"),
        (scripted(["one"]), r"split\(\) returned 'one', which does not occur .* offset 0. .* without changes"),
        (scripted(["Two", "One"]), r"split\(\) returned 'One', which does not occur in the stream after offset 7"),
        (scripted(["One", "One"]), r"split\(\) returned 'One', which does not occur in the stream after offset 3"),
        (scripted(["One"], []), r"split\(\) took back a chunk: after \['One'\] it returned \[\]. .* Withhold"),
        (scripted(["One"], ["One Two"]), r"split\(\) took back a chunk: after \['One'\] it returned \['One Two'\]"),
        (scripted(["One", "Two"], ["Two", "One"]), r"took back a chunk: after \['One', 'Two'\] it returned"),
        (scripted([], [], flushed=[""]), r"Scripted.flush\(\) returned \[''\]"),
        (scripted([], [], flushed=None), r"flush\(\) returned None. It must return a list"),
        (scripted(["Two"], ["Two"], flushed=["One"]), r"flush\(\) returned 'One', which does not occur .* offset 7"),
    ],
    ids=lambda value: "" if isinstance(value, ChunkingStrategy) else value,
)  # fmt: skip
def test_a_fault_of_a_strategy_is_named_with_the_value_the_rule_and_the_way_out(strategy, message):
    with pytest.raises(ChunkingContractError, match=message):
        chunked(strategy, ["One Two", "!"])


def test_chunks_that_were_returned_before_a_fault_are_not_lost():
    chunker = scripted(["One"], ["Two"]).chunker()
    assert chunker.feed("One Two") == [Chunk("One", 0, 3)]
    with pytest.raises(ChunkingContractError):
        chunker.feed("!")


def test_a_strategy_without_split_cannot_be_created():
    class Silent(ChunkingStrategy):
        pass

    with pytest.raises(TypeError, match="split"):
        Silent()


def test_the_repr_of_a_strategy_is_its_class():
    assert repr(SentenceChunker()) == "SentenceChunker()"


# Subclasses of the built-in ones


class NoAbbreviations(SentenceChunker):
    """Joins chunks that were split after a title."""

    def split(self, accumulated_text):
        joined = []
        for sentence in super().split(accumulated_text):
            if joined and joined[-1].endswith("Dr."):
                joined[-1] += f" {sentence}"
            else:
                joined.append(sentence)
        return joined[:-1] if joined and joined[-1].endswith("Dr.") else joined


class NoRest(SentenceChunker):
    def flush(self, accumulated_text):
        return []


class Mixin:
    def split(self, accumulated_text):
        return accumulated_text.split(";")[:-1]


class Mixed(Mixin, WordChunker):
    def flush(self, accumulated_text):
        return super().flush(accumulated_text.replace(";", " "))


class OnlyMixed(Mixin, WordChunker):
    pass


class Overridden(ChunkingStrategy):
    """Has a chunker of its own."""

    def split(self, accumulated_text):
        return list(accumulated_text)

    def chunker(self):
        return WordChunker().chunker()


class SplitAgain(Overridden):
    def split(self, accumulated_text):
        return super().split(accumulated_text)[:2]


@every_built_in
def test_a_subclass_without_changes_uses_the_chunker_of_its_base(alias):
    class Same(BUILT_IN[alias]):
        """The same."""

    assert Same().chunker().joins_deltas
    text = "One. Two\n\nThree"
    assert chunked(Same(), text) == chunked(BUILT_IN[alias](), text)


@pytest.mark.parametrize(
    ("strategy", "text", "chunks"),
    [
        (NoAbbreviations(), "I am Dr. Who. You are. Who", ["I am Dr. Who.", "You are.", "Who"]),
        (NoRest(), "One. Two. Three", ["One.", "Two."]),
        (Mixed(), "one;two two;three", ["one", "two two", "three"]),
        (OnlyMixed(), "one two;two; three", ["one two", "two", "three"]),
        (Overridden(), "one two", ["one", "two"]),
        (SplitAgain(), "one two", ["o", "n"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ChunkingStrategy) else "",
)
def test_a_subclass_is_called_for_the_methods_that_it_redefines(strategy, text, chunks):
    assert texts_of(chunked(strategy, text)) == chunks
    assert isinstance(strategy.chunker(), Chunker)


# Aliases


@every_built_in
def test_an_alias_gives_a_new_strategy(alias):
    assert type(resolve_chunking(alias)) is BUILT_IN[alias]
    assert resolve_chunking(alias) is not resolve_chunking(alias)


def test_a_strategy_resolves_to_itself_and_none_to_none():
    strategy = Pairs()
    assert resolve_chunking(strategy) is strategy
    assert resolve_chunking(None) is None


@pytest.mark.parametrize("alias", ["sentances", "", "Sentence", "\ud800"])
def test_an_unknown_alias_raises_a_value_error_that_names_the_aliases(alias):
    with pytest.raises(ValueError, match="Choose from: 'sentence', 'word', 'paragraph', 'line', 'prose'") as caught:
        resolve_chunking(alias)
    assert isinstance(caught.value, UnknownNameError)
    assert str(caught.value).startswith(f"Unknown chunking alias {alias!r}. ")


@pytest.mark.parametrize(
    ("chunking", "message"),
    [
        (SentenceChunker, r"Pass an instance of the class, SentenceChunker\(\)"),
        (Pairs, r"Pass an instance of the class, Pairs\(\)"),
        (str, "an instance of ChunkingStrategy, or None"),
        (42, "Invalid chunking: 42. It must be an alias"),
        (["word"], "an instance of ChunkingStrategy, or None"),
        (SentenceChunker().chunker(), "an instance of ChunkingStrategy"),
    ],
    ids=["class", "class of one's own", "another class", "int", "list", "chunker"],
)
def test_chunking_of_a_wrong_type_raises_a_type_error_that_names_the_right_types(chunking, message):
    with pytest.raises(TypeError, match=message) as caught:
        resolve_chunking(chunking)
    assert isinstance(caught.value, InvalidArgumentError)
