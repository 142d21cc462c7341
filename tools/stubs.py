"""Writes the stubs of the modules whose names are loaded on first use: `python3 -m tools.stubs`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

LAZY_MODULES = ("pytest_streamval", "pytest_streamval.typing")


def stub_of(module: str) -> str:
    """Return the text of the stub of a module: one import for each name of its table."""
    imports = [
        f"from pytest_streamval.{home} import {name} as {name}\n"
        for home, names in sorted(import_module(module)._HOMES.items())
        for name in names
    ]
    return '# Written by "python3 -m tools.stubs".\n\n' + "".join(imports)


def path_of(module: str) -> Path:
    """Return the path of the stub of a module."""
    return Path(import_module(module).__file__ or "").with_suffix(".pyi")


def main() -> None:
    """Write all stubs."""
    for module in LAZY_MODULES:
        path_of(module).write_text(stub_of(module), encoding="utf-8")
        print(path_of(module))


if __name__ == "__main__":
    main()
