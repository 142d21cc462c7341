"""What tells one question to a council from another: the name under which its result may be kept.

What cannot be told apart has no name: a function may do anything, and so may a backend that says nothing of itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from types import FunctionType, MethodType
from typing import TYPE_CHECKING

from pytest_streamval.council import prompts
from pytest_streamval.engine.chunking import ChunkingStrategy
from pytest_streamval.engine.requirement import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

    from pytest_streamval.council.answering import Terms
    from pytest_streamval.council.members import Member

_FORM = 1  # of a stored result: those of another one are not read


# What a class has of itself, which says nothing of what its author wrote.
_MACHINERY = {
    "__abstractmethods__",
    "__annotations__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__slots__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}


class CannotTellError(Exception):
    """Something cannot be told from what may differ from it."""


def key_of(
    prompt: str, mode: str, rounds: int, *, members: Iterable[Member], synthesizer: Member | None, terms: Terms
) -> str | None:
    """Return the name of a question: a digest of all that can change what is answered; None where that is not known."""
    try:
        known = {
            "versions": [_FORM, prompts.VERSION],
            "prompt": prompt,
            "mode": mode,
            "rounds": rounds,
            "members": [[member.name, _of_backend(member.backend)] for member in members],
            "synthesizer": synthesizer and [synthesizer.name, _of_backend(synthesizer.backend)],
            "options": _of_value(dict(terms.model_options)),
            "requirements": [_of_object(each) for each in terms.requirements],
            "chunking": _of_value(terms.chunking) if terms.requirements else None,
            "judge": terms.validation_backend and _of_backend(terms.validation_backend),
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
    if isinstance(value, Requirement | ChunkingStrategy):
        return _of_object(value)
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        return [
            kind.__module__,
            kind.__qualname__,
            [[e.name, _of_value(getattr(value, e.name))] for e in fields(value)],
        ]
    raise CannotTellError


def _of_object(value: object) -> object:
    """Return the class of a requirement or a strategy, and what it holds."""
    kind = type(value)
    slots = {name for each in kind.__mro__ for name in getattr(each, "__slots__", ()) if hasattr(value, name)}
    names = sorted(slots | set(getattr(value, "__dict__", ())))
    return [_of_class(kind), [[name, _of_value(getattr(value, name))] for name in names]]


def _of_class(kind: type) -> object:
    """Return a class by its name and by what its author wrote into it and into its bases."""
    own = [each for each in kind.__mro__ if not each.__module__.startswith("pytest_streamval.") and each is not object]
    written = [[each.__qualname__, _of_namespace(each)] for each in own if each.__module__ not in {"abc", "typing"}]
    return [kind.__module__, kind.__qualname__, written]


def _of_namespace(kind: type) -> object:
    return [
        [name, _of_attribute(value)]
        for name, value in sorted(vars(kind).items())
        if name not in _MACHINERY and type(value).__name__ not in {"member_descriptor", "getset_descriptor"}
    ]


def _of_attribute(value: object) -> object:
    if isinstance(value, property):
        return ["property", *(part and _of_function(part) for part in (value.fget, value.fset, value.fdel))]
    if isinstance(value, staticmethod | classmethod):
        return [type(value).__name__, _of_function(value.__func__)]
    if isinstance(value, FunctionType):
        return _of_function(value)
    return _of_value(value)


def _of_function(function: object) -> object:
    """Return a function by its code; one that closes over something, as what it does depends on that, is not known."""
    if isinstance(function, MethodType) or not isinstance(function, FunctionType):
        raise CannotTellError
    if set(function.__code__.co_freevars) - {"__class__"}:
        raise CannotTellError
    return [_of_code(function.__code__), _of_value(function.__defaults__), _of_value(function.__kwdefaults__)]


def _of_code(code: CodeType) -> object:
    constants = [_of_code(part) if hasattr(part, "co_code") else repr(part) for part in code.co_consts]
    return [code.co_name, code.co_code.hex(), constants, list(code.co_names), list(code.co_varnames)]
