"""Values beside the texts of an output, whose types differ between servers: counts, reasons, arguments.

Nothing of the output is lost if such a value has another type, so it is noted, and the stream goes on.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import excerpt
from pytest_streamval.model import Usage
from pytest_streamval.wire.json_values import arguments_text, first_value, optional
from pytest_streamval.wire.usage_details import UsageDetails, latest_details, usage_details

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.model import DeviationKind


class SecondaryValues:
    """The reading of these values, for the decoders of all protocols."""

    protocol: ClassVar[str]

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}  # the latest count of each kind of token
        self._details = UsageDetails()

    @abstractmethod
    def _note(self, kind: DeviationKind, detail: str) -> None:
        """Note a deviation, or raise `FrameFaultError` if the decoder is strict."""

    def _reason(self, value: object, path: str) -> str | None:
        """Return a finish reason, or None. SGLang's own form of it is an object with a type."""
        if value is None or type(value) is str:
            return value or None
        self._note("value-type", f"{path} is {excerpt(value)}, not a string")
        found = value.get("type") if isinstance(value, dict) else None
        return found if isinstance(found, str) and found else None

    def _arguments(self, value: object, path: str, kind: type[str | dict[str, object]]) -> str:
        """Return the arguments of a call as JSON text. Some servers send a string for an object, or an object for one.

        Args:
            value: The arguments, or None.
            path: Their place in the frame.
            kind: The type that the protocol gives them, `str` or `dict`.
        """
        value_of_json = first_value(value) if isinstance(value, str) else value
        if type(value) is kind or not isinstance(value_of_json, dict):
            value = optional(value, kind, path) or ("" if kind is str else {})
        else:
            self._note("value-type", f"{path} is {excerpt(value)}, not {'a string' if kind is str else 'an object'}")
        return value if isinstance(value, str) else arguments_text(value, path)

    def _read_usage(
        self, usage: object, inputs: Sequence[str], outputs: Sequence[str], path: str, others: Sequence[str] = ()
    ) -> Usage | None:
        """Return the token counts after a report. A count that it leaves out keeps its value.

        Args:
            usage: The report, or None.
            inputs: The fields whose sum is the number of input tokens.
            outputs: The fields whose sum is the number of output tokens.
            path: The path of the report in the frame, or "" if the frame is the report.
            others: The names of another protocol for all of these fields. They are read if no field has a count.
        """
        if usage is None:
            return None
        if not isinstance(usage, dict):
            self._note("usage-value", f"{path} is {excerpt(usage)}, not an object with counts")
            return None
        self._details = latest_details(self._details, usage_details(self.protocol, usage))
        if others and all(usage.get(field) is None for field in (*inputs, *outputs)):
            usage = {field: usage.get(other) for field, other in zip((*inputs, *outputs), others, strict=True)}
        prefix = f"{path}." if path else ""
        for field in (*inputs, *outputs):
            count = usage.get(field)
            if type(count) is not int or count < 0:
                count = None if count is None else self._unusual_count(count, f"{prefix}{field}")
            if count is not None:
                self._counts[field] = count
        if not self._counts:
            return None
        return Usage(self._sum(inputs), self._sum(outputs), *self._details)

    def _unusual_count(self, value: object, path: str) -> int | None:
        """Return the number of tokens in a value of another type, or None if it is none."""
        self._note("usage-value", f"{path} is {excerpt(value)}, not a whole number, 0 or more")
        with suppress(ValueError, OverflowError):
            number = float(value) if isinstance(value, str | float) else -1.0
            return int(number) if number >= 0 and number.is_integer() else None
        return None

    def _sum(self, fields: Sequence[str]) -> int | None:
        counts = [self._counts[field] for field in fields if field in self._counts]
        return sum(counts) if counts else None
