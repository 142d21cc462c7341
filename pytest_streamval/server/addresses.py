"""The addresses of a server, one for the clients of each protocol."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_streamval.errors import server_state_error
from pytest_streamval.server.environment import environ_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServerAddresses:
    """The addresses of a server."""

    _address = ""  # empty until the server is open

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        if not self._address:
            raise server_state_error("is not open, and has no address")
        return self._address

    @property
    def port(self) -> int:
        """The port of the server."""
        return int(self.url.rpartition(":")[2])

    @property
    def openai_url(self) -> str:
        """The base URL for clients of OpenAI's protocols."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for clients of Anthropic's protocol."""
        return self.url

    @property
    def gemini_url(self) -> str:
        """The base URL for clients of Gemini's protocol."""
        return self.url

    @property
    def ollama_url(self) -> str:
        """The host for clients of Ollama's protocol."""
        return self.url

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables that lead the clients of all protocols to the server: addresses and dummy keys.

        Give them to a process (`env={**os.environ, **server.environ}`), or let the server set them with `env=True`.
        """
        return MappingProxyType(environ_of(self.url))
