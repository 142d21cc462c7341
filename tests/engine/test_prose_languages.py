"""The tables of the languages."""

from collections import Counter

import pytest

from pytest_streamval.engine.prose.languages import LANGUAGES

every_language = pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
LISTS = (
    *("starters", "short", "loose", "exclaimed", "reporting", "dates", "counted"),
    *("units", "contractions", "suffixes"),
)


@every_language
def test_the_table_of_a_language_is_well_formed(language):
    counts = Counter(word for group in language.groups for word in group.words.split())

    assert [word for word, count in counts.items() if count > 1] == []
    assert [word for word in language.kinds if word.endswith((".", ","))] == []
    assert all(group.name and len(group.source) > 4 for group in language.groups)


@every_language
def test_the_word_lists_of_a_language_are_in_lower_case(language):
    words = [word for name in LISTS for word in getattr(language, name).split()]

    assert [word for word in words if word != word.lower()] == []


@every_language
def test_a_language_has_its_code_and_name(language):
    assert LANGUAGES[language.code] is language
    assert len(language.code) == 2
    assert language.name.istitle()
