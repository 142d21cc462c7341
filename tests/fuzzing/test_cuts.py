"""Cuts divide texts, bodies and frames at the same offsets each time."""

from __future__ import annotations

import pytest

from pytest_streamval.errors import InvalidArgumentError
from pytest_streamval.fuzzing.cut_rules import CutRule, boundary_offsets, possible_offsets
from pytest_streamval.fuzzing.cuts import Cut, Place, show_cuts
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
    assert possible_offsets(text) == expected


def test_boundary_offsets_are_next_to_characters_other_than_letters_and_digits() -> None:
    assert boundary_offsets("ab. C3 é", range(1, 8)) == [2, 3, 4, 6, 7]
    assert boundary_offsets("ab. C3 é", [1, 2, 5]) == [2]


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
def test_the_pieces_of_a_text_begin_at_the_offsets(offsets: list[int], expected: list[str]) -> None:
    assert pieces_of("abcd", offsets) == expected


def test_an_empty_text_has_no_pieces() -> None:
    assert pieces_of("", []) == pieces_of("", [0]) == []


@pytest.mark.parametrize(("offset", "shown"), [(-1, "-1"), (5, "5")])
def test_pieces_of_rejects_an_offset_outside_the_text(offset: int, shown: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"Invalid offset: {shown}. .* from 0 to its 4 characters"):
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
def test_show_cuts_marks_the_cuts_between_pieces(pieces: list[str], expected: str) -> None:
    assert show_cuts(pieces) == show_cuts(pieces, 100) == expected


LONG = "".join(f"{number:04}" for number in range(500))  # 2,000 characters; any two places look different


def shown(*offsets: int, limit: int = 100) -> str:
    return show_cuts(pieces_of(LONG, offsets), limit)


def test_show_cuts_shows_only_the_parts_of_a_long_text_around_its_cuts() -> None:
    assert shown(400) == f"... '{LONG[370:400]}|·{LONG[400:430]}' ... (1 cut in 2,000 characters)"
    assert shown(10) == f"'{LONG[:10]}|·{LONG[10:40]}' ... (1 cut in 2,000 characters)"
    assert shown(1990) == f"... '{LONG[1960:1990]}|·{LONG[1990:]}' (1 cut in 2,000 characters)"


def test_show_cuts_joins_the_parts_of_cuts_near_each_other() -> None:
    near = f"'{LONG[370:400]}|·{LONG[400:404]}|·{LONG[404:434]}'"
    far = f"'{LONG[1470:1500]}|·{LONG[1500:1530]}'"
    assert shown(400, 404, 1500, limit=200) == f"... {near} ... {far} ... (3 cuts in 2,000 characters)"
    assert shown(400, 404, 1500, limit=100) == f"... {near} ... (3 cuts in 2,000 characters)"


def test_show_cuts_shows_about_as_much_as_the_limit_with_any_number_of_cuts() -> None:
    assert len(shown(*range(1, 2000))) < 400
    assert shown(*range(1, 2000)).startswith("'0|·0|·0|·0|·0|·0|·0|·1|·")
    assert shown(*range(1, 2000)).endswith("' ... (1,999 cuts in 2,000 characters)")


def test_show_cuts_shows_the_beginning_of_a_long_text_without_cuts() -> None:
    assert shown() == f"'{LONG[:100]}' ... (0 cuts in 2,000 characters)"


def test_the_first_cuts_are_the_numbers_from_1() -> None:
    assert [cut.name for cut in Cut.first(5)] == ["1", "2", "3", "4", "5"]
    assert Cut.first(0) == []


def test_the_first_two_numbers_are_no_cut_and_every_cut() -> None:
    assert Cut("1").of_text(TEXT) == []
    assert Cut("2").of_text(TEXT) == possible_offsets(TEXT)


def test_the_numbers_cut_each_place_soon_with_nothing_near_it_and_leave_it_soon_uncut() -> None:
    text = "The tide came in, and it took the 12 boats. " * 12
    cuts = [set(Cut(str(number)).of_text(text)) for number in range(3, 16)]
    for at in possible_offsets(text):
        assert any(at in cut and not cut.intersection(range(at - 6, at + 7)) - {at} for cut in cuts)
        assert any(at not in cut for cut in cuts)


def test_a_number_never_depends_on_how_many_there_are() -> None:
    assert [Cut.first(count)[:5] for count in (5, 50)] == [Cut.first(5)] * 2
    assert Cut("40").of_text(TEXT) == Cut("40").of_text(TEXT)


def test_numbers_whose_cuts_of_a_text_are_equal_are_left_out() -> None:
    assert len({tuple(Cut(str(number)).of_text("One two.")) for number in range(1, 41)}) == 40
    assert {tuple(Cut(str(number)).of_text("ab")) for number in range(1, 9)} == {(), (1,)}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("whole", "One two", ["One two"]),
        ("chars", "a \r\n", ["a", " ", "\r", "\n"]),
        ("chars", f"a{PAIR}", ["a", PAIR]),
        ("words", "One two.  Three\n", ["One", " two.", "  Three\n"]),
        ("words", " One", [" One"]),
        ("1", "", []),
        ("2", "a", ["a"]),
        ("2", "ab", ["a", "b"]),
        ("3", "abcdefghij", ["a", "bcdefgh", "ij"]),
        ("4", "One 23 is, ok", ["One", " 23 ", "is, ", "ok"]),
        ("at-1", "ab", ["a", "b"]),
        ("only-at-1-9", "ab", ["a", "b"]),
    ],
)
def test_a_named_cut_divides_a_text_by_its_rule(name: str, text: str, expected: list[str]) -> None:
    assert pieces_of(text, Cut(name).of_text(text)) == expected


def test_a_numbered_cut_divides_a_text_at_the_same_offsets_each_time() -> None:
    assert CutRule("random", 1).offsets("One two. Three four.") == [3, 9]
    assert Cut("7").of_text(TEXT) == Cut("7").of_text(TEXT)


def test_cuts_with_different_numbers_differ_and_each_cuts_at_least_once() -> None:
    cuts = [tuple(Cut(str(number)).of_text(TEXT)) for number in range(1, 51)]
    assert len(set(cuts)) == 50
    assert all(cuts[1:])
    assert max(map(len, cuts[1:])) > 2 * min(map(len, cuts[1:]))


def test_numbered_cuts_are_inside_clusters_line_ends_and_fences_but_never_inside_a_pair() -> None:
    text = TEXT + PAIR
    tried = {offset for number in range(1, 51) for offset in Cut(str(number)).of_text(text)}
    assert tried == set(possible_offsets(text))
    for inside in (text.index("\r\n") + 1, text.index("```") + 1, text.index(FAMILY) + 1, text.index(FAMILY) + 2):
        assert inside in tried


def test_numbered_cuts_divide_a_long_word_too() -> None:
    assert all(0 < len(Cut(str(number)).of_text("x" * 10)) < 10 for number in range(2, 51))


@pytest.mark.parametrize("name", ["", "letters", "0", "-1", "1.5", "at-", "at-x", "at-b1e", "at-1-", 1, None])
def test_a_cut_with_an_unknown_name_is_rejected(name: object) -> None:
    with pytest.raises(InvalidArgumentError, match="It must be whole, chars, words, a number from 1, or offsets"):
        Cut(name)  # type: ignore[arg-type]  # rejected


def test_a_cut_of_bytes_divides_them_inside_characters_too() -> None:
    assert Cut("chars").of_bytes("é\r".encode()) == [1, 2]
    assert Cut("words").of_bytes(b"data: x") == [5]
    assert Cut("at-b3-2").of_bytes(b"data: x") == [3]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("whole", [], []),
        ("words", [], [0]),
        ("chars", [1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
        ("3", [1], [2]),
        ("at-b3-b7", [3], [0, 1]),
        ("only-at-b3-b7", [3], [1]),
        ("only-at-b0", [], []),
    ],
)
def test_a_cut_of_frames_divides_each_frame_by_its_rule(name: str, first: list[int], second: list[int]) -> None:
    offsets = Cut(name).of_frames()
    assert [list(offsets("aé\r\nb".encode())) for _ in range(2)] == [first, second]


def test_a_random_cut_of_frames_is_the_same_for_each_response() -> None:
    frames = [f"data: {number} é\r\n\r\n".encode() for number in range(20)]
    cuts = [[tuple(offsets(frame)) for frame in frames] for offsets in (Cut("16").of_frames(), Cut("16").of_frames())]
    assert cuts[0] == cuts[1]
    assert len({*cuts[0]}) > 5


def test_the_places_of_a_cut_are_read_from_its_name() -> None:
    places = (Place("cut", 3), Place("empty", 3), Place("byte", 7), Place("cut", 5, 2), Place("joined"))
    for only in (False, True):
        cut = Cut.at(places, only=only)
        assert set(cut.places) == set(places)
        assert cut.is_scripted is not only
    assert Cut.at(places, only=True).name == "only-at-joined-3-3e-b7-5.2"
    assert Cut.at((), only=False) == Cut("whole")
    assert Cut("7").places is None


def test_offsets_rank_before_rules_and_fewer_of_them_first() -> None:
    names = ["at-9", "at-1-2", "whole", "words", "2", "10"]
    assert [cut.name for cut in sorted(map(Cut, names[::-1]), key=lambda cut: cut.rank)] == names
