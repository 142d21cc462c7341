"""All regular expressions of the package, and inputs on which a careless one takes more than linear time."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from itertools import islice, pairwise
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from time import thread_time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest_streamval
from pytest_streamval.errors import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE = Path(pytest_streamval.__file__).parent
_FUNCTIONS = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
_MANY = 20  # repetitions that can make an input evil
_ENDS = ("", "\x00", "\n!")
_CATEGORIES = {
    codes.CATEGORY_DIGIT: "1",
    codes.CATEGORY_NOT_DIGIT: "a",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_SPACE: "a",
    codes.CATEGORY_WORD: "a",
    codes.CATEGORY_NOT_WORD: "-",
}
_SHORT = 0.004  # seconds that need no comparison
_STEEP = 90  # times for 16 times the input; linear work has 16, quadratic work 256
_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}


# Finding them


def compiled_patterns() -> dict[re.Pattern[Any], str]:
    """Return the patterns in all modules of the package and in their classes, with the names of their places."""
    found: dict[re.Pattern[Any], str] = {}
    for info in pkgutil.walk_packages([str(PACKAGE)], "pytest_streamval."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            for pattern in _patterns_in(value, set()):
                found.setdefault(pattern, f"{info.name}.{name}")
    return found


def _patterns_in(value: Any, seen: set[int]) -> Iterator[re.Pattern[Any]]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(getattr(value, "__self__", None), re.Pattern):  # a method of one
        yield value.__self__
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _patterns_in(part, seen)
    elif isinstance(value, dict):
        yield from _patterns_in(list(value.values()), seen)
    elif isinstance(value, type) and value.__module__.startswith("pytest_streamval"):
        yield from _patterns_in(dict(vars(value)), seen)
    elif hasattr(value, "cache_info") and getattr(value, "__module__", "").startswith("pytest_streamval.http"):
        yield from _patterns_in(value(), seen) if not value.__wrapped__.__code__.co_argcount else ()


def inline_patterns() -> dict[str, re.Pattern[Any] | None]:
    """Return the patterns of calls of `re` inside of functions by their places, None if they are made at run time."""
    found: dict[str, re.Pattern[Any] | None] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for function in functions:
            for call in ast.walk(function):
                if _is_call_of_re(call):
                    place = f"{path.relative_to(PACKAGE).as_posix()}:{function.name}"
                    [argument, *_] = call.args
                    constant = argument.value if isinstance(argument, ast.Constant) else None
                    found[place] = None if constant is None else re.compile(constant)
    return found


def _is_call_of_re(node: ast.AST) -> bool:
    function = getattr(node, "func", None)
    is_re = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "re"
    return isinstance(node, ast.Call) and is_re and function.attr in _FUNCTIONS


# Inputs


class Evil(NamedTuple):
    """An input of any size: what a pattern repeats, many times."""

    before: str
    """The text before the repetitions."""
    body: str
    """The text that is repeated."""
    end: str
    """The text after the repetitions."""

    def of(self, size: int) -> str:
        """Return an input of about `size` characters."""
        return self.before + self.body * (size // len(self.body)) + self.end


def evil_inputs(pattern: re.Pattern[Any]) -> set[Evil]:
    """Return the inputs for a pattern."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    whole = _sample(tree)
    found: set[Evil] = set()
    for before, bodies in {*_repeats(tree, ""), ("", (whole, whole[:-1], f"{whole}x")), *_literals(tree)}:
        units = {*bodies, *map("".join, pairwise((*bodies, *bodies[:1])))}
        for body in filter(None, units):
            found |= {Evil(before, body, end) for end in _ENDS}
            found.add(Evil("", before + body, ""))
    return found


def typed(pattern: re.Pattern[Any], text: str) -> Any:
    return text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text


def _literals(tree: Any) -> set[tuple[str, tuple[str, ...]]]:
    characters = sorted({chr(value) for op, value in _nodes(tree) if op in {codes.LITERAL, codes.NOT_LITERAL}})
    return {("", (each,)) for each in islice(characters, 8)} | {("", (" ",)), ("", ("a",)), ("", ("\n",)), ("", ("1",))}


def _repeats(tree: Any, before: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what comes before each repetition, and what is repeated."""
    for op, value in tree:
        if op in _REPEATS:
            _, most, body = value
            if most > _MANY:
                yield before, tuple(dict.fromkeys(_samples(body)))
            yield from _repeats(body, before)
        else:
            for part in _parts(op, value):
                yield from _repeats(part, before)
        before += _sample_of(op, value)


def _nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    for op, value in tree:
        yield op, value
        if op is codes.IN:
            yield from value
        for part in [value[2]] if op in _REPEATS else _parts(op, value):
            yield from _nodes(part)


def _parts(op: Any, value: Any) -> list[Any]:
    if op is codes.SUBPATTERN:
        return [value[-1]]
    if op is codes.BRANCH:
        return list(value[1])
    if op in {codes.ASSERT, codes.ASSERT_NOT}:
        return [value[1]]
    return [value] if op is codes.ATOMIC_GROUP else []


def _samples(tree: Any) -> list[str]:
    """Return a few texts that a part of a pattern matches."""
    found = [_sample(tree)]
    for op, value in tree:
        if op is codes.IN:
            found += [_character([member]) for member in value[:6] if member[0] is not codes.NEGATE]
        elif op is codes.BRANCH:
            found += [_sample(branch) for branch in value[1][:6]]
        elif op is codes.SUBPATTERN:
            found += _samples(value[-1])
    return [each for each in found if each][:5]


def _sample(tree: Any) -> str:
    return "".join(_sample_of(op, value) for op, value in tree)


def _sample_of(op: Any, value: Any) -> str:
    if op in {codes.LITERAL, codes.NOT_LITERAL}:
        return chr(value + (op is codes.NOT_LITERAL))
    if op in _REPEATS:
        return _sample(value[2]) * max(value[0], min(value[1], 1))
    if op in {codes.SUBPATTERN, codes.ATOMIC_GROUP, codes.BRANCH}:
        return _sample(_parts(op, value)[0])
    return _character(value) if op is codes.IN else "a" * (op is codes.ANY)


def _character(members: Any) -> str:
    if members and members[0][0] is codes.NEGATE:
        excluded = re.compile("[" + "".join(re.escape(chr(v)) for op, v in members if op is codes.LITERAL) + "\0]")
        return next((each for each in "a1 -.~\n" if not excluded.match(each)), "a")
    op, value = members[0]
    if op is codes.LITERAL:
        return chr(value)
    if op is codes.RANGE:
        return chr(value[0])
    return _CATEGORIES.get(value, "a")


# Measuring


def growth(work: Callable[[int], object], size: int) -> str:
    """Return the description of a growth that is steeper than linear, or an empty text.

    The times are processor times of this thread. A work that takes little time is not steep, and one that seems to be
    is measured again three times.
    """
    sizes = (size // 16, size // 4, size)
    times = [0.0]
    for _ in range(4):
        if _seconds(work, size) < _SHORT:
            return ""
        times = [_seconds(work, each) for each in sizes]
        if times[-1] < _STEEP * times[0]:
            return ""
    shown = ", ".join(f"{each:,} in {seconds * 1e3:.1f} ms" for each, seconds in zip(sizes, times, strict=True))
    return f"{shown}: 16 times the input takes {times[-1] / times[0]:.0f} times as long"


def _seconds(work: Callable[[int], object], size: int) -> float:
    begin = thread_time()
    work(size)
    return thread_time() - begin


def use(pattern: re.Pattern[Any], text: Any) -> None:
    """Search a text in all ways."""
    pattern.match(text)
    pattern.fullmatch(text)
    for _ in pattern.finditer(text):
        pass


def steepness(pattern: re.Pattern[Any], size: int) -> str:
    """Return the first input on which the time of a pattern grows steeply, with the times, or an empty text."""
    for evil in sorted(evil_inputs(pattern)):
        shown = growth(lambda count, evil=evil: use(pattern, typed(pattern, evil.of(count))), size)
        if shown:
            return f"{excerpt(evil.of(40))}: {shown}"
    return ""
