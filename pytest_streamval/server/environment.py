"""The environment variables by which clients find a server, and setting them for the time in which it is open."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "streamval"
"""The key that clients get. The server accepts any."""
_AZURE_VERSION = "2024-10-21"  # the version of Azure's interface, without which its clients do not start

_OPENAI = (
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "OLLAMA_BASE_URL",
)  # the last one is pydantic-ai's, with OpenAI's protocol
_ANTHROPIC = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE", "ANTHROPIC_API_URL")
_ROOTS = ("GOOGLE_GEMINI_BASE_URL", "OLLAMA_HOST", "OLLAMA_API_BASE", "AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE")
_GEMINI_VERSIONED = ("GEMINI_API_BASE",)
_KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "OLLAMA_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "AZURE_API_KEY",
)
_VERSIONS = ("OPENAI_API_VERSION", "AZURE_API_VERSION")


def environ_of(url: str) -> dict[str, str]:
    """Return the environment variables that lead clients to a server, with their values.

    Args:
        url: The address of the server, without a path.
    """
    return {
        **dict.fromkeys(_OPENAI, f"{url}/v1"),
        **dict.fromkeys((*_ANTHROPIC, *_ROOTS), url),
        **dict.fromkeys(_GEMINI_VERSIONED, f"{url}/v1beta"),
        **dict.fromkeys(_KEYS, KEY),
        **dict.fromkeys(_VERSIONS, _AZURE_VERSION),
    }


class _Environment:
    """The variables of the open servers that set them. Those of the server that opened last are in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: dict[str, str | None] = {}  # the values without any server
        self._open: dict[int, Mapping[str, str]] = {}  # by the owner, in the order of opening

    def enter(self, owner: int, values: Mapping[str, str]) -> None:
        """Set the variables of a server."""
        with self._lock:
            for name in values:
                self._before.setdefault(name, os.environ.get(name))
            self._open[owner] = values
            os.environ.update(values)

    def leave(self, owner: int) -> None:
        """Set the variables as they would be without this server. Leaving again does nothing."""
        with self._lock:
            if self._open.pop(owner, None) is None:
                return
            if self._open:
                os.environ.update(list(self._open.values())[-1])
                return
            for name, value in self._before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            self._before.clear()

    def close_after_fork(self) -> None:
        """Take a new lock in a forked child, as another thread of the parent may have held this one."""
        self._lock = threading.Lock()


environment = _Environment()
"""The environment of this process."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=environment.close_after_fork)
