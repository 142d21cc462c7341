"""Cuts take a text apart, always at the same places."""

from __future__ import annotations

import pytest

from pytest_streamval.errors import InvalidArgumentError
from pytest_streamval.fuzzing.cuts import Cut, edges, marked, places
from pytest_streamval.scripting.script import pieces_of

PAIR = "\ud83c\udf4e"  # an apple, as two surrogates
FAMILY = "👩\u200d👩\u200d👧"
TEXT = "One two. Is it 3.5?\r\n\r\n```py\nx = 1\n```\n" + FAMILY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a", []),
        ("abc", [1, 2]),
        (f"a{PAIR}b", [1, 3]),
        (PAIR, []),
        (f"{PAIR}{PAIR}", [2]),
        ("\udf4e\ud83c", [1]),
        ("\r\n", [1]),
        ("e\u0301", [1]),
    ],
)
def test_a_text_can_be_cut_anywhere_but_inside_a_surrogate_pair(text: str, expected: list[int]) -> None:
    assert places(text) == expected


def test_an_edge_is_beside_anything_but_letters_and_digits() -> None:
    assert edges("ab. C3 é", range(1, 8)) == [2, 3, 4, 6, 7]
    assert edges("ab. C3 é", [1, 2, 5]) == [2]


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ([], ["abcd"]),
        ([1], ["a", "bcd"]),
        ([3, 1, 3], ["a", "bc", "d"]),
        ([0, 4], ["abcd"]),
        ([0, 2, 4], ["ab", "cd"]),
    ],
)
def test_pieces_begin_at_the_offsets(offsets: list[int], expected: list[str]) -> None:
    assert pieces_of("abcd", offsets) == expected


def test_a_text_of_nothing_has_no_pieces() -> None:
    assert pieces_of("", []) == pieces_of("", [0]) == []


@pytest.mark.parametrize(("offset", "shown"), [(-1, "-1"), (5, "5")])
def test_an_offset_outside_the_text_is_refused(offset: int, shown: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"offset={shown} .* from 0 to its 4 characters"):
        pieces_of("abcd", [2, offset])


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["One.", " Two"], "'One.|· Two'"),
        (["One"], "'One'"),
        (["a\r", "\nb"], r"'a\r|·\nb'"),
        (["It's", " “x”"], '"It\'s|· “x”"'),
        ([], "''"),
    ],
)
def test_pieces_are_shown_with_marks_between_them(pieces: list[str], expected: str) -> None:
    assert marked(pieces) == marked(pieces, 100) == expected


LONG = "".join(f"{number:04}" for number in range(500))  # 2,000 characters, each place to be told from the others


def shown(*offsets: int, limit: int = 100) -> str:
    return marked(pieces_of(LONG, offsets), limit)


def test_of_a_long_text_only_what_stands_around_the_cuts_is_shown() -> None:
    assert shown(400) == f"... '{LONG[370:400]}|·{LONG[400:430]}' ... (1 cut in 2,000 characters)"
    assert shown(10) == f"'{LONG[:10]}|·{LONG[10:40]}' ... (1 cut in 2,000 characters)"
    assert shown(1990) == f"... '{LONG[1960:1990]}|·{LONG[1990:]}' (1 cut in 2,000 characters)"


def test_cuts_beside_each_other_are_shown_together_and_others_apart() -> None:
    near = f"'{LONG[370:400]}|·{LONG[400:404]}|·{LONG[404:434]}'"
    far = f"'{LONG[1470:1500]}|·{LONG[1500:1530]}'"
    assert shown(400, 404, 1500, limit=200) == f"... {near} ... {far} ... (3 cuts in 2,000 characters)"
    assert shown(400, 404, 1500, limit=100) == f"... {near} ... (3 cuts in 2,000 characters)"


def test_however_many_cuts_there_are_not_more_than_about_the_limit_is_shown() -> None:
    assert len(shown(*range(1, 2000))) < 400
    assert shown(*range(1, 2000)).startswith("'0|·0|·0|·0|·0|·0|·0|·1|·")
    assert shown(*range(1, 2000)).endswith("' ... (1,999 cuts in 2,000 characters)")


def test_a_long_text_without_a_cut_is_shown_from_its_beginning() -> None:
    assert shown() == f"'{LONG[:100]}' ... (0 cuts in 2,000 characters)"


def test_the_first_cuts_are_the_named_ones() -> None:
    assert [cut.name for cut in Cut.first(5)] == ["whole", "chars", "words", "1", "2"]
    assert [cut.name for cut in Cut.first(2)] == ["whole", "chars"]
    assert Cut.first(0) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("whole", "One two", ["One two"]),
        ("chars", "a \r\n", ["a", " ", "\r", "\n"]),
        ("chars", f"a{PAIR}", ["a", PAIR]),
        ("words", "One two.  Three\n", ["One", " two.", "  Three\n"]),
        ("words", " One", [" One"]),
        ("1", "", []),
        ("1", "a", ["a"]),
        ("1", "ab", ["a", "b"]),
    ],
)
def test_a_named_cut_follows_its_rule(name: str, text: str, expected: list[str]) -> None:
    assert pieces_of(text, Cut(name).offsets(text)) == expected


def test_a_number_cuts_a_text_always_at_the_same_places() -> None:
    assert Cut("1").offsets("One two. Three four.") == [1, 3, 6, 7, 9, 10, 12, 15, 17, 18, 19]
    assert Cut("7").offsets(TEXT) == Cut("7").offsets(TEXT)


def test_different_numbers_cut_differently_and_each_at_least_once() -> None:
    cuts = [tuple(Cut(str(number)).offsets(TEXT)) for number in range(1, 51)]
    assert len(set(cuts)) > 45
    assert all(cuts)
    assert max(map(len, cuts)) > 2 * min(map(len, cuts))


def test_numbers_cut_inside_clusters_line_ends_and_fences_and_never_inside_a_pair() -> None:
    text = TEXT + PAIR
    tried = {offset for number in range(1, 51) for offset in Cut(str(number)).offsets(text)}
    assert tried == set(places(text))
    for inside in (text.index("\r\n") + 1, text.index("```") + 1, text.index(FAMILY) + 1, text.index(FAMILY) + 2):
        assert inside in tried


def test_a_long_word_is_cut_too() -> None:
    assert all(0 < len(Cut(str(number)).offsets("x" * 10)) < 10 for number in range(1, 51))


@pytest.mark.parametrize("name", ["", "letters", "-1", "1.5", 1, None])
def test_a_cut_without_a_rule_is_refused(name: object) -> None:
    with pytest.raises(InvalidArgumentError, match="a cut is one of whole, chars, words, or a number"):
        Cut(name)  # type: ignore[arg-type]  # what is refused
