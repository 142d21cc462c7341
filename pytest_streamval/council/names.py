"""`NamedModels`: friendly names of models and named councils, in `streamval.toml` or `pyproject.toml`.

The file is that of the current folder or of its nearest parent. It has names and specs only: the addresses and the keys
of providers stay in the environment, so that the file of a stranger's project can send no key anywhere.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, UnknownNameError, excerpt

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

_FILES = ("streamval.toml", "pyproject.toml")
_KEYS = ("models", "councils")
DEFAULT = "default"
"""The name of the council of a request that names none."""


@dataclass(frozen=True, slots=True)
class NamedCouncil:
    """A council in a file."""

    models: tuple[str, ...]
    """The members: friendly names or specs."""
    synthesizer: str | None = None
    """The synthesizer: a friendly name, a spec, or None."""


@dataclass(frozen=True, slots=True)
class NamedModels:
    """The names in a file."""

    models: Mapping[str, str] = field(default_factory=dict)
    """The specs of models, by their friendly names."""
    councils: Mapping[str, NamedCouncil] = field(default_factory=dict)
    """The councils, by name."""
    path: Path | None = None
    """The file, or None if there is none."""

    def spec(self, name: str) -> str:
        """Return the spec of a friendly name. Any other text is a spec already."""
        return self.models.get(name, name)

    def members(self, names: Iterable[str]) -> dict[str, str]:
        """Return the specs of friendly names and of specs, by their names. Repeated names get a number."""
        members: dict[str, str] = {}
        for name in names:
            unique, number = name, 1
            while unique in members:
                number += 1
                unique = f"{name}-{number}"
            members[unique] = self.spec(name)
        return members

    def council(self, name: str) -> NamedCouncil:
        """Return a council by its name.

        Raises:
            UnknownNameError: If the file has no such council.
        """
        if name not in self.councils:
            place = self.path or f"{_FILES[0]}, or under [tool.streamval] in {_FILES[1]}"
            raise UnknownNameError("council", name, sorted(self.councils), f"Councils are named in {place}.")
        return self.councils[name]


def find_names(folder: str | os.PathLike[str] | None = None) -> NamedModels:
    """Return the names that are valid in a folder: those of the nearest file with names, or none.

    Args:
        folder: The folder, by default the current one.

    Raises:
        InvalidArgumentError: A `ValueError`. If the file is no TOML, or has anything else than names and specs.
    """
    start = Path.cwd() if folder is None else Path(folder).absolute()
    for place in (start, *start.parents):
        for name in _FILES:
            path = place / name
            if (table := _streamval_table(path)) is not None:
                return _named_models(path, table)
    return NamedModels()


def _streamval_table(path: Path) -> dict[str, object] | None:
    """Return the table with names in a file, or None if it has none."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError):
        return None
    except ValueError as error:  # also a character that is no UTF-8
        if path.name == _FILES[0]:
            raise _invalid_name(path, "TOML", excerpt(str(error)), "the text of a TOML file") from error
        return None  # another tool reports the error of its own file
    if path.name == _FILES[0]:
        return content
    tool = content.get("tool")
    table = tool.get("streamval") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def _named_models(path: Path, table: dict[str, object]) -> NamedModels:
    for key, value in table.items():
        if key not in _KEYS:
            raise _invalid_name(path, key, excerpt(value), f"one of the tables {' and '.join(_KEYS)}")
    models, councils = (_strings_to(path, key, table.get(key, {})) for key in _KEYS)
    specs = {}
    for name, spec in models.items():
        if not isinstance(spec, str) or ":" in name:
            rule = 'a friendly name without a colon and a spec, such as fast = "openai:gpt-4.1-mini"'
            raise _invalid_name(path, f"models.{name}", excerpt(spec), rule)
        specs[name] = spec
    return NamedModels(specs, {name: _named_council(path, name, value) for name, value in councils.items()}, path)


def _named_council(path: Path, name: str, value: object) -> NamedCouncil:
    rule = 'a table such as {models = ["fast", "openai:gpt-4.1"], synthesizer = "fast"}'
    if not isinstance(value, dict) or not value.keys() <= {"models", "synthesizer"}:
        raise _invalid_name(path, f"councils.{name}", excerpt(value), rule)
    models, synthesizer = value.get("models"), value.get("synthesizer")
    if not isinstance(models, list) or not models or not all(isinstance(each, str) for each in models):
        raise _invalid_name(path, f"councils.{name}.models", excerpt(models), "a list of one name or spec or more")
    if synthesizer is not None and not isinstance(synthesizer, str):
        raise _invalid_name(path, f"councils.{name}.synthesizer", excerpt(synthesizer), "a name or a spec")
    return NamedCouncil(tuple(models), synthesizer)


def _strings_to(path: Path, key: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _invalid_name(path, key, excerpt(value), "a table")
    return value


def _invalid_name(path: Path, place: str, value: str, rule: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{place} in {path}", value, f"It must be {rule}.")
