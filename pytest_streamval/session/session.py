"""`Session`: the methods with which an application asks a backend."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_streamval.engine.backend import ModelOption
from pytest_streamval.engine.component import Message
from pytest_streamval.engine.orchestrator import checked_requirements, stream_with_chunking
from pytest_streamval.errors import (
    InvalidArgumentError,
    closed_session_error,
)
from pytest_streamval.session.arguments import (
    check_attempts,
    checked_action,
    checked_text,
    instruction_about,
    make_instruction,
)
from pytest_streamval.session.history import HistoryObserver
from pytest_streamval.session.instruct_attempts import Attempts
from pytest_streamval.session.session_requests import Backend_co, SessionRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_streamval.engine.attempt import Failure
    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
    from pytest_streamval.engine.component import Action, CBlock, Component
    from pytest_streamval.engine.requirement import Requirement, ValidationResult
    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.retries import OnRetry
    from pytest_streamval.engine.thunk import ModelOutputThunk


class Session(SessionRequests[Backend_co]):
    """A backend and a context with methods to ask the model; made by `start_session`.

    Every method has two forms. The asynchronous form, with the prefix `a`, returns its output at once while the
    generation runs, so that many can run at the same time. The synchronous form returns a computed output. It can be
    called in a script, from several threads, and inside a running event loop, as in a notebook.

    Leaving the `with` block, `close` and `aclose` stop every generation.

    All methods raise:
        ClosedError: If the session is closed (a `RuntimeError`).
        InvalidArgumentError: If an argument is invalid (a `TypeError` and a `ValueError`): an empty text, an object in
            `requirements` that is not a `Requirement`, options that are not a dict, a misspelt `ModelOption`.
        EventLoopError: If code inside the session calls a synchronous method (a `RuntimeError`).
        BaseException: If the backend, a generation or a requirement failed.
    """

    async def ainstruct(
        self,
        description: str,
        *,
        requirements: Sequence[Requirement] | None = None,
        user_variables: Mapping[str, object] | None = None,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
        max_attempts: int | None = None,
    ) -> ModelOutputThunk:
        """Start an instruction, and return its output while it runs. The arguments are those of `instruct`.

        With `max_attempts`, the output has no text before an attempt is accepted.
        """
        self._check_open("ainstruct")
        options = self._merged(model_options)
        instruction, copies = make_instruction(description, requirements, user_variables)
        check_attempts(max_attempts)
        if max_attempts is None or not copies:
            return await self._ask("ainstruct", self._history, instruction, format, options)
        self._newest = self._history
        ask = partial(self._begin, "ainstruct", self._history, form=format, options=options)
        attempt, ctx = await ask(instruction)
        attempts = Attempts(instruction, max_attempts, copies, ask, self._validate, self._history.add, attempt, ctx)
        with self._open.starting():
            output = attempts.start()
        self._open.add_output(output)
        return output

    def instruct(
        self,
        description: str,
        *,
        requirements: Sequence[Requirement] | None = None,
        user_variables: Mapping[str, object] | None = None,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
        max_attempts: int | None = None,
    ) -> ModelOutputThunk:
        """Give the model an instruction, and return the computed output.

        Args:
            description: The instruction. `{{ name }}` is replaced by the value in `user_variables`.
            requirements: The requirements. The model reads those that are not `check_only`.
            user_variables: Values by name, for the description and the descriptions of requirements.
            format: A schema for the output, if the backend supports one.
            model_options: Options by `ModelOption` or the backend's own names. They override those of the session.
            max_attempts: The number of attempts. After each one the requirements validate the output, and the model
                reads the reasons of a failure. None accepts the first output without validation.

        Raises:
            NoAcceptedAttemptError: If no attempt passed the requirements (a `RuntimeError`). It has the last attempt.
            InvalidArgumentError: If a variable has no value.
        """
        begin = partial(
            self.ainstruct,
            description,
            requirements=requirements,
            user_variables=user_variables,
            format=format,
            model_options=model_options,
            max_attempts=max_attempts,
        )
        return self._compute("instruct", begin)

    async def achat(
        self,
        message: str | Message,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Send a message as `chat` does, and wait for the complete answer, so that the next message can follow.

        With `ModelOption.STREAM`, the output is returned while the generation runs.
        """
        self._check_open("achat")
        turn = message if isinstance(message, Message) else Message("user", message)
        checked_text("message", turn.content)
        options = self._merged(model_options)
        output = await self._ask("achat", self._chat, turn, format, options)
        return output if options.get(ModelOption.STREAM) else await self._resolve("achat", output)

    def chat(
        self,
        message: str | Message,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Send a message, and return the computed answer, whose `parsed_repr` is a `Message`.

        The conversation is that of the session's `ChatContext`, or a separate one if the session has none.

        Args:
            message: The message. A string is a message of the user.
            format: A schema for the output, if the backend supports one.
            model_options: Options by `ModelOption` or the backend's own names. They override those of the session.
        """
        return self._compute("chat", partial(self.achat, message, format=format, model_options=model_options))

    async def aact(
        self,
        action: Component | CBlock | str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Start a component, and return its output while it runs. The arguments are those of `act`."""
        self._check_open("aact")
        return await self._ask("aact", self._history, checked_action(action), format, self._merged(model_options))

    def act(
        self,
        action: Component | CBlock | str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Run a component, and return the computed output, whose `parsed_repr` is the result of its `parse()`.

        Args:
            action: The component, or a text.
            format: A schema for the output, if the backend supports one.
            model_options: Options by `ModelOption` or the backend's own names. They override those of the session.
        """
        return self._compute("act", partial(self.aact, action, format=format, model_options=model_options))

    async def avalidate(
        self,
        requirements: Sequence[Requirement],
        output: ModelOutputThunk | CBlock | str | None = None,
        *,
        model_options: Mapping[str, object] | None = None,
    ) -> list[ValidationResult]:
        """Validate an output. The arguments are those of `validate`."""
        self._check_open("avalidate")
        options = self._merged(model_options)
        given: object = requirements
        if given is None:
            raise InvalidArgumentError("requirements", "None", "They must be a list of Requirement instances.")
        return await self._validate(checked_requirements(requirements), await self._ctx_of(output), options)

    def validate(
        self,
        requirements: Sequence[Requirement],
        output: ModelOutputThunk | CBlock | str | None = None,
        *,
        model_options: Mapping[str, object] | None = None,
    ) -> list[ValidationResult]:
        """Validate an output with copies of requirements at the same time, and return the results in their order.

        Args:
            requirements: The requirements.
            output: The output, which is awaited if it is not computed. None is the newest output of the session.
            model_options: Options for requirements that ask the backend. They override those of the session.

        Raises:
            EventLoopError: If the output is generated in another event loop (a `RuntimeError`).
            InvalidArgumentError: If the session has no output yet.
        """
        begin = partial(self.avalidate, requirements, output, model_options=model_options)
        return self._background.call("validate", begin)

    async def aquery(
        self,
        obj: object,
        question: str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Start a question about an object, and return its output while it runs. The arguments are those of `query`."""
        self._check_open("aquery")
        request = checked_text("question", question)
        action = instruction_about("Answer a question about the text below.", "Question", request, obj)
        return await self._ask("aquery", self._history, action, format, self._merged(model_options))

    def query(
        self,
        obj: object,
        question: str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Ask a question about an object, and return the computed answer.

        Args:
            obj: A text, a component, a computed output, or an object with a `__str__`.
            question: The question.
            format: A schema for the output, if the backend supports one.
            model_options: Options by `ModelOption` or the backend's own names. They override those of the session.
        """
        return self._compute("query", partial(self.aquery, obj, question, format=format, model_options=model_options))

    async def atransform(
        self,
        obj: object,
        instruction: str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Start a change of an object, and return its output while it runs. The arguments are those of `transform`."""
        self._check_open("atransform")
        request = checked_text("instruction", instruction)
        task = "Change the text below as told, and answer with the changed text alone."
        action = instruction_about(task, "Change", request, obj)
        return await self._ask("atransform", self._history, action, format, self._merged(model_options))

    def transform(
        self,
        obj: object,
        instruction: str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Let the model change the text of an object, and return the computed output.

        Args:
            obj: A text, a component, a computed output, or an object with a `__str__`.
            instruction: The change.
            format: A schema for the output, if the backend supports one.
            model_options: Options by `ModelOption` or the backend's own names. They override those of the session.
        """
        begin = partial(self.atransform, obj, instruction, format=format, model_options=model_options)
        return self._compute("transform", begin)

    async def stream(
        self,
        action: Component | CBlock | str,
        *,
        requirements: Sequence[Requirement] | None = None,
        chunking: str | ChunkingStrategy | None = "sentence",
        validation_backend: Backend | None = None,
        validator_timeout: float | None = None,
        fail_fast: bool = False,
        model_options: Mapping[str, object] | None = None,
        holdback: int | str = 0,
        max_attempts: int = 1,
        on_retry: OnRetry = "restart",
        repair: Callable[[Action, Sequence[Failure], str], object] | None = None,
    ) -> StreamChunkingResult:
        """Start a generation that is checked chunk by chunk, with this session's backend and context.

        The arguments, the result and the errors are those of `stream_with_chunking`. The context receives the exchange
        at the end of the run if every requirement passed: the request, and the text that was released.
        """
        self._check_open("stream")
        checked, options = checked_action(action), self._merged(model_options)
        history = self._newest = self._history
        with history.request("stream") as ctx, self._open.starting():
            result = await stream_with_chunking(
                checked,
                self.backend,
                ctx,
                requirements=requirements,
                chunking=chunking,
                validation_backend=validation_backend,
                validator_timeout=validator_timeout,
                fail_fast=fail_fast,
                model_options=options,
                holdback=holdback,
                max_attempts=max_attempts,
                on_retry=on_retry,
                repair=repair,
            )
        # on this run alone: a backend may start runs of its own
        result.observe(HistoryObserver(history))  # type: ignore[abstract]
        if self._closed:
            await result.aclose()
            raise closed_session_error("stream")
        self._open.add_run(result)
        return result
