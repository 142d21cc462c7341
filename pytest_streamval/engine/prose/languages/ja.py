"""Japanese. Its full stops need no words, and text in Latin letters follows the English rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pytest_streamval.engine.prose.languages.en import ENGLISH

JAPANESE: Final = replace(ENGLISH, code="ja", name="Japanese")
