"""`LiveBackend`: a backend that sends requests to a real model over the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_streamval.engine.backend import Backend, ModelOption
from pytest_streamval.engine.component import as_action
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import (
    FrameTooLongError,
    InvalidArgumentError,
    ProviderStatusError,
    ProviderUnreachableError,
    StreamTruncatedError,
    WireError,
    excerpt,
)
from pytest_streamval.http.client import HttpTransport, decoded_response
from pytest_streamval.http.pool import ConnectionPool
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.response_info import response_info
from pytest_streamval.http.secrets import Secrets, shown_address
from pytest_streamval.live.conversation import turns_of
from pytest_streamval.live.providers import check_encryption, parse_spec
from pytest_streamval.wire.sse import MAX_FRAME, checked_max_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.http.client import HttpResponse, Timeouts, Transport
    from pytest_streamval.model import Delta
    from pytest_streamval.wire.frames import FrameDecoder
    from pytest_streamval.wire.request_and_answer import WireRequest


class LiveBackend(Backend):
    """A backend of a real model: `LiveBackend("ollama:granite4:micro")`, `LiveBackend("openai:gpt-4.1")`.

    The API key is read from the environment for each request and is not stored. Cancelling an output closes its
    connection. Otherwise the next request in the same event loop reuses it.
    """

    def __init__(
        self,
        spec: str,
        *,
        base_url: str | None = None,
        model_options: Mapping[str, object] | None = None,
        timeouts: Timeouts | None = None,
        retries: int = 2,
        max_frame: int = MAX_FRAME,
        transport: Transport | None = None,
        allow_http: bool = False,
        pool: ConnectionPool | None = None,
    ) -> None:
        """Create a backend, without sending a request.

        Args:
            spec: The provider and the model, such as `"ollama:granite4:micro"`.
            base_url: The address of the provider. By default the one in its environment variable, or its usual one.
            model_options: The default options of all requests.
            timeouts: The time limits of a request.
            retries: The number of times to repeat a request that failed before the first byte of its response.
            max_frame: The most bytes of one frame of a stream, and of an answer that is not streamed. A longer one
                raises `FrameTooLongError`, so that a provider cannot fill the memory.
            transport: The transport of the requests. By default the network.
            allow_http: Whether a key may be sent to another machine without encryption. The variable
                `STREAMVAL_ALLOW_HTTP` allows it for all backends.
            pool: The connections that several backends share, as those of a council do. By default its own.

        Raises:
            UnknownNameError: A `ValueError`. If the provider in the spec is unknown.
            InvalidArgumentError: A `ValueError`. If the address or `max_frame` is invalid.
        """
        self.provider, self.model = parse_spec(spec)
        self.address = self.provider.address(base_url)
        self._adapter = self.provider.adapter_at(self.address)
        self.model_options = dict(model_options or {})
        self._timeouts = timeouts
        self._retries = retries
        self._max_frame = checked_max_frame(max_frame)
        self._transport = transport
        self._allow_http = allow_http
        self._pool = pool or ConnectionPool()

    async def aclose(self) -> None:
        """Close the connections that wait for another request. The next request makes a new one.

        The connections of a live backend are closed with their event loop too, and if it is dropped.
        """
        await self._pool.aclose()

    @property
    def spec(self) -> str:
        """The provider and the model."""
        return f"{self.provider.name}:{self.model}"

    @property
    def identity(self) -> str | None:
        """The provider, model, address and options, or None if the backend has a transport of its own."""
        if self._transport is not None:
            return None
        options = sorted((str(name), repr(value)) for name, value in self.model_options.items())
        return f"{self.spec} at {shown_address(self.address)} with {options}"

    async def generate_from_context(
        self,
        action: Action | str,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # as in Backend
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        """Start a request, and return its output at once.

        Raises:
            MissingKeyError: A `LookupError`. If the provider needs an API key and the environment has none.
            InvalidArgumentError: If a key would be sent to another machine without encryption.
            InvalidArgumentError: If the provider's protocol cannot express the request.
        """
        action = as_action(action)
        options = {**self.model_options, **(model_options or {})}
        streams = bool(options.get(ModelOption.STREAM))
        wire_request = self._adapter.build_request(
            [*turns_of([*ctx.view_for_generation(), action])],
            model=self.model,
            options=options,
            schema=_output_schema(format),
            stream=streams,
        )
        request, secrets = self._authorized(wire_request)
        transport = self._transport or HttpTransport(
            self._timeouts, retries=self._retries, secrets=secrets, pool=self._pool
        )
        thunk = ModelOutputThunk(action=action)
        thunk.generation.model, thunk.generation.provider = self.model, self.provider.name
        thunk.generation.streaming = streams

        async def generate(thunk: ModelOutputThunk) -> None:
            try:
                async with transport.stream(request, provider=self.provider.name) as response:
                    thunk.generation.response = response_info(response.status, response.headers, secrets)
                    await (self._stream if streams else self._buffer)(thunk, decoded_response(response))
            except ProviderStatusError as error:
                thunk.generation.response = error.response
                raise
            except WireError as error:  # the provider's text may repeat the key, also in the locals of the frames
                raise secrets.error(error).with_traceback(None)  # noqa: B904  # the error itself, whose causes are clean

        thunk.start(generate)
        return thunk, ctx.add(action).add(thunk)

    def _authorized(self, wire_request: WireRequest) -> tuple[HttpRequest, Secrets]:
        """Return a request with its API key, and the secrets to keep out of errors."""
        __tracebackhide__ = True
        needs_key = getattr(self._transport, "needs_key", True)
        if needs_key and (self.provider.key(self.address) is not None or "@" in self.address):
            check_encryption(self.address, allow_http=self._allow_http)
        key = self.provider.key(self.address) if needs_key else None
        headers = dict(wire_request.headers) if key is None else wire_request.authorized(key)
        request = HttpRequest(self.provider.endpoint(self.address, wire_request.path), wire_request.content, headers)
        return request, Secrets([] if key is None else [key])

    async def _stream(self, thunk: ModelOutputThunk, response: HttpResponse) -> None:
        decoder = self._adapter.decoder()
        decoder.max_frame = self._max_frame
        try:
            await self._decode(thunk, response, decoder)
            await _put_live_deltas(thunk, decoder.close())
        except WireError as error:
            await _put_live_deltas(thunk, error.deltas)  # those of the same read before the fault
            raise
        finally:
            thunk.generation.deviations = tuple(decoder.deviations)

    async def _decode(self, thunk: ModelOutputThunk, response: HttpResponse, decoder: FrameDecoder) -> None:
        try:
            async for data in response.reads:
                await _put_live_deltas(thunk, decoder.feed(data))
        except ProviderUnreachableError as broken:
            if decoder.done:
                return  # the stream had ended before the connection broke
            try:
                await _put_live_deltas(thunk, decoder.close())
            except StreamTruncatedError as truncated:
                raise truncated from broken
            raise

    async def _buffer(self, thunk: ModelOutputThunk, response: HttpResponse) -> None:
        body = bytearray()
        async for data in response.reads:
            body += data
            if len(body) > self._max_frame:
                raise FrameTooLongError(self._adapter.protocol, "", (), 0, self._max_frame)
        await _put_live_deltas(thunk, [self._adapter.parse_response(bytes(body)).to_delta()])

    def __repr__(self) -> str:
        return f"<LiveBackend {self.spec} at {shown_address(self.address)}>"


async def _put_live_deltas(thunk: ModelOutputThunk, deltas: Iterable[Delta]) -> None:
    for delta in deltas:
        if not thunk.try_put(delta):
            await thunk.put(delta)


def _output_schema(form: object | None) -> Mapping[str, object] | None:
    """Return the JSON schema of a format: the format itself, or that of a class of pydantic."""
    if form is None or isinstance(form, Mapping):
        return form
    describe = getattr(form, "model_json_schema", None)
    if callable(describe):
        schema: Mapping[str, object] = describe()
        return schema
    raise InvalidArgumentError("format", excerpt(form), "It must be a JSON schema or a class of pydantic.")
