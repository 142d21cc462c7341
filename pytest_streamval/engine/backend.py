"""`Backend`: whatever turns an action into an output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.thunk import ModelOutputThunk

_SLIP = 0.9  # likeness of a misspelt name, by difflib's measure; "max_tokens" is 0.83 like "max_new_tokens", and a name


class ModelOption(StrEnum):
    """Options that every backend understands, as keys of `model_options`; others are handed on as they are."""

    STREAM = "stream"
    """Return the output at once and put the deltas as they come."""
    TEMPERATURE = "temperature"
    """Randomness of sampling, 0 for none."""
    MAX_NEW_TOKENS = "max_new_tokens"
    """The most tokens to generate."""
    SEED = "seed"
    """Seed of sampling."""
    SYSTEM_PROMPT = "system_prompt"
    """What the model is told first."""
    STOP = "stop"
    """A string, or a list of them, at which generation ends."""


class Backend(ABC):
    """A source of outputs: a model behind a network, a recording, a script.

    A subclass makes an output, gives it a producer with `thunk.start(produce)`, which is all that it takes to be
    stoppable, and returns it at once, together with the context it stands in:

        thunk = ModelOutputThunk(action=action)
        thunk.start(produce)
        return thunk, ctx.add(action).add(thunk)
    """

    @property
    def identity(self) -> str | None:
        """What tells this backend from every other that may answer differently, in any process; None by default.

        Answers may be kept and given again under it. It holds no secret.
        """
        return None

    @abstractmethod
    async def generate_from_context(
        self,
        action: Action,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        """Start generating the answer to an action.

        Args:
            action: what is asked.
            ctx: what went before.
            format: a schema that the output has to follow, where the backend knows of such.
            model_options: by `ModelOption` or the backend's own names.

        Returns:
            The output, still being generated, and the context that ends with it.
        """


_NAMES = frozenset(option.value for option in ModelOption)


def checked_options(model_options: Mapping[str, object] | None) -> dict[str, object]:
    """Return options as a caller gave them, if that is what they are.

    A name that only a backend knows passes; one that is nearly a `ModelOption` is a slip of the pen, which a backend
    would hand on to a provider that ignores it.

    Raises:
        InvalidArgumentError: a `TypeError` and a `ValueError`; it is no mapping, or a key is no name or misspelt.
    """
    given: object = model_options
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidArgumentError("model_options", excerpt(given), "It must be a dict, such as {ModelOption.SEED: 1}.")
    for name in given:
        if name not in _NAMES:
            _check_name(name)
    return dict(given)


def _check_name(name: object) -> None:
    names = ", ".join(f"ModelOption.{option.name}" for option in ModelOption)
    if not isinstance(name, str):
        raise InvalidArgumentError(
            "model_options", excerpt(name), f"Options go by name: {names}, or the backend's own."
        )
    near = get_close_matches(name.strip().casefold(), _NAMES, n=1, cutoff=_SLIP)
    if near:
        rule = f"There is no option of that name, but ModelOption.{near[0].upper()}. All there are: {names}."
        raise InvalidArgumentError("model_options", excerpt(name), rule)
