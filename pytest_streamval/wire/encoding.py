"""The base class of the encoders of all protocols."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from pytest_streamval.errors import UnencodableDeltaError, excerpt, invalid_delta_error
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.request_and_answer import latest_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest

Json: TypeAlias = dict[str, object]


class FrameEncoder(ABC):
    """Encode one response of one provider.

    Call `encode` for each delta and then `finish`, or `fail` instead of `finish`.

    Values that clients expect get defaults if the deltas lack them: the reason to finish, the ids of tool calls, and
    token counts of 0. A reason in the word of another protocol is translated. Tool calls are numbered in the order in
    which they start, and the first fragment of each call names the tool.

    After an error, `finish`, `fail` or `encode_answer`, an encoder encodes nothing more.
    """

    protocol: ClassVar[str]
    """The protocol's name in errors."""
    reasons: ClassVar[Mapping[str, str]]
    """This protocol's words for the finish reasons of other protocols."""
    usual_reasons: ClassVar[tuple[str, str]]
    """The default finish reasons: without tool calls, and with tool calls."""
    refused_reason: ClassVar[str] = ""
    """The default finish reason of a refusal, or an empty string if a refusal ends like any other output."""
    kinds: ClassVar[tuple[str, ...]] = ("function", "function_call")
    """The kinds of calls that the protocol can express, as in `ToolCall.kind`. An empty tuple means any kind."""
    terminator: ClassVar[bytes] = b""
    """The bytes after the last frame."""

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        """Start a response.

        Args:
            request: The client's request.
            ident: The distinguishing part of the response's id.
            created: The time of the response, in seconds since the epoch.
        """
        self.reports_usage = request.usage
        """Whether token counts are sent. It can be changed before the first frame."""
        self._request = request
        self._ident = ident
        self._created = created
        self._has_started = False
        self._state = ""  # why the encoder encodes nothing more, once it does not
        self._calls: dict[int, ToolCall] = {}  # by the index in the deltas, in the order of their starts
        self._positions: dict[int, int] = {}  # their numbers in the stream, by the same index
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._refusal: list[str] = []

    def begin(self) -> bytes:
        """Return the frames that come before the first delta, or nothing if they have been returned already."""
        return self._guarded("its beginning", lambda: self._write_all(()))

    def encode(self, delta: Delta | str) -> bytes:
        """Return the frames of a delta. A delta whose values belong to the end of the stream has none.

        Raises:
            UnencodableDeltaError: If the protocol cannot express the delta at this place of the stream.
            InvalidArgumentError: If it is neither a `Delta` nor a str.
        """
        given: object = Delta(delta) if isinstance(delta, str) else delta
        if not isinstance(given, Delta):
            raise invalid_delta_error(excerpt(delta), type(delta).__name__)
        return self._guarded(given, lambda: self._encode(given))

    def finish(self) -> bytes:
        """Return the frames that end the stream.

        Raises:
            UnencodableDeltaError: If a tool call is incomplete, or the stream has already ended.
        """
        ending = self._guarded("its end", lambda: self._write_all(self._ending()))
        self._state = "is finished"
        return ending + self.terminator

    def fail(self, kind: str, message: str, code: str | None = None) -> bytes:
        """Return the frame of an error, which ends the stream. As the first frame it has no opening frames before it.

        Args:
            kind: The provider's name for the error. It is left out if the protocol has no field for it.
            message: The error message.
            code: The provider's code for the error, if the protocol has a field for it beside the kind.
        """
        return self._fail(f"the error {excerpt(kind)}", self.error(kind, message, code))

    def fail_as(self, frame: Json) -> bytes:
        """Return the frame of an error as a provider sent it, which ends the stream."""
        return self._fail(f"the error {excerpt(frame)}", frame)

    def _fail(self, subject: str, frame: Json) -> bytes:
        self._has_started = True
        written = self._guarded(subject, lambda: self._write_all([frame]))
        self._state = "has failed"
        return written

    def encode_answer(self, answer: Answer) -> bytes:
        """Return the body of a response that is not streamed.

        Raises:
            UnencodableDeltaError: If the protocol cannot express the answer, or a stream has started.
        """
        if self._has_started and not self._state:
            self._state = "has started"
        written = self._guarded(answer, lambda: json_text(self._answer_body(self._with_defaults(answer))).encode())
        self._state = "is answered"
        return written

    @staticmethod
    @abstractmethod
    def error(kind: str, message: str, code: str | None = None) -> Json:
        """Return the JSON of an error, for a stream and for a response that is not streamed."""

    @abstractmethod
    def _opening(self) -> Iterable[Json]:
        """Return the frames before the first delta."""

    @abstractmethod
    def _frames(self, delta: Delta) -> Iterable[Json]:
        """Return the frames of a delta."""

    @abstractmethod
    def _ending(self) -> Iterable[Json]:
        """Return the frames after the last delta."""

    @abstractmethod
    def _write(self, frame: Json) -> bytes:
        """Return the bytes of a frame."""

    @abstractmethod
    def _answer_body(self, answer: Answer) -> Json:
        """Return the response that is not streamed. `answer` has a finish reason, and its calls have their ids."""

    def _guarded(self, subject: object, make: Callable[[], bytes]) -> bytes:
        """Return the result of `make`. An error in it ends the encoder."""
        if self._state:
            raise self._unencodable(subject, f"the stream {self._state}, and nothing can follow.")
        self._state = "ended with an error"
        try:
            made = make()
        except UnencodableDeltaError:
            raise
        except (ValueError, TypeError, RecursionError) as error:
            raise self._unencodable(subject, f"it must be valid JSON in UTF-8 ({error}).") from error
        self._state = ""
        return made

    def _write_all(self, frames: Iterable[Json]) -> bytes:
        """Return the bytes of the frames, after the opening frames if those have not been written yet."""
        following = list(frames)
        opening = () if self._has_started else self._opening()
        self._has_started = True
        return b"".join(map(self._write, (*opening, *following)))

    def _encode(self, delta: Delta) -> bytes:
        self._record(delta)
        return self._write_all(self._frames(delta))

    def _record(self, delta: Delta) -> None:
        """Keep the values that the opening and the ending report."""
        if delta.usage is not None:
            self._usage = latest_counts(self._usage, delta.usage)
            self._check_counts(self._usage or delta.usage)
        if delta.refusal:
            self._refusal.append(delta.refusal)
        if delta.finish_reason:
            self._reason = self.reasons.get(delta.finish_reason, delta.finish_reason)

    def _check_counts(self, usage: Usage) -> None:
        totals = (usage.input_tokens, usage.output_tokens)
        parts = (usage.cached_tokens or 0, usage.reasoning_tokens or 0)
        if min(*(total or 0 for total in totals), *parts) < 0:
            raise self._unencodable(usage, "a count must be 0 or more.")
        if any(total is not None and part > total for part, total in zip(parts, totals, strict=True)):
            rule = "the cached tokens are a part of the input tokens, and the reasoning tokens of the output tokens."
            raise self._unencodable(usage, rule)

    def _with_defaults(self, answer: Answer) -> Answer:
        """Return the answer with the defaults for missing values."""
        self._record(Delta(usage=answer.usage, finish_reason=answer.finish_reason, refusal=answer.refusal))
        for position, call in enumerate(answer.tool_calls):
            self._starts_call(ToolCallDelta(position, call.id, call.name, kind=call.kind))
        calls = [replace(self._calls[at], arguments=call.arguments) for at, call in enumerate(answer.tool_calls)]
        return replace(answer, tool_calls=tuple(calls), usage=self._usage, finish_reason=self._final_reason())

    def _final_reason(self) -> str:
        refused = self.refused_reason if self._refusal else ""
        return self._reason or refused or self.usual_reasons[bool(self._calls)]

    def _starts_call(self, fragment: ToolCallDelta) -> bool:
        """Return whether a fragment starts its call. A fragment that continues a call must agree with the first one."""
        call = self._calls.get(fragment.index)
        if call is None:
            self._positions[fragment.index] = len(self._positions)
            if not fragment.name:
                raise self._unencodable(fragment, "the first fragment of a tool call must name the tool.")
            if self.kinds and fragment.kind not in self.kinds:
                raise self._unencodable(fragment, f"the kind of a call must be {' or '.join(map(repr, self.kinds))}.")
            ident = fragment.id or self._generated_id()
            self._calls[fragment.index] = ToolCall(ident, fragment.name, "", fragment.kind)
            return True
        if (fragment.id or call.id) != call.id or (fragment.name or call.name) != call.name:
            raise self._unencodable(fragment, f"the call with this index is {call.name} with the id {call.id}.")
        return False

    def _generated_id(self) -> str | None:
        """Return an id for a call without one, unique within a conversation."""
        return f"call_{self._ident}_{len(self._calls)}"

    def _unencodable(self, subject: object, rule: str) -> UnencodableDeltaError:
        return UnencodableDeltaError(self.protocol, subject if isinstance(subject, str) else excerpt(subject), rule)


def finish_reasons(
    *, stop: str, length: str, tool_calls: str, refusal: str | None = None, own: str = ""
) -> Mapping[str, str]:
    """Return a protocol's words for the finish reasons of all protocols.

    Args:
        stop: The word for a complete output.
        length: The word for an output at its token limit.
        tool_calls: The word for an output that ends with tool calls.
        refusal: The word for refused content, or None if the protocol has none.
        own: A word of the protocol that is not replaced.
    """
    words = {
        **dict.fromkeys(("stop", "end_turn", "stop_sequence", "STOP", "completed"), stop),
        **dict.fromkeys(("length", "max_tokens", "MAX_TOKENS", "max_output_tokens"), length),
        **dict.fromkeys(("tool_calls", "tool_use"), tool_calls),
        **({} if refusal is None else dict.fromkeys(("content_filter", "refusal", "SAFETY"), refusal)),
    }
    return MappingProxyType({word: replacement for word, replacement in words.items() if word != own})


class CompleteCallEncoder(FrameEncoder):
    """Encode the stream of a provider that sends complete tool calls, with an object for their arguments.

    A call that is complete in one delta is sent with that delta. A call in pieces is sent before the next text, or at
    the end.
    """

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(request, ident=ident, created=created)
        self._partial: dict[int, list[str]] = {}  # the arguments so far of the calls in pieces

    def _opening(self) -> Iterable[Json]:
        return ()

    def _generated_id(self) -> str | None:
        return None  # these protocols need no ids

    def _complete_calls(self, delta: Delta) -> list[ToolCall]:
        """Record the fragments of a delta, and return the calls that are complete in it."""
        complete = []
        for fragment in delta.tool_calls:
            starts = self._starts_call(fragment)
            if starts and not self._partial and _object(fragment.arguments) is not None:
                complete.append(replace(self._calls[fragment.index], arguments=fragment.arguments))
            elif starts:
                self._partial[fragment.index] = [fragment.arguments]
            elif fragment.index in self._partial:
                self._partial[fragment.index].append(fragment.arguments)
            elif fragment.arguments:
                raise self._unencodable(fragment, "a call is sent complete, and this one has been sent already.")
        return complete

    def _partial_calls(self) -> list[ToolCall]:
        """Return and remove the calls in pieces."""
        calls = [replace(self._calls[index], arguments="".join(pieces)) for index, pieces in self._partial.items()]
        self._partial.clear()
        return calls


def arguments_of(protocol: str, call: ToolCall) -> Json:
    """Return the arguments of a call as an object.

    Raises:
        UnencodableDeltaError: If they are not a JSON object.
    """
    arguments = _object(call.arguments or "{}")
    if arguments is None:
        raise UnencodableDeltaError(protocol, excerpt(call), "the arguments must be a complete JSON object.")
    return arguments


def _object(text: str) -> Json | None:
    """Return the JSON object in a text, or None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
