"""`--streamval-fuzz`: every test that plays scripts, again under other cuts of the same texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import plural
from pytest_streamval.fuzzing.cuts import Cut, show_cuts
from pytest_streamval.fuzzing.failing_cuts import FailingCut
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.plugin.failing_cuts import WORKER_INPUT, failing_cuts_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pytest_streamval.scripting.script import Script

CUT_FIXTURE = "_streamval_cut"
"""The inner fixture that is parametrised, and that whatever makes streams asks for."""
SOURCES = ("streaming_mock_backend", "stream_script", "stream_cassette", "provider_server")
"""The fixtures whose streams are cut."""

_ID = re.compile(r"(?P<before>[\[-])cut~(?P<name>whole|chars|words|\d+)(?P<after>[\]-])")
_MARKER = "streamval_as_scripted"
_LISTED = 5  # tests that a line names
_SHOWN = 400  # characters of a cut that a failure shows


def variant_of(nodeid: str) -> FailingCut | None:
    """Return which test a variant belongs to and how it is cut, None for any other test.

    The id is all that is known of a test whose process has crashed.
    """
    begin = max(0, nodeid.find("::"))  # a path may look like anything
    found = _ID.search(nodeid, begin)
    return None if found is None else FailingCut(nodeid[:begin] + without_cut(nodeid[begin:]), found["name"])


def without_cut(name: str) -> str:
    """Return the name of the test as scripted, of which a variant bears the name."""

    def gap(match: re.Match[str]) -> str:
        before, after = match["before"], match["after"]
        return "" if before + after == "[]" else before if before == "[" else after if after == "]" else "-"

    return _ID.sub(gap, name)


def cuts_named(words: Sequence[str]) -> list[Cut]:
    """Return the cuts that ids on the command line name."""
    return [Cut(match["name"]) for word in words for match in _ID.finditer(word)]


_UNREACHED = pytest.StashKey[bool]()
_RECUT = pytest.StashKey[ScriptRecutter]()


def recut_for(item: pytest.Item, cut: Cut) -> ScriptRecutter:
    """Return what recuts the streams of a variant, which the report of its failure asks again."""
    return item.stash.setdefault(_RECUT, ScriptRecutter(cut))


class Variants:
    """The part of the plugin that is active under `--streamval-fuzz`."""

    def __init__(self, config: pytest.Config, count: int) -> None:
        self._count = count
        self._named = cuts_named(config.args)
        self._failures: dict[FailingCut, bool] = {}  # of those that ran, whether they failed
        self._skipped: set[FailingCut] = set()
        self._collected: set[FailingCut] = set()
        self._unreached: set[str] = set()
        self._known = failing_cuts_of(config)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401  # pytest-xdist may not be there
        """Hand a worker the cuts that are known: all workers, late ones too, have to collect the same variants."""
        node.workerinput[WORKER_INPUT] = self._known.to_lists()

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Add the variants of a test behind the test as scripted: those known to fail, then others."""
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
        """Note the variants, of which `--collect-only` runs none."""
        self._collected.update(filter(None, (variant_of(item.nodeid) for item in session.items)))

    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        """Note a test that takes a stream and has no variants, although it is not marked."""
        is_cut = fixturedef.argname != CUT_FIXTURE or hasattr(request, "param")
        if not is_cut and request.node.get_closest_marker(_MARKER) is None:
            request.node.stash[_UNREACHED] = True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show below a failure how the streams were cut, and how to cut them so again."""
        report = yield
        recut = item.stash.get(_RECUT, None)
        if recut is not None and report.failed:
            report.sections.append((f"streamval: cut~{recut.cut.name}", _explained(item, recut.scripts)))
        if report.when == "teardown" and item.stash.get(_UNREACHED, False):
            report.__dict__["streamval_unreached"] = True  # for the controller of pytest-xdist, which has no items
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note which cuts failed, and keep them.

        A variant fails in any phase, or in one of its subtests, or with its process. It is one variant all the same.
        """
        if hasattr(report, "streamval_unreached"):
            self._unreached.add(report.nodeid)
        variant = variant_of(report.nodeid)
        if variant is None:
            return
        if report.failed:
            self._failures[variant] = True
            self._known.keep(variant)
        elif report.when == "call":
            self._failures.setdefault(variant, False)
            if report.skipped:
                self._skipped.add(variant)

    def pytest_sessionfinish(self) -> None:
        """Forget the cuts under which a test passes now."""
        for variant in self._mended():
            self._known.drop(variant)

    def _mended(self) -> list[FailingCut]:
        return [
            variant
            for variant in self._known.known
            if self._failures.get(variant) is False and variant not in self._skipped
        ]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was fuzzed, or that nothing was."""
        for line in self._lines(only_collected=terminalreporter.config.getoption("collectonly")):
            terminalreporter.write_line(f"streamval: {line}")
        if again := len(self._failures.keys() & set(self._known.known)):
            passing = f"{len(self._mended()):,} of them pass now"
            terminalreporter.write_line(f"streamval: {again:,} that had failed before came first, {passing}")
        if self._known.trouble:
            terminalreporter.write_line(f"streamval: not all failing cuts are kept in {self._known.trouble}")

    def _lines(self, *, only_collected: bool) -> Iterator[str]:
        ran = self._collected if only_collected else self._failures
        if ran:
            variants = f"{plural(len(ran), 'variant')} of {plural(len({each.test for each in ran}), 'test')}"
            yield f"{variants} {'collected' if only_collected else f'ran, {sum(self._failures.values()):,} failed'}"
        elif self._count:
            sources = f"{', '.join(SOURCES[:-1])} or {SOURCES[-1]}"
            yield f"nothing was fuzzed: no variant ran of a test that takes its stream from {sources}"
        else:
            yield "the variant that was asked for did not run"
        if self._unreached:
            tests = sorted(self._unreached)
            more = f" and {len(tests) - _LISTED:,} more" if len(tests) > _LISTED else ""
            yield (
                f"{plural(len(tests), 'test')} could not be fuzzed: {', '.join(tests[:_LISTED])}{more}. Only a test "
                "function that names its fixtures as arguments has variants; a scenario of pytest-bdd, a doctest, a "
                "unittest.TestCase and request.getfixturevalue() ask for them while the test runs"
            )


def _explained(item: pytest.Item, scripts: Sequence[Script]) -> str:
    lines = []
    for script in scripts:
        pieces = [delta.text for delta in script.deltas]
        lines += [f"The stream was cut as  {show_cuts(pieces, _SHOWN)}", f"The same as a script:  {_source(script)}"]
    lines += [
        f"To run it again:       pytest '{item.nodeid}'",
        f"If what is expected depends on the cut on purpose, mark the test with @pytest.mark.{_MARKER}.",
    ]
    return "\n".join(lines)


def _source(script: Script) -> str:
    """Return the expression that makes a script."""
    if len(script.steps) > 1 and all(isinstance(step, str) and len(step) == 1 for step in script.steps):
        return f"Script.from_text({script.text!r})"
    return f"Script.of({', '.join(map(repr, script.steps))})"
