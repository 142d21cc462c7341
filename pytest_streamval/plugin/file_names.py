"""Names of files that belong to tests: safe on every file system, and one of its own for every test."""

from __future__ import annotations

import hashlib
from unicodedata import is_normalized

from pytest_streamval.plugin.variants import without_cut

# In a file name, whose 255 bytes are what file systems allow; readable, and whole for nearly every test.
_TEST_BYTES = 140
_SAFE = frozenset("-.,=+()[] ")  # beside what names in Python are made of


def file_name_of_test(nodeid: str, name: str) -> str:
    """Return the name, without a suffix, of what is kept for a test; a variant's is that of the test as scripted.

    Args:
        nodeid: of the test, for the classes that it is in.
        name: of the test, with its parameters.
    """
    path, found, _ = nodeid.rpartition(f"::{name}")
    classes = path.split("::")[1:] if found else []
    return safe_name(without_cut(".".join([*classes, name])), without_cut(name), _TEST_BYTES)


def safe_name(name: str, case_matters: str, limit: int) -> str:
    """Return a name that every file system takes as it is, told apart by a digest where it had to be changed.

    Args:
        name: any text.
        case_matters: the part of it in which only the case of a letter may tell two names apart.
        limit: bytes of the name that are kept, a digest not counted.
    """
    safe = "".join(char if char in _SAFE or f"_{char}".isidentifier() else "_" for char in name)
    short = safe.encode()[:limit].decode(errors="ignore").rstrip(". ")
    if short == name and case_matters == case_matters.casefold() and is_normalized("NFC", name):
        return name
    return f"{short}~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
