"""Bodies of requests: the values with secret names in JSON, in forms and in parts, and all other texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

from pytest_streamval.http.secrets.assigned_values import is_secret_number
from pytest_streamval.http.secrets.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SCHEMAS = frozenset(
    {"properties", "$defs", "definitions", "patternProperties"}
)  # their fields are names of properties
_KINDS = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const", "description", "title", "format"})
_VALUES = frozenset({"default", "const", "enum", "example", "examples"})  # the fields of a schema that hold values
_FORM = "application/x-www-form-urlencoded"
_DISPOSITION = "content-disposition:"
_LONGEST_PART_HEAD = 2_000


class Treatment(NamedTuple):
    """The treatment of the values in a body."""

    secret: Callable[[str, str], str]
    """Takes the name and the text of a secret, and returns the text in its place."""
    number: Callable[[str, float], object]
    """Takes the name and the value of a secret number, and returns the value in its place."""
    text: Callable[[str], str]
    """Takes any other text, and returns the text in its place."""
    name: Callable[[str], str]
    """Takes the name of a field, and returns the name in its place."""


def treated_json(value: object, treatment: Treatment, *, are_properties: bool = False) -> object:
    """Return a value of JSON after a treatment.

    Args:
        value: The value.
        treatment: The treatment of its texts.
        are_properties: Whether the fields are the properties of a JSON schema, which hold schemas and no values.
    """
    if isinstance(value, str):
        return treatment.text(value)
    if isinstance(value, list):
        return [treated_json(part, treatment) for part in value]
    if not isinstance(value, dict):
        return value
    clean: dict[str, object] = {}
    for name, part in value.items():
        if not is_secret_name(name):
            treated = treated_json(part, treatment, are_properties=name in _SCHEMAS)
        elif are_properties and _is_schema(part):
            treated = _schema(name, part, treatment)
        else:
            treated = _secret(name, part, treatment)
        clean[treatment.name(name)] = treated
    return clean


def _is_schema(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, dict) and (not value or not _KINDS.isdisjoint(value)))


def _schema(name: str, schema: Any, treatment: Treatment) -> object:  # noqa: ANN401  # JSON
    """Return the schema of a property with a secret name. The values in it are secret."""
    if not isinstance(schema, dict):
        return schema
    return {
        field: _secret(name, part, treatment) if field in _VALUES else treated_json({field: part}, treatment)[field]  # type: ignore[index]
        for field, part in schema.items()
    }


def _secret(name: str, value: object, treatment: Treatment) -> object:
    """Return a value with a secret name: its texts and numbers are secret, in lists and objects too."""
    if isinstance(value, dict):
        return {treatment.name(field): _secret(name, part, treatment) for field, part in value.items()}
    if isinstance(value, list):
        return [_secret(name, part, treatment) for part in value]
    if isinstance(value, str):
        return treatment.secret(name, value) if value else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return treatment.number(name, value) if is_secret_number(name, str(value)) else value


def treated_text(body: str, headers: Mapping[str, str], treatment: Treatment) -> str:
    """Return a body that is no JSON after a treatment. It may be a form, or consist of parts."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if body.startswith("--"):
        return _parts(body, treatment)
    if kind.partition(";")[0].strip().lower() == _FORM or _is_form(body):
        return "&".join(_pair(pair, treatment) for pair in body.split("&"))
    return treatment.text(body)


def _is_form(body: str) -> bool:
    return "=" in body and not any(map(str.isspace, body)) and all("=" in pair for pair in body.split("&"))


def _pair(pair: str, treatment: Treatment) -> str:
    name, sign, value = pair.partition("=")
    decoded = unquote_plus(value)
    if value and is_secret_name(unquote_plus(name)):
        clean = treatment.secret(unquote_plus(name), decoded)
    else:
        clean = treatment.text(decoded)
    return treatment.text(pair) if clean == decoded else f"{treatment.text(name)}{sign}{clean}"


def _parts(body: str, treatment: Treatment) -> str:
    """Return a body of several parts (RFC 7578), each of which has a name."""
    boundary = body.partition("\n")[0].rstrip("\r")
    return boundary.join(_part(part, treatment) for part in body.split(boundary))


def _part(part: str, treatment: Treatment) -> str:
    blank = "\r\n\r\n" if "\r\n\r\n" in part else "\n\n"
    head, space, content = part.partition(blank)
    name = _name_of_part(head[:_LONGEST_PART_HEAD])
    value = content.rstrip("\r\n-")
    if value and is_secret_name(name):
        return f"{head}{space}{treatment.secret(name, value)}{content[len(value) :]}"
    return f"{treatment.text(head)}{space}{treatment.text(content)}"


def _name_of_part(head: str) -> str:
    line = next((line for line in head.splitlines() if line.lower().startswith(_DISPOSITION)), "")
    parameters = dict(part.strip().partition("=")[::2] for part in line.split(";"))
    return parameters.get("name", "").strip('"')
