"""The sources of the answers of `streamval serve`: a script, a file of rules, a folder of recordings, a provider."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_streamval.cli.rules_file import rules_in
from pytest_streamval.errors import InvalidFileError

if TYPE_CHECKING:
    from pytest_streamval.scripting.script import Script
    from pytest_streamval.server import Fault, ServedRequest
    from pytest_streamval.server.script_queue import Playable, Rule

_TOKEN = 4  # characters of a delta of plain text


def source_of(path: str, speed: float, fault: Fault | None) -> tuple[tuple[Rule, ...], dict[str, Any]]:
    """Return the rules and the further arguments of a server that takes its answers from a path.

    Args:
        path: A folder of recordings, a file of rules, a script, a cassette or a text.
        speed: The factor by which recorded pauses are shorter. `math.inf` skips them.
        fault: The fault of all answers. A rule with a fault of its own has that one instead.

    Raises:
        InvalidFileError: A `ValueError`. If a file is invalid.
        OSError: If a file cannot be read.
    """
    if Path(path).is_dir():
        if not any(Path(path).glob("*.jsonl")):
            raise InvalidFileError(path, "The folder has no recordings", "They are files *.jsonl.")
        return (), {"cassettes": path, "repeat": True, "speed": speed, "fault": fault}

    def load(file: str) -> Script:
        return _script(file, speed)

    rules = rules_in(path, load, _script_of_text)
    if rules is not None:
        return (rules,), {"fault": fault}
    script = load(path)

    def always(request: ServedRequest) -> Playable:
        del request
        return script

    return (always,), {"fault": fault}


def _script(path: str, speed: float) -> Script:
    """Return the script in a file, which holds a script, a cassette or a plain text."""
    from pytest_streamval.scripting.script import Script

    data = Path(path).read_bytes()
    if not path.endswith(".jsonl"):
        if not data:
            raise InvalidFileError(path, "The file is empty", "Give a text in UTF-8, a script or a cassette.")
        try:
            return _script_of_text(data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            rule = "A file that is not *.jsonl is a text, in UTF-8."
            raise InvalidFileError(path, f"It cannot be read: {error}", rule) from error
    try:
        return _at_speed(Script.from_cassette(path, timing=speed != inf), speed)
    except InvalidFileError:
        if b'"protocol"' in data.partition(b"\n")[0]:
            raise
        return Script.load(path)


def _script_of_text(text: str) -> Script:
    from pytest_streamval.scripting.script import Script

    return Script.from_text(text, _TOKEN)


def _at_speed(script: Script, speed: float) -> Script:
    from pytest_streamval.scripting.steps import Delay

    steps = (Delay(step.seconds / speed) if isinstance(step, Delay) else step for step in script.steps)
    return replace(script, steps=tuple(steps))
