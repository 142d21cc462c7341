"""Errors in words, without the keys of providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors import described
from pytest_streamval.live.providers import secrets_of_environment
from pytest_streamval.live.secrets import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FRAGMENT = 8  # characters of a key that are one too: messages cut long values in the middle


def told(what: BaseException | str) -> str:
    """Return an error as its class and message, or a text, without any key that the environment holds."""
    text = what if isinstance(what, str) else f"{type(what).__name__}: {described(what)}".rstrip(": ")
    secrets = secrets_of_environment()
    return "".join(_without_fragments(secrets.text(text), secrets.values))


def _without_fragments(text: str, values: Iterable[str]) -> Iterator[str]:
    """Yield a text with a mark in the place of each longest piece that is also a piece of a secret."""
    at = 0
    while at < len(text):
        size = max((_common(text, at, value) for value in values), default=0)
        yield REDACTED if size else text[at]
        at += size or 1


def _common(text: str, at: int, value: str) -> int:
    """Return how many characters of a text, from an offset on, stand in a secret as well; 0 for too few to tell."""
    size = _FRAGMENT
    if len(text) - at < size or text[at : at + size] not in value:
        return 0
    while at + size < len(text) and text[at : at + size + 1] in value:
        size += 1
    return size
