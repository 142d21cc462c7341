"""What is asked of a model: text, instructions, messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import TypeVar

    from pytest_streamval.engine.thunk import ModelOutputThunk

    Parsed_co = TypeVar("Parsed_co", default=Any, covariant=True)
else:
    from typing import TypeVar

    Parsed_co = TypeVar("Parsed_co", covariant=True)


@dataclass(frozen=True, slots=True)
class CBlock:
    """A block of plain text."""

    value: str
    """The text."""
    meta: Mapping[str, Any] | None = None
    """Whatever the application wants to keep with it; never sent to a model."""

    def __str__(self) -> str:
        return self.value


@runtime_checkable
class Component(Protocol[Parsed_co]):
    """Something that can be put into words for a model, and can read its answer, as a value of type `Parsed_co`."""

    def parts(self) -> Sequence[Component[Any] | CBlock]:
        """Return the components that this one is made of."""

    def format_for_llm(self) -> str:
        """Return the text that a model gets."""

    def parse(self, computed: ModelOutputThunk[Any]) -> Parsed_co:
        """Turn a computed output into this component's result, which becomes its `parsed_repr`."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """A task, and what its result has to fulfil."""

    description: str
    """What to do."""
    requirements: tuple[str, ...] = ()
    """Conditions told to the model with the task; checking them is the business of `Requirement`."""

    def parts(self) -> Sequence[Component | CBlock]:
        """Return no parts: an instruction is plain text."""
        return ()

    def format_for_llm(self) -> str:
        """Return the description, with the requirements as a list behind it."""
        if not self.requirements:
            return self.description
        listed = "\n".join(f"- {requirement}" for requirement in self.requirements)
        return f"{self.description}\n\nThe answer has to fulfil:\n{listed}"

    def parse(self, computed: ModelOutputThunk) -> str:
        """Return the text of the output."""
        return str(computed)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """Who speaks: `"system"`, `"user"` or `"assistant"`."""
    content: str
    """What is said."""

    def parts(self) -> Sequence[Component | CBlock]:
        """Return no parts: a message is plain text."""
        return ()

    def format_for_llm(self) -> str:
        """Return the content; the role travels beside it."""
        return self.content

    def parse(self, computed: ModelOutputThunk) -> Message:
        """Return the output as the assistant's message."""
        return Message("assistant", str(computed))


Action: TypeAlias = Component | CBlock
"""What a backend can be asked."""


def as_action(action: Action | str) -> Action:
    """Return an action, a string as a `CBlock`."""
    return CBlock(action) if isinstance(action, str) else action


def text_of(action: Action | ModelOutputThunk | str) -> str:
    """Return the words of anything that stands in a context."""
    return action.format_for_llm() if isinstance(action, Component) else str(action)
