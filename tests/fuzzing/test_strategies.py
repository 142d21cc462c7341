"""The strategies draw texts and streams like those of models, and shrink to simple examples."""

from __future__ import annotations

import asyncio
import re
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.errors import InvalidArgumentError
from pytest_streamval.fuzzing import text_strategies
from pytest_streamval.fuzzing.cut_rules import possible_offsets
from pytest_streamval.model import Delta
from pytest_streamval.scripting.mock import StreamingMockBackend
from pytest_streamval.scripting.script import Script
from pytest_streamval.scripting.steps import Delay

if TYPE_CHECKING:
    from collections.abc import Callable

PAIR = "\ud83c\udf4e"  # an apple, as two surrogates
TEXT = "One. Two.\r\n\r\nCafe\u0301 👩\u200d👧 " + PAIR
DATA = "a.\r\n\r\ne\u0301 👩\u200d".encode()

# Hypothesis's own health check fails if a strategy is slow or filters too much.
TRYING = settings(max_examples=50, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
FINDING = settings(TRYING, max_examples=500, phases=[Phase.generate, Phase.shrink])


def drawn(strategy: st.SearchStrategy[object], count: int = 50) -> list:
    """Return some examples of a strategy, the same ones each time."""
    found = []

    @settings(TRYING, max_examples=count)
    @given(strategy)
    def collect(value: object) -> None:
        found.append(value)

    collect()
    return found


# Texts


def test_texts_contain_the_characters_of_all_boundaries() -> None:
    text = "".join(drawn(text_strategies.texts(min_size=400), 60))
    prose = (r"[.!?] ", r"\d\.\d", r"Dr\.", r"e\.g\.", '["“«]', r"\n\n")
    markdown = ("```", r"\n- |\n\d\. |\n# ", r"\|", r"[{}\[\];]", r"\t| {4}")
    ends = (r"\r\n", r"(?<!\r)\n", r"\r(?!\n)", "\x85|\u2028", "\xa0")
    others = ("\u200d", "\u0301", "[🇦-🇿]{2}", "[。！？]", "[\u0600-\u06ff]", r"[^\W\d_a-zA-Z]")
    assert [pattern for pattern in (*prose, *markdown, *ends, *others) if not re.search(pattern, text)] == []


def test_texts_can_be_encoded_and_differ_from_each_other() -> None:
    texts = drawn(text_strategies.texts(), 60)
    assert all(text.encode().decode() == text for text in texts)
    assert len(set(texts)) > 20
    assert max(map(len, texts)) > 100


@pytest.mark.parametrize(("least", "most"), [(0, 0), (0, 1), (1, 1), (30, 40), (0, None), (50, None), (2000, 2000)])
def test_texts_have_the_requested_size(least: int, most: int | None) -> None:
    for text in drawn(text_strategies.texts(min_size=least, max_size=most), 20):
        assert least <= len(text) <= (len(text) if most is None else most)


def test_texts_that_are_too_short_are_repeated() -> None:
    assert find(text_strategies.texts(min_size=5), lambda text: True, settings=FINDING) == "aaaaa"
    assert find(text_strategies.texts(min_size=5), lambda text: "?" in text, settings=FINDING) == "?????"


# Cuts


def test_cuts_are_in_order_and_at_possible_offsets() -> None:
    for cut in drawn(text_strategies.cuts(TEXT)):
        assert list(cut) == sorted(set(cut))
        assert set(cut) <= set(possible_offsets(TEXT))


def test_cuts_are_few_or_many_and_at_every_offset() -> None:
    cuts = drawn(text_strategies.cuts(TEXT), 60)
    assert {offset for cut in cuts for offset in cut} == set(possible_offsets(TEXT))
    assert tuple(possible_offsets(TEXT)) in cuts
    assert {len(cut) for cut in cuts} >= {0, 1, 2, 3}
    assert sum(len(cut) > 10 for cut in cuts) >= 5


@pytest.mark.parametrize("text", ["", "a", PAIR])
def test_a_text_that_cannot_be_cut_has_empty_cuts_only(text: str) -> None:
    assert set(drawn(text_strategies.cuts(text), 3)) == {()}


def test_tokenizations_are_not_empty_and_join_to_the_text() -> None:
    for pieces in drawn(text_strategies.tokenizations(TEXT)):
        assert all(pieces)
        assert "".join(pieces) == TEXT
    assert drawn(text_strategies.tokenizations(""), 2)[0] == []


def test_tokenizations_of_any_text_also_cut_line_ends_and_clusters() -> None:
    streams = drawn(text_strategies.tokenizations(), 80)
    assert all(all(pieces) for pieces in streams)
    assert not any("\uffff" in piece for pieces in streams for piece in pieces)
    assert sum(len(pieces) > 3 for pieces in streams) > 30
    cuts = {before[-1] + after[0] for pieces in streams for before, after in pairwise(pieces)}
    assert cuts >= {"\r\n", "``", ". ", "\n\n"}
    assert {"\u0301", "\u200d", "\ufe0f"} & {cut[1] for cut in cuts}


def test_byte_splits_are_not_empty_and_join_to_the_data() -> None:
    splits = drawn(text_strategies.byte_splits(DATA), 60)
    assert all(all(reads) and b"".join(reads) == DATA for reads in splits)
    offsets = {offset for reads in splits for offset in accumulate(map(len, reads))}
    assert offsets == set(range(1, len(DATA) + 1))
    assert drawn(text_strategies.byte_splits(b""), 2)[0] == []
    assert drawn(text_strategies.byte_splits(b"x"), 2)[0] == [b"x"]


# Scripts


def test_scripts_have_the_text_and_other_deltas_of_providers() -> None:
    scripts = drawn(text_strategies.scripts(TEXT), 80)
    assert {script.text for script in scripts} == {TEXT}
    deltas = [delta for script in scripts for delta in script.deltas]
    assert any(delta.thinking and not delta.text for delta in deltas)
    assert any(delta.thinking and delta.text for delta in deltas)
    assert any(delta.usage and not delta.text for delta in deltas)
    assert any(delta.tool_calls for delta in deltas)
    assert any(delta.finish_reason and delta.text for delta in deltas)
    assert any(delta.finish_reason and not delta.text for delta in deltas)
    assert Delta() in deltas
    assert all(len(script.deltas) == len(script.steps) for script in scripts)  # none of them is a Delay


def test_scripts_have_delays_up_to_the_requested_duration() -> None:
    scripts = drawn(text_strategies.scripts(TEXT, max_delay=2), 40)
    delays = [step.seconds for script in scripts for step in script.steps if isinstance(step, Delay)]
    assert len(delays) > 3
    assert all(0 <= seconds <= 2 for seconds in delays)


def test_scripts_have_any_text_by_default() -> None:
    assert len({script.text for script in drawn(text_strategies.scripts())}) > 10
    assert {script.text for script in drawn(text_strategies.scripts(""), 20)} == {""}


# Shrinking


@pytest.mark.parametrize(
    ("strategy", "condition", "smallest"),
    [
        (text_strategies.texts(), lambda text: True, ""),
        (text_strategies.texts(), lambda text: ". " in text, ". "),
        (text_strategies.texts(), lambda text: "\r\n" in text, "\r\n"),
        (text_strategies.cuts(TEXT), lambda cut: True, ()),
        (text_strategies.cuts(TEXT), lambda cut: cut, (1,)),
        (text_strategies.cuts(TEXT), lambda cut: len(cut) > 2, (1, 2, 3)),
        (text_strategies.cuts(TEXT), lambda cut: 4 in cut and 10 in cut, (4, 10)),
        (text_strategies.tokenizations("a.b.c"), lambda pieces: "b" in pieces, ["a.", "b", ".c"]),
        (text_strategies.tokenizations(), lambda pieces: len(pieces) > 1, ["a", "a"]),
        (text_strategies.byte_splits("ïa".encode()), lambda reads: b"\xaf" in reads[-1][:1], [b"\xc3", b"\xafa"]),
        (text_strategies.scripts("One."), lambda script: True, Script.of("One.")),
        (text_strategies.scripts("One."), lambda script: "" in script.steps, Script.of("", "One.")),
        (
            text_strategies.scripts("One."),
            lambda script: any(delta.thinking for delta in script.deltas),
            Script.of(Delta(thinking="Hm. "), "One."),
        ),
        (
            text_strategies.scripts("One.", max_delay=1),
            lambda script: len(script.steps) > len(script.deltas),
            Script.of(Delay(0.0), "One."),
        ),
    ],
    ids=[
        *(
            "no text",
            "a boundary",
            "a line end",
            "no cut",
            "a cut",
            "cuts",
            "two cuts",
            "a piece",
            "two pieces",
            "reads",
        ),
        *("plain", "empty", "thinking", "delay"),
    ],
)
def test_the_strategies_shrink_to_the_smallest_example(
    strategy: st.SearchStrategy[object], condition: Callable[[object], bool], smallest: object
) -> None:
    assert find(strategy, condition, settings=FINDING) == smallest


def test_tokenizations_shrink_a_text_together_with_its_cuts() -> None:
    def apart(pieces: list[str]) -> bool:
        return ". " in "".join(pieces) and not any(". " in piece for piece in pieces)

    assert find(text_strategies.tokenizations(), apart, settings=FINDING) == [".", " "]


# Use


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_strategies_for_a_text_of_2000_characters_pass_the_health_checks(data: st.DataObject) -> None:
    text = data.draw(text_strategies.texts(min_size=2000, max_size=2500))
    assert "".join(data.draw(text_strategies.tokenizations(text))) == text
    assert b"".join(data.draw(text_strategies.byte_splits(text.encode()))) == text.encode()
    assert data.draw(text_strategies.scripts(text)).text == text


@settings(max_examples=15, deadline=None)
@given(script=text_strategies.scripts())
def test_a_run_of_a_script_loses_none_of_its_text(script: Script) -> None:
    async def full_text() -> str:
        result = await stream_with_chunking("Go on", StreamingMockBackend(script), SimpleContext())
        await result.acomplete()
        return result.full_text

    assert asyncio.run(full_text()) == script.text


def test_the_strategies_have_a_repr_with_their_arguments() -> None:
    assert "min_size=3" in repr(text_strategies.texts(min_size=3))
    assert "'One.'" in repr(text_strategies.cuts("One."))
    assert text_strategies.__all__ == sorted(
        name for name in text_strategies.__all__ if callable(getattr(text_strategies, name))
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: text_strategies.texts(min_size=-1), "Invalid min_size: -1. .* 0 or more"),
        (lambda: text_strategies.texts(min_size=1.5), "Invalid min_size: 1.5"),
        (lambda: text_strategies.texts(min_size=3, max_size=2), "Invalid max_size: 2. .* min_size=3 or more, or None"),
        (lambda: text_strategies.texts(max_size="9"), "Invalid max_size: '9'"),
        (lambda: text_strategies.cuts(b"x"), "Invalid text: b'x'. It must be a str"),
        (lambda: text_strategies.cuts(text_strategies.texts()), "It must be a str. For a strategy .* strategy.flatmap"),
        (lambda: text_strategies.tokenizations(3), "Invalid text: 3"),
        (lambda: text_strategies.scripts(4), "Invalid text: 4"),
        (lambda: text_strategies.scripts("x", max_delay=-1), "Invalid max_delay: -1. .* 0 or more"),
        (lambda: text_strategies.scripts("x", max_delay=float("inf")), "Invalid max_delay: inf"),
        (lambda: text_strategies.scripts("x", max_delay=float("nan")), "Invalid max_delay: nan"),
        (lambda: text_strategies.scripts("x", max_delay="1"), "Invalid max_delay: '1'"),
        (lambda: text_strategies.byte_splits("x"), "Invalid data: 'x'. They must be bytes. Encode a str first"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invalid_argument_is_rejected_before_a_draw(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()
