"""`check_chunker` finds strategies that break the contract, and passes for those that keep it."""

from __future__ import annotations

import gc
import pickle
import re
import subprocess
import sys
from itertools import count

import pytest

from pytest_streamval.conformance import check_chunker, growth
from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.simple_chunkers import LineChunker, SentenceChunker, WordChunker
from pytest_streamval.errors import ChunkingContractError, ConformanceError, InvalidArgumentError, UnknownNameError


def found_in(strategy, **options):
    """Return the error of a strategy."""
    with pytest.raises(ConformanceError) as caught:
        check_chunker(strategy, **options)
    return caught.value


def splitting(split, flush=lambda text: []):
    """Return a strategy with these two functions."""

    class Splitting(ChunkingStrategy):
        def split(self, accumulated_text):
            return split(accumulated_text)

        def flush(self, accumulated_text):
            return flush(accumulated_text)

    return Splitting()


words = WordChunker()


class Incremental(ChunkingStrategy):
    """A strategy for words with a chunker of its own. `split` and `flush` are those of `WordChunker`."""

    def __init__(self, make=None):
        self.make = make or WordByWord

    def split(self, accumulated_text):
        return words.split(accumulated_text)

    def flush(self, accumulated_text):
        return words.flush(accumulated_text)

    def chunker(self):
        return self.make()


class WordByWord(Chunker):
    """A correct chunker for words that reads one character at a time."""

    def __init__(self):
        self.at = 0
        self.word = ""

    def feed(self, text):
        found = []
        for character in text:
            if character.isspace():
                found += self.take()
            else:
                self.word += character
            self.at += 1
        return found

    def flush(self):
        return self.take()

    def take(self):
        word, self.word = self.word, ""
        return [Chunk(word, self.at - len(word), self.at)] if word else []


# Strategies that keep the contract


@pytest.mark.parametrize("alias", ["sentence", "word", "line", "paragraph", "prose"])
def test_check_chunker_passes_for_every_built_in_strategy(alias):
    check_chunker(alias)


@pytest.mark.parametrize(
    "strategy",
    [
        splitting(lambda text: re.findall(r"(?s)..", text), lambda text: [text[-1]] if len(text) % 2 else []),
        splitting(lambda text: re.findall(r"\d+(?=\D)", text)),
        splitting(lambda text: text.splitlines(keepends=True)[:-1], lambda text: text.splitlines(keepends=True)[-1:]),
        splitting(lambda text: []),
        Incremental(),
    ],
    ids=["pairs", "numbers, without a rest", "lines with their ends", "nothing", "incremental"],
)
def test_check_chunker_passes_for_a_users_strategy_that_keeps_the_contract(strategy):
    check_chunker(strategy)


# Strategies that break the contract


class PerDelta(WordByWord):
    def feed(self, text):
        return super().feed(text) + self.take()


class OneBoundaryADelta(WordByWord):
    """A chunker that emits one chunk in each delta, and further ones in the next deltas."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    def feed(self, text):
        self.waiting += super().feed(text)
        given, self.waiting = self.waiting[:1], self.waiting[1:]
        return given

    def flush(self):
        return self.waiting + super().flush()


class Overlapping(WordByWord):
    def feed(self, text):
        found = super().feed(text)
        return found + found[-1:]


class OffsetsInTheDelta(WordByWord):
    def feed(self, text):
        return [Chunk(chunk.text, 0, len(chunk.text)) for chunk in super().feed(text)]


class WrongEnds(WordByWord):
    def feed(self, text):
        return [chunk._replace(end=chunk.end + 1) for chunk in super().feed(text)]


class EmptyChunks(WordByWord):
    def feed(self, text):
        return [*super().feed(text), Chunk("", self.at, self.at)]


class Tuples(WordByWord):
    def feed(self, text):
        return tuple(super().feed(text))


class Strings(WordByWord):
    def feed(self, text):
        return [chunk.text for chunk in super().feed(text)]


class NothingToGive(WordByWord):
    def flush(self):
        return super().flush() or None


class FlushesAgain(WordByWord):
    def __init__(self):
        super().__init__()
        self.given = []

    def feed(self, text):
        self.given += (found := super().feed(text))
        return found

    def flush(self):
        return self.given[-1:] + super().flush()


class FlushesNothing(WordByWord):
    def flush(self):
        return []


class LateByOne(WordByWord):
    """A chunker that emits every word with the next one, unlike `split`."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    def feed(self, text):
        self.waiting += super().feed(text)
        given, self.waiting = self.waiting[:-1], self.waiting[-1:]
        return given

    def flush(self):
        return self.waiting + super().flush()


class TakesAnEmptyDeltaForTheEnd(WordByWord):
    def feed(self, text):
        return super().feed(text) if text else self.take()


class ForgetsAtAnEmptyDelta(WordByWord):
    def feed(self, text):
        self.word = self.word if text else ""
        return super().feed(text)


class NoneForAnEmptyDelta(WordByWord):
    def feed(self, text):
        return super().feed(text) if text else None


class FailsAtAnEmptyDelta(WordByWord):
    def feed(self, text):
        self.last = text[-1]
        return super().feed(text)


class SharedByAll(WordByWord):
    store = {"word": ""}  # noqa: RUF012  # the fault

    @property
    def word(self):
        return self.store["word"]

    @word.setter
    def word(self, word):
        self.store["word"] = word


class Busy(WordByWord):
    """A chunker for one stream at a time."""

    running = 0

    def feed(self, text):
        if not self.at:
            Busy.running += 1
        if Busy.running > 1:
            Busy.running = 0
            msg = "one at a time"
            raise RuntimeError(msg)
        return super().feed(text)

    def flush(self):
        Busy.running = 0
        return super().flush()


class HalfLineEnds(Chunker):
    """A chunker that finds a blank line only inside a delta."""

    def __init__(self):
        self.text = ""
        self.at = 0

    def feed(self, text):
        if "\n\n" not in text:
            self.text += text
            return []
        *complete, rest = (self.text + text).split("\n\n")
        found = []
        for paragraph in complete:
            if paragraph:
                found.append(Chunk(paragraph, self.at, self.at + len(paragraph)))
            self.at += len(paragraph) + 2
        self.text = rest
        return found

    def flush(self):
        return [Chunk(self.text, self.at, self.at + len(self.text))] if self.text else []


class BlankLines(ChunkingStrategy):
    def chunker(self):
        return HalfLineEnds()

    def split(self, accumulated_text):
        return [chunk.text for chunk in HalfLineEnds().feed(accumulated_text)]


class OneChunkerForAll(Incremental):
    def __init__(self):
        super().__init__()
        self.only = WordByWord()

    def chunker(self):
        return self.only


class Remembering(ChunkingStrategy):
    """A strategy that treats each text as the next part of one stream."""

    def __init__(self):
        self.seen = []

    def split(self, accumulated_text):
        found = accumulated_text.split()[:-1]
        self.seen += found[len(self.seen) :]
        return list(self.seen)


class Changing(ChunkingStrategy):
    """A strategy whose first result differs from all others."""

    def __init__(self):
        self.asked = count()

    def split(self, accumulated_text):
        return words.split(accumulated_text)[: 9 * next(self.asked)]


class JoinedTitles(SentenceChunker):
    """A strategy that joins the pieces after a title with another separator than the text's."""

    def split(self, accumulated_text):
        joined = []
        for sentence in super().split(accumulated_text):
            if joined and joined[-1].endswith("Dr."):
                joined[-1] += f" {sentence}"
            else:
                joined.append(sentence)
        return joined[:-1] if joined and joined[-1].endswith("Dr.") else joined


class FencedByDelta(WordByWord):
    """A chunker that withholds the text between two fences of code if each is in one delta."""

    def __init__(self):
        super().__init__()
        self.code = False
        self.held = []

    def feed(self, text):
        self.held += super().feed(text)
        self.code ^= "```" in text
        given, self.held = ([], self.held) if self.code else (self.held, [])
        return given

    def flush(self):
        return self.held + super().flush()


def failing_at(character):
    def split(text):
        if character in text:
            raise KeyError(character)
        return words.split(text)

    return splitting(split)


MONOTONE, INVARIANT, DELAY = "1, monotone", "2, delta-invariant", "3, bounded delay"
AGREE, PLACES, LISTS = "4, split and chunker agree", "full_text[start:end] == text", "return lists of Chunk"
ANSWERS, RELEASE, EMPTY = "lists of str", "releases the withheld fragment", "an empty delta changes nothing"
NEW_CHUNKER, STATELESS, ANY_TEXT = "a new Chunker", "has no state", "accepts any text"


@pytest.mark.parametrize(
    ("strategy", "rule", "came"),
    [
        (splitting(lambda text: text.split()), MONOTONE, "took back a chunk: after ['"),
        (splitting(lambda text: re.split(r"(?<=\.) ", text)), MONOTONE, "took back"),
        (Incremental(Overlapping), MONOTONE, "from feed("),
        (Incremental(PerDelta), INVARIANT, "['"),
        (Incremental(OneBoundaryADelta), INVARIANT, "[] from flush()"),
        (BlankLines(), INVARIANT, "['\\n\\n']"),
        (splitting(lambda text: words.split(text)[:-2]), DELAY, "it only after '"),
        (splitting(lambda text: [], words.flush), DELAY, None),
        (Incremental(FlushesNothing), AGREE, "[] from flush() of its chunker"),
        (Incremental(LateByOne), AGREE, "[] from its chunker, after '"),
        (Incremental(FencedByDelta), INVARIANT, "['```'] from flush()"),
        (Incremental(OffsetsInTheDelta), PLACES, "start=0, end=1) from feed("),
        (Incremental(WrongEnds), PLACES, "from feed("),
        (Incremental(EmptyChunks), PLACES, "Chunk(text='', start="),
        (Incremental(Tuples), LISTS, "() from feed("),
        (Incremental(Strings), LISTS, "['"),
        (Incremental(NothingToGive), LISTS, "None from flush()"),
        (splitting(lambda text: None), ANSWERS, "split() returned None"),
        (splitting(lambda text: (word for word in words.split(text))), ANSWERS, "split() returned <generator"),
        (splitting(lambda text: text.split("\n")[:-1]), ANSWERS, "split() returned ['']"),
        (splitting(lambda text: [word.lower() for word in words.split(text)]), ANSWERS, "which does not occur"),
        (JoinedTitles(), ANSWERS, "JoinedTitles.split() returned 'Dr. "),
        (splitting(words.split, lambda text: [""]), ANSWERS, "flush() returned ['']"),
        (splitting(words.split, lambda text: [text] if text else []), RELEASE, "flush() returned '"),
        (Incremental(FlushesAgain), RELEASE, "from flush()"),
        (Incremental(TakesAnEmptyDeltaForTheEnd), EMPTY, "[Chunk(text='"),
        (Incremental(ForgetsAtAnEmptyDelta), EMPTY, "[]"),
        (Incremental(NoneForAnEmptyDelta), EMPTY, "None"),
        (Incremental(lambda: None), NEW_CHUNKER, "None"),
        (OneChunkerForAll(), NEW_CHUNKER, "the same WordByWord twice"),
        (Remembering(), STATELESS, "after other texts"),
        (Changing(), STATELESS, "after other texts"),
        (Incremental(SharedByAll), STATELESS, "O"),
        (Incremental(Busy), STATELESS, "RuntimeError: one at a time"),
        (Incremental(FailsAtAnEmptyDelta), ANY_TEXT, "IndexError: string index out of range"),
        (failing_at("\r"), ANY_TEXT, "KeyError: '\\r'"),
        (splitting(lambda text: [text.encode() and ""][:0]), ANY_TEXT, "UnicodeEncodeError: "),
    ],
    ids=[
        *("takes a word back", "splits too soon", "overlapping", "per delta", "one boundary a delta", "half line ends"),
        *("late by two", "all at the end", "flushes nothing", "late by one", "fenced by delta", "offsets in the delta"),
        *("wrong ends", "empty chunks", "tuples", "strings", "None from flush", "None from split", "generator"),
        *("empty line", "lower case", "joined titles", "empty rest", "all again", "last again", "empty is the end"),
        *("empty forgets", "None for empty", "no chunker", "one chunker", "remembering", "changing", "shared", "busy"),
        *("fails at empty", "fails at a line end", "fails at a surrogate"),
    ],
)  # fmt: skip
def test_a_conformance_error_of_a_strategy_has_the_rule_and_the_result(strategy, rule, came):
    error = found_in(strategy)
    assert rule in error.rule
    assert came is None or came in error.found
    assert error.subject == repr(strategy)


@pytest.mark.parametrize(
    ("strategy", "example", "expected", "came"),
    [
        (Incremental(PerDelta), "'O|·n'", "['On'], as for the text in one piece", "['O', 'n']"),
        (BlankLines(), r"'\n|·\n'", "[], as for the text in one piece", r"['\n\n']"),
        (
            splitting(lambda text: words.split(text)[:-2]),
            "'t e |·s '",
            "'t' at the latest after 't e '",
            "it only after 't e s '",
        ),
        (splitting(lambda text: [], words.flush), None, None, "it only from flush()"),
        (Incremental(ForgetsAtAnEmptyDelta), "'|·O|·'", "['O'], as without the empty deltas", "[]"),
        (Incremental(FailsAtAnEmptyDelta), "'|·O|·'", "no exception", "IndexError: string index out of range"),
        (failing_at("é"), None, "no exception", "KeyError: 'é'"),
    ],
    ids=["per delta", "half line ends", "late", "at the end", "empty forgets", "empty fails", "fails"],
)
def test_a_conformance_error_shows_the_smallest_text_and_its_fewest_cuts(strategy, example, expected, came):
    if example is None:
        strategy_texts = {"texts": ["Un café noir. Oui."]}
        error = found_in(strategy, **strategy_texts)
        assert len(error.example) < 12
    else:
        error = found_in(strategy)
        assert error.example == example
    assert expected is None or error.expected == expected
    assert error.found == came


def test_the_message_of_a_conformance_error_of_a_strategy_is_complete():
    error = found_in(Incremental(PerDelta))
    assert str(error) == (
        "Incremental() breaks a rule of its contract: 2, delta-invariant: the chunks depend on the text alone, never "
        "on its cuts.\n"
        "  with:     'O|·n'\n"
        "  expected: ['On'], as for the text in one piece\n"
        "  found:    ['O', 'n']\n"
        "Withhold the possible beginning of a boundary until the next delta decides, and search it for every boundary."
    )
    assert isinstance(error, AssertionError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # its own data


def test_a_conformance_error_shows_the_places_of_chunks_with_equal_texts():
    class Echoing(Chunker):
        """A chunker whose chunk has the place of the last delta: equal texts, other places."""

        def __init__(self):
            self.text = ""
            self.start = 0

        def feed(self, text):
            self.start = len(self.text)
            self.text += text
            return []

        def flush(self):
            return [Chunk("a", self.start, self.start + 1)] if self.text[self.start :].startswith("a") else []

    class Echo(ChunkingStrategy):
        def split(self, accumulated_text):
            return []

        def flush(self, accumulated_text):
            return ["a"] if accumulated_text.startswith("a") else []

        def chunker(self):
            return Echoing()

    error = found_in(Echo(), texts=["aa"])
    assert (error.example, error.expected) == ("'a|·a'", "[('a', 0, 1)], as for the text in one piece")
    assert error.found == "[('a', 1, 2)]"


def test_an_exception_of_the_strategy_is_the_cause_of_the_conformance_error():
    error = found_in(failing_at("\r"))
    assert isinstance(error.__cause__, KeyError)
    assert isinstance(found_in(JoinedTitles()).__cause__, ChunkingContractError)
    assert isinstance(found_in(Incremental(Busy)).__cause__, RuntimeError)


def test_check_chunker_does_not_replace_a_violation_by_one_of_another_kind():
    def split(text):
        if len(text) < 4:
            msg = "short"
            raise ValueError(msg)
        raise KeyError(text)

    error = found_in(splitting(split), texts=["abcdef"])
    assert (error.example, error.found) == ("'abcd'", "KeyError: 'abcd'")


def test_check_chunker_reports_a_violation_of_a_strategy_that_delegates():
    error = found_in(Incremental(lambda: splitting(lambda text: [text.upper()] if text else []).chunker()))
    assert ANSWERS in error.rule
    assert "Splitting.split() returned '" in error.found


# Arguments


def test_check_chunker_finds_violations_with_the_users_texts():
    strategy = splitting(lambda text: re.findall(r"<turn>", text)[:1] if text.endswith("<turn>") else [])
    check_chunker(strategy)
    error = found_in(strategy, texts=iter(["One <turn>", "two <turn> three"]))
    assert MONOTONE in error.rule
    assert error.example == "'<turn>|· '"


def test_check_chunker_cuts_a_long_text_less_often():
    lengths = []

    def split(text):
        lengths.append(len(text))
        return []

    check_chunker(splitting(split), texts=["word " * 2000])
    assert 100_000 < sum(lengths) < 10_000_000


def test_check_chunker_accepts_an_empty_text():
    check_chunker("line", texts=["", "a\n"])


def test_check_chunker_can_skip_the_bounded_delay():
    patient = splitting(lambda text: words.split(text)[:-3])
    assert DELAY in found_in(patient).rule
    check_chunker(patient, bounded_delay=False)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (LineChunker, r"Invalid strategy: .* It must be an instance: pass LineChunker\(\)\."),
        (None, "Invalid strategy: None. It must be an instance of ChunkingStrategy"),
        (42, "Invalid strategy: 42"),
        (str, "or the alias of a built-in one"),
        (LineChunker().chunker(), "an instance of ChunkingStrategy"),
    ],
    ids=["class", "None", "number", "another class", "chunker"],
)
def test_check_chunker_rejects_other_values_than_strategies(strategy, message):
    with pytest.raises(TypeError, match=message) as caught:
        check_chunker(strategy)
    assert isinstance(caught.value, InvalidArgumentError)


def test_check_chunker_rejects_an_unknown_alias_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="Choose from: 'sentence'"):
        check_chunker("sentances")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "texts: 'one text'. It must be a list of str"),
        (7, "texts: 7. "),
        (["a", b"b"], r"texts\[1\]: b'b'. "),
    ],
    ids=["one text", "number", "bytes"],
)
def test_check_chunker_rejects_texts_other_than_a_list_of_str(texts, message):
    with pytest.raises(InvalidArgumentError, match=f"Invalid {message}"):
        check_chunker("word", texts=texts)


def test_check_chunker_imports_neither_pytest_nor_hypothesis():
    code = (
        "import sys; from pytest_streamval.conformance import check_chunker; check_chunker('line'); "
        "sys.exit(', '.join({'pytest', 'hypothesis'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Rule 4, measured by a clock that counts the work of the strategy


class Counter(ChunkingStrategy):
    """A strategy without chunks whose time is a function of the number of characters so far."""

    def __init__(self, price):
        self.price = price
        self.now = 0.0

    def split(self, accumulated_text):
        return []

    def chunker(self):
        strategy = self

        class Counting(Chunker):
            fed = 0

            def feed(self, text):
                self.fed += len(text)
                strategy.now += strategy.price(self.fed)
                return []

            def flush(self):
                return []

        return Counting()


@pytest.mark.parametrize(
    ("price", "grows"),
    [
        (lambda fed: 1e-6, False),
        (lambda fed: 1e-3, False),
        (lambda fed: 0.0, False),
        (lambda fed: fed * 1e-8, True),
        (lambda fed: fed * 1e-5, True),
        (lambda fed: fed * fed * 1e-9, True),
        (lambda fed: 1e-6 + fed * 1e-8, True),
        (lambda fed: 1e-6 + fed * 1e-11, False),
        (lambda fed: 2e-4 + fed * 1e-6, True),
        (lambda fed: 1e-6 if fed < 8000 else 1e-4, False),
        (lambda fed: 1e-2 if fed % 4000 < 4 else 1e-6, False),
    ],
    ids=[
        *("linear", "linear and slow", "too quick for the clock", "quadratic", "quadratic and slow", "cubic"),
        *("mostly quadratic", "hardly quadratic", "quadratic after a high price", "a step", "now and then"),
    ],
)
def test_growing_quarters_are_found_only_if_the_time_grows_with_the_text(price, grows, monkeypatch):
    strategy = Counter(price)
    monkeypatch.setattr(growth, "thread_time", lambda: strategy.now)
    quarters = growth.growing_quarters(strategy, "word ")
    assert (quarters is not None) is grows
    if grows:
        with pytest.raises(ConformanceError, match="4, linear") as caught:
            check_chunker(strategy)
        assert caught.value.example == "'a' over and over, in deltas of 4 characters"
        assert caught.value.expected == "as much time for each quarter of the text"
        assert re.fullmatch(r"[\d.]+, [\d.]+, [\d.]+, [\d.]+ ms for the quarters", caught.value.found)


def test_growing_quarters_ignore_a_run_that_other_work_lengthened(monkeypatch):
    strategy = Counter(lambda fed: 1e-5)
    runs = count()
    plain = strategy.chunker

    def chunker():
        strategy.price = (lambda fed: fed * 1e-7) if next(runs) < 4 else (lambda fed: 1e-5)
        return plain()

    monkeypatch.setattr(strategy, "chunker", chunker)
    monkeypatch.setattr(growth, "thread_time", lambda: strategy.now)
    assert growth.growing_quarters(strategy, "a") is None
    assert next(runs) > 6


def test_check_chunker_reports_an_exception_for_a_long_text():
    class Deep(WordByWord):
        def feed(self, text):
            if len(self.word) > 900:
                raise RecursionError
            return super().feed(text)

    error = found_in(Incremental(Deep))
    assert ANY_TEXT in error.rule
    assert (error.example, error.found) == ("'a' over and over, in deltas of 4 characters", "RecursionError")


def test_check_chunker_does_not_measure_a_strategy_without_a_chunker(monkeypatch):
    monkeypatch.setattr(growth, "thread_time", None)
    check_chunker(splitting(words.split, words.flush))


def test_check_chunker_measures_the_users_texts_too():
    class Marked(WordByWord):
        def feed(self, text):
            if "@" in text and len(self.word) > 500:
                raise MemoryError
            return super().feed(text)

    error = found_in(Incremental(Marked), texts=["", "@"])
    assert error.example == "'@' over and over, in deltas of 4 characters"


@pytest.mark.parametrize("enabled", [True, False], ids=["on", "off"])
def test_growing_quarters_restore_the_garbage_collector(enabled):
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        growth.growing_quarters(Incremental(), "a")
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()
