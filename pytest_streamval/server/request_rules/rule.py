"""A rule of a provider about requests, and the checks that many rules share.

A check takes the body of a request and yields a `Fault` for each place that breaks the rule. It takes any JSON: a check
ignores values whose types another rule rejects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from pytest_streamval.errors.text import harmless

_SHOWN = 80  # characters of a value in a message
Body: TypeAlias = Mapping[str, object]
"""The body of a request."""


class Fault(NamedTuple):
    """A place in a request that breaks a rule."""

    message: str
    """The error message, in the provider's words."""
    param: str | None = None
    """The field, if the provider's errors name it."""
    code: str | None = None
    """The provider's code of the error, if it has one."""
    tool: str | None = None
    """The tool, if the place is a call of a tool that the request does not offer."""
    response: str | None = None
    """The identifier, if the place is that of an earlier response."""


Check: TypeAlias = Callable[[Body], Iterable[Fault]]


class RequestRule(NamedTuple):
    """A rule of a provider."""

    words: str
    """The rule as a sentence."""
    source: str
    """The address of the provider's documentation, or of a report with the provider's error."""
    check: Check
    """The function that finds the places that break the rule."""
    refuses: bool = True
    """Whether the provider refuses such a request. If not, it only ends in a warning."""


class BrokenRule(NamedTuple):
    """A rule that a request breaks."""

    rule: RequestRule
    fault: Fault

    def __str__(self) -> str:
        return f"{self.fault.message.strip()} {self.reason}"

    @property
    def reason(self) -> str:
        """The rule and its source."""
        return f"[{self.rule.words} {self.rule.source}]"


def shown(value: object) -> str:
    """Return a text for a message, cut if it is long, or the type of any other value."""
    return harmless(value[:_SHOWN]) if isinstance(value, str) else kind_of(value)


def offered_tools(body: Body) -> set[str]:
    """Return the names of the tools that a request of any protocol offers."""
    tools = [tool for _, tool in dicts_in(body.get("tools"))]
    kinds = ("function", "custom", "functionDeclarations", "function_declarations", "tools")
    inner = [tool.get(kind) for tool in tools for kind in kinds]
    nested = [each for value in inner for _, each in dicts_in([value] if isinstance(value, dict) else value)]
    return {name for tool in (*tools, *nested) if isinstance(name := tool.get("name"), str)}


def dicts_in(value: object) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the objects of a list with their places, nothing for any other value."""
    for place, each in enumerate(value if isinstance(value, list) else ()):
        if isinstance(each, dict):
            yield place, each


def dict_in(value: object) -> dict[str, object]:
    """Return an object, an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def is_number(value: object) -> bool:
    """Return whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: object) -> bool:
    """Return whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def kind_of(value: object) -> str:
    """Return the name of the type of a JSON value, with its article."""
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "an integer", float: "a decimal"}
    return names.get(type(value), "null")


def value_at(body: Body, path: str) -> object:
    """Return the value at a path such as `thinking.budget_tokens`, None if it is missing."""
    value: object = body
    for name in path.split("."):
        value = dict_in(value).get(name) if value is not body else body.get(name)
    return value
