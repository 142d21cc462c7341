"""The output that a client received, in one form for all clients, and its error."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple


class ToolUse(NamedTuple):
    """A tool call."""

    name: str
    """The name of the tool."""
    arguments: object
    """The arguments, parsed from JSON."""


@dataclass(slots=True)
class Received:
    """The output so far. It stays after an error."""

    texts: list[str] = field(default_factory=list)
    """The text, piece by piece."""
    thoughts: list[str] = field(default_factory=list)
    """The thinking, piece by piece."""
    fragments: dict[object, list[str]] = field(default_factory=dict)
    """The name of each tool call and the pieces of its arguments, by the key that the client uses."""
    usage: tuple[int | None, int | None] | None = None
    """The tokens of the prompt and of the output."""
    reason: str | None = None
    """The reason for the end, in the protocol's word."""
    message: object = None
    """The result of the client's helper, if it has one."""

    @property
    def text(self) -> str:
        """All text."""
        return "".join(self.texts)

    @property
    def thinking(self) -> str:
        """All thinking."""
        return "".join(self.thoughts)

    @property
    def calls(self) -> list[ToolUse]:
        """All tool calls."""
        return [ToolUse(name, json.loads("".join(pieces) or "{}")) for name, *pieces in self.fragments.values()]

    @property
    def content(self) -> tuple[object, ...]:
        """The complete output, without the boundaries of its pieces."""
        return self.text, self.thinking, self.calls, self.usage, self.reason

    def add_call(self, key: object, name: str, arguments: object = "") -> None:
        """Add a tool call with its first arguments, as text or as an object."""
        self.fragments[key] = [name, arguments if isinstance(arguments, str) else json.dumps(arguments)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The output and the error of a call."""

    received: Received
    """The output."""
    error: Exception | None
    """The error, or None."""

    @property
    def raised(self) -> str:
        """The name of the error as users import it, or an empty text."""
        if self.error is None:
            return ""
        kind = type(self.error)
        if kind.__module__ == "builtins":
            return kind.__name__
        modules = list(accumulate(kind.__module__.split("."), "{}.{}".format))
        homes = (module for module in modules if getattr(sys.modules.get(module), kind.__name__, None) is kind)
        return f"{next(homes, kind.__module__)}.{kind.__name__}"
