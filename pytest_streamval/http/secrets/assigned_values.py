"""Values in a text that are secret by their names: `KEY=...`, `"api_key": "..."`, `?token=...`, in any notation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.http.secrets.encoded_forms import folded
from pytest_streamval.http.secrets.escapes import unescaped
from pytest_streamval.http.secrets.secret_names import (
    REDACTED,
    STEMS,
    STEMS_IN_REQUESTS,
    is_counted,
    is_secret_name,
    own_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ASSIGNED = re.compile(r"(?P<name>[\w-]{0,40}+)[\"'`]?\]?[ \t]{0,4}(?P<sign>:=|=>|==?|:)[ \t]{0,4}")
_NAME_BEFORE = re.compile(r"(?<![\w.\[-])[\w.\[-]++\Z")
_LONGEST_NAME = 64
_LINE_START = re.compile(r"[ \t>*-]{0,8}(?:export |set |ENV |-e )?")
_LONGEST_START = 16
_QUOTED = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\.)*+", re.DOTALL) for quote in "\"'`"}
_IN_ADDRESS = re.compile(r"[^\s&\"'<>#;)\]}\\]*+")
_WORD = re.compile(r"[^\s,;\"'<>`]*+")
_LINE = re.compile(r"[^\n\r]*+")
_LEAF = re.compile(r"\"(?P<text>(?:[^\"\\]|\\.)*+)\"?|(?P<bracket>[\[\]{}])|(?P<number>-?\d[\d.eE+-]*+)", re.DOTALL)
_SCHEMA = re.compile(r"\{\s*+\"(?:type|description|title|anyOf|oneOf|allOf|enum|\$ref)\"\s*+:")
_NUMBER = re.compile(r"-?\d[\d.eE+-]*+")
_LEAST_DIGITS = 6  # of a number that may be a secret under a name such as `key`
_AFTER_VALUE = " \t,;.)]}"  # characters after a value without quotes
_DECISIVE = 200  # characters of a value that decide whether it is a secret
_LONGEST_LIST = 400  # characters of a list or an object with a name without quotes
_LEAST_LIKELY = 8  # characters of a value that looks like a secret
_ORDINARY_WORD = re.compile(r"[A-Za-z]++(?:[-_./][A-Za-z]++)*+")
_CODE = re.compile(r"[(){}\[\]<>$*|]|\A(?:\w++\.)++\w++\Z")
_TEMPLATE = re.compile(r"\A(?:<|\{\{|\$[{(]|%\w++%\Z)")
# Words that stand for a value, or name its type.
_PLACEHOLDERS = frozenset(
    {
        *(
            "access_token",
            "api-key",
            "api_key",
            "apikey",
            "automatic",
            "basic",
            "bearer",
            "boolean",
            "default",
            "disabled",
        ),
        *("enabled", "false", "function", "hidden", "integer", "never", "none", "null", "number", "object", "omitted"),
        *("optional", "password", "redacted", "required", "secret", "string", "true", "undefined", "unknown", "unset"),
    }
)


class NamedValue(NamedTuple):
    """A value with the name of a secret."""

    start: int
    """The offset of the value in the text."""
    end: int
    """The offset after it."""
    value: str
    """The value, decoded."""
    is_certain: bool
    """Whether it is a secret anywhere. Otherwise it may be an ordinary word or number, as in `"key": "weather"`."""


def named_values(text: str, *, in_request: bool) -> Iterator[NamedValue]:
    """Yield the values in a text that are secret by their names.

    Args:
        text: The text.
        in_request: Whether it is a text of a request. In a response, only unambiguous names count, and without the
            quotes of JSON only values that look like a secret.
    """
    if ":" not in text and "=" not in text:
        return
    at = 0
    for start in _stems(text, STEMS_IN_REQUESTS if in_request else STEMS):
        assigned = _ASSIGNED.match(text, start) if start >= at else None
        if assigned is None:
            continue
        end = assigned.end("name")
        name = _NAME_BEFORE.search(text[max(0, end - _LONGEST_NAME) : end])
        if name is not None and is_secret_name(name[0], in_response=not in_request):
            reader = _Reader(text, assigned, name[0], in_request=in_request)
            for each in reader.values():
                yield each
                at = max(at, each.end)
            at = max(at, reader.end)


def _stems(text: str, stems: Iterable[str]) -> list[int]:
    """Return the offsets of words that names of secrets contain."""
    lower = folded(text)
    found: set[int] = set()
    for stem in (*stems, *own_names):
        at = lower.find(stem)
        while at >= 0:
            found.add(at)
            at = lower.find(stem, at + len(stem))
    return sorted(found)


def is_ordinary(name: str, value: str) -> bool:
    """Return whether a value is an ordinary word, which must not be searched for in other texts.

    A name such as `key` or `sort_key` is ambiguous, so a word of letters under it is one.
    """
    if value.lower() in {*_PLACEHOLDERS, name.lower()}:
        return True
    return not is_secret_name(name, in_response=True) and _is_key(name) and _ORDINARY_WORD.fullmatch(value) is not None


def _is_key(name: str) -> bool:
    return name.lower().endswith(("key", "keys"))


def is_secret_number(name: str, digits: str) -> bool:
    """Return whether a number is a secret: any number under an unambiguous name, a long one under any other."""
    if is_counted(name):
        return False
    return is_secret_name(name, in_response=True) or len(digits) >= _LEAST_DIGITS


class _Reader:
    """The value after a name."""

    def __init__(self, text: str, assigned: re.Match[str], name: str, *, in_request: bool) -> None:
        self._text = text
        self._name = name
        self._in_request = in_request
        self._is_certain = is_secret_name(name, in_response=True)
        self._is_json = text[assigned.end("name")] in _QUOTED
        self._sign = assigned["sign"]
        self._at = assigned.end()
        self._start = assigned.end("name") - len(name)
        self.end = self._at
        """The offset up to which nothing else is to be found."""

    def values(self) -> Iterator[NamedValue]:
        """Yield the value, or the values in a list or an object."""
        first = self._text[self._at : self._at + 1]
        if first in _QUOTED:
            yield from self._quoted(first)
        elif first in {"[", "{"}:
            yield from self._leaves()
        elif number := self._number():
            yield number
        elif self._sign != "==":
            yield from self._unquoted()

    def _quoted(self, quote: str) -> Iterator[NamedValue]:
        match = _QUOTED[quote].match(self._text, self._at + 1)
        value = unescaped(match[0]) if match is not None else ""
        if match is not None and value and (self._in_request or self._is_json or _is_likely(value)):
            yield from self._named(*match.span(), value)

    def _leaves(self) -> Iterator[NamedValue]:
        """Yield the texts and numbers of a list or an object. Without the quotes of JSON it must be a short one."""
        if _SCHEMA.match(self._text, self._at):
            return
        last = len(self._text) if self._is_json else self._at + _LONGEST_LIST
        found: list[NamedValue] = []
        depth = 0
        end = self._at
        for leaf in _LEAF.finditer(self._text, self._at, last):
            end = leaf.end()
            if leaf["bracket"]:
                depth += 1 if leaf["bracket"] in "[{" else -1
            elif leaf["text"]:
                if not _is_name(self._text, leaf.end()):
                    found += self._named(*leaf.span("text"), unescaped(leaf["text"]))
            elif leaf["number"] and not is_counted(self._name):
                found.append(NamedValue(*leaf.span("number"), leaf["number"], self._is_certain))
            if depth <= 0:
                break
        if depth <= 0 or self._is_json:
            self.end = end
            yield from found

    def _number(self) -> NamedValue | None:
        number = _NUMBER.match(self._text, self._at)
        following = "" if number is None else self._text[number.end() : number.end() + 1]
        if number is None or following.isalnum() or following in {"_", "-", "/", "%", "~", ":"}:
            return None
        is_secret = self._is_json and is_secret_number(self._name, number[0])
        if is_secret or (self._in_request and len(number[0]) >= _LEAST_DIGITS and not is_counted(self._name)):
            return NamedValue(*number.span(), number[0], self._is_certain)
        return None

    def _unquoted(self) -> Iterator[NamedValue]:
        if self._text[max(0, self._start - 1) : self._start] in {"?", "&"}:
            yield from self._plain(_IN_ADDRESS, _TEMPLATE, certain=True)
        elif self._in_request and self._name.isupper() and self._begins_line():
            yield from self._plain(_LINE, _TEMPLATE, certain=True)
        elif self._in_request and self._is_certain and self._begins_line():
            yield from self._plain(_LINE, _CODE, certain=True)
        else:
            yield from self._plain(_WORD, _CODE, certain=self._is_certain and self._in_request)

    def _begins_line(self) -> bool:
        before = self._text[max(0, self._start - _LONGEST_START) : self._start]
        line = before.rpartition("\n")[2]
        is_complete = len(line) < len(before) or len(before) == self._start
        return is_complete and _LINE_START.fullmatch(line) is not None

    def _plain(self, pattern: re.Pattern[str], exception: re.Pattern[str], *, certain: bool) -> Iterator[NamedValue]:
        begin = pattern.match(self._text, self._at, self._at + _DECISIVE)  # a longer one is not read for each name
        value = "" if begin is None else begin[0].partition(" #")[0].rstrip(_AFTER_VALUE)
        is_count = is_counted(self._name) and value.isdecimal()
        if is_count or exception.search(value) is not None or not (certain or _is_likely(value)):
            return
        match = pattern.match(self._text, self._at)
        value = value if match is None else match[0].partition(" #")[0].rstrip(_AFTER_VALUE)
        yield from self._named(self._at, self._at + len(value), value)

    def _named(self, start: int, end: int, value: str) -> Iterator[NamedValue]:
        if not _is_redacted(value):
            yield NamedValue(start, end, value, not is_ordinary(self._name, value))


def _is_likely(value: str) -> bool:
    """Return whether a value looks like a secret: it has a digit and no space, and is no ordinary word."""
    return len(value) >= _LEAST_LIKELY and not any(map(str.isspace, value)) and any(map(str.isdigit, value))


def _is_redacted(value: str) -> bool:
    return value == REDACTED or not value.strip("*")


def _is_name(text: str, at: int) -> bool:
    """Return whether a colon follows a string, which is then a name in an object."""
    return text[at : at + 4].lstrip()[:1] == ":"
