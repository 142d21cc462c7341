"""All ways of all clients."""

from tests.sdks import anthropic_ways, gemini_ways, ollama_ways, openai_ways, own_ways

OFFICIAL = [*openai_ways.WAYS, *anthropic_ways.WAYS, *gemini_ways.WAYS, *ollama_ways.WAYS]
"""Those of the official clients."""

OWN = own_ways.WAYS
"""Those of the project's own client."""

EVERY = [*OFFICIAL, *OWN]
"""All."""
