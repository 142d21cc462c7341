"""A file of rules for `streamval serve`: several scripts, chosen by the model or the prompt of a request.

    [[rules]]
    model = "gpt-*"
    prompt = "weather"
    script = ["call.jsonl", "answer.jsonl"]

    [[rules]]
    text = "Hello."

In JSON, it is an object with the list `rules`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.errors import InvalidArgumentError, InvalidFileError, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_streamval.scripting.script import Script
    from pytest_streamval.server import Fault, ServedRequest
    from pytest_streamval.server.script_queue import Playable

_CONDITIONS = ("model", "prompt", "protocol")
_FIELDS = (*_CONDITIONS, "script", "text", "fault")
_RULE = f"Each of the [[rules]] has some of {', '.join(_FIELDS)}."
_RESPONSE = (
    "A rule has one response: a script (a file beside the rules) or a text, or a list of these, one for each request."
)


class ScriptRule(NamedTuple):
    """A rule: the requests for which it is, and their responses in order. Further requests get the last one again."""

    conditions: dict[str, str]
    scripts: list[Script]
    fault: Fault | None

    def is_for(self, request: ServedRequest) -> bool:
        """Return whether a request has the model, the prompt and the protocol of this rule."""
        wanted = self.conditions
        return (
            fnmatchcase(request.model, wanted.get("model", "*"))
            and wanted.get("prompt", "") in request.prompt
            and request.protocol == wanted.get("protocol", request.protocol)
        )


class RulesFile:
    """The rules of a file. Called with a request, it returns the response of the first rule that is for it."""

    def __init__(self, rules: list[ScriptRule]) -> None:
        self._rules = rules
        self._taken = [0] * len(rules)

    def __call__(self, request: ServedRequest) -> Playable | None:
        """Return the response to a request, or None if no rule is for it."""
        for number, (rule, taken) in enumerate(zip(self._rules, self._taken, strict=True)):
            if rule.is_for(request):
                script = rule.scripts[min(taken, len(rule.scripts) - 1)]
                self._taken[number] += 1
                return script if rule.fault is None else rule.fault.on(script)
        return None


def rules_in(path: str, load: Callable[[str], Script], make: Callable[[str], Script]) -> RulesFile | None:
    """Return the rules of a file, or None if it has none because it is a text.

    Args:
        path: The path of the file.
        load: Returns the script in a file.
        make: Returns the script of a text.

    Raises:
        InvalidFileError: A `ValueError`. If a rule is invalid.
        InvalidArgumentError: A `ValueError`. If its fault is invalid.
        OSError: If the file, or a file of its scripts, cannot be read.
    """
    if not path.endswith((".toml", ".json")):
        return None
    entries = _entries(path)
    if entries is None:
        return None
    if not isinstance(entries, list) or not entries:
        raise InvalidFileError(path, '"rules" is no list of rules', _RULE)
    return RulesFile([_rule(path, number, entry, load, make) for number, entry in enumerate(entries, 1)])


def _entries(path: str) -> Any:  # noqa: ANN401  # any value of TOML or JSON
    import json
    import tomllib

    data = Path(path).read_bytes()
    is_toml = path.endswith(".toml")
    try:
        found: Any = tomllib.loads(data.decode()) if is_toml else json.loads(data)
    except (ValueError, RecursionError) as error:
        if not is_toml:
            return None  # a text
        raise InvalidFileError(path, f"It is not TOML: {error}", _RULE) from error
    entries = found.get("rules") if isinstance(found, dict) else None
    if entries is None and is_toml:
        raise InvalidFileError(path, 'It has no "rules"', _RULE)
    return entries


def _rule(
    path: str, number: int, entry: object, load: Callable[[str], Script], make: Callable[[str], Script]
) -> ScriptRule:
    from pytest_streamval.wire.registry import ADAPTERS

    place = f"Rule {number}"
    if not isinstance(entry, dict) or (unknown := [name for name in entry if name not in _FIELDS]):
        found = excerpt(entry) if not isinstance(entry, dict) else excerpt(unknown[0])
        raise InvalidFileError(path, f"{place} has {found}", _RULE)
    for name in (*_CONDITIONS, "fault"):
        if not isinstance(entry.get(name, ""), str):
            raise InvalidFileError(path, f"{place} has the {name} {excerpt(entry[name])}", "It must be a text.")
    if "protocol" in entry and entry["protocol"] not in ADAPTERS:
        rule = f"It must be one of {', '.join(ADAPTERS)}."
        raise InvalidFileError(path, f"{place} has the protocol {excerpt(entry['protocol'])}", rule)
    if ("script" in entry) == ("text" in entry):
        raise InvalidFileError(
            path, f"{place} has {'two responses' if 'script' in entry else 'no response'}", _RESPONSE
        )
    given = list(_texts(entry.get("script", entry.get("text"))))
    if not given or not all(isinstance(each, str) for each in given):
        raise InvalidFileError(path, f"{place} has the response {excerpt(given)}", _RESPONSE)
    is_file = "script" in entry
    scripts = [load(_beside(path, place, each)) if is_file else make(each) for each in given]
    conditions = {name: entry[name] for name in _CONDITIONS if name in entry}
    return ScriptRule(conditions, scripts, _fault(entry.get("fault")))


def _beside(path: str, place: str, name: str) -> str:
    """Return the path of a script in the folder of the rules, or in a folder below it."""
    folder = Path(path).parent
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise InvalidFileError(
            path, f"{place} has the script {excerpt(name)}", "It must be in the folder of the rules."
        )
    if not (folder / name).is_file():
        raise InvalidFileError(path, f"{place} has the script {excerpt(name)}", "There is no such file.")
    return str(folder / name)


def _texts(value: object) -> Iterator[Any]:
    yield from value if isinstance(value, list) else [value]


def _fault(text: str | None) -> Fault | None:
    from pytest_streamval.cli.fault_option import fault_of

    if text is None:
        return None
    fault = fault_of(text)
    if fault.refuses:
        rule = "It must belong to the server, as there is no request without a connection. Use --fault refuse."
        raise InvalidArgumentError("fault", excerpt(text), rule)
    return fault
