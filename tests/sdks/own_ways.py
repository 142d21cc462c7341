"""The project's own client, `LiveBackend`, which is held to the same suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval import LiveBackend, ModelOption, ModelOutputThunk, SimpleContext, Timeouts
from tests.sdks.ways import MODEL, PROMPT, Patience, Way

if TYPE_CHECKING:
    from tests.sdks.heard import Heard


class OwnWay(Way):
    """A way of asking `LiveBackend`."""

    async def _hear_async(self, url: str, patience: Patience, heard: Heard, leaves: bool) -> None:
        backend = self.client(url, patience, True)
        options = {ModelOption.STREAM: self.form == "stream"}
        thunk, _ = await backend.generate_from_context(PROMPT, SimpleContext(), model_options=options)
        try:
            while not thunk.is_computed():
                heard.texts.append(await thunk.astream())
                if leaves and heard.text:
                    await thunk.cancel_generation()
        finally:
            _read(heard, thunk)


def _read(heard: Heard, thunk: ModelOutputThunk) -> None:
    heard.thoughts.append(thunk.thinking)
    heard.reason = thunk.generation.finish_reason
    for call in thunk.tool_calls:
        heard.call(call.id, call.name or "", call.arguments)
    usage = thunk.generation.usage
    if usage is not None:
        heard.usage = (usage.input_tokens, usage.output_tokens)


def _own(protocol: str, form: str) -> Way:
    def client(url: str, patience: Patience, _is_async: bool) -> LiveBackend:
        timeouts = Timeouts(first_byte=patience.seconds, between=patience.seconds)
        retries = {} if patience.retries is None else {"retries": patience.retries}
        return LiveBackend(f"{protocol}:{MODEL}", base_url=url, timeouts=timeouts, **retries)

    return OwnWay(
        "pytest-streamval", f"LiveBackend('{protocol}:…'), {form}", protocol, form, client, None, None, None, True
    )


WAYS = [
    _own(protocol, form)
    for protocol in ("openai", "openai-responses", "anthropic", "gemini", "ollama")
    for form in ("stream", "whole")
]
