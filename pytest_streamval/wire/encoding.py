"""What the encoders of all protocols share: the life of an encoder, and what it remembers of its stream."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from pytest_streamval.errors import InvalidDeltaError, UnencodableDeltaError, excerpt
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire.exchange import latest_counts
from pytest_streamval.wire.json_values import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_streamval.wire.exchange import Answer, Asked

Json: TypeAlias = dict[str, object]


class FrameEncoder(ABC):
    """Encode one stream of one provider: `encode` each delta, then `finish`; or `fail`, and leave it unfinished.

    What a client takes for granted is put in where the deltas lack it: a reason to finish, an id of a tool call, counts
    of 0. A reason in another protocol's word is said in the own one. Tool calls are numbered in the order in which they
    begin; the first fragment of each names the tool.

    An error ends an encoder, as do `finish` and `fail`.
    """

    protocol: ClassVar[str]
    """The protocol's name in errors."""
    reasons: ClassVar[Mapping[str, str]]
    """The own words for what other protocols call a reason to finish."""
    usual_reasons: ClassVar[tuple[str, str]]
    """Why a stream ends that does not say: without tool calls, and with some."""
    terminator: ClassVar[bytes] = b""
    """What ends a stream and is no JSON."""

    def __init__(self, asked: Asked, *, ident: str = "1", created: float = 0.0) -> None:
        """Begin a stream.

        Args:
            asked: what the client asked for.
            ident: tells this answer from others; its id is made of it.
            created: when the answer begins, in seconds since the epoch.
        """
        self._asked = asked
        self._ident = ident
        self._created = created
        self._begun = False
        self._state = ""  # why the encoder takes no more, once it does
        self._calls: dict[int, ToolCall] = {}  # by the index in the deltas, in the order in which they began
        self._positions: dict[int, int] = {}  # their numbers in the stream, by the same index
        self._usage: Usage | None = None
        self._reason: str | None = None

    def begin(self) -> bytes:
        """Return the frames that stand before the first delta; nothing where they have been written already."""
        return self._guarded("its beginning", lambda: self._joined(()))

    def encode(self, delta: Delta | str) -> bytes:
        """Return the frames that a delta makes; nothing where it only adds to what comes with the end.

        Raises:
            UnencodableDeltaError: If the protocol cannot say this, or not here.
            InvalidDeltaError: If it is no delta.
        """
        given: object = Delta(delta) if isinstance(delta, str) else delta
        if not isinstance(given, Delta):
            raise InvalidDeltaError(excerpt(delta), type(delta).__name__)
        return self._guarded(given, lambda: self._encoded(given))

    def finish(self) -> bytes:
        """Return the frames that end the stream.

        Raises:
            UnencodableDeltaError: If a tool call is none that the protocol has, or the stream has ended already.
        """
        ending = self._guarded("its end", lambda: self._joined(self._ending()))
        self._state = "is finished"
        return ending + self.terminator

    def fail(self, kind: str, message: str) -> bytes:
        """Return the frame of an error, behind which the stream breaks off; one that comes first stands alone.

        Args:
            kind: what the provider calls the error, as far as the protocol has a place for it.
            message: what happened.
        """
        self._begun = True
        frame = self._guarded(f"the error {excerpt(kind)}", lambda: self._joined([self.error(kind, message)]))
        self._state = "has failed"
        return frame

    def whole(self, answer: Answer) -> bytes:
        """Return the answer that a client gets who did not ask for a stream.

        Raises:
            UnencodableDeltaError: If the protocol cannot say this, or a stream has begun.
        """
        if self._begun and not self._state:
            self._state = "has begun"
        written = self._guarded(answer, lambda: json_text(self._whole(self._completed(answer))).encode())
        self._state = "is answered"
        return written

    @staticmethod
    @abstractmethod
    def error(kind: str, message: str) -> Json:
        """The error as JSON, which is the same in a stream and in its place."""

    @abstractmethod
    def _opening(self) -> Iterable[Json]:
        """The frames before the first delta."""

    @abstractmethod
    def _frames(self, delta: Delta) -> Iterable[Json]:
        """The frames of a delta."""

    @abstractmethod
    def _ending(self) -> Iterable[Json]:
        """The frames behind the last delta."""

    @abstractmethod
    def _write(self, frame: Json) -> bytes:
        """The bytes of a frame."""

    @abstractmethod
    def _whole(self, answer: Answer) -> Json:
        """The answer that takes the place of a stream; it has a reason to finish, and its calls have their ids."""

    def _guarded(self, shown: object, make: Callable[[], bytes]) -> bytes:
        """What `make` makes; an error in it ends the encoder."""
        if self._state:
            raise self._unencodable(shown, f"the stream {self._state}, and nothing comes after that.")
        self._state = "broke off with an error"
        try:
            made = make()
        except UnencodableDeltaError:
            raise
        except (ValueError, TypeError, RecursionError) as error:
            raise self._unencodable(shown, f"it is written as JSON in UTF-8 ({error}).") from error
        self._state = ""
        return made

    def _joined(self, frames: Iterable[Json]) -> bytes:
        """The bytes of these frames, behind those that open the stream, which tell what is known by now."""
        behind = list(frames)
        opening = () if self._begun else self._opening()
        self._begun = True
        return b"".join(map(self._write, (*opening, *behind)))

    def _encoded(self, delta: Delta) -> bytes:
        self._remember(delta)
        return self._joined(self._frames(delta))

    def _remember(self, delta: Delta) -> None:
        """Keep what opening and end tell."""
        if delta.usage is not None:
            if min(delta.usage.input_tokens or 0, delta.usage.output_tokens or 0) < 0:
                raise self._unencodable(delta.usage, "no count is below 0.")
            self._usage = latest_counts(self._usage, delta.usage)
        if delta.finish_reason:
            self._reason = self.reasons.get(delta.finish_reason, delta.finish_reason)

    def _completed(self, answer: Answer) -> Answer:
        """The answer with what a client takes for granted."""
        self._remember(Delta(usage=answer.usage, finish_reason=answer.finish_reason))
        for position, call in enumerate(answer.tool_calls):
            self._begins(ToolCallDelta(position, call.id, call.name))
        calls = [replace(self._calls[at], arguments=call.arguments) for at, call in enumerate(answer.tool_calls)]
        return replace(answer, tool_calls=tuple(calls), usage=self._usage, finish_reason=self._final_reason())

    def _final_reason(self) -> str:
        return self._reason or self.usual_reasons[bool(self._calls)]

    def _begins(self, fragment: ToolCallDelta) -> bool:
        """Whether a fragment begins its call. One that continues a call agrees with what the first one said."""
        call = self._calls.get(fragment.index)
        if call is None:
            self._positions[fragment.index] = len(self._positions)
            if not fragment.name:
                raise self._unencodable(fragment, "the first fragment of a tool call names the tool.")
            self._calls[fragment.index] = ToolCall(fragment.id or self._made_up_id(), fragment.name, "")
            return True
        if (fragment.id or call.id) != call.id or (fragment.name or call.name) != call.name:
            raise self._unencodable(fragment, f"the call of this index is {call.name} with the id {call.id}.")
        return False

    def _made_up_id(self) -> str | None:
        """An id for a call that has none, which no other call of a conversation has."""
        return f"call_{self._ident}_{len(self._calls)}"

    def _unencodable(self, shown: object, rule: str) -> UnencodableDeltaError:
        return UnencodableDeltaError(self.protocol, shown if isinstance(shown, str) else excerpt(shown), rule)


class WholeCallEncoder(FrameEncoder):
    """Encode the stream of a provider whose tool calls come whole, with an object for their arguments.

    A call that one delta brings whole goes out with it. One that comes in pieces goes out when something else comes.
    """

    def __init__(self, asked: Asked, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(asked, ident=ident, created=created)
        self._waiting: dict[int, list[str]] = {}  # the arguments so far of the calls that come in pieces

    def _made_up_id(self) -> str | None:
        return None  # these protocols do without

    def _whole_calls(self, delta: Delta) -> list[ToolCall]:
        """Take the fragments of a delta, and return the calls that came whole."""
        whole = []
        for fragment in delta.tool_calls:
            begins = self._begins(fragment)
            if begins and not self._waiting and _object(fragment.arguments) is not None:
                whole.append(replace(self._calls[fragment.index], arguments=fragment.arguments))
            elif begins:
                self._waiting[fragment.index] = [fragment.arguments]
            elif fragment.index in self._waiting:
                self._waiting[fragment.index].append(fragment.arguments)
            elif fragment.arguments:
                raise self._unencodable(fragment, "a call goes out whole, and this one has gone out already.")
        return whole

    def _waiting_calls(self) -> list[ToolCall]:
        """The calls that came in pieces, which go out now."""
        calls = [replace(self._calls[index], arguments="".join(pieces)) for index, pieces in self._waiting.items()]
        self._waiting.clear()
        return calls


def arguments_of(protocol: str, call: ToolCall) -> Json:
    """The arguments of a call as an object.

    Raises:
        UnencodableDeltaError: If they are none.
    """
    arguments = _object(call.arguments or "{}")
    if arguments is None:
        raise UnencodableDeltaError(protocol, excerpt(call), "it takes arguments that are a whole JSON object.")
    return arguments


def _object(text: str) -> Json | None:
    """The JSON object that a text is, or None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
