"""Names of files that belong to tests: valid on every file system, and different for every test."""

from __future__ import annotations

import hashlib
from unicodedata import is_normalized

_TEST_BYTES = 140  # the bytes of a test's name in a file name; most file systems allow 255 in all
_SAFE = frozenset("-.,=+()[] ")  # besides the characters of Python's names


def file_name_of_test(nodeid: str, name: str) -> str:
    """Return the name of a test's files, without a suffix. A variant has those of the test as scripted.

    Args:
        nodeid: The id of the test, which has the names of its classes.
        name: The name of the test, with its parameters.
    """
    path, found, _ = nodeid.rpartition(f"::{name}")
    classes = path.split("::")[1:] if found else []
    return safe_name(".".join([*classes, name]), name, _TEST_BYTES)


def safe_name(name: str, case_matters: str, limit: int) -> str:
    """Return a name that is valid on every file system. If the name has to be changed, a digest keeps it unique.

    Args:
        name: Any text.
        case_matters: The part of the name that may differ from another name only in the case of letters.
        limit: The bytes of the name that are kept, without the digest.
    """
    safe = "".join(char if char in _SAFE or f"_{char}".isidentifier() else "_" for char in name)
    short = safe.encode()[:limit].decode(errors="ignore").rstrip(". ")
    if short == name and case_matters == case_matters.casefold() and is_normalized("NFC", name):
        return name
    return f"{short}~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
