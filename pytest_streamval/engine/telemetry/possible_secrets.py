"""The search for possible secrets in words of others, which telemetry leaves out rather than redacts.

The rooms above redact secrets by their exact forms. Here, a text is only left out, so the rules are wider.
"""

from __future__ import annotations

import os
import re

_WORD = re.compile(r"[^\s\"'`]{16,}")  # keys and their encodings are long words of digits or both cases
_NAMED = re.compile(
    r"(?:key|token(?!s)|secret|pass(?:word|wd|phrase)|credential|authori[sz]ation)[^=:]{0,40}[=:]|bearer\s|-----begin",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"://[^\s/@]{1,400}@")  # with credentials
_KEY_VARIABLE = "API_KEY"  # the end of the names of variables that hold a provider's key
_SHORTEST = 6  # characters of a key


def may_have_secret(text: str) -> bool:
    """Return whether a text may have a key, a password or a token, in any encoding of a key."""
    if _NAMED.search(text) is not None or _ADDRESS.search(text) is not None:
        return True
    if any(_is_like_a_key(word[0]) for word in _WORD.finditer(text)):
        return True
    return any(len(key) >= _SHORTEST and key in text for key in _keys())


def _is_like_a_key(word: str) -> bool:
    return any(map(str.isdigit, word)) or not (word.islower() or word.isupper() or not any(map(str.isalpha, word)))


def _keys() -> list[str]:
    return [value for name, value in os.environ.items() if name.upper().endswith(_KEY_VARIABLE)]
