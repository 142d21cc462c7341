"""The text of a snapshot: of everything that has one obvious text."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.app.page import Page
from pytest_streamval.council.results import CouncilResult, ModelAnswer
from pytest_streamval.engine.chunking_strategy import Chunk
from pytest_streamval.engine.events import StreamEvent
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.engine.run import Run
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError, excerpt, unfinished_run_error
from pytest_streamval.transcripts.line_groups import grouped_text
from pytest_streamval.transcripts.transcript import Transcript, escaped, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from syrupy.types import PropertyFilter, PropertyMatcher

_RULE = (
    "It must be a result, a transcript, its text, events, an event, a council's result, a computed output, a page, "
    "texts, or a list or a mapping of these."
)


class Sections(NamedTuple):
    """Several texts, each below its name."""

    parts: tuple[tuple[str, Readable], ...]


Readable = str | Transcript | CouncilResult | ModelAnswer | Sections
"""An object whose text depends on the filters only."""


class Filters(NamedTuple):
    """The options of syrupy that change a text, which apply to each event and to each answer of a council."""

    exclude: PropertyFilter | None = None
    include: PropertyFilter | None = None
    matcher: PropertyMatcher | None = None
    in_any_order: PropertyFilter | None = None

    def keep(self, part: object) -> bool:
        """Return whether the line of a part is in the text."""
        name = type(part).__name__
        if self.exclude is not None and self.exclude(prop=name, path=()):
            return False
        return self.include is None or bool(self.include(prop=name, path=()))

    def shown(self, part: Any) -> Any:  # noqa: ANN401  # as the matcher of syrupy
        """Return a part as the matcher changes it, or the line to show instead."""
        if self.matcher is None or not self.keep(part):
            return part
        return self.matcher(data=part, path=((type(part).__name__, type(part)),))

    def moves(self, part: object) -> bool:
        """Return whether a part may change its place with its neighbours."""
        return self.in_any_order is not None and bool(self.in_any_order(prop=type(part).__name__, path=()))


def text_of(data: object, filters: Filters) -> str:
    """Return the text of a compared object.

    Raises:
        UnfinishedError: If it is the result of a run that is not finished, or an output that is not computed.
        InvalidArgumentError: If it is of another type.
    """
    return _text(readable(data), filters)


def readable(data: object) -> Readable:
    """Return an object with the text of a compared one. Raises like `text_of`."""
    if isinstance(data, str | Sections | CouncilResult | ModelAnswer):
        return data
    for kind, read in _KINDS.items():
        if isinstance(data, kind):
            return read(data)
    if isinstance(data, Iterable):
        return _of_items(list(data))
    hint = " Await the coroutine." if isinstance(data, Coroutine) else ""
    raise InvalidArgumentError("event_snapshot", excerpt(data), f"{_RULE}{hint}")


def _of_run(run: StreamChunkingResult | Run) -> Transcript:
    is_finished = run.finished if isinstance(run, StreamChunkingResult) else run.outcome is not None
    if not is_finished:
        raise unfinished_run_error()
    return Transcript(run.history)


def _of_output(output: ModelOutputThunk) -> str:
    if not output.is_computed():
        raise unfinished_run_error()
    return str(output)


def _of_mapping(data: Mapping[Any, Any]) -> Sections:
    return Sections(tuple((str(name), readable(part)) for name, part in data.items()))


def _of_items(items: list[Any]) -> Readable:
    """Return texts with a line for each, the transcript of events, or the sections of other objects."""
    if items and all(isinstance(item, str | Chunk) for item in items):
        return "".join(f"{quoted(item.text if isinstance(item, Chunk) else item)}\n" for item in items)
    if not items or any(isinstance(item, StreamEvent) for item in items):
        return _in_fixed_order(Transcript(items))
    if any(isinstance(item, str | Chunk) or not isinstance(item, _PARTS) for item in items):
        odd = next(item for item in items if not isinstance(item, _PARTS))
        raise InvalidArgumentError("event_snapshot", excerpt(odd), _RULE)
    return Sections(tuple((f"{number:0{len(str(len(items)))}}", readable(item)) for number, item in enumerate(items)))


def _in_fixed_order(transcript: Transcript) -> Transcript:
    """Return a transcript whose order is the same in every run."""
    if len({type(event) for event in transcript.events}) != 1:
        return transcript
    return Transcript(transcript.events[0].in_fixed_order(transcript.events))


_KINDS: Mapping[type[Any], Callable[[Any], Readable]] = {
    Page: Page.snapshot,
    Transcript: _in_fixed_order,
    StreamChunkingResult: _of_run,
    Run: _of_run,
    ModelOutputThunk: _of_output,
    StreamEvent: lambda event: Transcript([event]),
    Chunk: lambda chunk: chunk.text,
    Mapping: _of_mapping,
}
_PARTS = (*(kind for kind in _KINDS if kind is not Chunk), CouncilResult, ModelAnswer)


# The lines


def _text(data: Readable, filters: Filters) -> str:
    if isinstance(data, str):
        return escaped(data)
    if isinstance(data, Sections):
        parts = [f"[{quoted(name)[1:-1]}]\n{_text(part, filters)}" for name, part in data.parts]
        return "\n".join(sorted(parts))  # equal mappings may differ in their order
    if isinstance(data, CouncilResult):
        return _text_of_council(data, filters)
    if isinstance(data, ModelAnswer):
        return f"{_line_of_answer(data, filters)}\n"
    return _text_of_events(data, filters)


def _text_of_events(transcript: Transcript, filters: Filters) -> str:
    shown = [filters.shown(event) for event in transcript.events]
    # The transcript has all events, because the line of a chunk depends on the others.
    replaced = (new if isinstance(new, StreamEvent) else old for new, old in zip(shown, transcript, strict=True))
    lines = zip(Transcript(replaced).lines, shown, transcript, strict=True)
    return grouped_text(
        (line if isinstance(new, StreamEvent) else str(new), filters.moves(event))
        for line, new, event in lines
        if filters.keep(event)
    )


def _text_of_council(result: CouncilResult, filters: Filters) -> str:
    """Return a line for the question and for each answer. Times, and the tokens of providers, are in none."""
    lines = [f"{result.mode} {quoted(result.prompt)}"]
    for number, answers in enumerate(result.rounds, 1):
        lines += [f"round {number}", *_lines_of_answers(answers, filters)]
    lines += [*(["answers"] if result.rounds else []), *_lines_of_answers(result.answers, filters)]
    if result.synthesizer is not None:
        lines += [f"synthesis by {line}" for line in _lines_of_answers([result.synthesizer], filters)]
    elif result.synthesis is not None:
        lines.append(f"synthesis {quoted(result.synthesis)}")
    return "".join(f"{line}\n" for line in lines)


def _lines_of_answers(answers: Iterable[ModelAnswer], filters: Filters) -> list[str]:
    return [_line_of_answer(answer, filters) for answer in answers if filters.keep(answer)]


def _line_of_answer(answer: ModelAnswer, filters: Filters) -> str:
    shown = filters.shown(answer)
    if not isinstance(shown, ModelAnswer):
        return str(shown)
    facts = [quoted(shown.text)]
    facts += [f"call {call.name} {quoted(call.arguments)}" for call in shown.tool_calls]
    named = {"refusal": shown.refusal, "error": shown.error, "FAILED": shown.failed_requirement}
    facts += [f"{name} {quoted(text)}" for name, text in named.items() if text]
    if shown.finish_reason not in {None, "stop"}:
        facts.append(f"finished by {escaped(str(shown.finish_reason))}")
    return f"{escaped(shown.name)}: {', '.join(facts)}"
