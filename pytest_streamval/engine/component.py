"""Actions, the requests to a model: text, instructions and messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from pytest_streamval.engine.output import Parsed_co

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_streamval.engine.thunk import ModelOutputThunk


@dataclass(frozen=True, slots=True)
class CBlock:
    """A block of plain text."""

    value: str
    """The text."""
    meta: Mapping[str, Any] | None = None
    """The application's own data about the text. It is never sent to a model."""

    def parse(self, computed: ModelOutputThunk[Any]) -> str | None:
        """Return the text of a computed output."""
        return computed.value

    def __str__(self) -> str:
        return self.value


@runtime_checkable
class Component(Protocol[Parsed_co]):
    """A request that formats itself for a model and parses the answer into a value of type `Parsed_co`."""

    def parts(self) -> Sequence[Component[Any] | CBlock]:
        """Return the components that this one is made of."""

    def format_for_llm(self) -> str:
        """Return the text that is sent to a model."""

    def parse(self, computed: ModelOutputThunk[Any]) -> Parsed_co:
        """Return the result that a computed output stands for. It becomes the output's `parsed_repr`."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """A task for a model, with conditions on the answer."""

    description: str
    """The task."""
    requirements: tuple[str, ...] = ()
    """Conditions that are sent to the model with the task. Only a `Requirement` checks an answer."""

    def parts(self) -> Sequence[Component | CBlock]:
        """Return no parts, because an instruction is plain text."""
        return ()

    def format_for_llm(self) -> str:
        """Return the description, followed by a list of the requirements."""
        if not self.requirements:
            return self.description
        conditions = "\n".join(f"- {requirement}" for requirement in self.requirements)
        return f"{self.description}\n\nThe answer has to fulfil:\n{conditions}"

    def parse(self, computed: ModelOutputThunk) -> str:
        """Return the text of the output."""
        return str(computed)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """The speaker: `"system"`, `"user"`, `"assistant"`, or `"tool"` for the result of a tool call."""
    content: str
    """The text of the message."""
    tool_call_id: str | None = None
    """The identifier of the tool call whose result this is. None is the first call without a result."""

    def parts(self) -> Sequence[Component | CBlock]:
        """Return no parts, because a message is plain text."""
        return ()

    def format_for_llm(self) -> str:
        """Return the content. Backends send the role beside it."""
        return self.content

    def parse(self, computed: ModelOutputThunk) -> Message:
        """Return the output as the assistant's message."""
        return Message("assistant", str(computed))


Action: TypeAlias = Component | CBlock
"""A request to a backend."""


def as_action(action: Action | str) -> Action:
    """Return an action, and a string as a `CBlock`."""
    return CBlock(action) if isinstance(action, str) else action


def text_of(action: Action | ModelOutputThunk | str) -> str:
    """Return the text of an action or of an output."""
    return action.format_for_llm() if isinstance(action, Component) else str(action)
