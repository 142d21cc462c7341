"""Variants that are requested by their ids run under this cut, or are skipped with the reason."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import plugin_lines, run
from tests.plugin.test_fuzz import INI
from tests.plugin.test_fuzz_groups import PROCESSES

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]

STREAMS = """
import urllib.request
import pytest

def test_one(stream_script):
    assert "".join(stream_script("abc def").play_sync()) == "abc def"

def test_two(stream_script):
    assert "".join(stream_script("abc").play_sync()) == "abc"
    assert "".join(stream_script("de").play_sync()) == "de"

def test_bytes(provider_server):
    request = urllib.request.Request(f"{provider_server('abc').openai_url}/chat/completions", b'{"model": "m"}')
    assert b"abc" in urllib.request.urlopen(request).read()

async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})
    await send({"type": "http.response.body", "body": b"def"})

async def test_page(app_client):
    async with app_client(application).stream("GET", "/") as page:
        await page.rest()
    assert page.text == "abcdef"

@pytest.mark.parametrize("word", ["cut-at-abc", "cut-at-3"])
def test_own_words(stream_script, word):
    assert "".join(stream_script(word).play_sync()) != word
"""


@pytest.fixture(autouse=True)
def streams(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(test_it=STREAMS)


OUTSIDE = {
    "test_one[cut-at-99999]": "not cut at 99999: the stream has 7 characters",
    "test_one[cut-at-7]": "not cut at 7: the stream has 7 characters",
    "test_one[cut-at-8e]": "not cut at 8e: the stream has 7 characters",
    "test_one[cut-only-at-3-99999]": "not cut at 99999: the stream has 7 characters",
    "test_one[cut-at-3.2]": "not cut at 3.2: the test has 1 stream",
    "test_two[cut-at-2.2]": "not cut at 2.2: stream 2 of 2 has 2 characters",
    "test_one[cut-at-b3]": "not cut at b3: there was no response",
    "test_one[cut-at-r3]": "not cut at r3: there was no page",
    "test_bytes[cut-at-b99999]": r"not cut at b99999: the longest response has [\d,]+ bytes",
    "test_page[cut-at-r6]": "not cut at r6: the longest page has 6 bytes",
    "test_page[cut-at-1]": "not cut at 1: there was no stream",
    "test_two[cut-5000]": "not cut: number 5000 is the same cut as a smaller one",
}


@PROCESSES
def test_a_requested_cut_outside_of_the_streams_is_skipped_with_the_reason(
    pytester: pytest.Pytester, options: Sequence[str]
) -> None:
    result = run(pytester, "-rs", *(f"test_it.py::{name}" for name in OUTSIDE), *options)
    result.assert_outcomes(skipped=len(OUTSIDE))
    found = {line.partition(": ")[2] for line in result.outlines if line.startswith("SKIPPED")}
    assert len(found) == len({*OUTSIDE.values()})
    for reason in OUTSIDE.values():
        assert any(re.fullmatch(reason, line) for line in found), reason


@PROCESSES
def test_a_requested_cut_outside_of_the_streams_does_not_count_as_run(
    pytester: pytest.Pytester, options: Sequence[str]
) -> None:
    ids = [f"test_it.py::{name}" for name in ("test_one[cut-at-3]", "test_one[cut-at-99]", "test_two[cut-at-99]")]
    assert "1 variant of 1 test ran, 0 failed" in plugin_lines(run(pytester, *ids, *options))
    assert plugin_lines(run(pytester, *ids[1:], *options)) == ["the requested variant did not run"]


INSIDE = [
    "test_one[cut-at-6]",
    "test_one[cut-at-0e]",
    "test_one[cut-at-7e]",
    "test_one[cut-only-at-3-6]",
    "test_one[cut-at-joined]",
    "test_one[cut-whole]",
    "test_one[cut-20]",
    "test_two[cut-at-1.2]",
    "test_bytes[cut-at-b1]",
    "test_bytes[cut-at-b0]",
    "test_page[cut-at-r5]",
]


def test_a_requested_cut_inside_of_the_streams_passes(pytester: pytest.Pytester) -> None:
    run(pytester, *(f"test_it.py::{name}" for name in INSIDE)).assert_outcomes(passed=len(INSIDE))


def test_a_known_cut_outside_of_an_edited_stream_is_skipped_once(pytester: pytest.Pytester) -> None:
    broken = "def test_it(stream_script):\n    assert 'b' not in [*stream_script('{}', token_size=9).play_sync()]"
    pytester.makepyfile(test_it=broken.format("-------ab"))
    result = run(pytester, "--streamval-fuzz", "9")
    assert "FAILED test_it.py::test_it[cut-at-8]" in result.stdout.str()
    pytester.makepyfile(test_it=broken.format("------"))
    result = run(pytester, "--streamval-fuzz", "2", "-rs")
    result.assert_outcomes(passed=2, skipped=1)
    assert "1 that had failed before came first, 0 of them pass now" in plugin_lines(result)
    run(pytester, "--streamval-fuzz", "2").assert_outcomes(passed=3)


def test_the_channels_of_the_summary_are_those_that_the_requested_cut_has_cut(pytester: pytest.Pytester) -> None:
    assert "cut: bytes in 1 test" in plugin_lines(run(pytester, "test_it.py::test_bytes[cut-at-b1]"))
    assert "cut: text in 1 test" in plugin_lines(run(pytester, "test_it.py::test_one[cut-at-3]"))
    assert not [each for each in plugin_lines(run(pytester, "test_it.py::test_one[cut-at-9]")) if "cut:" in each]


def test_parameters_that_look_like_cuts_are_run_again_by_lf(pytester: pytest.Pytester) -> None:
    run(pytester, "-k", "own_words").assert_outcomes(failed=2)
    run(pytester, "--lf").assert_outcomes(failed=2)
    result = run(pytester, "test_it.py::test_one[cut-at-abc]")
    result.stderr.re_match_lines([r"ERROR: not found: .*test_it.py::test_one.*"])


def test_a_variant_that_fails_as_scripted_does_not_depend_on_the_cut(pytester: pytest.Pytester) -> None:
    result = run(pytester, "test_it.py::test_own_words[cut-at-abc-cut-at-3]")
    result.stdout.re_match_lines(["Fails as scripted, too."])
    assert "0 of 1 test depends on the cut" in plugin_lines(result)
    run(pytester, "--streamval-fuzz", "3", "-k", "own_words")
    lines = plugin_lines(run(pytester, "--streamval-fuzz", "3", "-k", "own_words"))
    assert not [line for line in lines if "had failed before" in line]


@pytest.mark.parametrize("option", ["fuzz", "cancel"])
def test_the_command_of_a_failure_runs_it_again_whatever_its_parameters_contain(
    pytester: pytest.Pytester, option: str
) -> None:
    pytester.makepyfile(
        test_it="""
import asyncio
import contextlib
import pytest

@pytest.mark.parametrize("word", ["a::b", "it's", 'a "b" $c', "[x]-y", "a/b"])
async def test_it(stream_script, word):
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert len([*stream_script("One two.", token_size=99).play_sync()]) == 1
"""
    )
    result = run(pytester, f"--streamval-{option}", "5")
    commands = [shlex.split(line.removeprefix("Again:  ")) for line in result.outlines if line.startswith("Again:")]
    assert len(commands) == 5
    for program, nodeid in commands:
        assert program == "pytest"
        run(pytester, nodeid).assert_outcomes(failed=1)


def test_a_failure_without_a_traceback_keeps_its_message_in_the_last_lines(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="import pytest\n\n@pytest.mark.xfail(strict=True)\ndef test_it(stream_script):\n"
        "    [*stream_script('One.').play_sync()]"
    )
    result = run(pytester)
    result.stdout.re_match_lines(
        [r"\[XPASS\(strict\)\] ", "The script 'One.' .*", r"FAILED test_it\.py::test_it - \[XPASS.*"]
    )
