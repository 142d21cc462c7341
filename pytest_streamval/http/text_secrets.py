"""The secrets that can be found in a text without knowing them: by their form, or by their name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from pytest_streamval.http.escapes import all_layers
from pytest_streamval.http.named_values import named_values
from pytest_streamval.http.secret_shapes import shaped_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.http.escapes import Layer

    Span = tuple[int, int]

_FEWEST = 5  # characters of a text with a secret and its name


class Found(NamedTuple):
    """The secrets of a text."""

    spans: tuple[Span, ...] = ()
    """Their places. They may overlap."""
    values: tuple[str, ...] = ()
    """Those that must not appear in other texts."""


_NOTHING = Found()


def found_in(text: str, *, in_request: bool) -> Found:
    """Return the secrets of a text, also those in JSON inside of strings at any depth, and in parts of addresses.

    Args:
        text: The text.
        in_request: Whether it is a text of a request, in which more names are secret.
    """
    if len(text) < _FEWEST:
        return _NOTHING
    spans: list[Span] = []
    values: list[str] = []
    _find(text, (), spans, values, in_request=in_request)
    for way in all_layers(text):
        _find(way[-1].text, way, spans, values, in_request=in_request)
    return Found(tuple(spans), tuple(values)) if spans else _NOTHING


def _find(text: str, way: tuple[Layer, ...], spans: list[Span], values: list[str], *, in_request: bool) -> None:
    for span in shaped_spans(text):
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
