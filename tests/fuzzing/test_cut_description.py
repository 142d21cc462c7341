"""A cut under which a test fails is described by the content around its places."""

from __future__ import annotations

import pytest

from pytest_streamval import Delta, Script
from pytest_streamval.fuzzing.cut_description import failing_cut_lines, stream_lines, unreached_place
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter

TEXT = "She passed the class with a bass guitar. "


def lines(cut: str, *scripts: Script | str, body: bytes = b"") -> list[str]:
    recutter = ScriptRecutter(Cut(cut))
    for script in scripts:
        recutter.script(script, token_size=1000)
    if body:
        data = recutter.new_body()
        data.add(body, [] if recutter.byte_cut is None else list(recutter.byte_cut.of_frames()(body)))
    return failing_cut_lines(Cut(cut), recutter)


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("whole", "Fails when it comes in one piece: 'One two.'"),
        ("at-3", "Fails when it is cut here: 'One|· two.'"),
        ("only-at-3", "Fails when it is cut only here: 'One|· two.'"),
        ("at-0e", "Fails with an empty delta here: '|·One two.'"),
        ("at-8e", "Fails with an empty delta here: 'One two.|·'"),
        ("at-1-3e", "Fails when it is cut here, with empty deltas: 'O|·ne|·|· two.'"),
        ("3", "Fails when it is cut only here: 'O|·ne two.'"),
        ("only-at-0", "Fails when it comes in one piece: 'One two.'"),
    ],
)
def test_the_kind_of_a_cut_begins_its_description(cut: str, expected: str) -> None:
    assert lines(cut, "One two.") == [expected]


def test_a_long_text_is_elided_around_its_cut() -> None:
    (line,) = lines("at-58", TEXT * 12)
    before, after = TEXT[28:] + TEXT[:17], TEXT[17:] + TEXT[:6]
    assert line == f"Fails when it is cut here: ... '{before}|·{after}' ... (1 cut in 492 characters)"
    assert len(lines("whole", TEXT * 12)[0]) < 240


def test_the_channel_of_a_cut_is_named() -> None:
    script = Script.of(Delta(thinking="Hm, yes."), "One.")
    assert lines("at-3", script) == ["Fails when its thinking is cut here: 'Hm,|· yes.One.'"]


def test_only_the_scripts_with_a_place_are_described() -> None:
    assert lines("at-3.2", "One two.", "Six ten.", "") == ["Fails when it is cut here, in stream 2 of 3: 'Six|· ten.'"]
    assert lines("whole", "One.", "") == ["Fails when it comes in one piece: 'One.'"]
    assert lines("whole", *["One."] * 5) == [
        *(f"Fails when it comes in one piece, in stream {number} of 5: 'One.'" for number in (1, 2, 3)),
        "... and 2 more streams",
    ]


def test_the_place_of_the_finish_reason_is_described() -> None:
    script = Script.of("One.", Delta(finish_reason="stop"))
    assert lines("at-joined", script) == ["Fails when the finish reason is on the last delta with content."]
    assert lines("at-apart", script) == ["Fails when the finish reason is on a delta of its own."]


def test_the_bytes_of_a_body_are_escaped() -> None:
    body = "Grüße".encode()
    assert lines("at-b3", "One.", body=body) == [r"Fails when the bytes are cut here: b'Gr\xc3|·\xbc\xc3\x9fe'"]
    assert lines("only-at-b0", body=b"One") == ["Fails when all bytes come in one read: b'One'"]
    assert lines("at-2", "One.", body=b"data") == ["Fails when it is cut here: 'On|·e.'"]
    assert lines("3", body=b"abc") == ["Fails when the bytes are cut only here: b'a|·bc'"]


def test_a_test_without_a_stream_has_no_cut() -> None:
    assert lines("3") == ["Fails, though no stream was cut."]


def test_all_cuts_of_all_streams_are_shown_with_the_scripts_that_make_them() -> None:
    recutter = ScriptRecutter(Cut("3"))
    recutter.script("One two.")
    assert list(stream_lines(recutter)) == [
        "The stream was cut as  'O|·ne two.'",
        "The same as a script:  Script.of('O', 'ne two.')",
    ]
    recutter.new_body().add(b"\xc3\xbc", [1])
    assert list(stream_lines(recutter))[1:] == [r"The bytes were cut as  b'\xc3|·\xbc'"]
    letters = ScriptRecutter(Cut("chars"))
    letters.script("One.")
    letters.script(Script.of(*("word " * 200).split()))
    shown = list(stream_lines(letters))
    assert shown[1] == "The same as a script:  Script.from_text('One.')"
    assert all(len(line) < 600 for line in shown)


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("at-r4", "Fails when the page's reads are cut here: b'data|·: One\\n\\ndata: Two\\n\\n'"),
        ("only-at-r4", "Fails when the page's reads are cut only here: b'data|·: One\\n\\ndata: Two\\n\\n'"),
        ("only-at-r0", r"Fails when the page's reads of one moment are joined: b'data: One\n\ndata: Two\n\n'"),
        ("at-b4", "Fails, though no stream was cut."),
    ],
)
def test_the_reads_of_a_page_are_described(cut: str, expected: str) -> None:
    recutter = ScriptRecutter(Cut(cut))
    page = recutter.new_page()
    for event in (b"data: One\n\n", b"data: Two\n\n"):
        assert page is None or b"".join(piece for piece, _ in page.pieces(event)) == event
    assert failing_cut_lines(Cut(cut), recutter) == [expected]
    assert all(line.startswith("The reads were cut as  b'data") for line in stream_lines(recutter))


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("at-7", ""),
        ("at-8", "8: the stream has 8 characters"),
        ("at-8e", ""),
        ("only-at-0", ""),
        ("at-3-99-100", "99: the stream has 8 characters"),
        ("at-1.2", "1.2: the test has 1 stream"),
        ("at-b2", ""),
        ("at-b3", "b3: the longest response has 3 bytes"),
        ("at-r1", "r1: there was no page"),
        ("2", ""),
    ],
)
def test_the_first_place_of_a_cut_outside_of_the_streams_is_described(cut: str, expected: str) -> None:
    recutter = ScriptRecutter(Cut(cut))
    recutter.script("One two.")
    recutter.new_body().add(b"abc", [])
    assert unreached_place(Cut(cut), recutter) == expected


def test_a_place_in_one_of_several_streams_or_in_none_is_outside_with_the_reason() -> None:
    recutter = ScriptRecutter(Cut("at-1"))
    assert unreached_place(Cut("at-1"), recutter) == "1: there was no stream"
    assert unreached_place(Cut("at-b1"), recutter) == "b1: there was no response"
    recutter.script("One.")
    recutter.script("A")
    assert unreached_place(Cut("at-3-1.2"), recutter) == "1.2: stream 2 of 2 has 1 character"
