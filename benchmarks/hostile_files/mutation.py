"""Mutations of a valid file: of its bytes, and of the values in its lines of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

_WORDS = (
    *rb'" \ \u0000 \ud800 \udc00\ud800 { } [ ] , : # null true'.split(),
    *rb"1e999 -1e999 NaN Infinity -Infinity -0 -1 0.1e-400".split(),
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x80\xa8", b"\r", b"\n", b"\r\n\r\n"),
    *(b"1" * 25, b"9" * 5000, b"[" * 50, b"[" * 150, b"[" * 100_000, b'{"a":' * 150, b"A" * 70_000, b"\x1b[2J"),
    *(b'{"at": 0, "text": ""}\n', b'{"protocol": "openai"}\n', "é".encode("utf-16"), "é".encode("utf-32")),
)
_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 199, 600, 1000, 10**12, 10**12 + 1, 2**63, -(2**63) - 1, 10**25, 10**400, 0.5, -0.5),
    *(1e308, 1e-320, float("inf"), float("-inf"), float("nan"), "", "a", "\0", "\ud800", "\u2028", "\x1b[2J", "\u202e"),
    *([], {}, [[]], [None], [[None, None]], [["a", "b"]], {"a": 1}, {"": {}}, [0] * 300, "A" * 70_000, "9" * 5000),
    *(
        "openai",
        "anthropic",
        "gemini",
        "ollama",
        "complete",
        "refused",
        "broken",
        "silent",
        "left",
        "==",
        "////",
        "\xff",
    ),
    *("SystemExit", "os:system", "antigravity:x", "text/event-stream\r\nx: y"),
)
_DEEP = "deep-7f3a"  # replaced by nested brackets, which json.dumps could not write
_LEVELS = (40, 98, 99, 100, 101, 102, 300, 990, 100_000)


def mutated(samples: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a mutation of one of the samples."""
    data = chance.choice(samples)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        data = chance.choice(_MUTATIONS)(data, samples, chance)
    return data


def _flip(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _insert(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(_WORDS) + data[at + chance.choice((0, 0, 1, 5)) :]


def _remove(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + data[end:]


def _repeat(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 2, 20)) + data[end:]


def _cut_off(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _splice(data: bytes, samples: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(samples)
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((1, 4, 30, 400)))


def _change_value(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    """Change a value in one line, or a key, or swap two lines."""
    lines = data.split(b"\n")
    number = chance.randrange(len(lines))
    try:
        value = json.loads(lines[number])
        text = json.dumps(_changed(value, chance), ensure_ascii=chance.random() < 0.8)
    except (ValueError, RecursionError):
        lines[number], lines[0] = lines[0], lines[number]
        return b"\n".join(lines)
    if _DEEP in text:
        levels = chance.choice(_LEVELS)
        opening, closing = chance.choice((("[", "]"), ('{"a": ', "}")))
        text = text.replace(json.dumps(_DEEP), f"{opening * levels}0{closing * levels}")
    lines[number] = text.encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _changed(value: Any, chance: random.Random) -> Any:  # noqa: ANN401  # any value of JSON
    """Return a value with one part of it replaced, removed or renamed."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return _DEEP if chance.random() < 0.1 else chance.choice(_VALUES)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        return [*value[:at], _changed(value[at], chance), *value[at + (chance.random() < 0.9) :]]
    name = chance.choice(list(value))
    what = chance.random()
    if what < 0.1:
        return {key: each for key, each in value.items() if key != name}
    if what < 0.2:
        return {**value, str(chance.choice(_VALUES)): _changed(value[name], chance)}
    return {**value, name: _changed(value[name], chance)}


_MUTATIONS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    *(_flip, _insert, _remove, _repeat, _cut_off, _splice),
    *[_change_value] * 6,  # most faults are in the code that uses the parsed values
)
