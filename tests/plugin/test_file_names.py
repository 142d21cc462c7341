"""Names of files that belong to tests."""

from __future__ import annotations

import pytest

from pytest_streamval.plugin.file_names import file_name_of_test, safe_name


@pytest.mark.parametrize(
    ("nodeid", "name", "expected"),
    [
        ("tests/test_a.py::test_it", "test_it", "test_it"),
        ("tests/test_a.py::TestA::TestB::test_it[x-1]", "test_it[x-1]", "TestA.TestB.test_it[x-1]"),
        ("elsewhere", "test_it", "test_it"),
    ],
)
def test_file_name_of_test_has_the_names_of_the_classes_and_the_test(nodeid: str, name: str, expected: str) -> None:
    assert file_name_of_test(nodeid, name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "test_it[A]",
        "test_it[a/b]",
        "test_it[a:b]",
        "test_it[e\u0301]",
        "test_it[" + "x" * 300 + "]",
        "test_it. ",
        "\ud800",
    ],
)
def test_safe_name_replaces_invalid_names_by_unique_ones(name: str) -> None:
    safe = safe_name(name, name, 140)
    assert safe != name
    assert len(safe.encode()) <= 149
    assert not set('<>:"/\\|?*\0') & set(safe)
    assert safe != safe_name(f"{name}!", name, 140)
