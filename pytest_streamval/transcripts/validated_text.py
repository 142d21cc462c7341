"""Text that a consumer received, compared with the text that a run has validated and released."""

from __future__ import annotations

from typing import NamedTuple, Protocol

_BEGINNING = 12  # characters of unreleased text that are looked for
_SHORTEST = 3  # characters of unreleased text that are no coincidence


class ShownText(NamedTuple):
    """A text that a page may show."""

    name: str
    """The place of the consumer's text: the body, the data of events, or strings at a path of their JSON."""
    text: str
    """The text."""
    is_plain: bool
    """Whether it is the complete page, so that every word of it counts as the model's."""


class ShownTexts(Protocol):
    """An object that shows text to a reader, such as a `Page`."""

    def shown_texts(self) -> list[ShownText]:
        """Return all texts that a reader may see."""


def validated_length(received: str, released: str) -> int:
    """Return the length of the received text up to its first difference from the released text.

    White space is not compared, as chunks have none around them.
    """
    expected = iter("".join(released.split()))
    for offset, character in enumerate(received):
        if not character.isspace() and character != next(expected, None):
            return offset
    return len(received)


def unvalidated_offset(shown: ShownText, released: str, generated: str) -> int | None:
    """Return the offset of the first text that was not released, or None if there is none.

    A plain text is the released text, or a beginning of it. One of several texts may also be the application's own. It
    counts if it begins like the released text, or if it has the beginning of text that was generated and not released.

    Args:
        shown: The text.
        released: The text that was released.
        generated: The text that the run has read, which begins with the released text.
    """
    end = validated_length(shown.text, released)
    if end < len(shown.text) and (shown.is_plain or shown.text[:end].strip()):
        return end
    left = "".join(generated.split())[len("".join(released.split())) :]
    if len(left) < _SHORTEST:
        return None
    places = [place for place, character in enumerate(shown.text) if not character.isspace()]
    text = "".join(shown.text.split())
    found = 0 if len(text) >= _SHORTEST and left.startswith(text) else text.find(left[:_BEGINNING])
    return None if found < 0 else places[found]
