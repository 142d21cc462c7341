"""Requirements: what an output has to fulfil, judged chunk by chunk and as a whole."""

from __future__ import annotations

import inspect
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeAlias, cast

from pytest_streamval.engine.component import Instruction
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.copies import with_own_containers
from pytest_streamval.errors import InvalidArgumentError, InvalidVerdictError, excerpt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.thunk import ModelOutputThunk

Verdict: TypeAlias = Literal["pass", "fail", "unknown"]


_VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "unknown")
_PLAIN: dict[object, PartialValidationResult] = {}  # the results that say nothing but the verdict


class _Result:
    """A verdict and what is known about it; immutable, compared by value."""

    __slots__ = ("reason", "score", "thunk", "context", "success")  # noqa: RUF023  # as _facts has them

    success: Any
    reason: str | None
    """Why, in words."""
    score: float | None
    """How sure or how good, on the validator's own scale."""
    thunk: ModelOutputThunk | None
    """The output of the model that judged, if one did."""
    context: Context | None
    """The context in which it judged."""

    def as_bool(self) -> bool:
        """Return whether the verdict is a pass."""
        return self.success is True or self.success == "pass"

    def __bool__(self) -> bool:
        return self.as_bool()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Result) and type(self) is type(other) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self._facts())

    def __repr__(self) -> str:
        facts = "".join(
            f", {name}={value!r}"
            for name in ("reason", "score", "thunk", "context")
            if (value := getattr(self, name)) is not None
        )
        return f"{type(self).__name__}({self.success!r}{facts})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        success, *others = self._facts()
        kind: Callable[..., Any] = type(self)
        return partial(kind, success, **dict(zip(_Result.__slots__[:-1], others, strict=True))), ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = f"{type(self).__name__} is immutable: make a new one with {name}={value!r}."
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        msg = f"{type(self).__name__} is immutable: {name} cannot be deleted."
        raise AttributeError(msg)

    def _facts(self) -> tuple[Any, ...]:
        return self.success, self.reason, self.score, self.thunk, self.context

    @classmethod
    def _of(cls, success: object, *others: object) -> Self:
        result = super().__new__(cls)
        for name, value in zip(_Result.__slots__, (*others, success), strict=True):
            object.__setattr__(result, name, value)
        return result


class ValidationResult(_Result):
    """What a requirement says about a whole output."""

    __slots__ = ()

    success: bool
    """Whether the output fulfils the requirement."""

    def __new__(
        cls,
        result: bool,  # noqa: FBT001  # the verdict is what the result is made of
        *,
        reason: str | None = None,
        score: float | None = None,
        thunk: ModelOutputThunk | None = None,
        context: Context | None = None,
    ) -> Self:
        """Make a result from a verdict."""
        verdict: object = result
        if verdict is None or isinstance(verdict, str):
            raise InvalidArgumentError("result", excerpt(result), "The verdict on a whole output is True or False.")
        return cls._of(bool(result), reason, score, thunk, context)


class PartialValidationResult(_Result):
    """What a requirement says about a stream so far: `"pass"`, `"fail"` (stop it) or `"unknown"` (go on)."""

    __slots__ = ()

    success: Verdict
    """The verdict; as a bool only `"pass"` is true."""

    def __new__(
        cls,
        success: Verdict,
        *,
        reason: str | None = None,
        score: float | None = None,
        thunk: ModelOutputThunk | None = None,
        context: Context | None = None,
    ) -> Self:
        """Make a result from a verdict; the three that say nothing else are shared, as every chunk makes some."""
        if reason is None and score is None and thunk is None and context is None:
            try:
                plain = _PLAIN.get(success)
            except TypeError:  # what cannot be a key is no verdict either
                plain = None
            if plain is not None and cls is PartialValidationResult:
                return cast("Self", plain)
        if success not in _VERDICTS:
            raise InvalidArgumentError("success", excerpt(success), 'A verdict is "pass", "fail" or "unknown".')
        return cls._of(success, reason, score, thunk, context)


_PLAIN.update({verdict: PartialValidationResult(verdict) for verdict in _VERDICTS})


def default_output_to_bool(output: ModelOutputThunk | str) -> bool:
    """Return what a judge's answer means: its first `yes` or `no` decides, and neither is no."""
    found = re.search(r"\b(yes|no)\b", str(output), re.IGNORECASE)
    return found is not None and found[1].lower() == "yes"


class Requirement:
    """Something that an output has to fulfil.

    A subclass judges while the output streams by overriding `stream_validate`, and the whole by overriding `validate`
    or by a `validation_fn`. A run works on a copy, so a subclass may collect what it has seen on `self`.
    """

    description: str | None = None
    """The requirement in words: what a judge and a reader of a report are told."""
    validation_fn: Callable[[Context], bool | ValidationResult | Awaitable[bool | ValidationResult]] | None = None
    output_to_bool: Callable[[ModelOutputThunk], bool] = staticmethod(default_output_to_bool)
    check_only: bool = False

    def __init__(
        self,
        description: str | None = None,
        validation_fn: Callable[[Context], bool | ValidationResult | Awaitable[bool | ValidationResult]] | None = None,
        *,
        output_to_bool: Callable[[ModelOutputThunk], bool] = default_output_to_bool,
        check_only: bool = False,
    ) -> None:
        """Make a requirement.

        Args:
            description: the requirement in words.
            validation_fn: judges the whole output, `ctx.last_output()`; without one the backend is asked as a judge.
            output_to_bool: what a judge's answer means.
            check_only: keep the description out of what the generating model is told.
        """
        if callable(description):
            raise InvalidArgumentError(
                "description", excerpt(description), "It comes first and is text; pass validation_fn=... by name."
            )
        # what is not given here is left to a subclass, which may have defined it for all its instances
        if description is not None:
            self.description = description
        if validation_fn is not None:
            self.validation_fn = validation_fn
        if output_to_bool is not default_output_to_bool:
            self.output_to_bool = output_to_bool
        if check_only:
            self.check_only = True

    @property
    def name(self) -> str:
        """How messages call this requirement: its class, and its description if it has one."""
        return type(self).__name__ + (f"({excerpt(self.description)})" if self.description else "")

    def format_for_llm(self) -> str:
        """Return the requirement as a model is told it."""
        return self.description or ""

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Judge the next chunk of a stream.

        The run is the one reader of the output while it streams: to read `ctx.last_output()` here raises a
        `ConcurrentReadError`. Keep what you need of earlier chunks on `self`, which is copied for each run, or judge
        the complete output in `validate`.

        Args:
            chunk: the chunk, which has not been released yet.
            backend: the backend that may be asked as a judge.
            ctx: the context that ends with the output being generated.

        Returns:
            `"fail"` stops the stream before the chunk is released; by default `"unknown"`.
        """
        del chunk, backend, ctx
        return PartialValidationResult("unknown")

    async def validate(
        self,
        backend: Backend,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # as in Backend
        model_options: Mapping[str, object] | None = None,
    ) -> ValidationResult:
        """Judge the whole output, `ctx.last_output()`, by `validation_fn` or by asking `backend` as a judge.

        A subclass that overrides `stream_validate` and has no description has said all it has to say, chunk by chunk.

        Raises:
            InvalidVerdictError: a `TypeError`; the `validation_fn` returned no verdict.
            InvalidArgumentError: a `TypeError`; there is no description either that a judge could be asked about.
        """
        if self.validation_fn is None:
            if self.format_for_llm():
                return await self._ask(backend, ctx, format, model_options)
            if type(self).stream_validate is not Requirement.stream_validate:
                return ValidationResult(result=True, reason="judged chunk by chunk")
            rule = "A requirement is judged by its validation_fn, or by a model, which needs it in words."
            raise InvalidArgumentError("description", excerpt(self.description), rule)
        verdict = self.validation_fn(ctx)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if isinstance(verdict, ValidationResult):
            return verdict
        if isinstance(verdict, bool):
            return ValidationResult(verdict)
        raise InvalidVerdictError(
            f"The validation_fn of {self.name}", excerpt(verdict), "It returns a bool or a ValidationResult."
        )

    async def _ask(
        self, backend: Backend, ctx: Context, schema: object | None, model_options: Mapping[str, object] | None
    ) -> ValidationResult:
        """Ask a model whether the output fulfils the description."""
        question = Instruction(
            f"Requirement: {self.format_for_llm()}\n\n"
            "Does the text below fulfil it? Begin with yes or no, then say why.\n\n"
            f"Text:\n{ctx.last_output() or ''}"
        )
        thunk, judged_in = await backend.generate_from_context(
            question, SimpleContext(), format=schema, model_options=model_options
        )
        try:
            answer = await thunk.avalue()
        except BaseException:
            await thunk.cancel_generation()
            raise
        return ValidationResult(self.output_to_bool(thunk), reason=answer, thunk=thunk, context=judged_in)

    def __copy__(self) -> Self:
        """Return a copy with containers of its own, at any depth: what a run collects stays out of the original.

        Other objects on it are shared.
        """
        return with_own_containers(self)

    def __repr__(self) -> str:
        return self.name
