"""Tests that do not use their scripts, and similar tests that do. tests/plugin/test_leaks.py runs them."""

import asyncio
import contextlib

import pytest

from pytest_streamval import (
    LiveBackend,
    Requirement,
    Script,
    ScriptExhaustedError,
    SimpleContext,
    StreamingMockBackend,
    Transcript,
    assert_event_order,
    stream_with_chunking,
    transcribe,
)


def ask(backend):
    return backend.generate_from_context("again", SimpleContext())


def start(backend, **options):
    return stream_with_chunking("go", backend, SimpleContext(), **options)


async def careless(backend):
    with contextlib.suppress(Exception):
        await ask(backend)


# They fail


async def test_no_script_played(streaming_mock_backend):
    streaming_mock_backend("One. " * 50, "yes")


async def test_one_script_not_played(streaming_mock_backend):
    await (await start(streaming_mock_backend("One.", "yes", "no"))).acomplete()


async def test_a_call_too_many_swallowed(streaming_mock_backend):
    backend = streaming_mock_backend("One.")
    await (await start(backend)).acomplete()
    await careless(backend)


async def test_a_call_too_many_swallowed_in_the_test_itself(streaming_mock_backend):
    with contextlib.suppress(RuntimeError):
        await ask(streaming_mock_backend())


async def test_a_judge_without_a_script_is_not_noticed(streaming_mock_backend):
    result = await start(streaming_mock_backend("One."), requirements=[Requirement("is short")])
    assert [event async for event in result.events()]


async def test_a_playback_not_read(streaming_mock_backend):
    Script.from_text("abc").play()


async def test_a_script_not_played(stream_script):
    played, _idle = stream_script("abc"), stream_script("d" * 200)
    assert [text async for text in played.play()]


async def test_events_not_read(streaming_mock_backend):
    result = await start(streaming_mock_backend("One."))
    result.events()
    seen = []
    await result.acomplete()
    assert Transcript.of(seen) == Transcript()


async def test_a_transcript_made_too_early(streaming_mock_backend):
    result = await start(streaming_mock_backend("One."))
    transcript = Transcript.of(result)
    await result.acomplete()
    assert not transcript.events


# They pass


async def test_clean_scripts_that_others_play(stream_script, streaming_mock_backend, provider_server):
    cut = stream_script("One. Two.").recut([2])
    assert "".join([text async for text in cut.play()])
    assert "".join(delta.text for delta in stream_script(Script.of("by hand")).deltas)
    await (await start(streaming_mock_backend(stream_script("Three.")))).acomplete()
    server = provider_server(stream_script("Four."))
    backend = LiveBackend("openai:m", base_url=server.openai_url)
    await (await start(backend)).acomplete()
    own = StreamingMockBackend(stream_script("Five."))
    assert own.scripts
    await asyncio.to_thread(lambda: list(stream_script("Six.").play_sync()))


@pytest.mark.streamval_allow_unplayed
def test_clean_script_by_its_marker(stream_script):
    stream_script("One.")


async def test_clean_call_too_many_expected(streaming_mock_backend):
    with pytest.raises(RuntimeError):
        await ask(streaming_mock_backend())


async def test_clean_call_too_many_expected_by_a_call(streaming_mock_backend):
    backend = streaming_mock_backend()
    with pytest.raises(RuntimeError, match="Call 1"):
        await asyncio.create_task(ask(backend))


async def test_clean_call_too_many_caught_by_name(streaming_mock_backend):
    with contextlib.suppress(ScriptExhaustedError):
        await ask(streaming_mock_backend())


async def test_clean_call_too_many_as_a_value(streaming_mock_backend):
    (error,) = await asyncio.gather(ask(streaming_mock_backend()), return_exceptions=True)
    assert [each for each in [error] if isinstance(each, ScriptExhaustedError)]


def test_clean_call_too_many_in_the_old_form(streaming_mock_backend):
    backend = streaming_mock_backend()
    pytest.raises(RuntimeError, asyncio.run, ask(backend))  # noqa: RUF061  # which is the point


async def test_clean_judge_without_a_script_in_a_transcript(streaming_mock_backend):
    result = await start(streaming_mock_backend("One."), requirements=[Requirement("is short")])
    assert_event_order(await transcribe(result), "error ScriptExhaustedError")


async def test_clean_empty_transcript_beside_one_that_is_not(streaming_mock_backend):
    transcript = await transcribe(await start(streaming_mock_backend("One.")))
    assert transcript != Transcript()


async def test_clean_empty_transcript_without_a_run(streaming_mock_backend):
    assert Transcript().text() == ""


async def test_clean_events_read_by_others(streaming_mock_backend):
    result = await start(streaming_mock_backend("One."))
    seen = [event async for event in result.events()]
    assert Transcript(seen) != Transcript()


@pytest.mark.streamval_allow_unplayed(reason="the second script is for a retry that this text does not need")
async def test_clean_by_its_marker(streaming_mock_backend):
    await (await start(streaming_mock_backend("One.", "Another."))).acomplete()


@pytest.mark.xfail(strict=True, raises=ZeroDivisionError)
async def test_clean_because_it_fails_by_itself(streaming_mock_backend):
    streaming_mock_backend("One.")
    raise ZeroDivisionError


async def test_clean_because_it_is_skipped(streaming_mock_backend):
    streaming_mock_backend("One.")
    pytest.skip("not today")
