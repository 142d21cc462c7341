"""All methods of all clients."""

from tests.sdks import (
    anthropic_methods,
    gemini_methods,
    live_backend_methods,
    ollama_methods,
    openai_methods,
)

OFFICIAL = [*openai_methods.METHODS, *anthropic_methods.METHODS, *gemini_methods.METHODS, *ollama_methods.METHODS]
"""The methods of the official clients."""

OWN = live_backend_methods.METHODS
"""The methods of `LiveBackend`."""

ALL = [*OFFICIAL, *OWN]
"""All methods."""
