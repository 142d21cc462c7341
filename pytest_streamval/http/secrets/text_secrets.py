"""The secrets that can be found in a text without knowing them: by their form, or by their name."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from pytest_streamval.http.secrets.assigned_values import named_values
from pytest_streamval.http.secrets.escapes import all_layers, unwrapped_layer
from pytest_streamval.http.secrets.key_shapes import long_words, own_patterns, shaped_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.http.secrets.escapes import Layer

    Span = tuple[int, int]

_FEWEST = 13  # characters of a text with a secret that neither a name nor an escape shows
_SIGNS = frozenset(":=\\%")  # a shorter text with a secret has one of these


class Found(NamedTuple):
    """The secrets of a text."""

    spans: tuple[Span, ...] = ()
    """Their places. They may overlap."""
    values: tuple[str, ...] = ()
    """Those that must not appear in other texts."""
    ways: tuple[tuple[Layer, ...], ...] = ()
    """The decoded texts in which known secrets may be, each as the layers that lead to it."""


_NOTHING = Found()


def found_in(text: str, *, in_request: bool) -> Found:
    """Return the secrets of a text, also those in JSON inside of strings at any depth, and in parts of addresses.

    Args:
        text: The text.
        in_request: Whether it is a text of a request, in which more names are secret.
    """
    if len(text) < _FEWEST and not own_patterns and _SIGNS.isdisjoint(text):
        return _NOTHING
    spans: list[Span] = []
    values: list[str] = []
    ways: list[tuple[Layer, ...]] = []
    way: tuple[Layer, ...]
    for way in chain([()], all_layers(text)):
        decoded = way[-1].text if way else text
        words = long_words(decoded)
        _find(decoded, words, way, spans, values, in_request=in_request)
        unwrapped = unwrapped_layer(decoded, words)
        ways += [way] * bool(way) + ([] if unwrapped is None else [(*way, unwrapped)])
    return Found(tuple(spans), tuple(values), tuple(ways)) if spans or ways else _NOTHING


def _find(
    text: str,
    words: frozenset[str],
    way: tuple[Layer, ...],
    spans: list[Span],
    values: list[str],
    *,
    in_request: bool,
) -> None:
    for span in shaped_spans(text, words):
        spans.append(outwards(span, way))
        values += _shaped(text[slice(*span)])
    for found in named_values(text, in_request=in_request):
        spans.append(outwards((found.start, found.end), way))
        if found.is_certain:
            values += {found.value, unquote(found.value)}


def outwards(span: Span, way: tuple[Layer, ...]) -> Span:
    """Return the span in a text from which a span was decoded, through several layers."""
    for layer in reversed(way):
        span = layer.source(*span)
    return span


def _shaped(value: str) -> Iterator[str]:
    """Yield a value that looks like a key, and the password of credentials."""
    user, sign, password = value.partition(":")
    if sign and not value.startswith("-----"):
        yield from {password, unquote(password)} if password else {user}
    else:
        yield value
