"""The languages of `ProseChunker`. Each one is a table of words, and the rules are the same for all of them.

To add a language, write its table in a module of its own, like the other ones, and add it to `LANGUAGES`.
"""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Abbreviation, Group, Language
from pytest_streamval.engine.prose.languages.de import GERMAN
from pytest_streamval.engine.prose.languages.en import ENGLISH
from pytest_streamval.engine.prose.languages.es import SPANISH
from pytest_streamval.engine.prose.languages.fr import FRENCH
from pytest_streamval.engine.prose.languages.it import ITALIAN
from pytest_streamval.engine.prose.languages.ja import JAPANESE
from pytest_streamval.engine.prose.languages.nl import DUTCH
from pytest_streamval.engine.prose.languages.pt import PORTUGUESE
from pytest_streamval.engine.prose.languages.ru import RUSSIAN
from pytest_streamval.engine.prose.languages.zh import CHINESE

LANGUAGES: Final[dict[str, Language]] = {
    language.code: language
    for language in (
        GERMAN,
        ENGLISH,
        SPANISH,
        FRENCH,
        ITALIAN,
        JAPANESE,
        DUTCH,
        PORTUGUESE,
        RUSSIAN,
        CHINESE,
    )
}
"""The languages by their ISO 639-1 codes."""

__all__ = ["LANGUAGES", "Abbreviation", "Group", "Language"]
