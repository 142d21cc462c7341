"""Errors in words, without the keys of providers."""

from __future__ import annotations

from pytest_streamval.errors import described
from pytest_streamval.http.secrets import Secrets, keys_in_environment


def told(what: BaseException | str) -> str:
    """Return an error as its class and message, or a text, without any key that the environment holds."""
    text = what if isinstance(what, str) else f"{type(what).__name__}: {described(what)}".rstrip(": ")
    return Secrets(keys_in_environment()).message(text)


def holds_a_key(text: str) -> bool:
    """Return whether a text has a key in it that the environment holds, or what looks like one."""
    return Secrets(keys_in_environment()).text(text) != text
