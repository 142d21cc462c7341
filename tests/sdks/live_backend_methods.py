"""The methods of `LiveBackend`, which has to pass the same tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval import LiveBackend, ModelOption, ModelOutputThunk, SimpleContext, Timeouts
from tests.sdks.client_methods import MODEL, PROMPT, ClientMethod, ClientOptions

if TYPE_CHECKING:
    from tests.sdks.received import Received


class LiveBackendMethod(ClientMethod):
    """A request of `LiveBackend`."""

    async def _call_async(self, url: str, client_options: ClientOptions, received: Received, leaves: bool) -> None:
        backend = self.client(url, client_options, True)
        options = {ModelOption.STREAM: self.form == "stream"}
        thunk, _ = await backend.generate_from_context(PROMPT, SimpleContext(), model_options=options)
        try:
            while not thunk.is_computed():
                received.texts.append(await thunk.astream())
                if leaves and received.text:
                    await thunk.cancel_generation()
        finally:
            _read(received, thunk)


def _read(received: Received, thunk: ModelOutputThunk) -> None:
    received.thoughts.append(thunk.thinking)
    received.reason = thunk.generation.finish_reason
    for call in thunk.tool_calls:
        received.add_call(call.id, call.name or "", call.arguments)
    usage = thunk.generation.usage
    if usage is not None:
        received.usage = (usage.input_tokens, usage.output_tokens)


def _own(protocol: str, form: str) -> ClientMethod:
    def client(url: str, client_options: ClientOptions, _is_async: bool) -> LiveBackend:
        timeouts = Timeouts(first_byte=client_options.seconds, between=client_options.seconds)
        retries = {} if client_options.retries is None else {"retries": client_options.retries}
        return LiveBackend(f"{protocol}:{MODEL}", base_url=url, timeouts=timeouts, **retries)

    return LiveBackendMethod(
        "pytest-streamval", f"LiveBackend('{protocol}:…'), {form}", protocol, form, client, None, None, None, True
    )


METHODS = [
    _own(protocol, form)
    for protocol in ("openai", "openai-responses", "anthropic", "gemini", "ollama")
    for form in ("stream", "whole")
]
