"""The arguments of a function call that Gemini streams in pieces, each with its place in the object.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc. A piece is a
`PartialArg`: a value, its place as a JSON path (RFC 9535) such as `$.stops[0]["city name"]`, and `willContinue` if the
string goes on.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pytest_streamval.wire.json_values import FrameFaultError, arguments_text, expect

if TYPE_CHECKING:
    from typing import TypeAlias

    _Keys: TypeAlias = tuple[str | int, ...]

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\]""")
_MOST_DEEP = 100  # levels of a path
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")


class PartialArguments:
    """The arguments of one call, until all of their pieces are there."""

    def __init__(self) -> None:
        self._values: dict[_Keys, object] = {}  # by their places; a string is the list of its pieces

    def add(self, pieces: object, path: str) -> None:
        """Add pieces. `path` is their place in the frame, for errors."""
        for value in expect(pieces, list, path):
            piece = expect(value, dict, f"{path}[]")
            keys = _keys(expect(piece.get("jsonPath"), str, f"{path}[].jsonPath"), f"{path}[].jsonPath")
            given = next((name for name in _VALUES if piece.get(name) is not None), "")
            if given == "stringValue":
                text = expect(piece[given], str, f"{path}[].stringValue")
                self._pieces(keys).append(text)
            elif given:
                self._values[keys] = None if given == "nullValue" else piece[given]

    def text(self, path: str) -> str:
        """Return the JSON of the complete arguments."""
        root: dict[str | int, object] = {}
        for keys, value in self._values.items():
            _put(root, keys, "".join(value) if isinstance(value, list) else value)
        return arguments_text(_ordered(root), path)

    def _pieces(self, keys: _Keys) -> list[str]:
        found = self._values.get(keys)
        if not isinstance(found, list):
            found = self._values[keys] = []
        return found


def _keys(json_path: str, path: str) -> _Keys:
    """Return the names and positions in a JSON path."""
    keys: list[str | int] = []
    at = 1
    while at < len(json_path):
        step = _STEP.match(json_path, at)
        if step is None or len(keys) >= _MOST_DEEP:
            raise FrameFaultError(f"{path} is {json_path!r}, not the place of a value")
        name, number, quoted = step.groups()
        keys.append(int(number) if number else _unquoted(quoted) if quoted else name)
        at = step.end()
    if not json_path.startswith("$") or not keys:
        raise FrameFaultError(f"{path} is {json_path!r}, not the place of a value")
    return tuple(keys)


def _unquoted(quoted: str) -> str:
    if quoted.startswith("'"):
        quoted = '"' + quoted[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted[1:-1]


def _put(root: dict[str | int, object], keys: _Keys, value: object) -> None:
    at = root
    for key in keys[:-1]:
        inner = at.get(key)
        if not isinstance(inner, dict):
            inner = at[key] = {}
        at = inner
    at[keys[-1]] = value


def _ordered(value: object) -> object:
    """Return a value with lists in place of the objects whose keys are positions."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [_ordered(value[key]) for key in sorted(value)]
    return {str(key): _ordered(inner) for key, inner in value.items()}
