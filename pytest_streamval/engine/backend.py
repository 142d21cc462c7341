"""`Backend`: a source of outputs."""

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

_MISSPELT = 0.9  # difflib's ratio of a misspelt name; a backend's own "max_tokens" has 0.83 to "max_new_tokens"


class ModelOption(StrEnum):
    """Keys of `model_options` that every backend understands. A backend may accept other keys too."""

    STREAM = "stream"
    """Return the output immediately, and put the deltas as they arrive."""
    TEMPERATURE = "temperature"
    """The randomness of sampling, 0 for none."""
    MAX_NEW_TOKENS = "max_new_tokens"
    """The largest number of tokens to generate."""
    SEED = "seed"
    """The seed of sampling."""
    SYSTEM_PROMPT = "system_prompt"
    """The instructions that the model is sent before all messages."""
    STOP = "stop"
    """A string, or a list of strings, at which generation ends."""


class Backend(ABC):
    """A source of outputs, such as a model in a network, a recording or a script.

    A subclass makes an output, gives it a producer with `thunk.start(produce)`, and returns it immediately, together
    with the context that ends with it. The producer can then be stopped without further code:

        thunk = ModelOutputThunk(action=action)
        thunk.start(produce)
        return thunk, ctx.add(action).add(thunk)
    """

    @property
    def identity(self) -> str | None:
        """A name for this backend that no backend with other answers has, in any process. It is None by default.

        Caches store answers under it. It contains no secret.
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
        """Start to generate the answer to an action.

        Args:
            action: The request.
            ctx: The history before the request.
            format: A schema for the output, if the backend supports schemas.
            model_options: Options by `ModelOption` or by the backend's own names.

        Returns:
            The output, still being generated, and the context that ends with it.
        """


_NAMES = frozenset(option.value for option in ModelOption)


def checked_options(model_options: Mapping[str, object] | None) -> dict[str, object]:
    """Return a copy of valid options.

    Names that only a backend knows are valid. A name that is nearly a `ModelOption` is not: a backend would pass it on
    to a provider, which ignores it.

    Raises:
        InvalidArgumentError: A `TypeError` and a `ValueError`. If it is no mapping, or if a key is no str or misspelt.
    """
    options: object = model_options
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise InvalidArgumentError(
            "model_options", excerpt(options), "It must be a dict, such as {ModelOption.SEED: 1}."
        )
    for name in options:
        if name not in _NAMES:
            _check_name(name)
    return dict(options)


def _check_name(name: object) -> None:
    names = ", ".join(f"ModelOption.{option.name}" for option in ModelOption)
    if not isinstance(name, str):
        rule = f"Each key must be a str. Choose from {names}, or use the backend's own names."
        raise InvalidArgumentError("model_options", excerpt(name), rule)
    near = get_close_matches(name.strip().casefold(), _NAMES, n=1, cutoff=_MISSPELT)
    if near:
        rule = f"There is no option of that name, but ModelOption.{near[0].upper()}. All options are: {names}."
        raise InvalidArgumentError("model_options", excerpt(name), rule)
