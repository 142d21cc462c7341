"""What every provider's adapter offers: questions and answers, whole and streamed, from both ends of the wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytest_streamval.errors import (
    InvalidArgumentError,
    MalformedResponseError,
    ProviderResponseError,
    UnencodableDeltaError,
    excerpt,
)
from pytest_streamval.wire.exchange import WireRequest
from pytest_streamval.wire.json_values import FrameFaultError, ProviderReportError, json_text, parse_object, report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.wire.encoding import FrameEncoder, Json
    from pytest_streamval.wire.exchange import Answer, Asked, Messages
    from pytest_streamval.wire.frames import FrameDecoder

_OPTIONS = {"stream", "system_prompt", "temperature", "max_new_tokens", "seed", "stop"}


class Question(NamedTuple):
    """What a request is made of."""

    turns: list[dict[str, object]]
    """The messages, the system's first; each with a `role`, which is a string."""
    model: str
    """The provider's name for the model."""
    settings: dict[str, object]
    """Options, already by the provider's names."""
    schema: Mapping[str, object] | None
    """A JSON schema of the output."""
    stream: bool
    """Whether the answer is to be streamed."""


class Adapter(ABC):
    """One provider's protocol: what a client sends and reads, and what a server reads and sends.

    Options have the engine's names (`ModelOption`): `temperature`, `max_new_tokens`, `seed`, `stop`, `system_prompt`;
    one that the provider does not have is left out, one that is None counts as not given, and `stream` is an argument
    here. Any other name is a field of the request's body, as the provider calls it. Its value goes there as it is, but
    an object is merged with the one that stands there.
    """

    __slots__ = ()

    protocol: ClassVar[str]
    """The provider's name, in errors and in cassettes."""
    media_type: ClassVar[str] = "text/event-stream"
    """The content type of a streamed answer; that of any other is `application/json`."""
    auth_header: ClassVar[str] = "authorization"
    """The name of the header that takes the key."""
    auth_prefix: ClassVar[str] = "Bearer "
    """What stands before the key in that header."""
    synonyms: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Fields of a request's body that say the same under two names, by the newer one."""
    _decoder: ClassVar[type[FrameDecoder]]
    _encoder: ClassVar[type[FrameEncoder]]

    def build_request(
        self,
        messages: Messages,
        *,
        model: str,
        options: Mapping[str, object] | None = None,
        schema: Mapping[str, object] | None = None,
        stream: bool = False,
    ) -> WireRequest:
        """Put a question into the provider's words.

        Args:
            messages: a prompt, or the turns of a conversation, each with its `role` and `content`.
            model: the provider's name for the model.
            options: by the engine's names or the provider's own.
            schema: a JSON schema that the output has to follow.
            stream: whether the answer is to be streamed.

        Raises:
            InvalidArgumentError: If the provider has no way to say this.
        """
        given = {str(name): value for name, value in (options or {}).items() if value is not None}
        if "stop" in given:
            given["stop"] = _stops(given["stop"])
        names = self._settings()
        settings = {names[name]: value for name, value in given.items() if name in names}
        question = Question(_turns(messages, given.get("system_prompt")), model, settings, schema, stream)
        path, body = self._request(question)
        own = {name: value for name, value in given.items() if name not in _OPTIONS}
        headers = {"content-type": "application/json", "accept": self.media_type if stream else "application/json"}
        return WireRequest(
            "POST", path, {**headers, **self._headers()}, _merged(body, own), self.auth_header, self.auth_prefix
        )

    def stream_request(
        self,
        messages: Messages,
        *,
        model: str,
        options: Mapping[str, object] | None = None,
        schema: Mapping[str, object] | None = None,
    ) -> WireRequest:
        """Do what `build_request` does, for an answer that is streamed."""
        return self.build_request(messages, model=model, options=options, schema=schema, stream=True)

    def decoder(self) -> FrameDecoder:
        """Return a decoder of one streamed answer."""
        return self._decoder()

    def encoder(self, asked: Asked, *, ident: str = "1", created: float = 0.0) -> FrameEncoder:
        """Return an encoder of one answer.

        Args:
            asked: what the client asked for.
            ident: tells this answer from others; its id is made of it.
            created: when the answer begins, in seconds since the epoch.
        """
        return self._encoder(asked, ident=ident, created=created)

    def parse_response(self, body: bytes) -> Answer:
        """Read an answer that was not streamed.

        Raises:
            MalformedResponseError: If it is none of this protocol.
            ProviderResponseError: If it is the report of an error.
        """
        data = body.decode("utf-8-sig", errors="replace")
        try:
            body.decode()
            value = parse_object(data)
            if value.get("error"):
                raise report(value["error"], data)
            return self._read_answer(value)
        except UnicodeDecodeError as error:
            raise MalformedResponseError(self.protocol, data, f"it is no UTF-8 ({error})") from error
        except FrameFaultError as fault:
            raise MalformedResponseError(self.protocol, data, str(fault)) from fault.__cause__
        except ProviderReportError as error:
            raise ProviderResponseError(self.protocol, error.kind, error.message) from None

    def parse_error(self, body: bytes) -> ProviderResponseError:
        """Read what came with a status that says failure, whatever it is; what is no report of an error is quoted."""
        data = body.decode(errors="replace")
        try:
            value = parse_object(data)
            error = report(value.get("error") or value, data)
        except FrameFaultError:
            error = ProviderReportError("an error", data)
        return ProviderResponseError(self.protocol, error.kind, error.message)

    def encode_response(self, answer: Answer, asked: Asked, *, ident: str = "1", created: float = 0.0) -> bytes:
        """Write an answer that is not streamed; what deltas lack, it is given as a stream is (`FrameEncoder`).

        Args:
            answer: what is said.
            asked: what the client asked for.
            ident: tells this answer from others; its id is made of it.
            created: when the answer was made, in seconds since the epoch.

        Raises:
            UnencodableDeltaError: If the protocol cannot say this.
        """
        return self.encoder(asked, ident=ident, created=created).whole(answer)

    def encode_error(self, kind: str, message: str) -> bytes:
        """Write the report of an error that takes the place of an answer.

        Args:
            kind: what the provider calls the error, as far as the protocol has a place for it.
            message: what happened.

        Raises:
            UnencodableDeltaError: If they are no text.
        """
        try:
            return json_text(self._encoder.error(kind, message)).encode()
        except (ValueError, TypeError) as error:
            rule = f"it is written as JSON in UTF-8 ({error})."
            raise UnencodableDeltaError(self.protocol, f"the error {excerpt(kind)}", rule) from error

    @abstractmethod
    def asked(self, path: str, body: Mapping[str, object]) -> Asked | None:
        """Return what a request asks for, or None where its path is none of this protocol's.

        Args:
            path: as it was requested, with its query if it has one.
            body: the JSON that was sent.
        """

    @abstractmethod
    def _settings(self) -> Mapping[str, str]:
        """What the provider calls the options that are plain settings; none for one that it does not have."""

    def _headers(self) -> Mapping[str, str]:
        """The headers that only this provider wants."""
        return {}

    @abstractmethod
    def _request(self, question: Question) -> tuple[str, Json]:
        """The path of a request, with its query, and its body."""

    @abstractmethod
    def _read_answer(self, body: Json) -> Answer:
        """Read an answer that was not streamed, or raise `FrameFaultError` or `ProviderReportError`."""


def text_content(turn: Mapping[str, object]) -> str:
    """The content of a turn that can only be text, such as the system's."""
    content = turn.get("content")
    if not isinstance(content, str):
        raise InvalidArgumentError("messages", excerpt(turn), f"The content of {turn['role']} is text here.")
    return content


def model_in(body: Mapping[str, object]) -> str:
    """The model that a request names, or an empty string."""
    model = body.get("model")
    return model if isinstance(model, str) else ""


def _turns(messages: Messages, system_prompt: object) -> list[dict[str, object]]:
    turns: list[dict[str, object]] = []
    given: Iterable[object] = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    for turn in given:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
            rule = 'A message is a mapping with a role and a content: {"role": "user", "content": "Hi"}.'
            raise InvalidArgumentError("messages", excerpt(turn), rule)
        turns.append(dict(turn))
    if not turns:
        raise InvalidArgumentError("messages", excerpt(messages), "A model is asked at least one message.")
    return turns if system_prompt is None else [{"role": "system", "content": system_prompt}, *turns]


def _stops(stop: object) -> list[object]:
    """The strings at which generation ends, of which a single one may stand alone."""
    if isinstance(stop, str):
        return [stop]
    if isinstance(stop, Sequence) and all(isinstance(each, str) for each in stop):
        return list(stop)
    raise InvalidArgumentError("stop", excerpt(stop), "It must be a string, or a list of strings.")


def _merged(body: Json, own: Mapping[str, object]) -> Json:
    """The body with the fields that the caller named as the provider does."""
    merged = dict(body)
    for name, value in own.items():
        ours = merged.get(name)
        merged[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, Mapping) else value
    return merged
