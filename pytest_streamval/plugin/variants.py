"""`--streamval-fuzz`: the variants of each test that plays scripts, under other cuts of the same content."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.plugin.failing_cuts_option import WORKER_INPUT
from pytest_streamval.plugin.variant_ids import CUT_FIXTURE, cut_of, cuts_in, id_of_cut, name_in, split_id

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_streamval.fuzzing.failing_cut_database import FailingCuts

SOURCES = ("streaming_mock_backend", "stream_script", "stream_cassette", "provider_server", "app_client")
"""The fixtures whose streams are cut."""
AS_SCRIPTED = "streamval_as_scripted"
"""The marker of tests without variants."""


class Variants:
    """The plugin that adds the variants to the collected tests."""

    def __init__(self, count: int, requested: RequestedCuts, known: FailingCuts) -> None:
        """Create the plugin.

        Args:
            count: The number of variants of each test.
            requested: The cuts whose variants are requested by their ids.
            known: The cuts that are known to fail. They count within the number.
        """
        self._count = count
        self._known = known
        self._requested = requested

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401  # a worker of pytest-xdist
        """Send the known cuts to a worker, because all workers have to collect the same variants."""
        node.workerinput[WORKER_INPUT] = self._known.to_lists()

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Add as many variants as a test may need. Their cuts are chosen for each set of parameters."""
        if CUT_FIXTURE not in metafunc.fixturenames or not set(SOURCES).intersection(metafunc.fixturenames):
            return
        if metafunc.definition.get_closest_marker(AS_SCRIPTED) is not None:
            return
        cuts = Cut.first(self._count + self._requested.most_of(metafunc.definition.name))
        ids = [pytest.HIDDEN_PARAM, *(id_of_cut(cut.name) for cut in cuts)]
        metafunc.parametrize(CUT_FIXTURE, [None, *cuts], ids=ids, indirect=True)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, object, object]:
        """Give the variants of each test their cuts: known ones that fail, those of the order, requested ones."""
        collected = yield
        return list(self._with_cuts(collected)) if isinstance(collected, list) else collected

    def _with_cuts(self, items: list[Any]) -> Iterator[Any]:
        cuts: Iterator[Cut] = iter(())
        for item in items:
            callspec = getattr(item, "callspec", None)
            if callspec is None or CUT_FIXTURE not in callspec.params:
                yield item
            elif cut_of(item) is None:
                cuts = iter(self._cuts_of(item))
                yield item
            elif (cut := next(cuts, None)) is not None:
                yield item if cut == cut_of(item) else _with_cut(item, cut)

    def _cuts_of(self, item: pytest.Item) -> list[Cut]:
        known = self._known.of_test(item.nodeid) if self._count else []
        fuzzed = dict.fromkeys([*known[: self._count], *Cut.first(self._count)])
        return list(dict.fromkeys([*list(fuzzed)[: self._count], *self._requested.of_test(item)]))


class RequestedCuts:
    """The cuts whose variants are requested by their ids: as arguments, with -k, or as the last failures."""

    def __init__(self, config: pytest.Config) -> None:
        self._of_all = [Cut(name) for name in cuts_in(getattr(config.option, "keyword", "") or "")]
        self._of_tests: dict[str, dict[str, list[Cut]]] = {}
        for nodeid in [*config.args, *_last_failed(config)]:
            if (parts := split_id(nodeid)) is not None:
                name = name_in(parts[0])
                tests = self._of_tests.setdefault(name.partition("[")[0], {})
                tests.setdefault(name, []).append(Cut(parts[1]))

    def __bool__(self) -> bool:
        return bool(self._of_all or self._of_tests)

    def most_of(self, function: str) -> int:
        """Return the largest number of cuts of one test of a function."""
        of_tests = self._of_tests.get(function, {}).values()
        return len(self._of_all) + max((len({*cuts}) for cuts in of_tests), default=0)

    def of_test(self, item: pytest.Item) -> list[Cut]:
        """Return the cuts of a test as scripted."""
        function = item.name.partition("[")[0]
        return [*self._of_tests.get(function, {}).get(item.name, ()), *self._of_all]


def _last_failed(config: pytest.Config) -> list[str]:
    """Return the ids of the tests that failed last, if the options request them."""
    cache = getattr(config, "cache", None)
    is_requested = any(getattr(config.option, name, False) for name in ("lf", "failedfirst"))
    return list(cache.get("cache/lastfailed", {})) if is_requested and cache is not None else []


def _with_cut(item: Any, cut: Cut) -> Any:  # noqa: ANN401  # a function as pytest or a plugin collects it
    """Return a variant like another one, with its own cut and id."""
    callspec = item.callspec
    old = id_of_cut(callspec.params[CUT_FIXTURE].name)
    names = [id_of_cut(cut.name) if name == old else name for name in callspec._idlist]
    callspec = replace(callspec, params={**callspec.params, CUT_FIXTURE: cut}, _idlist=names)
    return type(item).from_parent(
        item.parent,
        name=f"{item.originalname}[{callspec.id}]",
        callspec=callspec,
        fixtureinfo=item._fixtureinfo,
        keywords={callspec.id: True},
        originalname=item.originalname,
    )


# The cuts of a running test


_RECUTTER = pytest.StashKey[ScriptRecutter]()
_TRIAL = pytest.StashKey[tuple[Cut | None, ...]]()


def set_trial(item: pytest.Item, *cuts: Cut | None) -> None:
    """Set the cuts of the next run of a variant, as the arguments of `ScriptRecutter`."""
    item.stash[_TRIAL] = cuts


def begin_recutting(item: pytest.Item, cut: Cut) -> ScriptRecutter:
    """Return the recutter for a run of a variant.

    Args:
        item: The test.
        cut: The cut of the variant, which applies unless a trial sets others.
    """
    item.stash[_RECUTTER] = recutter = ScriptRecutter(*item.stash.get(_TRIAL, (cut,)))
    return recutter


def forget_recutter(item: pytest.Item) -> None:
    """Forget the streams of an earlier run, whose pieces of text take more memory than the test itself."""
    if _RECUTTER in item.stash:
        del item.stash[_RECUTTER]


def recutter_of(item: pytest.Item) -> ScriptRecutter | None:
    """Return the recutter of a running variant. It keeps everything that it has cut."""
    return item.stash.get(_RECUTTER, None)
