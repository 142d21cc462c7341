"""The key of a question to a council, under which its answers are kept.

It covers everything that the models receive. Requirements, chunking and the judge are no part of it: answers that come
from the cache are judged anew. A question has no key if a backend has no `identity` or an option is no plain value.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from pytest_streamval.council import prompts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.council.member_run import Terms
    from pytest_streamval.council.members import Member

_FORM = 2  # of a stored result; results of another form are not read


class CannotTellError(Exception):
    """Something cannot be told from what may differ from it."""


def key_of(
    prompt: str, mode: str, rounds: int, *, members: Iterable[Member], synthesizer: Member | None, terms: Terms
) -> str | None:
    """Return the key of a question: a digest of all that can change its answers; None if that is not known."""
    try:
        known = {
            "versions": [_FORM, prompts.VERSION],
            "prompt": prompt,
            "mode": mode,
            "rounds": rounds,
            "members": [[member.name, _of_backend(member.backend)] for member in members],
            "synthesizer": synthesizer and [synthesizer.name, _of_backend(synthesizer.backend)],
            "options": _of_value(dict(terms.model_options)),
        }
    except CannotTellError:
        return None
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode(errors="surrogatepass")).hexdigest()


def _of_backend(backend: object) -> str:
    identity = getattr(backend, "identity", None)
    if not isinstance(identity, str):
        raise CannotTellError
    return identity


def _of_value(value: object) -> object:
    """Return a value as JSON knows it, from which no other value makes the same."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        found = [_of_value(part) for part in value]
        return [type(value).__name__, sorted(found, key=repr) if isinstance(value, set | frozenset) else found]
    if isinstance(value, dict):
        return {"dict": sorted(([_of_value(name), _of_value(part)] for name, part in value.items()), key=repr)}
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        return [
            kind.__module__,
            kind.__qualname__,
            [[e.name, _of_value(getattr(value, e.name))] for e in fields(value)],
        ]
    raise CannotTellError
