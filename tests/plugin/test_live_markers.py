"""The markers of live tests, without `--streamval-live`: those of the plugin, and those of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import run

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]

OWN_MARKERS = """
[pytest]
asyncio_default_fixture_loop_scope = function
addopts = -p no:randomly
markers =
    e2e: needs a browser
    ollama(model): our own
    gpu: needs a graphics card
streamval_gate = {}
"""
TESTS = """
import pytest

@pytest.mark.e2e
def test_browser():
    pass

@pytest.mark.ollama("tiny")
def test_own():
    pass

@pytest.mark.gpu
def test_card():
    pass

@pytest.mark.e2e
def test_stream(stream_script):
    pass

@pytest.fixture
def backend(live_backend):
    return live_backend

@pytest.mark.e2e
def test_asks(backend):
    pass

@pytest.mark.e2e
class TestIt:
    def test_in_class(self):
        pass
"""


@pytest.fixture(autouse=True)
def settings(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:randomly\n")


def skipped(pytester: pytest.Pytester, *options: str) -> list[str]:
    """Return the names of the tests that were skipped."""
    result = run(pytester, "-v", *options)
    return sorted({line.split("::")[-1].split()[0] for line in result.outlines if " SKIPPED" in line and "::" in line})


def test_a_marker_of_the_project_needs_no_live_model(pytester: pytest.Pytester) -> None:
    pytester.makeini(OWN_MARKERS.format(""))
    pytester.makepyfile(TESTS)
    assert skipped(pytester) == ["test_asks", "test_stream"]


def test_a_marker_registered_in_a_conftest_needs_no_live_model(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_configure(config):\n    config.addinivalue_line('markers', 'e2e: a browser')\n")
    pytester.makepyfile(TESTS.replace('@pytest.mark.ollama("tiny")', "").replace("@pytest.mark.gpu", ""))
    assert skipped(pytester, "--strict-markers") == ["test_asks", "test_stream"]


def test_a_marker_of_the_plugin_alone_needs_a_live_model(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS.replace("@pytest.mark.gpu", ""))
    assert skipped(pytester) == ["test_asks", "test_browser", "test_in_class", "test_own", "test_stream"]


def test_streamval_gate_names_markers_of_the_project_that_need_a_live_model(pytester: pytest.Pytester) -> None:
    pytester.makeini(OWN_MARKERS.format("e2e gpu"))
    pytester.makepyfile(TESTS)
    assert skipped(pytester) == ["test_asks", "test_browser", "test_card", "test_in_class", "test_stream"]


@pytest.mark.parametrize("options", [(), ("--streamval-live", "--streamval-backend", "openai:m")])
def test_streamval_gate_rejects_a_marker_that_is_not_registered(
    pytester: pytest.Pytester, options: Sequence[str]
) -> None:
    pytester.makeini(OWN_MARKERS.format("e2"))
    pytester.makepyfile("def test_it():\n    pass\n")
    result = run(pytester, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*Invalid streamval_gate: 'e2'. It must list registered markers. Register*"])


def test_a_fixture_of_the_project_with_a_name_of_the_plugin_needs_no_live_model(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini(OWN_MARKERS.format(""))
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def council():
            return "of a town"

        @pytest.fixture
        def stream_script(stream_script):
            return stream_script

        @pytest.mark.e2e
        def test_town(council):
            assert council == "of a town"

        @pytest.mark.e2e
        def test_wrapped(stream_script):
            pass
        """
    )
    assert skipped(pytester) == ["test_wrapped"]


def test_an_example_script_always_needs_a_live_model(pytester: pytest.Pytester) -> None:
    pytester.makeini(OWN_MARKERS.format("") + "streamval_examples = *.py\n")
    pytester.makefile(".py", ask="# pytest: e2e\nraise SystemExit(1)\n")
    assert skipped(pytester) == ["ask"]


def test_a_live_run_does_not_probe_for_tests_of_the_project(pytester: pytest.Pytester) -> None:
    pytester.makeini(OWN_MARKERS.format(""))
    pytester.makepyfile(TESTS)
    result = run(
        pytester, "--streamval-live", "--streamval-backend", "openai:m", "--streamval-url", "http://127.0.0.1:1"
    )
    result.assert_outcomes(passed=4, failed=2)
    failed = [line.strip(" _") for line in result.outlines if line.startswith("___")]
    assert failed == ["test_stream", "test_asks"]
    result.stdout.fnmatch_lines(["The live backend openai:m is not available at *"])


@pytest.mark.parametrize("options", [(), ("-q",), ("-n", "1")], ids=["one process", "quiet", "a worker"])
def test_the_summary_counts_skipped_live_tests(pytester: pytest.Pytester, options: Sequence[str]) -> None:
    pytester.makepyfile(TESTS.replace("@pytest.mark.gpu", "@pytest.mark.skip(reason='broken')"))
    result = run(pytester, *options)
    assert "streamval: 5 live tests were skipped: run with --streamval-live" in result.outlines


def test_the_summary_counts_a_test_that_requests_the_backend_while_it_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(request):\n    request.getfixturevalue('live_backend')\n")
    result = run(pytester)
    assert "streamval: 1 live test was skipped: run with --streamval-live" in result.outlines


def test_the_summary_does_not_mention_live_tests_if_there_are_none(pytester: pytest.Pytester) -> None:
    pytester.makeini(OWN_MARKERS.format(""))
    pytester.makepyfile("import pytest\n\n@pytest.mark.e2e\ndef test_it():\n    pass\n")
    assert "--streamval-live" not in run(pytester).stdout.str()
