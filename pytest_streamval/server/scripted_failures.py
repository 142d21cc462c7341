"""Failures: the exceptions of a script in the words of a provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors import (
    ProviderResponseError,
    ProviderStatusError,
    ProviderStreamError,
    StreamTruncatedError,
    described,
)
from pytest_streamval.server.actions import Disconnect
from pytest_streamval.wire.error_kinds import error_kind, error_status
from pytest_streamval.wire.json_values import FrameFaultError, parse_object

if TYPE_CHECKING:
    from pytest_streamval.wire.adapter import Adapter
    from pytest_streamval.wire.encoding import FrameEncoder, Json

_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a provider reports it: as a response of its own, or as the frame that ends a stream."""

    adapter: Adapter
    """The protocol."""
    status: int
    """The status of the response."""
    kind: str
    """The provider's name for the error."""
    message: str
    """The error message."""
    code: str | None = None
    """The provider's code, if the protocol has a field for it."""
    report: str = ""
    """The report that a provider sent, if this is one."""
    frame: Json | None = None
    """The frame that a provider of the same protocol sent."""
    retry_after: float | None = None
    """The seconds to wait before another request."""
    is_of_stream: bool = False
    """Whether it is the frame of a stream even before the first delta."""

    @property
    def body(self) -> bytes:
        """The body of the response."""
        return self.adapter.own_error(self.report) or self.adapter.encode_error(self.kind, self.message, self.code)

    def end(self, encoder: FrameEncoder) -> bytes:
        """Return the frame that ends a stream."""
        if self.frame is not None:
            return encoder.fail_as(self.frame)
        own = self.adapter.own_error(self.report)
        return encoder.fail(self.kind, self.message, self.code) if own is None else encoder.fail_as(_object(own))


def failure_of(error: BaseException, adapter: Adapter) -> Failure:
    """Return the report of an error. One that a provider reported keeps its kind and its words."""
    protocol = adapter.protocol
    if isinstance(error, ProviderStatusError):
        message = adapter.parse_error(error.body.encode(errors="replace")).message
        kind, wait = error_kind(protocol, error.status), error.retry_after
        return Failure(adapter, error.status, kind, message, report=error.body, retry_after=wait)
    if isinstance(error, ProviderStreamError | ProviderResponseError):
        return _reported(error, adapter)
    message = described(error) or type(error).__name__
    return Failure(adapter, _SERVER_ERROR, error_kind(protocol, _SERVER_ERROR), message)


def _reported(error: ProviderStreamError | ProviderResponseError, adapter: Adapter) -> Failure:
    report = error.report if isinstance(error, ProviderStreamError) and error.provider == adapter.protocol else ""
    frame = None
    if report:
        try:
            frame = parse_object(report)
        except FrameFaultError:
            report = ""
    status = error_status(adapter.protocol, error.kind)
    return Failure(
        adapter,
        status,
        error.kind,
        error.message,
        code=error.kind,  # a client may look for the kind in either field
        report=report,
        frame=frame,
        is_of_stream=isinstance(error, ProviderStreamError),
    )


def _object(body: bytes) -> Json:
    return parse_object(body.decode())


def disconnect_for(error: BaseException) -> Disconnect | None:
    """Return the end of the connection that an error of the network stands for, or None for any other error."""
    if isinstance(error, ConnectionResetError):
        return Disconnect("reset")
    return Disconnect("closed") if isinstance(error, (ConnectionError, EOFError, StreamTruncatedError)) else None
