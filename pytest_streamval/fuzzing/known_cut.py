"""The smallest cut under which a subject failed, in the example database of Hypothesis."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from hypothesis import currently_in_test_context, settings

from pytest_streamval.files.json_text import parse_json
from pytest_streamval.transcripts.transcript import without_addresses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hypothesis.database import ExampleDatabase

    from pytest_streamval.fuzzing.shrinking import Offsets

_PREFIX = b"pytest-streamval: boundary invariance: "


class KnownCut:
    """The place in the database of one subject and one text.

    There is none in a profile without a database, and in an example of Hypothesis, which keeps its own.
    """

    def __init__(self, subject: str, text: str) -> None:
        """Create a place.

        Args:
            subject: The name of the subject.
            text: The text that is cut.
        """
        self._key = _PREFIX + sha256(f"{without_addresses(subject)}\0{text}".encode(errors="surrogatepass")).digest()
        self._database: ExampleDatabase | None = None if currently_in_test_context() else settings().database

    def cuts(self, possible: Collection[int]) -> Iterator[Offsets]:
        """Yield the cuts that are kept. Other values, and offsets that cannot be cut, are ignored."""
        for value in [] if self._database is None else list(self._database.fetch(self._key)):
            try:
                offsets = parse_json(value)
            except ValueError:
                continue
            if isinstance(offsets, list) and offsets and all(each in possible for each in offsets):
                yield tuple(sorted(set(offsets)))

    def keep(self, cut: Offsets) -> None:
        """Keep a cut in the place of all others."""
        self.forget()
        if self._database is not None:
            self._database.save(self._key, json.dumps(cut).encode())

    def forget(self) -> None:
        """Remove all cuts."""
        if self._database is not None:
            for value in list(self._database.fetch(self._key)):
                self._database.delete(self._key, value)
