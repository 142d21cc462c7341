"""Events as JSON values, and back. A value of a class has the key `kind`, the name of its class."""

from __future__ import annotations

import json
import sys
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult
from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.files.typed_json import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KIND: Final = "kind"
"""The key of the name of a value's class."""

_OWN: Final = "pytest_streamval."
_RESULTS: Final = {kind.__name__: kind for kind in (PartialValidationResult, ValidationResult)}
_RESULT_FACTS: Final = ("success", "reason", "score", "replacement")
_DETAILS: Final = "details"
_RESERVED: Final = {KIND, _DETAILS}  # a field of such a name gets an underscore at its end


def values_of(event: Any) -> dict[str, Any]:  # noqa: ANN401  # an event; their module uses this one
    """Return an event as JSON values.

    Raises:
        InvalidArgumentError: A `TypeError`. If a field has a value that JSON cannot hold.
    """
    name = type(event).__name__
    values = {_key(field): _encoded(value, f"{name}.{field}") for field, value in event.content().items()}
    details = getattr(event, "_details", None)
    kept = {} if details is None else {_DETAILS: _encoded(details, f"{name}.{_DETAILS}")}
    return {KIND: name_of_kind(type(event)), "timestamp": event.timestamp, **values, **kept}


def event_of(base: type[Any], values: Mapping[str, Any], root: type[Any]) -> Any:  # noqa: ANN401  # an event
    """Return the event of JSON values. Its constructor is not called.

    Args:
        base: The class that the event must have, itself or a subclass of it.
        values: What `values_of` returned, also after a way through JSON.
        root: The base class of all events.

    Raises:
        InvalidArgumentError: A `TypeError` and `ValueError`. If it is no event of this class.
    """
    given: object = values
    if not isinstance(given, dict) or not isinstance(given.get(KIND), str):
        rule = "It must be a dict with the key 'kind', as event.as_dict() returns it."
        raise InvalidArgumentError("facts", excerpt(given), rule)
    kinds = {name_of_kind(each): each for each in _with_subclasses(base)}
    if (kind := kinds.get(values[KIND])) is None:
        rule = f"It must be one of {', '.join(sorted(kinds))}. Import the module of an event class first."
        raise InvalidArgumentError(KIND, excerpt(values[KIND]), rule)
    contents = {_field(key): value for key, value in values.items() if key not in _RESERVED}
    compared = [each for each in fields(kind) if each.compare] if is_dataclass(kind) else []
    missing = [name for name in ("timestamp", *(each.name for each in compared)) if name not in contents]
    if missing:
        rule = f"It must have {missing[0]!r}, which each {kind.__name__} has."
        raise InvalidArgumentError("facts", excerpt(given), rule)
    tuples = {each.name for each in compared if _is_tuple(each.type)}
    event = object.__new__(kind)
    for name, value in contents.items():
        decoded = _decoded(root, value)
        object.__setattr__(event, name, _as_tuple(decoded) if name in tuples else decoded)
    if values.get(_DETAILS) is not None:
        object.__setattr__(event, "_details", _as_tuple(values[_DETAILS]))
    return event


def name_of_kind(kind: type[Any]) -> str:
    """Return the name of a class that distinguishes it from all others: with its module, unless that is ours."""
    return kind.__qualname__ if kind.__module__.startswith(_OWN) else f"{kind.__module__}:{kind.__qualname__}"


def _key(field: str) -> str:
    return f"{field}_" if field.rstrip("_") in _RESERVED else field


def _field(key: str) -> str:
    return key[:-1] if key.rstrip("_") in _RESERVED else key


def _with_subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    """Yield a class and all classes below it. Of two with one name, the later one is the one in use."""
    yield kind
    for each in kind.__subclasses__():
        yield from _with_subclasses(each)


def _is_tuple(annotation: Any) -> bool:  # noqa: ANN401  # an annotation, or its text
    """Return whether a field holds a tuple. JSON has only lists."""
    text = annotation if isinstance(annotation, str) else repr(annotation)
    return text.removeprefix("<class '").lower().startswith(("tuple", "typing.tuple"))


def _as_tuple(value: Any) -> Any:  # noqa: ANN401  # any value
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value


def _encoded(value: Any, place: str) -> Any:  # noqa: ANN401  # any value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "as_dict") and hasattr(value, "content"):  # another event
        return values_of(value)
    for name, kind in _RESULTS.items():
        if isinstance(value, kind):
            found = {fact: getattr(value, fact, None) for fact in _RESULT_FACTS}
            return {KIND: name} | {fact: each for fact, each in found.items() if each is not None}
    if is_dataclass(value) and not isinstance(value, type):
        return {KIND: f"{type(value).__module__}:{type(value).__qualname__}", **json.loads(to_json(value))}
    if isinstance(value, list | tuple):
        return [_encoded(each, f"{place}[{at}]") for at, each in enumerate(value)]
    if isinstance(value, dict) and KIND not in value and all(isinstance(key, str) for key in value):
        return {key: _encoded(each, f"{place}[{key!r}]") for key, each in value.items()}
    rule = (
        "It must be a text, a number, a bool, None, a verdict, an event or a dataclass, or a list, a tuple or a dict "
        "of these, whose keys are texts other than 'kind'."
    )
    raise InvalidArgumentError(place, excerpt(value), rule)


def _decoded(root: type[Any], value: Any) -> Any:  # noqa: ANN401  # JSON values
    """Return a value of JSON with the objects that it has by their kinds.

    Args:
        root: The base class of all events.
        value: The value.
    """
    if isinstance(value, list | tuple):
        return [_decoded(root, each) for each in value]
    if not isinstance(value, dict):
        return value
    if KIND not in value:
        return {key: _decoded(root, each) for key, each in value.items()}
    facts = {key: each for key, each in value.items() if key != KIND}
    if (result := _RESULTS.get(value[KIND])) is not None:
        return result(facts.pop("success"), **facts)
    module, _, name = str(value[KIND]).partition(":")
    kind = getattr(sys.modules.get(module), name, None)  # imports nothing that the file names
    if isinstance(kind, type) and is_dataclass(kind) and not issubclass(kind, root):
        return from_json(kind, facts)
    return event_of(root, value, root)
