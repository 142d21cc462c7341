"""Streams of a session with several attempts, replacements and held chunks."""

from __future__ import annotations

import pytest

from pytest_streamval import (
    ChatContext,
    PartialValidationResult,
    Requirement,
    assert_accepted,
    start_session,
)


class Guard(Requirement):
    """Fails "bad." and replaces "123."."""

    async def stream_validate(self, chunk, *, backend, ctx):
        if chunk == "123.":
            return PartialValidationResult("fail", replacement="***.")
        return PartialValidationResult("fail" if chunk == "bad." else "pass")


@pytest.mark.parametrize(("on_retry", "text"), [("restart", "Uno. ***."), ("continue", "One. Uno. ***.")])
async def test_a_session_remembers_the_request_and_the_released_text_of_all_attempts(
    streaming_mock_backend, caplog, on_retry, text
):
    backend = streaming_mock_backend("One. bad. Two.", "Uno. 123.")
    async with start_session(backend, ctx=ChatContext()) as session:
        run = await session.stream(
            "Go", requirements=[Guard()], holdback="0 characters", max_attempts=2, on_retry=on_retry
        )
        await run.acomplete()
        assert_accepted(run)
        assert [str(entry) for entry in session.ctx.as_list()] == ["Go", text]
    assert caplog.records == []


async def test_a_session_passes_on_the_function_that_repairs(streaming_mock_backend):
    backend = streaming_mock_backend("One. bad.", "Uno.")
    async with start_session(backend) as session:
        run = await session.stream("Go", requirements=[Guard()], max_attempts=2, repair=lambda *_: "Be good")
        await run.acomplete()
    assert str(backend.calls[1].action) == "Be good"
    assert run.full_text == "Uno."


async def test_a_session_forgets_a_stream_of_which_no_attempt_was_accepted(streaming_mock_backend):
    async with start_session(streaming_mock_backend("bad.", "bad.")) as session:
        run = await session.stream("Go", requirements=[Guard()], max_attempts=2)
        await run.acomplete()
        assert session.ctx.as_list() == []
