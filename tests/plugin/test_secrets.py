"""The ini value `streamval_secrets`, and secrets in the reports of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_streamval.http.secrets.key_shapes import own_patterns
from pytest_streamval.http.secrets.secret_names import own_names
from tests.plugin.runs import run

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

KEY = "planted-Key-0123456789-abc"


def test_the_secrets_of_the_ini_file_are_redacted_in_recordings(pytester: pytest.Pytester) -> None:
    secrets = "x-tenant", r"acme-\d{4}", "NORTH_PIN"
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nstreamval_secrets =\n"
        + "\n".join(f"    {s}" for s in secrets)
    )
    pytester.makepyfile(
        """
        from pytest_streamval.http.request import HttpRequest
        from pytest_streamval.http.secrets import Secrets, keys_in_environment

        def test_it(monkeypatch):
            monkeypatch.setenv("NORTH_PIN", "from-the-environment")
            request = HttpRequest("http://h/", b'{"x-tenant": "wing of north"}', {"X-Tenant": "another wing"})
            secrets = Secrets.of(request, keys_in_environment())
            assert secrets.text("wing of north, another wing, acme-1234, from-the-environment") == ", ".join(
                ["[redacted]"] * 4
            )
            assert secrets.content(request.body, {}) == {"x-tenant": "[redacted]"}
        """
    )
    run(pytester).assert_outcomes(passed=1)
    assert (own_names, own_patterns) == (set(), [])


def test_an_invalid_pattern_in_the_ini_file_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nstreamval_secrets = acme-(\n")
    result = run(pytester)
    result.stderr.fnmatch_lines(["*Invalid streamval_secrets: 'acme-('. It must be a name, such as x-tenant, *"])


def test_a_report_and_a_failure_show_no_key_that_a_model_repeated(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", KEY)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\n")
    pytester.makepyfile(
        """
        import os
        from pytest_streamval import Script, SimpleContext, stream_with_chunking

        async def test_it(streaming_mock_backend):
            key = os.environ["PLANTED_API_KEY"]
            script = Script.of("It is ", key[:9], key[9:], ". Bye. ", *"sk-proj-", "Abc0123456789xyzABC")
            backend = streaming_mock_backend(script)
            async with stream_with_chunking("Hi " + key, backend, SimpleContext()) as run:
                async for _ in run.astream():
                    pass
            raise ValueError("after the stream")
        """
    )
    result = run(pytester, "--streamval-report=it.json", "--tb=short", "--show-capture=no")
    result.assert_outcomes(failed=1)
    report = (pytester.path / "it.json").read_text()
    assert KEY not in report
    assert "sk-proj-" not in report
    [test] = json.loads(report)["tests"]
    text = "".join(test["streams"][0]["texts"])
    assert text == f"It is {'*' * len(KEY)}. Bye. {'*' * 27}"
    assert test["streams"][0]["asked"].endswith("[redacted]")
    assert KEY[:9] not in result.stdout.str()
    result.stdout.fnmatch_lines(["*[*][*][*]. Bye. *"])
