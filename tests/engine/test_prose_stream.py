"""ProseChunker on streams: the same chunks for all cuts, no lost text, early decisions and a bounded cost."""

import json
import re
import statistics
from itertools import combinations_with_replacement, pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_streamval.engine.prose import ProseChunker
from pytest_streamval.engine.prose.boundaries import BoundaryScanner
from pytest_streamval.engine.prose.characters import LEFT, LOOK
from pytest_streamval.engine.prose.languages.en import ENGLISH
from pytest_streamval.engine.prose.rules import Rules
from pytest_streamval.engine.prose.strategy import MAX_CHARS

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "golden_rules_en.json").read_text(encoding="utf-8"))

# Characters that decide something, similar ones, and text in other languages.
NASTY = [
    *("a", "b", "x", "I", "A", "It", "The", "so", "Mr", "U.S", "e.g", "a.m", "no", "word", "Word", "1", "2", "10"),
    *(".", "!", "?", "...", "…", ". . .", " . . . .", ",", ",,", ":", ";", "--", "—", "-", "["),
    *('"', "'", "''", "“", "”", "„", "‘", "’", "«", "»", "(", ")", "]", "{", "[1]", ":("),
    *(" ", "  ", "\t", "\n", "\r\n", "\n\n", "\xa0", "\u3000", "\u2028", "\x00"),
    *("`", "``", "```", "```\n", "~~~", "# ", "#", "|", "- ", "* ", "*", "_", "> ", "---", "=", "• ", "◦"),
    *("1. ", "2. ", "1) ", "(b) ", "i. ", "a) ", "3.14", "v2.0", "x.py", "a@b.c", "://a.b?c"),
    *("'Tis ", "'80s", "‘Twas", "5 in. ", "Ｆ．", "王", "डॉ. ", "_e.g._", ".Mr. ", ".U.S. ", "‚", "›", "‹", "｢", "｣"),
    *("。", "！", "？", "「", "」", "（", "）", "．", "中", "と", "؟", "।", "😀", "👍🏽", "✅", "²", "\ud83c"),
]
texts = st.lists(st.sampled_from(NASTY), max_size=40).map("".join) | st.text(max_size=60)
limits = st.sampled_from([1, 2, 5, 12, 50, 32_768, 32_768, 32_768])


@st.composite
def cut_texts(draw):
    """Return a text in pieces, cut at random, some of them empty."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]


def stream(pieces, strategy=None):
    """Return the chunks before the end of the text, and those of the end."""
    chunker = (strategy or ProseChunker()).chunker()
    return [chunk for piece in pieces for chunk in chunker.feed(piece)], chunker.flush()


def test_the_golden_rules_do_not_depend_on_the_cuts():
    for text in (case["text"] for case in GOLDEN):
        whole = stream([text])
        places = range(0, len(text), 1 + len(text) // 8)

        assert stream(text) == whole
        for first, second in combinations_with_replacement(places, 2):
            assert stream([text[:first], text[first:second], text[second:]]) == whole, (first, second)


@settings(deadline=None, max_examples=150)
@given(cut_texts(), limits)
@example(["x", "—", " ", "y. ", "A"], 32_768)
@example(["gas.[", "1", "] It"], 32_768)
@example([". . . .", "```", "\n", "A"], 32_768)
@example(["`a.", "`", " B"], 32_768)
@example(['"so--"', " “", "It"], 32_768)
@example(['"}U.S. ', "'", "' "], 5)
def test_chunks_do_not_depend_on_the_cuts(pieces, limit):
    strategy = ProseChunker(max_chars=limit)
    whole = stream(["".join(pieces)], strategy)

    assert stream(pieces, strategy) == whole
    assert stream("".join(pieces), strategy) == whole


@settings(deadline=None, max_examples=150)
@given(texts, limits)
def test_only_whitespace_is_lost_between_chunks(text, limit):
    found, rest = stream([text], ProseChunker(max_chars=limit))
    end = 0

    for chunk in found + rest:
        assert text[chunk.start : chunk.end] == chunk.text == chunk.text.strip()
        assert 0 < len(chunk.text) <= limit
        assert not text[end : chunk.start].strip()
        end = chunk.end
    assert not text[end:].strip()


@settings(deadline=None, max_examples=100)
@given(texts, texts)
def test_a_chunk_stays_the_same_when_more_text_follows(text, more):
    strategy = ProseChunker()
    known = strategy.split(text)

    assert strategy.split(text + more)[: len(known)] == known


@settings(deadline=None, max_examples=100)
@given(texts)
def test_split_and_flush_return_the_chunks_of_the_chunker(text):
    strategy = ProseChunker()
    found, rest = stream([text])

    assert strategy.split(text) == [chunk.text for chunk in found]
    assert strategy.flush(text) == [chunk.text for chunk in rest]


# Simple references.

plain_words = st.text("abcdefghjklmnopqrstuwyz", min_size=4, max_size=9).filter(lambda word: re.search("[aeou]", word))
plain_sentences = st.builds(
    lambda words, end: " ".join(words).capitalize() + end,
    st.lists(plain_words, min_size=3, max_size=8).filter(lambda words: words[-1] not in ENGLISH.kinds),
    st.sampled_from([".", "!", "?", "!!", "?!", "..."]),
)


@settings(deadline=None)
@given(st.lists(plain_sentences, min_size=1, max_size=6), st.sampled_from([" ", "\n", "\n\n", "  "]))
def test_plain_sentences_are_found_with_any_whitespace_between_them(expected, between):
    found, rest = stream(between.join(expected))

    assert [chunk.text for chunk in found + rest] == expected


@settings(deadline=None)
@given(st.lists(st.sampled_from(NASTY), max_size=25).map("".join).filter(lambda text: not re.search(r"```|~~~", text)))
def test_a_paragraph_does_not_depend_on_the_one_before(text):
    alone = [chunk.text for part in stream([text]) for chunk in part]
    after = [chunk.text for part in stream(["Before.\n\n" + text]) for chunk in part]

    assert after == ["Before.", *alone]


@settings(deadline=None, max_examples=100)
@given(texts)
def test_the_fast_path_at_a_terminator_decides_like_the_rules(text):
    class RulesOnly(BoundaryScanner):
        def _handle_gap(self, place, end, letter):
            return self._decide(place)

    scanner = RulesOnly(Rules(ENGLISH), MAX_CHARS)
    found, rest = stream([text])

    assert scanner.feed(text) + scanner.flush() == found + rest


# Delay


def delays(sentences):
    """Return the number of characters after each sentence that it took to emit it."""
    chunker = ProseChunker().chunker()
    return [at - chunk.end for at, piece in enumerate(" ".join(sentences), 1) for chunk in chunker.feed(piece)]


def test_a_plain_sentence_is_emitted_at_the_first_letter_after_it():
    assert delays(["It rained.", "Was it bad?", "No!", "It was not."]) == [2, 2, 2]


def test_an_abbreviation_waits_for_one_word():
    assert delays(["They live in the U.S.", "However they came, they did.", "Fine."])[0] == len(" However ")


def test_half_of_all_sentences_are_emitted_within_five_characters():
    cases = [case["expected"] for case in GOLDEN]

    assert statistics.median(delay for case in cases for delay in delays(case)) <= 5


def test_a_blank_line_ends_a_chunk_immediately():
    chunker = ProseChunker().chunker()

    assert chunker.feed("One. Two") != []
    assert [chunk.text for chunk in chunker.feed("\n\n")] == ["Two"]


# Cost: the number of characters examined for each one that is fed is limited.

MOST_EXAMINED = 4 * (LEFT + LOOK)
PATHOLOGICAL = {
    "brackets": "(" * 4_000,
    "brackets and spaces": "( " * 2_000,
    "closing brackets": "a) " * 1_500,
    "periods": "." * 4_000,
    "spaced periods": ". " * 2_000,
    "periods and letters": "a." * 2_000,
    "backticks": "`" * 4_000,
    "spaced backticks": "` " * 2_000,
    "quotes": '"' * 4_000,
    "spaced quotes": '"a ' * 1_500,
    "apostrophes": "'" * 4_000,
    "one word": "a" * 20_000,
    "a word that an abbreviation waits for": "U.S. T" + "h" * 4_000,
    "spaces": "a." + " " * 4_000 + "B",
    "line ends": "\n" * 4_000,
    "one line a letter": "a\n" * 2_000,
    "dashes": "a. " + "-" * 4_000,
    "tildes": "~" * 4_000,
    "an open fence": "```\n" + "a. B\n" * 800,
    "an open quote": '"' + "and so on. And " * 300,
    "full stops": "。" * 4_000,
    "pictographs": "Fine. " + "😀" * 4_000,
    "references": "Fine. " + "[1] " * 1_000,
    "hashes": "#" * 4_000,
    "markers": "1. " * 1_300,
}


@pytest.mark.parametrize("kind", PATHOLOGICAL)
def test_the_scanner_examines_each_character_a_constant_number_of_times(kind, monkeypatch):
    text = PATHOLOGICAL[kind]
    examined = 0

    def count_scan(scanner):
        nonlocal examined
        examined += len(scanner._window) - scanner._at + sum(map(len, scanner._unscanned))
        return scan(scanner)

    def counting(method):
        def handler(scanner, place):
            nonlocal examined
            examined += LEFT + LOOK
            return method(scanner, place)

        return handler

    scan = BoundaryScanner._scan
    handlers = {character: counting(method) for character, method in BoundaryScanner._handlers.items()}
    monkeypatch.setattr(BoundaryScanner, "_scan", count_scan)
    monkeypatch.setattr(BoundaryScanner, "_handlers", handlers)
    for size in (1, 4, 100_000):
        examined = 0
        stream([text[at : at + size] for at in range(0, len(text), size)])
        assert examined <= MOST_EXAMINED * len(text), size


def test_the_scanner_keeps_no_more_than_the_open_chunk():
    for text in PATHOLOGICAL.values():
        scanner = ProseChunker(max_chars=100).chunker()
        for at in range(0, len(text), 7):
            scanner.feed(text[at : at + 7])
            kept = len(scanner._window) + sum(map(len, scanner._unscanned)) + sum(map(len, scanner._before_window))
            assert kept <= 100 + 2 * LEFT + 2 * LOOK + 7
