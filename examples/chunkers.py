"""A way to cut text that the package does not have: one chunk for each item of a numbered list."""

from __future__ import annotations

import re

from pytest_streamval import ChunkingStrategy

ITEM = re.compile(r"\d+\. ")


class NumberedItems(ChunkingStrategy):
    """The complete lines of a numbered list. Every other line is part of no chunk."""

    def split(self, accumulated_text: str) -> list[str]:
        """Return the items whose line has ended."""
        complete = accumulated_text.split("\n")[:-1]
        return [line.rstrip("\r") for line in complete if ITEM.match(line)]

    def flush(self, accumulated_text: str) -> list[str]:
        """Return the last line if it is an item."""
        last = accumulated_text.rpartition("\n")[2]
        return [last] if ITEM.match(last) else []
