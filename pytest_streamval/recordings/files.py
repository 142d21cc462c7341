"""Lines of JSON, and files that are written completely or not at all."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")  # line ends to an editor, or not in UTF-8


def json_line(value: object, *, default: Callable[[object], object] | None = None, allow_nan: bool = False) -> str:
    """Return a value as JSON on one line for editors too, in characters that UTF-8 can encode.

    Args:
        value: The value.
        default: Returns a value of JSON for a value that JSON does not have.
        allow_nan: Whether to write NaN and Infinity.

    Raises:
        ValueError: If a number is NaN or infinite, unless that is allowed.
        TypeError: If JSON does not have a value.
    """
    text = json.dumps(value, ensure_ascii=False, default=default, allow_nan=allow_nan)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def put_file(path: Path, data: bytes) -> None:
    """Write a file in one step, with its missing folders.

    Raises:
        OSError: If the file cannot be written. An older file of that name stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
