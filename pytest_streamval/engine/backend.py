"""`Backend`: whatever turns an action into an output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.thunk import ModelOutputThunk


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
