"""The members of a council: who is asked, and under which name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias

from pytest_streamval.engine.backend import Backend
from pytest_streamval.errors import InvalidArgumentError, StreamvalError, excerpt
from pytest_streamval.live.backend import LiveBackend

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Backend_co = TypeVar("Backend_co", bound=Backend | None, default=Backend | None, covariant=True)
else:
    from typing import TypeVar

    Backend_co = TypeVar("Backend_co", covariant=True)

Model: TypeAlias = str | Backend
"""A spec such as `"openai:gpt-4.1"`, or a backend."""


@dataclass(frozen=True, slots=True)
class Member(Generic[Backend_co]):
    """One that a council asks."""

    name: str
    """What events and answers call it; no two members of a council share one."""
    model: str
    """The model, in the provider's own word."""
    backend: Backend_co
    """What is asked; None where the spec names nothing that could be."""
    fault: StreamvalError | None = None
    """Why there is no backend: it becomes the error of every answer."""


def as_member(model: Model, name: str | None = None, *, unnamed: str | None = None) -> Member:
    """Return a member; a spec that names no known provider makes one that answers with an error.

    Args:
        model: who is asked.
        name: what it is called; by default its spec.
        unnamed: what a backend is called that has no spec, by default its class.

    Raises:
        InvalidArgumentError: the model is neither a spec nor a backend.
    """
    if isinstance(model, str):
        try:
            backend = LiveBackend(model)
        except StreamvalError as error:
            return Member(name or model, model.partition(":")[2] or model, None, error)
        return Member(name or backend.spec, backend.model, backend)
    given: object = model
    if not isinstance(given, Backend):
        rule = 'A model is a spec such as "openai:gpt-4.1", or an instance of a subclass of Backend.'
        raise InvalidArgumentError("model", excerpt(given), rule)
    if isinstance(model, LiveBackend):
        return Member(name or model.spec, model.model, model)
    kind = type(model).__name__
    return Member(name or unnamed or kind, kind, model)


def members_of(models: Iterable[Model] | Mapping[str, Model]) -> tuple[Member, ...]:
    """Return the members that models make; a mapping names them, and of equal names all but the first are numbered.

    Raises:
        InvalidArgumentError: there are none, or one is neither a spec nor a backend.
    """
    given: object = models
    if isinstance(given, str | Backend) or not isinstance(given, Iterable):
        rule = "It must be a list of specs and backends, or a mapping that names them. Put a single one into a list."
        raise InvalidArgumentError("models", excerpt(given), rule)
    named = models.items() if isinstance(models, Mapping) else ((None, model) for model in models)
    found = [as_member(model, name) for name, model in named]
    if not found:
        raise InvalidArgumentError("models", excerpt(given), "A council has one member or more.")
    return tuple(_told_apart(found))


def _told_apart(members: list[Member]) -> Iterable[Member]:
    taken: set[str] = set()
    for member in members:
        name, number = member.name, 1
        while name in taken:
            number += 1
            name = f"{member.name}-{number}"
        taken.add(name)
        yield Member(name, member.model, member.backend, member.fault)
