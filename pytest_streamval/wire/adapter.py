"""The interface of a provider's adapter: it builds and parses requests and responses, streamed or not."""

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
from pytest_streamval.wire.error_reports import ProviderReportError, provider_report, report_in_form
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    json_text,
    parse_object,
)
from pytest_streamval.wire.request_and_answer import ParsedRequest, WireRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.wire.encoding import FrameEncoder, Json
    from pytest_streamval.wire.frames import FrameDecoder
    from pytest_streamval.wire.request_and_answer import Answer, Messages

_OPTIONS = {"stream", "system_prompt", "temperature", "max_new_tokens", "seed", "stop"}


class ChatRequest(NamedTuple):
    """The contents of a chat request, before they are put into a provider's format."""

    turns: list[dict[str, object]]
    """The messages, the system message first. Each one has a `role`, which is a string."""
    model: str
    """The provider's name for the model."""
    settings: dict[str, object]
    """The options, under the provider's names."""
    schema: Mapping[str, object] | None
    """The JSON schema of the output, or None."""
    stream: bool
    """Whether the response is streamed."""


class Adapter(ABC):
    """The protocol of one provider: the requests and responses of its clients and of its servers.

    Options have the engine's names (`ModelOption`): `temperature`, `max_new_tokens`, `seed`, `stop` and
    `system_prompt`. An option that the provider does not have is left out. None counts as not given. `stream` is an
    argument here, not an option. An option with any other name becomes a field of the request's body under that name.
    An object is merged with the object that is already in that field, and any other value replaces it.
    """

    __slots__ = ()

    protocol: ClassVar[str]
    """The provider's name in errors and cassettes."""
    media_type: ClassVar[str] = "text/event-stream"
    """The content type of a streamed response. Other responses have `application/json`."""
    auth_header: ClassVar[str] = "authorization"
    """The name of the header for the API key."""
    auth_prefix: ClassVar[str] = "Bearer "
    """The prefix of the API key in that header, such as `Bearer `."""
    request_id_header: ClassVar[str] = ""
    """The name of the header in which the provider names its identifier of a request, or an empty string."""
    signs: ClassVar[bool] = True
    """Whether the provider signs the thinking."""
    synonyms: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Fields of a request's body that have two names: the older name by the newer one."""
    _paths: ClassVar[tuple[str, ...]] = ()
    """The paths of this protocol, the first one for requests, if they do not depend on the request."""
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
        """Return a request in the provider's format.

        Args:
            messages: A prompt, or the messages of a conversation, each with its `role` and `content`.
            model: The provider's name for the model.
            options: Options under the engine's names or the provider's own.
            schema: A JSON schema that the output has to follow.
            stream: Whether to request a streamed response.

        Raises:
            InvalidArgumentError: If the provider's format cannot express the request.
        """
        given = {str(name): value for name, value in (options or {}).items() if value is not None}
        if "stop" in given:
            given["stop"] = _stop_list(given["stop"])
        names = self._option_names()
        settings = {names[name]: value for name, value in given.items() if name in names}
        request = ChatRequest(_checked_turns(messages, given.get("system_prompt")), model, settings, schema, stream)
        path, body = self._build(request)
        own = {name: value for name, value in given.items() if name not in _OPTIONS}
        headers = {"content-type": "application/json", "accept": self.media_type if stream else "application/json"}
        return WireRequest(
            "POST", path, {**headers, **self._headers()}, _merge(body, own), self.auth_header, self.auth_prefix
        )

    def stream_request(
        self,
        messages: Messages,
        *,
        model: str,
        options: Mapping[str, object] | None = None,
        schema: Mapping[str, object] | None = None,
    ) -> WireRequest:
        """Return a request for a streamed response (see `build_request`)."""
        return self.build_request(messages, model=model, options=options, schema=schema, stream=True)

    def decoder(self, *, strict: bool = False) -> FrameDecoder:
        """Return a decoder for one streamed response. A strict one raises at the first deviation."""
        return self._decoder(strict=strict)

    def encoder(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> FrameEncoder:
        """Return an encoder for one response.

        Args:
            request: The client's request.
            ident: The distinguishing part of the response's id.
            created: The time of the response, in seconds since the epoch.
        """
        return self._encoder(request, ident=ident, created=created)

    def parse_response(self, body: bytes) -> Answer:
        """Parse a response that was not streamed.

        Raises:
            MalformedResponseError: If it does not follow this protocol.
            ProviderResponseError: If it reports an error.
        """
        data = body.decode("utf-8-sig", errors="replace")
        try:
            body.decode()
            value = parse_object(data)
            if value.get("error"):
                raise provider_report(value["error"], data)
            return self._parse_answer(value)
        except UnicodeDecodeError as error:
            raise MalformedResponseError(self.protocol, data, f"it is not UTF-8 ({error})") from error
        except FrameFaultError as fault:
            raise MalformedResponseError(self.protocol, data, str(fault)) from fault.__cause__
        except ProviderReportError as error:
            raise ProviderResponseError(self.protocol, error.kind, error.message) from None

    def parse_error(self, body: bytes) -> ProviderResponseError:
        """Parse the body of a response with an error status. A body that is not an error report becomes the message."""
        data = body.decode(errors="replace")
        try:
            value = parse_object(data)
            error = provider_report(value.get("error") or value, data)
        except FrameFaultError:
            error = ProviderReportError("an error", data)
        return ProviderResponseError(self.protocol, error.kind, error.message)

    def encode_response(
        self, answer: Answer, request: ParsedRequest, *, ident: str = "1", created: float = 0.0
    ) -> bytes:
        """Return the body of a response that is not streamed. Missing values get the same defaults as in a stream.

        Args:
            answer: The output.
            request: The client's request.
            ident: The distinguishing part of the response's id.
            created: The time of the response, in seconds since the epoch.

        Raises:
            UnencodableDeltaError: If the protocol cannot express the answer.
        """
        return self.encoder(request, ident=ident, created=created).encode_answer(answer)

    def encode_error(self, kind: str, message: str, code: str | None = None) -> bytes:
        """Return the body of a response that reports an error.

        Args:
            kind: The provider's name for the error. It is left out if the protocol has no field for it.
            message: The error message.
            code: The provider's code for the error, if the protocol has a field for it beside the kind.

        Raises:
            UnencodableDeltaError: If `kind` or `message` cannot be encoded.
        """
        try:
            return json_text(self._encoder.error(kind, message, code)).encode()
        except (ValueError, TypeError) as error:
            rule = f"it must be valid JSON in UTF-8 ({error})."
            raise UnencodableDeltaError(self.protocol, f"the error {excerpt(kind)}", rule) from error

    def own_error(self, body: str) -> bytes | None:
        """Return the error in a body that has the form of this protocol, as it is sent alone, or None."""
        error = report_in_form(self._encoder.error("", ""), body)
        try:
            return None if error is None else json_text(error).encode()
        except (ValueError, RecursionError):  # halves of surrogate pairs, or a value without an end
            return None

    def parse_request(self, path: str, body: Mapping[str, object]) -> ParsedRequest | None:
        """Parse a request. Return None if its path does not belong to this protocol.

        Args:
            path: The requested path, with its query.
            body: The JSON object that was sent.
        """
        if path.partition("?")[0] not in self._paths:
            return None
        return ParsedRequest(model_in(body), stream=body.get("stream") is True, body=body)

    @abstractmethod
    def _option_names(self) -> Mapping[str, str]:
        """Return the provider's names of the options that are plain settings, by the engine's names."""

    def _headers(self) -> Mapping[str, str]:
        """Return the headers that only this provider needs."""
        return {}

    @abstractmethod
    def _build(self, request: ChatRequest) -> tuple[str, Json]:
        """Return the path of a request, with its query, and its body."""

    @abstractmethod
    def _parse_answer(self, body: Json) -> Answer:
        """Parse a response that was not streamed, or raise `FrameFaultError` or `ProviderReportError`."""


def text_content(turn: Mapping[str, object]) -> str:
    """Return the content of a message that can only be text, such as the system message."""
    content = turn.get("content")
    if not isinstance(content, str):
        raise InvalidArgumentError("messages", excerpt(turn), f"The content of a {turn['role']} message must be text.")
    return content


def split_system(turns: list[dict[str, object]]) -> tuple[list[str], list[dict[str, object]]]:
    """Return the texts of the system messages, and the other messages."""
    system = [text_content(turn) for turn in turns if turn["role"] == "system"]
    return system, [turn for turn in turns if turn["role"] != "system"]


def model_in(body: Mapping[str, object]) -> str:
    """Return the model that a request names, or an empty string."""
    model = body.get("model")
    return model if isinstance(model, str) else ""


def _checked_turns(messages: Messages, system_prompt: object) -> list[dict[str, object]]:
    turns: list[dict[str, object]] = []
    given: Iterable[object] = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    for turn in given:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
            rule = 'A message must be a mapping with a role and a content: {"role": "user", "content": "Hi"}.'
            raise InvalidArgumentError("messages", excerpt(turn), rule)
        turns.append(dict(turn))
    if not turns:
        raise InvalidArgumentError("messages", excerpt(messages), "There must be at least one message.")
    return turns if system_prompt is None else [{"role": "system", "content": system_prompt}, *turns]


def _stop_list(stop: object) -> list[object]:
    if isinstance(stop, str):
        return [stop]
    if isinstance(stop, Sequence) and all(isinstance(each, str) for each in stop):
        return list(stop)
    raise InvalidArgumentError("stop", excerpt(stop), "It must be a string, or a list of strings.")


def _merge(body: Json, own: Mapping[str, object]) -> Json:
    merged = dict(body)
    for name, value in own.items():
        ours = merged.get(name)
        merged[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, Mapping) else value
    return merged
