"""Requirements on an output, which are checked chunk by chunk and on the complete output."""

from __future__ import annotations

import inspect
import re
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeAlias, cast

from pytest_streamval.engine.component import Instruction
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.copies import with_own_containers
from pytest_streamval.engine.simple_chunkers import resolve_chunking
from pytest_streamval.errors import InvalidArgumentError, InvalidVerdictError, excerpt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.thunk import ModelOutputThunk

Verdict: TypeAlias = Literal["pass", "fail", "unknown"]

_VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "unknown")
_PLAIN: dict[object, PartialValidationResult] = {}  # shared results without a reason, score, thunk and context

asking: ContextVar[Requirement | None] = ContextVar("asking", default=None)
"""The requirement that calls a backend as a judge."""


class _Result:
    """An immutable result, which is compared by value."""

    __slots__ = ("reason", "score", "thunk", "context", "success")  # noqa: RUF023  # in the order of _facts

    success: Any
    reason: str | None
    """The reason in words."""
    score: float | None
    """A number on the validator's own scale."""
    thunk: ModelOutputThunk | None
    """The answer of the model that acted as judge, if one did."""
    context: Context | None
    """The context of that answer."""

    def as_bool(self) -> bool:
        """Return whether the result is a pass."""
        return self.success is True or self.success == "pass"

    def __bool__(self) -> bool:
        return self.as_bool()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Result) and type(self) is type(other) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self._facts())

    def __repr__(self) -> str:
        names = ("reason", "score", "thunk", "context", "replacement")
        facts = "".join(f", {name}={value!r}" for name in names if (value := getattr(self, name, None)) is not None)
        return f"{type(self).__name__}({self.success!r}{facts})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        success, *others = self._facts()
        kind: Callable[..., Any] = type(self)
        names = (*_Result.__slots__[:-1], "replacement")[: len(others)]
        return partial(kind, success, **dict(zip(names, others, strict=True))), ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = f"{type(self).__name__} is immutable. Make a new one with {name}={value!r}."
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        msg = f"{type(self).__name__} is immutable, so {name} cannot be deleted."
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
    """The result of a requirement on a complete output."""

    __slots__ = ()

    success: bool
    """Whether the output fulfils the requirement."""

    def __new__(
        cls,
        result: bool,  # noqa: FBT001  # it is the verdict itself
        *,
        reason: str | None = None,
        score: float | None = None,
        thunk: ModelOutputThunk | None = None,
        context: Context | None = None,
    ) -> Self:
        """Create a result.

        Raises:
            InvalidArgumentError: A `TypeError`. If `result` is None or a str.
        """
        verdict: object = result
        if verdict is None or isinstance(verdict, str):
            rule = "It must be True or False, the verdict on a complete output."
            raise InvalidArgumentError("result", excerpt(result), rule)
        return cls._of(bool(result), reason, score, thunk, context)


class PartialValidationResult(_Result):
    """The result of a requirement on a chunk: `"pass"`, `"fail"` (stop the stream) or `"unknown"` (continue)."""

    __slots__ = ("replacement",)

    replacement: str | None
    """The text that takes the place of a failed chunk, so that the stream continues, or None."""
    success: Verdict
    """The verdict. Only `"pass"` is true as a bool."""

    def __new__(
        cls,
        success: Verdict,
        *,
        reason: str | None = None,
        score: float | None = None,
        thunk: ModelOutputThunk | None = None,
        context: Context | None = None,
        replacement: str | None = None,
    ) -> Self:
        """Create a result, or return a shared one if only the verdict is given.

        Args:
            success: The verdict.
            reason: The reason in words.
            score: A number on the validator's own scale.
            thunk: The answer of the model that acted as judge.
            context: The context of that answer.
            replacement: The text that is released in the place of a failed chunk. The stream then continues.

        Raises:
            InvalidArgumentError: A `ValueError`. If `success` is not one of the three verdicts, or if there is a
                `replacement` that is no str or belongs to another verdict than `"fail"`.
        """
        if reason is None and score is None and thunk is None and context is None and replacement is None:
            try:
                plain = _PLAIN.get(success)
            except TypeError:  # it cannot be a key, so it is no verdict either
                plain = None
            if plain is not None and cls is PartialValidationResult:
                return cast("Self", plain)
        if success not in _VERDICTS:
            raise InvalidArgumentError("success", excerpt(success), 'It must be "pass", "fail" or "unknown".')
        given: object = replacement
        if given is not None and not (isinstance(given, str) and success == "fail"):
            rule = 'It must be a str, and the verdict "fail". It takes the place of the failed chunk.'
            raise InvalidArgumentError("replacement", excerpt(given), rule)
        result = cls._of(success, reason, score, thunk, context)
        object.__setattr__(result, "replacement", replacement)
        return result

    @property
    def stops(self) -> bool:
        """Whether this result stops the stream: a fail without a replacement."""
        return self.success == "fail" and self.replacement is None

    def _facts(self) -> tuple[Any, ...]:
        return *super()._facts(), self.replacement


_PLAIN.update({verdict: PartialValidationResult(verdict) for verdict in _VERDICTS})


def default_output_to_bool(output: ModelOutputThunk | str) -> bool:
    """Return whether the first `yes` or `no` in a judge's answer is `yes`."""
    found = re.search(r"\b(yes|no)\b", str(output), re.IGNORECASE)
    return found is not None and found[1].lower() == "yes"


class _DefaultName:
    """The attribute `name` of a requirement that was given none: its class, and its description if it has one."""

    def __get__(self, requirement: Requirement | None, kind: type[Requirement]) -> str:
        description = kind.description if requirement is None else requirement.description
        return kind.__name__ + (f"({excerpt(description)})" if description else "")


class Requirement:
    """A condition on an output.

    A subclass overrides `stream_validate` to check chunks during the stream. To check the complete output, it overrides
    `validate` or defines a `validation_fn`. A run works on a copy, so a subclass may collect data on `self`.
    """

    description: str | None = None
    """The requirement in words, for a judge and for the reader of a report."""
    validation_fn: Callable[[Context], bool | ValidationResult | Awaitable[bool | ValidationResult]] | None = None
    output_to_bool: Callable[[ModelOutputThunk], bool] = staticmethod(default_output_to_bool)
    check_only: bool = False
    judge: bool = False
    """Whether a backend judges the complete output, although this requirement checks the chunks itself."""
    chunking: str | ChunkingStrategy | None = None
    """The chunks that this requirement checks, or None for those of the run."""
    if TYPE_CHECKING:
        name: str
        """The name of this requirement in messages, by default its class, and its description if it has one."""
    else:
        name = _DefaultName()  # no property, so that subclasses and instances can have attributes of this name

    def __init__(
        self,
        description: str | None = None,
        validation_fn: Callable[[Context], bool | ValidationResult | Awaitable[bool | ValidationResult]] | None = None,
        *,
        name: str | None = None,
        judge: bool = False,
        chunking: str | ChunkingStrategy | None = None,
        output_to_bool: Callable[[ModelOutputThunk], bool] = default_output_to_bool,
        check_only: bool = False,
    ) -> None:
        """Create a requirement.

        Args:
            description: The requirement in words.
            validation_fn: Validates the complete output, `ctx.last_output()`. Without it, the backend acts as judge.
            name: The name in messages, by default the class and the description.
            judge: Whether the backend judges the complete output, although the class overrides `stream_validate`. A
                requirement with a description that checks no chunks always calls the backend.
            chunking: The chunks that it checks, as in `stream_with_chunking`, by default those of the run. Text is
                released when every requirement has checked it.
            output_to_bool: Converts a judge's answer to a bool.
            check_only: Whether to omit the description from the request to the generating model.

        Raises:
            InvalidArgumentError: A `TypeError`. If an argument is invalid, for example a function as `description`.
            UnknownNameError: A `ValueError`. If `chunking` is an unknown alias.
        """
        _check_arguments(description, validation_fn, name)
        # a subclass may have defined attributes for all its instances, which omitted arguments must not hide
        if name is not None:
            self.name = name
        if judge:
            self.judge = True
        if chunking is not None:
            resolve_chunking(chunking)  # for its errors
            self.chunking = chunking
        if description is not None:
            self.description = description
        if validation_fn is not None:
            self.validation_fn = validation_fn
        if output_to_bool is not default_output_to_bool:
            self.output_to_bool = output_to_bool
        if check_only:
            self.check_only = True

    def format_for_llm(self) -> str:
        """Return the requirement as it is sent to a model."""
        return self.description or ""

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Check the next chunk of a stream.

        `str(ctx.last_output())` is the text up to and including the chunk, for checks of more than one chunk. Only the
        run can wait for more of the output, so its methods raise a `ConcurrentReadError` here. `self` is a copy for
        each run, so a requirement may keep data on it.

        Args:
            chunk: The chunk, which has not been released yet.
            backend: A backend that can act as judge.
            ctx: The context that ends with the output being generated.

        Returns:
            The result, by default `"unknown"`. A `"fail"` stops the stream before the chunk is released. If it has a
            `replacement`, this is released in the place of the chunk, and the stream continues.
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
        """Validate the complete output, `ctx.last_output()`, with `validation_fn` or with `backend` as judge.

        A subclass that overrides `stream_validate` passes here, because it has checked every chunk. With `judge=True`
        it calls the judge too.

        Args:
            backend: The judge, if there is no `validation_fn`.
            ctx: The context that ends with the complete output.
            format: A schema for the judge's answer.
            model_options: Options for the judge.

        Raises:
            InvalidVerdictError: A `TypeError`. If the `validation_fn` returned neither a bool nor a `ValidationResult`.
            InvalidArgumentError: A `TypeError`. If there is neither a `validation_fn` nor a description for a judge.
        """
        if self.validation_fn is None:
            checks_chunks = type(self).stream_validate is not Requirement.stream_validate
            if checks_chunks and self.judge is not True:  # a subclass may have an attribute of this name
                return ValidationResult(result=True, reason="judged chunk by chunk")
            if self.format_for_llm():
                return await self._ask_judge(backend, ctx, format, model_options)
            rule = "It must be a str, so that a model can act as judge. Or pass validation_fn=..."
            raise InvalidArgumentError("description", excerpt(self.description), rule)
        verdict = self.validation_fn(ctx)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if isinstance(verdict, ValidationResult):
            return verdict
        if isinstance(verdict, bool):
            return ValidationResult(verdict)
        raise InvalidVerdictError(
            f"The validation_fn of {self.name}", excerpt(verdict), "It must return a bool or a ValidationResult."
        )

    async def _ask_judge(
        self, backend: Backend, ctx: Context, schema: object | None, model_options: Mapping[str, object] | None
    ) -> ValidationResult:
        question = Instruction(
            f"Requirement: {self.format_for_llm()}\n\n"
            "Does the text below fulfil it? Begin with yes or no, then say why.\n\n"
            f"Text:\n{ctx.last_output() or ''}"
        )
        token = asking.set(self)
        try:
            thunk, judged_in = await backend.generate_from_context(
                question, SimpleContext(), format=schema, model_options=model_options
            )
        finally:
            asking.reset(token)
        try:
            answer = await thunk.avalue()
        except BaseException:
            await thunk.cancel_generation()
            raise
        return ValidationResult(self.output_to_bool(thunk), reason=answer, thunk=thunk, context=judged_in)

    def __copy__(self) -> Self:
        """Return a copy with its own containers, at any depth, so that a run never changes the original.

        All other objects are shared.
        """
        return with_own_containers(self)

    def __repr__(self) -> str:
        return self.name


def _check_arguments(description: object, validation_fn: object, name: object) -> None:
    if callable(description):
        rule = "It must be a str. Pass a function by name, as validation_fn=..."
        raise InvalidArgumentError("description", excerpt(description), rule)
    if validation_fn is not None and not callable(validation_fn):
        rule = "It must be a function of the context that returns a bool or a ValidationResult, or None."
        raise InvalidArgumentError("validation_fn", excerpt(validation_fn), rule)
    if name is not None and not (isinstance(name, str) and name):
        raise InvalidArgumentError("name", excerpt(name), "It must be a str that is not empty, or None.")
