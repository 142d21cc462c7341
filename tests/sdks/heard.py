"""What a client got to hear, whatever the client, and how that ended."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple


class Call(NamedTuple):
    """A tool call."""

    name: str
    """The tool."""
    arguments: object
    """The arguments, as what their JSON says."""


@dataclass(slots=True)
class Heard:
    """What arrived so far; what arrived before an error stays."""

    texts: list[str] = field(default_factory=list)
    """The text, piece by piece."""
    thoughts: list[str] = field(default_factory=list)
    """The thinking, piece by piece."""
    fragments: dict[object, list[str]] = field(default_factory=dict)
    """The name of each tool call, and then the pieces of its arguments; by whatever tells calls apart."""
    usage: tuple[int | None, int | None] | None = None
    """The tokens of the prompt and of the output."""
    reason: str | None = None
    """Why the output ended, in the protocol's word."""
    message: object = None
    """What the client's own helper put together, if it has one."""

    @property
    def text(self) -> str:
        """All text."""
        return "".join(self.texts)

    @property
    def thinking(self) -> str:
        """All thinking."""
        return "".join(self.thoughts)

    @property
    def calls(self) -> list[Call]:
        """All tool calls."""
        return [Call(name, json.loads("".join(pieces) or "{}")) for name, *pieces in self.fragments.values()]

    @property
    def content(self) -> tuple[object, ...]:
        """All of it, in whatever pieces it came."""
        return self.text, self.thinking, self.calls, self.usage, self.reason

    def call(self, key: object, name: str, arguments: object = "") -> None:
        """Take the beginning of a tool call; arguments that are no text came as an object."""
        self.fragments[key] = [name, arguments if isinstance(arguments, str) else json.dumps(arguments)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended."""

    heard: Heard
    """What had arrived by then."""
    error: Exception | None
    """What was raised, None after an end in silence."""

    @property
    def raised(self) -> str:
        """The error as users import it, an empty string where none was raised."""
        if self.error is None:
            return ""
        kind = type(self.error)
        if kind.__module__ == "builtins":
            return kind.__name__
        modules = list(accumulate(kind.__module__.split("."), "{}.{}".format))
        home = next(module for module in modules if getattr(sys.modules[module], kind.__name__, None) is kind)
        return f"{home}.{kind.__name__}"
