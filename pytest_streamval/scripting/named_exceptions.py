"""The classes of exceptions that a script file can name.

A script file is data, and may come from a stranger. So a name imports nothing unless the caller has allowed its module,
and the class must be one that code under test may receive. An exception that ends the run of a program, or by which a
runner of tests ends a run, skips a test or rejects an example, is not.
"""

from __future__ import annotations

import asyncio
import builtins
import sys
from difflib import get_close_matches
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING

from pytest_streamval import errors
from pytest_streamval.errors import described, excerpt
from pytest_streamval.files.json_text import json_line

if TYPE_CHECKING:
    from collections.abc import Collection

allowed_modules: list[str] = []
"""The names of further modules that may be imported, from the ini value `streamval_script_imports`."""

_OWN = "pytest_streamval"
_LONGEST = 120  # characters of a name in a message
_RUNNERS = {"pytest", "_pytest", "unittest", "hypothesis"}  # their exceptions decide about tests
_CHOICES = [name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)]


def exception_named(name: str, imports: Collection[str] = ()) -> type[BaseException]:
    """Return the class of exceptions with a name: `TimeoutError`, or `package.module:Class`.

    Args:
        name: The name.
        imports: The names of the modules and packages that may be imported, besides `allowed_modules`.

    Raises:
        ValueError: If there is no such class, or a file may not name it. Its message is a sentence without its point.
    """
    module, colon, qualname = name.partition(":")
    kind = _imported(module, qualname, {*imports, *allowed_modules}) if colon else getattr(builtins, name, None)
    shown = _shown(name)
    if kind is None:
        near = get_close_matches(name, _CHOICES, 1)
        hint = f" (did you mean {_quoted(near[0])}?)" if near else ""
        other = 'The name of any other class is "package.module:Class"'
        raise ValueError(f"Unknown built-in exception {_quoted(name)}{hint}. {other}")
    if not isinstance(kind, type) or not issubclass(kind, BaseException):
        raise ValueError(f"{shown} is not a class of exceptions")  # noqa: TRY004  # of the name's value
    if not _is_harmless(kind):
        advice = f"Make such a script in Python: Raise({kind.__qualname__})"
        raise ValueError(f"{shown} ends a run or a test, which a file must not do. {advice}")
    return kind


def _imported(module: str, qualname: str, imports: Collection[str]) -> object:
    """Return the object with a name in a module, which is imported only if that is allowed."""
    names = qualname.split(".")
    is_allowed = any(module == each or module.startswith(f"{each}.") for each in imports)
    try:
        if is_allowed:
            return reduce(getattr, names, import_module(module))
        home: object = errors if module == _OWN else sys.modules[module]
        return reduce(_attribute, names, home)
    except Exception as error:  # the code of an allowed module may raise anything
        reason = f"{type(error).__name__}: {described(error)}"
        if not is_allowed and isinstance(error, KeyError):
            reason = (
                f"a file can name classes of modules that are imported already. Import {excerpt(module)} before, or "
                f"allow that: Script.load(path, imports=[{excerpt(module)}])"
            )
        raise ValueError(f"{_shown(f'{module}:{qualname}')} cannot be imported: {reason}") from error


def _attribute(owner: object, name: str) -> object:
    """Return an attribute that is there. The `__getattr__` of a module may import others."""
    try:
        return vars(owner)[name]
    except (KeyError, TypeError):
        raise AttributeError(f"{excerpt(owner)} has no {excerpt(name)}") from None


def _quoted(name: str) -> str:
    """Return a name as the file has it."""
    return json_line(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}...")


def _shown(name: str) -> str:
    return name if name.isprintable() and len(name) <= _LONGEST else _quoted(name)


def _is_harmless(kind: type[BaseException]) -> bool:
    """Return whether a class is one that code under test may receive."""
    if any(str(base.__module__).partition(".")[0] in _RUNNERS for base in kind.__mro__):
        return False
    return issubclass(kind, Exception | asyncio.CancelledError)
