"""The messages of errors in telemetry, which must not have text of the prompt or of the model."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from pytest_streamval import errors
from pytest_streamval.engine.component import text_of
from pytest_streamval.engine.telemetry.possible_secrets import may_have_secret
from pytest_streamval.errors import StreamvalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.engine.run_view import RunView

_LONGEST = 400  # characters of a message; a longer one quotes something
_PIECE = 8  # letters and digits of a piece that is searched for, at every place of the message
_SHORTEST = 3  # characters of a text that a message can quote
_MOST = 1_000_000  # characters of a text that are searched: an error is about its end
_QUOTED = re.compile(r"(['\"`])((?:\\.|(?!\1)[^\\]){3,100}+)\1", re.DOTALL)  # a longer quote has a piece
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", re.DOTALL)


def message_without_text(name: str, message: str, run: RunView) -> str:
    """Return the message of an error, or an empty text if it may quote the prompt or the model, or have a secret.

    Messages of this package's own errors show values and frames, so they are left out. The search ignores case,
    punctuation, spaces, and the escapes of `repr` and JSON.

    Args:
        name: The name of the error's class.
        message: The message.
        run: The run that it ended.
    """
    if isinstance(run.error, StreamvalError) or hasattr(errors, name) or len(message) > _LONGEST:
        return ""
    if may_have_secret(message):
        return ""
    return "" if any(_quotes(message, text) for text in _texts(run)) else message


def _texts(run: RunView) -> Iterator[str]:
    yield text_of(run.action)
    yield run.thunk.text_read[-_MOST:]


def _quotes(message: str, text: str) -> bool:
    searched = _plain(text)
    quoted = (_plain(_ESCAPE.sub(_unescaped, match[2])) for match in _QUOTED.finditer(message))
    if any(len(piece) >= _SHORTEST and piece in searched for piece in quoted):
        return True
    return any(_shares(_plain(each), searched) for each in {message, _ESCAPE.sub(_unescaped, message)})


def _shares(message: str, text: str) -> bool:
    """Return whether a text has a piece of the message, or the shorter one is a part of the other."""
    if min(len(text), len(message)) < _PIECE:
        shorter, longer = sorted((text, message), key=len)
        return len(shorter) >= _SHORTEST and shorter in longer
    return any(message[at : at + _PIECE] in text for at in range(len(message) - _PIECE + 1))


def _plain(text: str) -> str:
    """Return the letters and digits of a text without differences of case."""
    return "".join(filter(str.isalnum, text.casefold()))


def _unescaped(match: re.Match[str]) -> str:
    """Return the character of an escape."""
    kind, digits = match[0][1], match[0][2:]
    if digits:
        code = int(digits, 16)
        return chr(code) if code <= sys.maxunicode else ""
    return " " if kind in "nrtabfv0" else kind
