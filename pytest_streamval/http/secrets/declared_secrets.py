"""The names and patterns of secrets that the user declares, beside those that are known."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.http.secrets.key_shapes import own_patterns
from pytest_streamval.http.secrets.secret_names import forget_names, own_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NAME = re.compile(r"\w[\w.-]*+")


@contextmanager
def declared(lines: Iterable[str], argument: str) -> Iterator[None]:
    """Treat more values as secrets meanwhile, in the complete process.

    Args:
        lines: The name of a header, a parameter, a field or a variable each, or a regular expression of values.
        argument: The setting that has the lines, for errors.

    Raises:
        InvalidArgumentError: A `ValueError`. If a line is no regular expression, or one that matches an empty text.
    """
    names: set[str] = set()
    patterns: list[re.Pattern[str]] = []
    for line in lines:
        if _NAME.fullmatch(line):
            names.add(line.lower())
        else:
            patterns.append(_pattern(line, argument))
    names -= own_names
    own_names.update(names)
    own_patterns.extend(patterns)
    forget_names()
    try:
        yield
    finally:
        own_names.difference_update(names)
        for pattern in patterns:
            own_patterns.remove(pattern)
        forget_names()


def _pattern(line: str, argument: str) -> re.Pattern[str]:
    rule = "It must be a name, such as x-tenant, or a regular expression of values, such as acme-[0-9]{8}"
    try:
        pattern = re.compile(line)
    except re.error as error:
        raise InvalidArgumentError(argument, excerpt(line), f"{rule}: {error}.") from None
    if pattern.search("") is not None:
        raise InvalidArgumentError(argument, excerpt(line), f"{rule}. It must not match an empty text.")
    return pattern
