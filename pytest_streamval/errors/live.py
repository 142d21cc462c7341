"""Errors of live providers, and of things that are not installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pytest_streamval.errors.base import StreamvalError, UnknownNameError
from pytest_streamval.errors.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.model import ResponseInfo

_STATUS_ADVICE = {
    401: "Check the key in the provider's environment variable.",
    403: "The key may not be allowed to use this model.",
    404: "Check the address, and that the model exists there.",
    429: "Wait, or send fewer requests at a time.",
}


@dataclass(eq=False, repr=False)
class MissingExtraError(StreamvalError, ImportError):
    """A library or a pytest plugin is needed that is not installed or not active."""

    message: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.msg = self.message

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False, repr=False)
class MissingKeyError(StreamvalError, LookupError):
    """A provider needs a key, and the environment has none."""

    provider: str
    variables: Sequence[str]

    def __str__(self) -> str:
        return (
            f"{self.provider} needs a key, and {' or '.join(self.variables)} is not set. Set it in the environment. It "
            "is read for each request and kept nowhere. A server of your own, given by its address, needs no key."
        )


@dataclass(eq=False, repr=False)
class ProviderUnreachableError(StreamvalError, ConnectionError):
    """There is no connection to a provider, or it broke, or the provider lacks the model."""

    provider: str
    url: str
    fault: str
    advice: str = "Check that it runs, and that the address is right."

    def __str__(self) -> str:
        return f"{self.provider} is not available at {self.url}: {self.fault.rstrip('.')}. {self.advice}"


@dataclass(eq=False, repr=False)
class ProviderTimeoutError(StreamvalError, TimeoutError):
    """A provider sent nothing for too long."""

    provider: str
    url: str
    awaited: str
    """The part of the answer that was due, such as "the first byte"."""
    seconds: float | None

    def __str__(self) -> str:
        return (
            f"{self.provider} at {self.url} was silent: {self.awaited} did not come within {self.seconds:g} s. Raise "
            "the limit in Timeouts(...), or use a smaller model."
        )


@dataclass(eq=False, repr=False)
class ProviderStatusError(StreamvalError, RuntimeError):
    """A provider refused a request."""

    provider: str
    url: str
    status: int
    body: str
    """The body of the answer, with secrets redacted."""
    retry_after: float | None = None
    """The seconds after which the request may be sent again; None if the provider gave none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.response: ResponseInfo | None = None
        """The identifier and the rate limits of the answer, if it came over HTTP."""

    def with_response(self, response: ResponseInfo) -> Self:
        """Return this error, with the facts about its answer."""
        self.response = response
        return self

    def __str__(self) -> str:
        advice = _STATUS_ADVICE.get(self.status, "The answer says what is wrong with the request.")
        return f"{self.provider} at {self.url} answered {self.status}: {excerpt(self.body, 300)[1:-1]}. {advice}"


@dataclass(eq=False, repr=False)
class UndecodableBodyError(StreamvalError, ValueError):
    """A body came compressed, and cannot be decoded. Nothing of the data is read or recorded."""

    coding: str
    """The value of its header Content-Encoding."""
    fault: str

    def __str__(self) -> str:
        return (
            f"A body with Content-Encoding {excerpt(self.coding)} cannot be decoded: {self.fault.rstrip('.')}. It is "
            "neither read nor recorded, as it could hide a key. Let the sender send it with another coding, or with "
            "none."
        )


@dataclass(eq=False, repr=False)
class LiveTimeLimitError(StreamvalError, TimeoutError):
    """A live test took too long."""

    seconds: float

    def __str__(self) -> str:
        return (
            f"This live test did not end within {self.seconds:g} s. The limit is the ini value streamval_live_timeout; "
            "0 means no limit."
        )


def missing_extra_error(what: str, library: str, extra: str) -> MissingExtraError:
    """Return the error for a library that an extra of this distribution installs."""
    return MissingExtraError(
        f'{what} need {library}, which is not installed. Install it with: pip install "pytest-streamval[{extra}]"'
    )


def missing_plugin_error(fixture: str, plugin: str, distribution: str) -> MissingExtraError:
    """Return the error for a fixture whose pytest plugin is not active."""
    return MissingExtraError(
        f"The fixture {fixture} needs the pytest plugin {plugin}, which is not active. Run without `-p no:{plugin}`, "
        f"and under PYTEST_DISABLE_PLUGIN_AUTOLOAD with `-p {plugin}`. To install it: pip install {distribution}"
    )


def unknown_provider_error(spec: str, providers: Sequence[str]) -> UnknownNameError:
    """Return the error for a spec that names no provider, or no model."""
    advice = (
        "A spec is PROVIDER:MODEL, such as 'ollama:granite4:micro'. A server that speaks OpenAI's chat completions is "
        "'openai:MODEL' with an address."
    )
    return UnknownNameError("backend", spec, providers, advice)


def backend_unavailable_error(spec: str, url: str, fault: str, remedy: str) -> ProviderUnreachableError:
    """Return the error for a live test whose backend does not run, or lacks the model."""
    other = "or another backend, with --streamval-backend PROVIDER:MODEL and --streamval-url URL."
    return ProviderUnreachableError(f"The live backend {spec}", url, fault, f"What may help: {remedy}, {other}")
