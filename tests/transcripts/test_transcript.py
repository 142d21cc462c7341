"""Transcripts: lines that a person can read, equality, differences, and `transcribe`."""

from __future__ import annotations

import asyncio
import gc
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval import (
    ChunkEvent,
    ChunkingStrategy,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    InvalidArgumentError,
    PartialValidationResult,
    QuickCheckEvent,
    Raise,
    Requirement,
    RetryEvent,
    Script,
    SimpleContext,
    Stall,
    StreamEvent,
    StreamingDoneEvent,
    StreamingMockBackend,
    Transcript,
    ValidationResult,
    stream_with_chunking,
    transcribe,
)
from pytest_streamval.engine.events import stream_event
from pytest_streamval.transcripts.differences import difference

if TYPE_CHECKING:
    from pytest_streamval import StreamChunkingResult


class NoBad(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        if "boom" in chunk:
            raise ValueError(f"cannot judge {self!r} at {object()!r}")
        if "bad" in chunk:
            return PartialValidationResult("fail", reason=f'"{chunk}" is bad')
        return PartialValidationResult("pass" if "good" in chunk else "unknown")


async def start(script: Script | str, *requirements: Requirement, **options: object) -> StreamChunkingResult:
    backend = StreamingMockBackend(script, token_size=3)
    return await stream_with_chunking("go", backend, SimpleContext(), requirements=requirements, **options)


async def lines_of(script: Script | str, *requirements: Requirement, **options: object) -> list[str]:
    return (await transcribe(await start(script, *requirements, **options))).lines


def chunk(text: str, start: int | None = None, end: int | None = None, attempt: int = 1) -> ChunkEvent:
    return ChunkEvent(text, 0, attempt, start, end)


# Lines


async def test_a_transcript_has_a_line_for_each_event() -> None:
    assert await lines_of("A good one. And two.", NoBad()) == [
        "check passed: pass",
        'chunk "A good one."',
        "check passed: unknown",
        'chunk "And two."',
        "streaming done, 20 characters",
        'validation passed: pass "judged chunk by chunk"',
        "completed successfully",
    ]


async def test_a_transcript_shows_the_reason_for_an_early_end() -> None:
    assert await lines_of("One. A bad two. Three.", NoBad(), NoBad()) == [
        "check passed: unknown, unknown",
        'chunk "One."',
        r'check FAILED: fail "\"A bad two.\" is bad", fail "\"A bad two.\" is bad"',
        "completed WITHOUT SUCCESS",
    ]


async def test_a_transcript_shows_a_failed_final_validation_in_capitals() -> None:
    short = Requirement("short", validation_fn=lambda ctx: ValidationResult(result=False, reason="too long"))
    lines = await lines_of("One.", short)
    assert lines[-2:] == ['validation FAILED: fail "too long"', "completed successfully"]


async def test_a_transcript_shows_an_error_by_type_and_message_without_addresses() -> None:
    lines = await lines_of("One. boom.", NoBad())
    assert lines[2:] == [
        'error ValueError: "cannot judge NoBad at <object object at 0x…>"',
        "completed WITHOUT SUCCESS",
    ]


async def test_a_transcript_of_a_broken_connection_has_the_released_chunks() -> None:
    script = Script.of("One. Tw", Raise(ConnectionError("reset\nby peer")))
    assert await lines_of(script) == [
        'chunk "One."',
        r'error ConnectionError: "reset\nby peer"',
        "completed WITHOUT SUCCESS",
    ]


class Bullets(ChunkingStrategy):
    """The items of a list."""

    def split(self, accumulated_text):
        return [line for line in accumulated_text.split("\n")[:-1] if line.startswith("- ")]


@pytest.mark.parametrize(
    ("text", "chunking", "lines"),
    [
        ("One. Two.", "sentence", ['chunk "One."', 'chunk "Two."']),
        ("One.\n\n  Two.", "sentence", ['chunk "One."', r'chunk "\n\n  " + "Two."']),
        (" One.", "sentence", ['chunk " " + "One."']),
        ("abcde", None, ['chunk "abc"', 'chunk "" + "de"']),
        ("a  b", "word", ['chunk "a"', 'chunk "  " + "b"']),
    ],
)
async def test_a_transcript_shows_the_text_between_chunks_unless_it_is_one_space(
    text: str, chunking: str | None, lines: list[str]
) -> None:
    done = f"streaming done, {len(text)} characters"
    assert await lines_of(text, chunking=chunking) == [*lines, done, "completed successfully"]


@pytest.mark.parametrize(
    ("text", "chunking", "last"),
    [
        ("One. \n", "sentence", r', the last " \n"'),
        ("- One\nand so on", Bullets(), r', the last "\nand so on"'),
        ("no list", Bullets(), ', the last "no list"'),
        ("", "sentence", ""),
    ],
)
async def test_a_transcript_shows_the_text_after_the_last_chunk(
    text: str, chunking: str | ChunkingStrategy, last: str
) -> None:
    lines = await lines_of(text, chunking=chunking)
    assert lines[-2] == f"streaming done, {len(text)} characters{last}"


def test_a_transcript_writes_large_numbers_with_commas() -> None:
    assert Transcript([StreamingDoneEvent(1, "x" * 1234), chunk("y")]).lines[0].startswith("streaming done, 1,234 char")


def test_a_transcript_of_chunks_without_offsets_shows_no_text_between_them() -> None:
    events = [chunk("One."), chunk("Two."), StreamingDoneEvent(1, "One.\n\nTwo."), CompletedEvent(True, "", 1)]
    assert Transcript(events).lines[:3] == ['chunk "One."', 'chunk "Two."', "streaming done, 10 characters"]


def test_a_transcript_of_a_run_in_progress_shows_no_text_between_chunks() -> None:
    assert Transcript([chunk("One.", 0, 4), chunk("Two.", 6, 10)]).lines == ['chunk "One."', 'chunk "Two."']


def test_each_attempt_in_a_transcript_has_its_own_text() -> None:
    events = [
        chunk("Bad.", 0, 4),
        chunk("Two.", 6, 10),
        RetryEvent(2, "it said\tbad"),
        chunk("One.", 0, 4, 2),
        chunk("Two.", 6, 10, 2),
        StreamingDoneEvent(2, "One.\n\nTwo."),
        CompletedEvent(True, "One.\n\nTwo.", 2),
    ]
    assert Transcript(events).lines[:-2] == [
        'chunk "Bad."',
        'chunk "Two."',
        r'retry "it said\tbad"',
        'chunk "One."',
        r'chunk "\n\n" + "Two."',
    ]


@dataclass(frozen=True, slots=True)
class Note(StreamEvent):
    said: str = ""


def test_a_transcript_shows_a_users_event_by_its_fields() -> None:
    assert Transcript([Note("x at 0x7f00dead"), StreamEvent()]).lines == [
        "Note \"said='x at 0x…'\"",
        'StreamEvent ""',
    ]


def test_a_transcript_shows_a_check_without_requirements_without_verdicts() -> None:
    assert Transcript([QuickCheckEvent(0, 1, True, ())]).lines == ["check passed"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tab\tline\r\nbell\x07", r"tab\tline\r\nbell\u0007"),
        ('"quoted" \\', r"\"quoted\" \\"),
        ("\x7f\x85\u2028\u2029", r"\u007f\u0085\u2028\u2029"),
        ("\ud83c lone", r"\ud83c lone"),
        ("a\u200bb\u202ec\ufeff\xa0", r"a\u200bb\u202ec\ufeff\u00a0"),
        ("Grüße, 東京, 👨\u200d👩\u200d👧", "Grüße, 東京, 👨\u200d👩\u200d👧"),
        ("mov eax, 0xdeadbeef", "mov eax, 0xdeadbeef"),
    ],
    ids=["control", "quotes", "line ends", "surrogate", "invisible", "readable", "no address of ours"],
)
def test_a_transcript_shows_text_as_json_with_escapes_for_invisible_characters(text: str, shown: str) -> None:
    [line] = Transcript([chunk(text)]).lines
    assert line == f'chunk "{shown}"'
    assert json.loads(line.removeprefix("chunk ")) == text


@given(st.text(st.characters(codec=None), max_size=20), st.text(st.characters(codec=None), max_size=5))
def test_quoted_returns_one_line_that_utf_8_can_encode(text: str, reason: str) -> None:
    events = [QuickCheckEvent(0, 1, True, (PartialValidationResult("pass", reason=reason),)), chunk(text)]
    shown = Transcript(events).text()
    assert len(shown.splitlines()) == 2
    assert shown.encode().decode() == shown
    assert json.loads(shown.splitlines()[1].removeprefix("chunk ")) == text


# Times


def at(seconds: float, event: StreamEvent) -> StreamEvent:
    object.__setattr__(event, "timestamp", 1_700_000_000 + seconds)
    return event


def test_the_times_in_a_transcript_are_seconds_since_the_first_event() -> None:
    transcript = Transcript(
        [at(0, chunk("One.", 0, 4)), at(0.25, chunk("Two.", 5, 9)), at(75, CompletedEvent(True, "One. Two.", 1))]
    )
    assert transcript.text(times=True).splitlines() == [
        '    0.000 s  chunk "One."',
        '    0.250 s  chunk "Two."',
        "   75.000 s  completed successfully",
    ]
    assert transcript.text() == "".join(f"{line}\n" for line in transcript.lines)


def test_a_transcript_without_events_is_empty() -> None:
    nothing = Transcript()
    assert (nothing.text(), nothing.text(times=True), nothing.lines, len(nothing)) == ("", "", [], 0)
    assert repr(nothing) == "<Transcript of 0 events:\n>"


# Sources and equality


async def test_a_transcript_can_be_made_of_a_result_of_events_or_of_a_transcript() -> None:
    result = await start("One.")
    await result.acomplete()
    transcript = Transcript.of(result)
    assert transcript.events == result.history
    assert Transcript.of(transcript) is transcript
    assert Transcript.of(event for event in result.history) == transcript
    assert list(transcript) == list(result.history)
    assert len(transcript) == 3
    assert repr(transcript).startswith('<Transcript of 3 events:\nchunk "One."\n')
    assert repr(Transcript(transcript.events[:1])).startswith("<Transcript of 1 event:")


async def test_a_transcript_can_be_made_of_a_run_in_progress() -> None:
    async with await start(Script.of("One. ", Stall())) as result:
        await anext(result.astream())
        assert Transcript.of(result).lines == ['chunk "One."']


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("chunk", r"Invalid transcript: 'chunk'. .*await transcribe\(result\)"),
        (None, "Invalid transcript: None. "),
        ([chunk("x"), "y"], r"Invalid events\[1\]: 'y'. It must be an event, as in result.history"),
    ],
)
def test_a_transcript_rejects_other_sources(source: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Transcript.of(source)


async def test_transcripts_with_equal_events_are_equal_at_any_times() -> None:
    first, second, other = [await transcribe(await start(text, NoBad())) for text in ("One.", "One.", "Two.")]
    assert first == second
    assert first == list(second)
    assert tuple(second) == first
    assert hash(first) == hash(second)
    assert first.events[0].timestamp != second.events[0].timestamp
    assert first != other
    assert first != list(other)
    assert first != first.text()


async def test_transcripts_with_equal_verdicts_of_a_model_are_equal() -> None:
    runs = []
    for answer in ("Yes, short.", "Yes, short.", "No."):
        backend = StreamingMockBackend("One.", answer)
        result = await stream_with_chunking("go", backend, SimpleContext(), requirements=[Requirement("Be short.")])
        runs.append(await transcribe(result))
    assert runs[0] == runs[1] != runs[2]
    assert len(set(runs)) == 2


# Differences


ALPHABET = [f"line {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


def changed(**replacements: str | None) -> list[str]:
    """Return the alphabet with the lines of some letters replaced or left out."""
    lines = {line[-1]: line for line in ALPHABET} | replacements
    return [line for line in lines.values() if line is not None]


OTHERS = [f"other {line[-1]}" for line in ALPHABET]


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (ALPHABET, []),
        (
            changed(m="LINE m"),
            [
                *("  ... 10 lines as expected", "  line k", "  line l"),
                *("- line m", "+ LINE m", "  line n", "  line o", "  ... 11 lines as expected"),
            ],
        ),
        (changed(c=None), ["  line a", "  line b", "- line c", "  line d", "  line e", "  ... 21 lines as expected"]),
        (
            changed(y="NEW", z="END"),
            ["  ... 22 lines as expected", "  line w", "  line x", "- line y", "+ NEW", "- line z", "+ END"],
        ),
        (ALPHABET[:-1], ["  ... 23 lines as expected", "  line x", "  line y", "- line z"]),
        (["first", *ALPHABET], ["+ first", "  line a", "  line b", "  ... 24 lines as expected"]),
        (
            changed(d=None, f="LINE f", p="LINE p"),
            [
                *("  ... 1 line as expected", "  line b", "  line c", "- line d", "  line e", "- line f", "+ LINE f"),
                *("  line g", "  line h", "  ... 7 lines as expected", "- line p", "+ LINE p"),
                *("  line q", "  line r", "  ... 8 lines as expected"),
            ],
        ),
        (
            OTHERS,
            [line for pair in zip(ALPHABET[:6], OTHERS[:6], strict=True) for line in (f"- {pair[0]}", f"+ {pair[1]}")]
            + ["  ... 40 lines more not as expected"],
        ),
    ],
    ids=["none", "one line", "a line missing", "the end", "cut short", "a line more", "several", "everything"],
)
def test_a_difference_shows_the_lines_around_the_first_one(found: list[str], shown: list[str]) -> None:
    assert list(difference(ALPHABET, found)) == shown


def test_a_long_difference_is_counted() -> None:
    expected, found = [f"old {number}" for number in range(1000)], [f"new {number}" for number in range(700)]
    *shown, last = difference([*expected, "end"], [*found, "end"])
    assert shown[:2] == ["- old 0", "+ new 0"]
    assert len(shown) == 12
    assert last == "  ... 1,688 lines more not as expected"


def test_a_difference_shows_its_heading() -> None:
    expected = ["[first]", "same", "same", "", "[second]", "same", "same", "same", "old"]
    assert next(difference(expected, [*expected[:-1], "new"])) == "  ... 6 lines as expected, the last below [second]"
    assert next(difference(expected, [*expected[:-3], "new"])) == "  ... 4 lines as expected, the last below [first]"


WORDS = " ".join(f"word{number:03}" for number in range(60))


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("short", "shorter", ["- short", "+ shorter"]),
        (f"begin {WORDS}", f"BEGIN {WORDS}", [f"- begin {WORDS[:74]} ...", f"+ BEGIN {WORDS[:74]} ..."]),
        (
            f"begin {WORDS}",
            f"begin {WORDS.replace('word040', 'WORD040')}",
            [
                "- begin word000 wo ... 6 word037 word038 word039 word040 word041 word042 word043 word04 ...",
                "+ begin word000 wo ... 6 word037 word038 word039 WORD040 word041 word042 word043 word04 ...",
            ],
        ),
        (
            f"begin {WORDS}",
            f"begin {WORDS}, end",
            [
                "- begin word000 wo ... 56 word057 word058 word059",
                "+ begin word000 wo ... 56 word057 word058 word059, end",
            ],
        ),
    ],
    ids=["short", "at the beginning", "in the middle", "at the end"],
)
def test_a_difference_shows_the_part_of_a_long_line_that_differs(old: str, new: str, shown: list[str]) -> None:
    equal = f"equal {WORDS}"
    cut = f"  {equal[:60]} ..."
    assert list(difference([equal, old, equal], [equal, new, equal], width=80)) == [cut, *shown, cut]
    assert list(difference([equal, old], [equal, new])) == [f"  {equal}", f"- {old}", f"+ {new}"]


LINES = st.lists(st.sampled_from("abcd"), max_size=4)


@given(LINES, LINES)
def test_a_difference_turns_one_text_into_the_other(expected: list[str], found: list[str]) -> None:
    shown = list(difference(expected, found))
    assert (shown == []) == (expected == found)
    signs = [line[0] for line in shown]
    assert signs.count("+") - signs.count("-") == len(found) - len(expected)
    assert not {line[2:] for line in shown if line[0] == "-"} - set(expected)
    assert not {line[2:] for line in shown if line[0] == "+"} - set(found)


async def test_the_difference_of_transcripts_shows_their_lines() -> None:
    old, new = [await transcribe(await start(text)) for text in ("One. Two.", "One. Three.")]
    assert new.difference(old) == [
        '  chunk "One."',
        '- chunk "Two."',
        '+ chunk "Three."',
        "- streaming done, 9 characters",
        "+ streaming done, 11 characters",
        "  completed successfully",
    ]
    assert new.difference(new) == []


def test_the_difference_of_transcripts_with_equal_lines_shows_their_events() -> None:
    old, new = Transcript([chunk("One."), chunk("Two.")]), Transcript([chunk("One."), ChunkEvent("Two.", 7, 1)])
    assert old != new
    shown = new.difference(old)
    assert [line[:2] for line in shown] == ["- ", "+ "]
    assert "chunk_index=0" in shown[0]
    assert "chunk_index=7" in shown[1]


def test_the_difference_of_transcripts_shortens_long_lines_unless_width_is_none() -> None:
    old, new = Transcript([chunk(f"{WORDS}a")]), Transcript([chunk(f"{WORDS}b")])
    assert max(map(len, new.difference(old))) < 140
    assert new.difference(old, width=None) == [f'- chunk "{WORDS}a"', f'+ chunk "{WORDS}b"']


# transcribe


@pytest.mark.filterwarnings("error")
async def test_transcribe_takes_the_error_of_a_run_as_received() -> None:
    async with await start(Script.of("One. ", Raise(ConnectionError("gone")))) as result:
        transcript = await transcribe(result)
    assert transcript.events == result.history
    assert transcript.lines[-2:] == ['error ConnectionError: "gone"', "completed WITHOUT SUCCESS"]
    await result.acomplete()
    del result, transcript
    gc.collect()


async def test_transcribe_waits_for_the_final_validation() -> None:
    gate = asyncio.Event()

    class Slow(Requirement):
        async def validate(self, backend, ctx, **options):
            await gate.wait()
            return ValidationResult(result=True)

    waiting = asyncio.ensure_future(transcribe(await start("One.", Slow())))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    assert isinstance((await waiting).events[-1], CompletedEvent)


async def test_transcribe_returns_equal_transcripts_each_time() -> None:
    result = await start("One. A bad two.", NoBad())
    first, second = await asyncio.gather(transcribe(result), transcribe(result))
    assert first == second


async def test_cancelling_transcribe_stops_the_run() -> None:
    backend = StreamingMockBackend(Script.of("One. ", Stall()))
    result = await stream_with_chunking("go", backend, SimpleContext())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await transcribe(result)
    assert backend.calls[0].cancelled
    assert result.finished
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert (await transcribe(result)).lines[-1] == "completed WITHOUT SUCCESS"


async def test_transcribe_returns_the_transcript_of_a_cancelled_run() -> None:
    result = await start(Script.of("One. ", Stall()))
    await anext(result.astream())
    result.task.cancel()
    assert (await transcribe(result)).lines == ['chunk "One."', "completed WITHOUT SUCCESS"]


def test_every_event_of_the_engine_has_its_own_line() -> None:
    verdict = PartialValidationResult("fail", reason="no")
    events = [
        QuickCheckEvent(0, 1, False, (verdict,)),
        FullValidationEvent(1, True, (ValidationResult(result=True),)),
        ErrorEvent("ValueError", ""),
        CompletedEvent(False, "", 1),
    ]
    assert Transcript(events).lines == [
        'check FAILED: fail "no"',
        "validation passed: pass",
        'error ValueError: ""',
        "completed WITHOUT SUCCESS",
    ]
    assert Transcript([replace(events[0], passed=True, results=())]) != Transcript([events[0]])


def test_a_transcript_shows_an_event_with_a_str_of_its_own_by_it() -> None:
    @stream_event
    class Told(StreamEvent):
        what: object

        def __str__(self) -> str:
            return f"told {self.what}"

    assert Transcript([Told("a\u200bb"), Told(object())]).text() == "told a\\u200bb\ntold <object object at 0x…>\n"
