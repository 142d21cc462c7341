"""The reports of the tests in tests/data/leaks that tests/plugin/test_leaks.py expects."""

ENDS = (
    "A test must end everything that it starts, and a fixture, in its teardown, everything that it started.\n"
    'To allow this: @pytest.mark.streamval_allow_leaks(reason="..."). For a complete run: --streamval-leaks=off.'
)
FOREVER = r"at test_planted.py:\d+ in forever: await asyncio.Event\(\).wait\(\)"
AWAIT = "Await it, or cancel it and await it. asyncio.TaskGroup does this for all tasks that it starts."
READ = "Read it to its end, for instance with `await thunk.avalue()`, or `await thunk.cancel_generation()`."
CLOSE = "Use 'async with', or await acomplete() or aclose(), or read astream() to its end."
ACLOSE = "Read it in `async with contextlib.aclosing(...)`, or await its aclose()."
JOIN = "Make it end, and join() it."
CANCEL = "Keep the handle that call_later() or call_at() returns, and cancel() it."
LEAVE = "Use 'with', or call close() or, on a session, await aclose()."
# The description, the location and the advice of each leak.
PLANTED = {
    "producer": [
        (
            "an output neither read to its end nor cancelled: the answer to 'go'",
            r"its producer has sent 20 of 250 deltas and is at .*thunk.py:\d+ in ModelOutputThunk.put",
            READ,
        )
    ],
    "producer_that_has_sent_all": [
        (
            "an output neither read to its end nor cancelled: the answer to 'go'",
            "its producer has sent 4 of 4 deltas",
            READ,
        )
    ],
    "task": [("a task still pending: mine, forever()", FOREVER, AWAIT)],
    "task_that_has_not_begun": [  # asyncio.run lets it begin
        (
            r"a task (that has not begun|still pending): Task-#, forever\(\)",
            rf"({FOREVER}|at test_planted.py:\d+ in forever: async def forever\(\):)",
            AWAIT,
        )
    ],
    "task_that_nobody_keeps": [
        (
            "a task destroyed while it was pending: Task-#, forever()",
            r"of test_planted.py:\d+ in forever",
            f"An event loop does not keep its tasks. {AWAIT}",
        )
    ],
    "task_that_ignores_its_cancellation": [
        (
            r"a task still pending, although it was cancelled: Task-#, task_that_ignores.*stubborn\(\)",
            FOREVER,
            AWAIT,
        )
    ],
    "generator": [
        ("an asynchronous generator not closed: numbers()", r"at test_planted.py:\d+ in numbers: yield 1", ACLOSE)
    ],
    "generator_that_is_kept": [
        ("an asynchronous generator not closed: numbers()", r"at test_planted.py:\d+ in numbers: yield 1", ACLOSE)
    ],
    "result": [
        (
            r"a StreamChunkingResult .*: streamval run 'go'.*",
            r"(at .*run.py:\d+ in Run.drive|at .*tasks.py:\d+ in first_step|from test_planted.py:\d+ in result)",
            CLOSE,
        )
    ],
    "result_that_is_kept": [
        (
            r"a StreamChunkingResult neither .* closed: streamval run 'go', from .*:\d+ in result_that_is_kept",
            r"at .*thunk.py:\d+ in ModelOutputThunk.take_deltas",
            CLOSE,
        )
    ],
    "result_that_was_dropped": [
        (
            "a StreamChunkingResult dropped while it was running: streamval run 'go'",
            r"from test_planted.py:\d+ in result_that_was_dropped",
            CLOSE,
        )
    ],
    "output_that_was_dropped": [
        (
            r"an output dropped during its generation: streamval producer output_that_.*, output_.*produce\(\)",
            r"(of|at) test_planted.py:\d+ in output_that_was_dropped.<locals>.produce",
            "Read it to its end, or await cancel_generation().",
        )
    ],
    "thread": [
        (
            "a daemon thread still alive: mine",
            r"at test_planted.py:\d+ in thread.<locals>.<lambda>: threading.Thread\(.*",
            JOIN,
        )
    ],
    "thread_that_the_interpreter_waits_for": [
        ("a thread still alive: mine", r"at test_planted.py:\d+ in thread_that_.*<lambda>: threading.Thread\(.*", JOIN)
    ],
    "task_group": [
        (
            "a task still pending: Task-#, task_group.<locals>.parent()",
            r"at test_planted.py:\d+ in task_group.<locals>.parent: async with asyncio.TaskGroup\(\) as group:",
            AWAIT,
        ),
        ("a task still pending: Task-#, forever()", FOREVER, AWAIT),
    ],
    "validator": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "validators_of_a_run": [
        (
            r"a StreamChunkingResult neither .* closed: streamval run 'go', from .*:\d+ in validators_of_a_run",
            FOREVER,
            CLOSE,
        )
    ],
    "timeout": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "task_begun_from_a_thread": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "task_begun_in_an_executor": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "task_begun_in_an_empty_context": [("a task still pending: Task-#, forever()", FOREVER, AWAIT)],
    "timer": [("a timer that has not fired: builtins.print", r"from test_planted.py:\d+ in timer", CANCEL)],
    "timer_in_an_empty_context": [
        ("a timer that has not fired: list.clear", r"from test_planted.py:\d+ in timer_in_an_empty_context", CANCEL)
    ],
    "session": [
        (r"a Session left open: <Session open over .*>", r"opened at test_planted.py:\d+ in session", LEAVE),
    ],
    "session_of_an_output": [
        ("an output neither read to its end nor cancelled: the answer to '.*go.*'", "its producer has sent .*", READ),
    ],
    "server": [
        (r"a ProviderServer left open: <ProviderServer .*>", r"opened at test_planted.py:\d+ in server", LEAVE),
    ],
    "server_that_was_dropped": [
        ("dropped while it was open: <ProviderServer .*>", r"opened at test_planted.py:\d+ in server_that_.*", LEAVE),
    ],
}
UNUSED = {
    "test_no_script_played": (
        "A mock backend was given 2 scripts, one for each call, and was never called. Never played:\n"
        "  script 1: 'One. One. One. One. One. One. One. One. ... ne. One. One. One. One. One. One. One. '\n"
        "  script 2: 'yes'\n"
    ),
    "test_one_script_not_played": (
        "A mock backend was given 3 scripts, one for each call, and was called once. Never played:\n"
        "  script 2: 'yes'\n"
        "  script 3: 'no'\n"
    ),
    "test_a_call_too_many_swallowed": "\nCall 2 of this mock backend came from CBlock 'again', but it was given 1 ",
    "test_a_call_too_many_swallowed_in_the_test_itself": (
        "A mock backend was called too often, and the error did not reach the test: it ended at test_unplayed.py:"
    ),
    "test_a_judge_without_a_script_is_not_noticed": "came from Instruction 'Requirement: is short",
    "test_a_playback_not_read": "A playback of 'abc' was made and never read: ",
    "test_a_script_not_played": (
        "stream_script made 2 scripts for this test. Never played:\n"
        f"  '{'d' * 39} ... {'d' * 39}'\n"
        "Play each one with play() or play_sync(), or give it to a backend or a server.\n"
        "If this is intended, mark the test with @pytest.mark.streamval_allow_unplayed."
    ),
    "test_events_not_read": (
        "A transcript without events was made, and no code has read the events of\n  the run 'go': 3 events\n"
    ),
    "test_a_transcript_made_too_early": "no code has read the events of\n  the run 'go': 3 events\n",
}
