"""The members of a council: their names, models and backends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeAlias

from pytest_streamval.engine.backend import Backend
from pytest_streamval.errors import InvalidArgumentError, StreamvalError, excerpt
from pytest_streamval.live.backend import LiveBackend

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from pytest_streamval.http.pool import ConnectionPool

    Backend_co = TypeVar("Backend_co", bound=Backend | None, default=Backend | None, covariant=True)
else:
    from typing import TypeVar

    Backend_co = TypeVar("Backend_co", covariant=True)

Model: TypeAlias = str | Backend
"""A spec such as `"openai:gpt-4.1"`, or a backend."""


@dataclass(frozen=True, slots=True)
class Member(Generic[Backend_co]):
    """A member of a council."""

    name: str
    """The name in events and answers, unique within the council."""
    model: str
    """The provider's name of the model."""
    backend: Backend_co
    """The backend, or None if the spec is invalid."""
    fault: StreamvalError | None = None
    """The reason why there is no backend. It becomes the error of every answer."""


def make_member(
    model: Model, name: str | None = None, *, default_name: str | None = None, pool: ConnectionPool | None = None
) -> Member:
    """Return a member for a model. An unknown provider makes a member whose answers are errors.

    Without a name, the spec is the name, or for other backends `default_name` or the name of the class.
    """
    if isinstance(model, str):
        try:
            backend = LiveBackend(model, pool=pool)
        except StreamvalError as error:
            return Member(name or model, model.partition(":")[2] or model, None, error)
        return Member(name or backend.spec, backend.model, backend)
    given: object = model
    if not isinstance(given, Backend):
        rule = 'It must be a spec such as "openai:gpt-4.1", or an instance of a subclass of Backend.'
        raise InvalidArgumentError("model", excerpt(given), rule)
    if isinstance(model, LiveBackend):
        return Member(name or model.spec, model.model, model)
    class_name = type(model).__name__
    return Member(name or default_name or class_name, class_name, model)


def make_members(
    models: Iterable[Model] | Mapping[str, Model], pool: ConnectionPool | None = None
) -> tuple[Member, ...]:
    """Return the members for a list of models, or for a mapping from names to models. Repeated names get a number."""
    given: object = models
    if isinstance(given, str | Backend) or not isinstance(given, Iterable):
        rule = "They must be a list of specs and backends, or a dict of them by name. Put a single model into a list."
        raise InvalidArgumentError("models", excerpt(given), rule)
    named = models.items() if isinstance(models, Mapping) else ((None, model) for model in models)
    members: dict[str, Member] = {}
    for name, model in named:
        member = make_member(model, name, pool=pool)
        unique, number = member.name, 1
        while unique in members:
            number += 1
            unique = f"{member.name}-{number}"
        members[unique] = replace(member, name=unique)
    if not members:
        raise InvalidArgumentError("models", excerpt(given), "There must be at least one model.")
    return tuple(members.values())
