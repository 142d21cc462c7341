"""The messages of errors in telemetry, which must not have text of the prompt or of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval import errors
from pytest_streamval.engine.component import text_of
from pytest_streamval.errors import StreamvalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.engine.run_view import RunView

_LONGEST = 400  # characters of a message; a longer one quotes something
_PIECE, _STEP = 8, 4  # characters of a piece that is searched for, and between two of them
_SHORTEST = 3  # characters of a text that a message can quote
_MOST = 1_000_000  # characters of a text that are searched: an error is about its end


def message_without_text(name: str, message: str, run: RunView) -> str:
    """Return the message of an error, or an empty text if it may quote the prompt or the model.

    Messages of this package's own errors show values and frames, so they are left out.

    Args:
        name: The name of the error's class.
        message: The message.
        run: The run that it ended.
    """
    if isinstance(run.error, StreamvalError) or hasattr(errors, name) or len(message) > _LONGEST:
        return ""
    return "" if any(_quotes(message, text) for text in _texts(run)) else message


def _texts(run: RunView) -> Iterator[str]:
    yield text_of(run.action)
    yield run.thunk.text_read[-_MOST:]


def _quotes(message: str, text: str) -> bool:
    text, message = text.strip(), message.strip()
    if min(len(text), len(message)) < _PIECE:
        shorter, longer = sorted((text, message), key=len)
        return len(shorter) >= _SHORTEST and shorter in longer
    return any(message[at : at + _PIECE] in text for at in range(0, len(message) - _PIECE + 1, _STEP))
