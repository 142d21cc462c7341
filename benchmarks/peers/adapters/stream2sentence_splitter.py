"""stream2sentence, a streaming splitter, with the settings that were best of those tried."""

from __future__ import annotations

from stream2sentence import generate_sentences

STREAMING = True


def split(pieces: list[str]) -> list[str]:
    """Cut a text that comes in pieces. Its defaults are made for speech and join short sentences to the next one."""
    return list(
        generate_sentences(
            iter(pieces), minimum_sentence_length=1, minimum_first_fragment_length=1, never_split_numbers=True
        )
    )
