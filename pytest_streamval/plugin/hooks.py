"""The hooks of the plugin, in the order in which pytest calls them: options, collection, tests, reports.

Every run in an environment with this plugin loads this module. It imports only pytest and cheap modules of the standard
library. Each hook imports its other dependencies when an option or a test needs them.
"""

from __future__ import annotations

import functools
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.plugin.fixtures import GUARDED, OURS
from pytest_streamval.plugin.options import LIVE_MARKERS, add_options, configure, live_marker_names
from pytest_streamval.scripting.stall_hook import limits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_streamval.errors import StallTimeoutError

_COLLECTOR = "streamval-collecting"  # the name of the plugin that observes streams


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini values."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and the plugins that the options request."""
    configure(config)
    limit = functools.partial(_limited_stall, config)
    limits.append(limit)
    config.add_cleanup(functools.partial(limits.remove, limit))
    if modules := config.getini("streamval_script_imports"):
        _allow_imports(config, modules)
    if config.getoption("--streamval-live"):
        from pytest_streamval.plugin.live import LIVE_RUN, LiveRun

        config.stash[LIVE_RUN] = live_run = LiveRun(config)
        config.pluginmanager.register(live_run, "streamval-live")
    else:
        _refuse_backend(config)
    _register_variants(config)
    _register_cancellation(config)
    if config.getoption("--streamval-report"):
        _register_report(config)
    if any(config.getoption(f"--streamval-{name}") for name in ("fuzz", "report", "live")):
        _add_summary(config)
    if hasattr(config, "workerinput"):
        from pytest_streamval.engine.telemetry.traces import continue_trace

        continue_trace(config.workerinput)


def _limited_stall(config: pytest.Config, silence: asyncio.Future[None], place: str) -> AbstractContextManager[None]:
    from pytest_streamval.plugin.stall_limit import limited

    return limited(config, silence, place)


def _allow_imports(config: pytest.Config, modules: list[str]) -> None:
    from pytest_streamval.scripting.named_exceptions import allowed_modules

    for module in modules:
        allowed_modules.append(module)
        config.add_cleanup(functools.partial(allowed_modules.remove, module))


def _register_variants(config: pytest.Config) -> None:
    count: int = config.getoption("--streamval-fuzz")
    if count < 0:
        raise pytest.UsageError(f"Invalid --streamval-fuzz: {count}. It must be a number of cuts, 0 or more.")
    is_last = any(getattr(config.option, name, False) for name in ("lf", "failedfirst"))
    if count or is_last or any("cut-" in word for word in [*config.args, config.option.keyword or ""]):
        from pytest_streamval.plugin.fuzzing import register_fuzzing

        register_fuzzing(config, count)
    if not is_last and not config.pluginmanager.hasplugin("streamval-variants"):
        if config.getoption("--streamval-fuzz-db") is not None:
            raise pytest.UsageError(
                "--streamval-fuzz-db is for runs with other cuts. Add --streamval-fuzz 20, or use the ini value "
                "streamval_fuzz_db, which other runs ignore."
            )
        if config.getoption("--streamval-fuzz-each"):
            raise pytest.UsageError("--streamval-fuzz-each is for runs with other cuts. Add --streamval-fuzz 20.")


def _register_cancellation(config: pytest.Config) -> None:
    count: int = config.getoption("--streamval-cancel")
    if count < 0:
        raise pytest.UsageError(f"Invalid --streamval-cancel: {count}. It must be a number of places, 0 or more.")
    if count and config.getoption("--streamval-fuzz"):
        raise pytest.UsageError(
            "--streamval-cancel and --streamval-fuzz repeat the tests each in its own way. Use one."
        )
    is_last = any(getattr(config.option, name, False) for name in ("lf", "failedfirst"))
    if count or is_last or any("cancel-" in word for word in [*config.args, config.option.keyword or ""]):
        from pytest_streamval.plugin.cancel_runs import CancelRuns, requested_steps

        if count or requested_steps(config):
            config.pluginmanager.register(CancelRuns(config, count), "streamval-cancel")


def _refuse_backend(config: pytest.Config) -> None:
    """Refuse the options that an offline run would ignore."""
    for name in ("backend", "url"):
        if config.getoption(f"--streamval-{name}") is not None:
            raise pytest.UsageError(
                f"--streamval-{name} is for runs with a live model. Add --streamval-live, or use the ini value "
                f"streamval_{name}, which other runs ignore."
            )


def _register_report(config: pytest.Config) -> None:
    """Observe all streams, and write the report in the process that receives the reports of all tests."""
    from pytest_streamval.errors import InvalidFileError
    from pytest_streamval.plugin.collecting import StreamCollector
    from pytest_streamval.plugin.report import ReportWriter

    config.pluginmanager.register(StreamCollector(GUARDED, for_page=True), _COLLECTOR)
    if not hasattr(config, "workerinput"):
        try:
            config.pluginmanager.register(ReportWriter(config.getoption("--streamval-report")), "streamval-report")
        except InvalidFileError as error:
            raise pytest.UsageError(str(error)) from error


def _add_summary(config: pytest.Config) -> None:
    from pytest_streamval.plugin.stream_summary import add_summary

    add_summary(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401  # a worker of pytest-xdist
    """Prepare for the reports of a worker, whose fixtures this process does not see, and send it the current trace."""
    from pytest_streamval.engine.telemetry.traces import hand_trace_on

    _add_summary(node.config)
    hand_trace_on(node.workerinput)


def pytest_report_header(config: pytest.Config) -> str:
    """Return the settings that affect streams."""
    backend = "offline"
    if config.getoption("--streamval-live"):
        from pytest_streamval.plugin.live import LIVE_RUN

        backend = f"live, {config.stash[LIVE_RUN].chosen.spec}"
    fuzz, record = config.getoption("--streamval-fuzz"), config.getoption("--streamval-record")
    return (
        f"streamval: {backend}, cassettes: {'replayed' if record == 'none' else f'recorded ({record})'}, "
        f"fuzz: {fuzz or 'off'}, clock: virtual in tests that request it"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect example scripts: files of the ini value `streamval_examples` that have a header."""
    patterns = parent.config.getini("streamval_examples")
    if not patterns or file_path.suffix != ".py":
        return None
    from pytest_streamval.plugin.examples import example_file

    return example_file(file_path, parent, patterns)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Guard and observe the tests that use this plugin's fixtures, and skip live tests in an offline run."""
    for item in items:
        names = getattr(item, "fixturenames", None)
        if names is not None and "virtual_clock" not in names and item.get_closest_marker("streamval_clock"):
            names.insert(0, "virtual_clock")
    if not all(GUARDED.isdisjoint(getattr(item, "fixturenames", ())) for item in items):
        from pytest_streamval.plugin.guards import guards_of

        guards_of(config, GUARDED)
        if not config.pluginmanager.hasplugin(_COLLECTOR):
            from pytest_streamval.plugin.collecting import StreamCollector

            config.pluginmanager.register(StreamCollector(GUARDED, for_page=False), _COLLECTOR)
        _add_summary(config)
        _find_unused_cassettes(config, items)
    if not config.getoption("--streamval-live"):
        _skip_live(config, items)


def _find_unused_cassettes(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Find the cassettes without a test, if the run has all tests of their files."""
    is_part = any("::" in word for word in config.args) or getattr(config.option, "lf", False)
    if not is_part and any("stream_cassette" in getattr(item, "fixturenames", ()) for item in items):
        from pytest_streamval.plugin.cassettes import unused_recordings
        from pytest_streamval.plugin.stream_summary import report_unused

        report_unused(config, unused_recordings(items, config.invocation_params.dir))


def _skip_live(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that need a live model. Deselecting them would make syrupy report their snapshots as unused."""
    names = live_marker_names(config)
    marked = [item for item in items if any(mark.name in names for mark in item.iter_markers())]
    if not marked and names == [*LIVE_MARKERS]:
        return
    from pytest_streamval.plugin.live_markers import HOW_TO_RUN, LiveMarkers

    markers = LiveMarkers(config)
    for item in marked:
        if (name := markers.marker_of(item)) is not None:
            _add_summary(config)
            need = LIVE_MARKERS.get(name, "needs a live model")
            item.add_marker(pytest.mark.skip(reason=f"{need}: {HOW_TO_RUN}"))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before Hypothesis checks the fixtures
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test with a scripted stall that reached its time limit, even if the code under test caught the error."""
    __tracebackhide__ = True
    try:
        with _given_test(item):
            result = yield
    except BaseException as error:
        for stall in _ended_stalls():
            if stall is not error:
                error.add_note(str(stall))
        raise
    for stall in _ended_stalls():
        raise stall.with_traceback(None)
    return result


def _given_test(item: pytest.Item) -> AbstractContextManager[None]:
    """Return the context of a test with `@given` that uses fixtures of this plugin."""
    is_given = hasattr(getattr(item, "obj", None), "hypothesis")
    if not is_given or OURS.isdisjoint(getattr(item, "fixturenames", ())):
        return nullcontext()
    from pytest_streamval.plugin.given_tests import given_test

    return given_test(item)


def _ended_stalls() -> list[StallTimeoutError]:
    module = sys.modules.get("pytest_streamval.plugin.stall_limit")  # loaded if a script has stalled
    return [] if module is None else module.take_ended()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remove the frames of this package from the traceback of a failure, and make the text of models in it harmless."""
    if call.excinfo is not None and str(call.excinfo.value).startswith("ScopeMismatch"):
        from pytest_streamval.plugin.scope_mismatch import add_advice

        add_advice(call.excinfo.value, OURS)
    spans = sys.modules.get("pytest_streamval.engine.telemetry.client_spans")
    if spans is not None and call.when == "teardown":
        spans.end_open_spans()  # of pages whose event loop ended before them
    is_used = call.excinfo is not None and "pytest_streamval.errors" in sys.modules
    if is_used:
        from pytest_streamval.plugin.tracebacks import shorten_tracebacks

        shorten_tracebacks()
    report = yield
    if is_used:
        from pytest_streamval.plugin.harmless_output import clean_report

        clean_report(report, item.config)
    return report


def pytest_assertrepr_compare(
    config: pytest.Config,
    op: str,
    left: Any,  # noqa: ANN401  # the operands of any comparison
    right: Any,  # noqa: ANN401  # as above
) -> list[str] | None:
    """Return the lines around the first difference of two transcripts."""
    module = sys.modules.get("pytest_streamval.transcripts.transcript")  # loaded if there are any transcripts
    if module is None or op != "==" or not (type(left) is type(right) is module.Transcript):
        return None
    unlimited = {"width": None} if config.get_verbosity(config.VERBOSITY_ASSERTIONS) > 1 else {}
    head = "the transcripts differ; + marks lines of the left side of ==, - lines of the right side:"
    return [head, *left.difference(right, **unlimited)]
