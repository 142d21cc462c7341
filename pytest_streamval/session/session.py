"""`Session`: the application's door to a backend."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_streamval.engine.backend import ModelOption
from pytest_streamval.engine.component import Message
from pytest_streamval.engine.orchestrator import checked_requirements, stream_with_chunking
from pytest_streamval.errors import ClosedSessionError
from pytest_streamval.session.arguments import (
    about,
    check_attempts,
    checked_action,
    checked_text,
    instruction_of,
    needed,
)
from pytest_streamval.session.attempts import Attempts
from pytest_streamval.session.core import Backend_co, SessionCore
from pytest_streamval.session.history import AnswerKeeper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.chunking import ChunkingStrategy
    from pytest_streamval.engine.component import CBlock, Component
    from pytest_streamval.engine.requirement import Requirement, ValidationResult
    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.thunk import ModelOutputThunk


class Session(SessionCore[Backend_co]):
    """A backend and a context, and what an application asks of them; made by `start_session`.

    Every method has two forms. The one that begins with `a` belongs into a coroutine: it returns its output at once,
    with generation running, and any number may run at the same time. The other one waits, and returns the output
    computed; it may be called in a script, beside a running event loop (in a notebook) and from several threads.

    Leaving the `with` block, `close` and `aclose` stop whatever is still being generated.

    All methods raise:
        ClosedSessionError: a `RuntimeError`; the session is closed.
        InvalidArgumentError: a `TypeError` and a `ValueError`; an argument does not fit: an empty text, something else
            than a `Requirement` in `requirements`, options that are no dict, a misspelt `ModelOption`.
        BlockingCallError: a `RuntimeError`; a synchronous method was called by code that the session itself runs.
        BaseException: what the backend, a generation or a requirement failed with.
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
        """Begin an instruction, as `instruct` does, and return its output at once.

        With `max_attempts` the output resolves to the attempt that is accepted; nothing of it can be read before.
        """
        self._check_open("ainstruct")
        options = self._options(model_options)
        instruction, judges = instruction_of(description, requirements, user_variables)
        check_attempts(max_attempts)
        if max_attempts is None or not judges:
            return await self._ask("ainstruct", self._history, instruction, format, options)
        self._newest = self._history
        ask = partial(self._begin, "ainstruct", self._history, form=format, options=options)
        attempt, ctx = await ask(instruction)
        attempts = Attempts(instruction, max_attempts, judges, ask, self._judge, self._history.keep, attempt, ctx)
        with self._opened.starting():
            output = attempts.start()
        self._opened.add_output(output)
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
        """Have a task done.

        Args:
            description: what to do; `{{ name }}` in it stands for one of the `user_variables`.
            requirements: what the model is told to fulfil, unless they are `check_only`. They are copied.
            user_variables: values by name, for the description and the requirements' descriptions.
            format: a schema that the output has to follow, where the backend knows of such.
            model_options: by `ModelOption` or the backend's own names, before those of the session.
            max_attempts: have the requirements judge the output, and let the model, which is told what was wrong, try
                so many times altogether. None takes the first output, unjudged.

        Returns:
            The output.

        Raises:
            NoAcceptedAttemptError: a `RuntimeError`; no attempt fulfilled the requirements. The last is on the error.
            InvalidArgumentError: the description is empty, one of its variables has no value, and as of every method.
        """
        return self._wait(
            "instruct",
            lambda: self.ainstruct(
                description,
                requirements=requirements,
                user_variables=user_variables,
                format=format,
                model_options=model_options,
                max_attempts=max_attempts,
            ),
        )

    async def achat(
        self,
        message: str | Message,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Say something in the conversation, as `chat` does, and wait for the whole answer.

        So the next message may follow at once. With `ModelOption.STREAM` the output is returned at once, to be read.
        """
        self._check_open("achat")
        turn = message if isinstance(message, Message) else Message("user", message)
        checked_text("message", turn.content)
        options = self._options(model_options)
        output = await self._ask("achat", self._talk, turn, format, options)
        return output if options.get(ModelOption.STREAM) else await self._resolved("achat", output)

    def chat(
        self,
        message: str | Message,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Say something in the conversation: that of the session's `ChatContext`, or else one of its own.

        Args:
            message: what to say, a text as the user.
            format: a schema that the output has to follow, where the backend knows of such.
            model_options: by `ModelOption` or the backend's own names, before those of the session.

        Returns:
            The answer; its `parsed_repr` is a `Message`.

        Raises:
            InvalidArgumentError: the message is empty, and as of every method.
        """
        return self._wait("chat", lambda: self.achat(message, format=format, model_options=model_options))

    async def aact(
        self,
        action: Component | CBlock | str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Begin a component, as `act` does, and return its output at once."""
        self._check_open("aact")
        asked = checked_action(action)
        return await self._ask("aact", self._history, asked, format, self._options(model_options))

    def act(
        self,
        action: Component | CBlock | str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Run any component.

        Args:
            action: the component, or a text.
            format: a schema that the output has to follow, where the backend knows of such.
            model_options: by `ModelOption` or the backend's own names, before those of the session.

        Returns:
            The output; its `parsed_repr` is what the component makes of it.

        Raises:
            InvalidArgumentError: the action is no component, or an empty text, and as of every method.
        """
        return self._wait("act", lambda: self.aact(action, format=format, model_options=model_options))

    async def avalidate(
        self,
        requirements: Sequence[Requirement],
        output: ModelOutputThunk | CBlock | str | None = None,
        *,
        model_options: Mapping[str, object] | None = None,
    ) -> list[ValidationResult]:
        """Have an output judged, as `validate` does."""
        self._check_open("avalidate")
        options = self._options(model_options)
        judges = checked_requirements(needed(requirements))
        return await self._judge(judges, await self._judged_in(output), options)

    def validate(
        self,
        requirements: Sequence[Requirement],
        output: ModelOutputThunk | CBlock | str | None = None,
        *,
        model_options: Mapping[str, object] | None = None,
    ) -> list[ValidationResult]:
        """Have an output judged by requirements, by copies of them all at once.

        Args:
            requirements: what it has to fulfil.
            output: what is judged; None for the newest output of the session. What is not computed yet is awaited.
            model_options: for the requirements that ask the backend as a judge, before those of the session.

        Returns:
            A verdict of each requirement, in their order.

        Raises:
            DifferentLoopsError: a `RuntimeError`; the output is being generated in another event loop.
            InvalidArgumentError: there is no output yet, and as of every method.
        """
        return self._background.call(
            "validate", lambda: self.avalidate(requirements, output, model_options=model_options)
        )

    async def aquery(
        self,
        obj: object,
        question: str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Begin a question about an object, as `query` does, and return its output at once."""
        self._check_open("aquery")
        asked = about("Answer a question about the text below.", "Question", checked_text("question", question), obj)
        return await self._ask("aquery", self._history, asked, format, self._options(model_options))

    def query(
        self,
        obj: object,
        question: str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Ask something about an object.

        Args:
            obj: a text, a component, a computed output, or whatever `str()` puts into words.
            question: what to answer.
            format: a schema that the output has to follow, where the backend knows of such.
            model_options: by `ModelOption` or the backend's own names, before those of the session.

        Returns:
            The answer.

        Raises:
            InvalidArgumentError: the question is empty, or the object has no words, and as of every method.
        """
        return self._wait("query", lambda: self.aquery(obj, question, format=format, model_options=model_options))

    async def atransform(
        self,
        obj: object,
        instruction: str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Begin to change an object, as `transform` does, and return its output at once."""
        self._check_open("atransform")
        told = checked_text("instruction", instruction)
        asked = about("Change the text below as told, and answer with the changed text alone.", "Change", told, obj)
        return await self._ask("atransform", self._history, asked, format, self._options(model_options))

    def transform(
        self,
        obj: object,
        instruction: str,
        *,
        format: object | None = None,  # noqa: A002  # the word of the field
        model_options: Mapping[str, object] | None = None,
    ) -> ModelOutputThunk:
        """Have an object changed.

        Args:
            obj: a text, a component, a computed output, or whatever `str()` puts into words.
            instruction: what to change.
            format: a schema that the output has to follow, where the backend knows of such.
            model_options: by `ModelOption` or the backend's own names, before those of the session.

        Returns:
            The changed text.

        Raises:
            InvalidArgumentError: the instruction is empty, or the object has no words, and as of every method.
        """
        begin = partial(self.atransform, obj, instruction, format=format, model_options=model_options)
        return self._wait("transform", begin)

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
    ) -> StreamChunkingResult:
        """Begin a generation whose output is judged chunk by chunk: `stream_with_chunking` over this session.

        Once it is over and valid, the session's context has it; an answer that a requirement has failed is kept out.
        The arguments, the result and the errors are those of `stream_with_chunking`.
        """
        self._check_open("stream")
        asked, options = checked_action(action), self._options(model_options)
        history = self._newest = self._history
        with history.request("stream") as ctx, self._opened.starting():
            result = await stream_with_chunking(
                asked,
                self.backend,
                ctx,
                requirements=requirements,
                chunking=chunking,
                validation_backend=validation_backend,
                validator_timeout=validator_timeout,
                fail_fast=fail_fast,
                model_options=options,
            )
        result.observe(AnswerKeeper(history))  # type: ignore[abstract]  # this run, and no other that the backend has started meanwhile
        if self._closed:
            await result.aclose()
            raise ClosedSessionError("stream")
        self._opened.add_run(result)
        return result
