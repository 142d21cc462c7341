"""The ids of variants: that of the test as scripted, with the name of a cut. The options -k and --lf accept them."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_streamval.fuzzing.cuts import Cut

CUT_FIXTURE = "_streamval_cut"
"""The fixture that is parametrised with the cuts. Every fixture of a stream uses it."""
CANCEL_FIXTURE = "_streamval_cancellation"
"""The fixture that is parametrised with the places of a cancellation: 0 for all, or the number of a step."""

_PLACE = r"(?:joined|apart|(?:[br]?\d+|\d+e)(?:\.\d+)?)"
_CUT = rf"cut-(?P<name>whole|chars|words|[1-9]\d*|(?:only-)?at-{_PLACE}(?:-{_PLACE})*)"
_ID = re.compile(rf"(?P<before>[\[-]){_CUT}\]")
_CANCEL_ID = re.compile(r"(?P<before>[\[-])cancel(?:-[1-9]\d*)?\]$")
_WORD = re.compile(rf"(?<![\w-]){_CUT}(?![\w-])")


def id_of_cut(name: str) -> str:
    """Return the id of a cut among the parameters of a variant."""
    return f"cut-{name}"


def split_id(nodeid: str) -> tuple[str, str] | None:
    """Return the id of the test as scripted and the name of the cut in the id of a variant, None for any other test.

    A parameter of a user's own may have the form of a cut, so a variant's test as scripted must exist, too.
    """
    begin = max(0, nodeid.find("::"))  # a path may contain anything
    match = _ID.search(nodeid, begin)
    if match is None or match.end() != len(nodeid):
        return None
    end = "" if match["before"] == "[" else "]"
    return nodeid[: match.start()] + end, match["name"]


def name_in(nodeid: str) -> str:
    """Return the name of a test in its id. Its parameters may contain anything."""
    before, bracket, parameters = nodeid.partition("[")
    return before.rpartition("::")[2] + bracket + parameters


def cuts_in(words: str) -> Iterator[str]:
    """Yield the names of the cuts in an expression of -k."""
    for match in _WORD.finditer(words):
        yield match["name"]


def cut_of(item: Any) -> Cut | None:  # noqa: ANN401  # pytest collects tests of several kinds
    """Return the cut of a variant, None for any other test."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(CUT_FIXTURE)


def cancelled_step_of(item: Any) -> int | None:  # noqa: ANN401  # as above
    """Return the step at which a test is cancelled, 0 for all places, and None for any other test."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(CANCEL_FIXTURE)


def is_variant(item: Any) -> bool:  # noqa: ANN401  # as above
    """Return whether a test has another cut, or is cancelled."""
    return cut_of(item) is not None or cancelled_step_of(item) is not None


def scripted_id(item: pytest.Item) -> str:
    """Return the id of the test as scripted."""
    return _scripted(item, item.nodeid)


def scripted_name(item: pytest.Item) -> str:
    """Return the name of the test as scripted."""
    return _scripted(item, item.name)


def command(config: pytest.Config, nodeid: str) -> str:
    """Return the command that runs a test again, from the directory in which pytest was started."""
    path, separator, name = nodeid.partition("::")
    here = os.path.relpath(config.rootpath / path, config.invocation_params.dir).replace(os.sep, "/")
    return f"pytest {shlex.quote(f'{here}{separator}{name}')}"


def _scripted(item: pytest.Item, name: str) -> str:
    if cancelled_step_of(item) is not None and (match := _CANCEL_ID.search(name)):
        return name[: match.start()] + ("" if match["before"] == "[" else "]")
    parts = None if cut_of(item) is None else split_id(name)
    return name if parts is None else parts[0]
