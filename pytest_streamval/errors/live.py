"""Errors of live providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError
from pytest_streamval.errors.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

# Live providers


class MissingExtraError(StreamvalError, ImportError):
    """Something needs a library that comes with an extra of this distribution."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(what, library, extra)
        self.what = what
        self.library = library
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.what} need {self.library}, which is not installed. Install it with: "
            f'pip install "pytest-streamval[{self.extra}]"'
        )


class UnknownProviderError(StreamvalError, ValueError):
    """A spec names no provider that is known, or no model."""

    def __init__(self, spec: str, providers: Sequence[str]) -> None:
        super().__init__(spec, tuple(providers))
        self.spec = spec
        self.providers = tuple(providers)

    def __str__(self) -> str:
        return (
            f"Unknown backend {self.spec!r}. A spec is PROVIDER:MODEL, such as 'ollama:granite4:micro', with one of "
            f"these providers: {', '.join(self.providers)}. Any server that speaks OpenAI's chat completions is "
            "'openai:MODEL' with an address."
        )


class MissingKeyError(StreamvalError, LookupError):
    """A provider wants a key, and the environment has none."""

    def __init__(self, provider: str, variables: Sequence[str]) -> None:
        super().__init__(provider, tuple(variables))
        self.provider = provider
        self.variables = tuple(variables)

    def __str__(self) -> str:
        return (
            f"{self.provider} wants a key, and {' or '.join(self.variables)} is not set. Set it in the environment; it "
            "is read for each request and kept nowhere. A server of your own, given by its address, needs none."
        )


class ProviderUnreachableError(StreamvalError, ConnectionError):
    """There is no connection to a provider, or it broke."""

    def __init__(self, provider: str, url: str, fault: str) -> None:
        super().__init__()
        self.args = (provider, url, fault)  # which OSError takes for an errno and file names
        self.provider = provider
        self.url = url
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"{self.provider} cannot be reached at {self.url}: {self.fault}. Check that it runs, and that the address "
            "is the right one."
        )


class ProviderTimeoutError(StreamvalError, TimeoutError):
    """A provider kept silent for too long."""

    def __init__(self, provider: str, url: str, awaited: str, seconds: float | None) -> None:
        super().__init__()
        self.args = (provider, url, awaited, seconds)  # which OSError takes for an errno and file names
        self.provider = provider
        self.url = url
        self.awaited = awaited
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"{self.provider} at {self.url} kept silent: {self.awaited} did not come within {self.seconds:g} s. Raise "
            "the limit in Timeouts(...), or ask a smaller model."
        )


class ProviderStatusError(StreamvalError, RuntimeError):
    """A provider refused a request."""

    def __init__(self, provider: str, url: str, status: int, body: str, retry_after: float | None) -> None:
        super().__init__(provider, url, status, body, retry_after)
        self.provider = provider
        self.url = url
        self.status = status
        self.body = body
        """What it said, secrets redacted."""
        self.retry_after = retry_after
        """Seconds after which it may be asked again, where it said so."""

    def __str__(self) -> str:
        advice = _STATUS_ADVICE.get(self.status, "Its own words say what is wrong with the request.")
        return f"{self.provider} at {self.url} answered {self.status}: {excerpt(self.body, 300)[1:-1]}. {advice}"


_STATUS_ADVICE = {
    401: "Check the key in the provider's environment variable.",
    403: "The key may not be allowed to use this model.",
    404: "Check the address, and that the model exists there.",
    429: "Wait, or send fewer requests at a time.",
}


class BackendUnavailableError(StreamvalError, ConnectionError):
    """The backend of a live test is not there, or lacks the model."""

    def __init__(self, spec: str, url: str, fault: str, remedy: str) -> None:
        super().__init__()
        self.args = (spec, url, fault, remedy)  # which OSError takes for an errno and file names
        self.spec = spec
        self.url = url
        self.fault = fault
        self.remedy = remedy

    def __str__(self) -> str:
        return (
            f"The live backend {self.spec} is not available at {self.url}. Tried: {self.fault.rstrip('.')}. What may "
            f"help: {self.remedy} - or another backend, by --streamval-backend PROVIDER:MODEL and --streamval-url URL."
        )


class LiveTimeLimitError(StreamvalError, TimeoutError):
    """A live test took too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"This live test did not end within {self.seconds:g} s. The limit is the ini value streamval_live_timeout; "
            "0 is no limit."
        )


class ExampleFailedError(StreamvalError, AssertionError):
    """An example script failed."""

    def __init__(self, path: str, fault: str, output: str) -> None:
        super().__init__(path, fault, output)
        self.path = path
        self.fault = fault
        self.output = output

    def __str__(self) -> str:
        return f"{self.path} {self.fault}.\n{self.output.rstrip()}".rstrip()
