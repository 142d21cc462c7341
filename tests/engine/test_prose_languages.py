"""The tables of the languages: what they may hold."""

from collections import Counter

import pytest

from pytest_streamval.engine.prose.languages import LANGUAGES

every_language = pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
LISTS = (
    *("starters", "short", "loose", "exclaimed", "reporting", "dates", "counted"),
    *("units", "contractions", "suffixes"),
)


@every_language
def test_an_abbreviation_stands_in_one_group_only(language):
    counts = Counter(word for group in language.groups for word in group.words.split())

    assert [word for word, count in counts.items() if count > 1] == []


@every_language
def test_an_abbreviation_stands_without_its_final_period(language):
    assert [word for word in language.kinds if word.endswith((".", ","))] == []


@every_language
@pytest.mark.parametrize("name", LISTS)
def test_words_that_are_no_abbreviations_stand_in_lower_case(language, name):
    assert [word for word in getattr(language, name).split() if word != word.lower()] == []


@every_language
def test_every_group_names_its_source(language):
    assert all(group.name and len(group.source) > 4 for group in language.groups)


@every_language
def test_a_language_is_known_by_its_code(language):
    assert LANGUAGES[language.code] is language
    assert len(language.code) == 2
    assert language.name.istitle()
