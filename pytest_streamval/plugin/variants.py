"""`--streamval-fuzz`: the variants of each test that plays scripts, under other cuts of the same texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import listed, plural
from pytest_streamval.fuzzing.cuts import Cut, show_cuts
from pytest_streamval.fuzzing.failing_cuts import FailingCut
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.plugin.failing_cuts import WORKER_INPUT, failing_cuts_of
from pytest_streamval.plugin.harmless_output import write_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from pytest_streamval.scripting.script import Script

CUT_FIXTURE = "_streamval_cut"
"""The fixture that is parametrised with the cuts. Every fixture of a stream uses it."""
SOURCES = ("streaming_mock_backend", "stream_script", "stream_cassette", "provider_server")
"""The fixtures whose streams are cut."""

_ID = re.compile(r"(?P<before>[\[-])cut~(?P<name>whole|chars|words|\d+)(?P<after>[\]-])")
_MARKER = "streamval_as_scripted"
_MANY = 200  # variants from which progress is shown
_STEPS = 10  # lines of progress in a run
_LISTED = 5  # tests that a line names
_SHOWN = 400  # characters of a cut that a failure shows
_UNREACHED = "streamval_unreached"  # an attribute of the last report of a test that could not be fuzzed


def variant_of(nodeid: str) -> FailingCut | None:
    """Return the test and the cut of a variant, None for any other test.

    The id has to say it, because pytest-xdist reports nothing else of a test whose process has crashed.
    """
    begin = max(0, nodeid.find("::"))  # a path may contain anything
    found = _ID.search(nodeid, begin)
    return None if found is None else FailingCut(nodeid[:begin] + without_cut(nodeid[begin:]), found["name"])


def without_cut(name: str) -> str:
    """Return the name of a variant's test as scripted. Any other name is returned as it is."""

    def separator(match: re.Match[str]) -> str:
        before, after = match["before"], match["after"]
        return "" if before + after == "[]" else before if before == "[" else after if after == "]" else "-"

    return _ID.sub(separator, name)


_RECUTTER = pytest.StashKey[ScriptRecutter]()


def recutter_of(item: pytest.Item, cut: Cut) -> ScriptRecutter:
    """Return the recutter of a variant's streams. It keeps the scripts for the report of a failure."""
    return item.stash.setdefault(_RECUTTER, ScriptRecutter(cut))


class Variants:
    """The plugin that is registered under `--streamval-fuzz`. It adds the variants, and counts them."""

    def __init__(self, config: pytest.Config, count: int) -> None:
        self._config = config
        self._count = count
        self._named = [Cut(match["name"]) for word in config.args for match in _ID.finditer(word)]
        self._collected: set[FailingCut] = set()
        self._failures: dict[FailingCut, bool] = {}  # the variants that ran, and whether they failed
        self._skipped: set[FailingCut] = set()
        self._unreached: set[str] = set()
        self._known = failing_cuts_of(config)

    # Collection

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401  # a worker of pytest-xdist
        """Send the known cuts to a worker, because all workers have to collect the same variants."""
        node.workerinput[WORKER_INPUT] = self._known.to_lists()

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Add the variants after the test as scripted: first the cuts that are known to fail, then others."""
        if CUT_FIXTURE not in metafunc.fixturenames or not set(SOURCES).intersection(metafunc.fixturenames):
            return
        if metafunc.definition.get_closest_marker(_MARKER) is not None:
            return
        known = self._known.of_function(metafunc.definition.nodeid) if self._count else []
        others = [cut for cut in Cut.first(self._count + len(known)) if cut not in known][: self._count]
        cuts = list(dict.fromkeys([*known, *others, *self._named]))
        ids = [pytest.HIDDEN_PARAM, *(f"cut~{cut.name}" for cut in cuts)]
        metafunc.parametrize(CUT_FIXTURE, [None, *cuts], ids=ids, indirect=True)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the variants that were collected."""
        self._collect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note the variants that a worker has collected, which are those of every worker."""
        self._collect(ids)

    def _collect(self, ids: Iterable[str]) -> None:
        self._collected.update(filter(None, map(variant_of, ids)))

    # Reports

    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        """Mark a test that takes a stream but has no variants, unless a marker asks for that."""
        is_cut = fixturedef.argname != CUT_FIXTURE or hasattr(request, "param")
        if not is_cut and request.node.get_closest_marker(_MARKER) is None:
            request.node.stash[_IS_UNREACHED] = True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show the cut below a failure, and the command that repeats it."""
        report = yield
        recutter = item.stash.get(_RECUTTER, None)
        if recutter is not None and report.failed:
            report.sections.append((f"streamval: cut~{recutter.cut.name}", _explanation(item, recutter.scripts)))
        if report.when == "teardown" and item.stash.get(_IS_UNREACHED, False):
            report.__dict__[_UNREACHED] = True  # the controller of pytest-xdist has no items
        return report

    @pytest.hookimpl(trylast=True)  # after pytest has printed the outcome, before a line of progress
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a variant, and keep its cut if it failed.

        A variant counts once: several of its phases and subtests may fail, or its process may crash.
        """
        if hasattr(report, _UNREACHED):
            self._unreached.add(report.nodeid)
        variant = variant_of(report.nodeid)
        if variant is None or not (report.failed or report.when == "call"):
            return
        is_new = variant not in self._failures
        if report.failed:
            self._failures[variant] = True
            self._known.keep(variant)
        else:
            self._failures.setdefault(variant, False)
            if report.skipped:
                self._skipped.add(variant)
        if is_new:
            self._show_progress()

    def _show_progress(self) -> None:
        variants, ran = len(self._collected), len(self._failures)
        if variants >= _MANY and ran % (variants // _STEPS) == 0 and self._config.get_verbosity() >= 0:
            terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
            if terminal is not None:
                terminal.write(f"\nstreamval: {ran:,} of {variants:,} variants, {self._failed:,} failed\n", flush=True)

    @property
    def _failed(self) -> int:
        return sum(self._failures.values())

    # The end of the run

    def pytest_sessionfinish(self) -> None:
        """Forget the cuts under which a test passes now."""
        for variant in self._fixed():
            self._known.drop(variant)

    def _fixed(self) -> list[FailingCut]:
        """Return the known cuts under which a test has passed in this run."""
        passed = {variant for variant, failed in self._failures.items() if not failed} - self._skipped
        return [variant for variant in self._known.known if variant in passed]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the number of variants, or that there were none."""
        for line in self._lines(only_collected=terminalreporter.config.getoption("collectonly")):
            write_line(terminalreporter, f"streamval: {line}")

    def _lines(self, *, only_collected: bool) -> Iterator[str]:
        found = self._collected if only_collected else self._failures
        if found:
            variants = f"{plural(len(found), 'variant')} of {plural(len({each.test for each in found}), 'test')}"
            yield f"{variants} {'collected' if only_collected else f'ran, {self._failed:,} failed'}"
        elif self._count:
            sources = f"{', '.join(SOURCES[:-1])} or {SOURCES[-1]}"
            yield f"nothing was fuzzed: no variant ran. A test has variants if it takes its stream from {sources}"
        else:
            yield "the requested variant did not run"
        if self._unreached:
            tests = f"{plural(len(self._unreached), 'test')} could not be fuzzed"
            yield (
                f"{tests}: {listed(sorted(self._unreached), _LISTED)}. "
                "Only a test function that has its fixtures as arguments has variants. A scenario of pytest-bdd, a "
                "doctest, a unittest.TestCase and request.getfixturevalue() request them while the test runs"
            )
        if repeated := len(self._failures.keys() & set(self._known.known)):
            passing = f"{len(self._fixed()):,} of them pass now"
            yield f"{repeated:,} that had failed before came first, {passing}"
        if self._known.trouble:
            yield f"not all failing cuts are kept in {self._known.trouble}"


_IS_UNREACHED = pytest.StashKey[bool]()


def _explanation(item: pytest.Item, scripts: Sequence[Script]) -> str:
    lines = []
    for script in scripts:
        pieces = [delta.text for delta in script.deltas]
        lines += [f"The stream was cut as  {show_cuts(pieces, _SHOWN)}", f"The same as a script:  {_source(script)}"]
    lines += [
        f"To run it again:       pytest '{item.nodeid}'",
        f"If the expected result depends on the cut, mark the test with @pytest.mark.{_MARKER}.",
    ]
    return "\n".join(lines)


def _source(script: Script) -> str:
    """Return the expression that makes a script."""
    if len(script.steps) > 1 and all(isinstance(step, str) and len(step) == 1 for step in script.steps):
        return f"Script.from_text({script.text!r})"
    return f"Script.of({', '.join(map(repr, script.steps))})"
