"""Redaction of API keys in errors and results."""

from __future__ import annotations

from pytest_streamval.errors import described
from pytest_streamval.http.secrets import Secrets, keys_in_environment


def redact(text: str) -> str:
    """Return a text without the API keys of the environment."""
    return Secrets(keys_in_environment()).message(text)


def describe_error(error: BaseException) -> str:
    """Return the class and the message of an error, without the API keys of the environment."""
    return redact(f"{type(error).__name__}: {described(error)}".rstrip(": "))


def contains_key(text: str) -> bool:
    """Check whether a text contains an API key of the environment, or a text that looks like an API key."""
    return Secrets(keys_in_environment()).text(text) != text
