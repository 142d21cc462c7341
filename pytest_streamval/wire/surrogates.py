"""Characters whose halves arrive in two pieces of a text.

Some providers cut a text between two UTF-16 code units, so that the two escapes of one character come in two frames:
https://github.com/openclaw/openclaw/issues/115536.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_streamval.model import Delta, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pytest_streamval.model import DeviationKind

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_TEXTS = ("text", "thinking", "refusal", "signature")


class SurrogateJoiner:
    """Join the halves of surrogate pairs in the texts of successive deltas, and replace those that stay alone."""

    def __init__(self, note: Callable[[DeviationKind, str], None]) -> None:
        """Create a joiner that calls `note` for each deviation."""
        self._note = note
        self._halves: dict[Hashable, str] = {}  # the first half of a pair, by the text that it ends so far

    def join(self, delta: Delta) -> Delta | None:
        """Return the delta with whole characters, or None if nothing is left of it. A first half at an end is kept."""
        text, thinking, refusal, signature = (self._text(name, getattr(delta, name)) for name in _TEXTS)
        calls = tuple(call for call in map(self._call, delta.tool_calls) if call.id or call.name or call.arguments)
        reason = delta.finish_reason and self._replaced(delta.finish_reason)
        joined = Delta(text, thinking, calls, delta.usage, reason, refusal, signature)
        return joined if joined != Delta() else None

    def flush(self) -> Delta | None:
        """Return the replacement of each half that still waits, at the end of the stream."""
        halves, self._halves = self._halves, {}
        if not halves:
            return None
        self._note("lone-surrogate", "the stream ends after the first half of a surrogate pair")
        calls = tuple(ToolCallDelta(key, arguments=_REPLACEMENT) for key in halves if isinstance(key, int))
        text, thinking, refusal, signature = (_REPLACEMENT if name in halves else "" for name in _TEXTS)
        return Delta(text, thinking, calls, refusal=refusal, signature=signature)

    def _call(self, call: ToolCallDelta) -> ToolCallDelta:
        return replace(
            call,
            id=call.id and self._replaced(call.id),
            name=call.name and self._replaced(call.name),
            arguments=self._text(call.index, call.arguments),
        )

    def _text(self, key: Hashable, text: str) -> str:
        if not text or (text.isascii() and key not in self._halves):
            return text
        text = self._halves.pop(key, "") + text
        paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        if "\ud800" <= paired[-1] <= "\udbff":
            self._note("split-surrogate", "a text ends with the first half of a surrogate pair")
            self._halves[key] = paired[-1]
            paired = paired[:-1]
        return self._replaced(paired)

    def _replaced(self, text: str) -> str:
        replaced, count = _SURROGATE.subn(_REPLACEMENT, text)
        if count:
            self._note("lone-surrogate", "half of a surrogate pair is no text, and U+FFFD replaces it")
        return replaced
