"""The fixture `event_snapshot`: a snapshot of syrupy, for everything that has one obvious text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pytest
from syrupy.assertion import DiffMode, SnapshotAssertion
from syrupy.location import PyTestLocation

from pytest_streamval.errors import InvalidArgumentError, missing_plugin_error
from pytest_streamval.plugin.snapshot_extension import WIDTH, TranscriptSnapshotExtension, session_of
from pytest_streamval.plugin.snapshot_text import Filters, readable, text_of
from pytest_streamval.plugin.variant_ids import is_variant, scripted_id, scripted_name

if TYPE_CHECKING:
    from syrupy.types import PropertyFilter, SerializedData

_WRITTEN = pytest.StashKey[set[str]]()  # the snapshots that tests as scripted have compared in this process


class EventSnapshot(SnapshotAssertion):
    """The type of the fixture `event_snapshot`. It equals a run, events or a page that have not changed."""

    subset = False
    """Whether other lines may lie between those of the snapshot."""
    in_any_order: PropertyFilter | None = None
    """The filter of events that may change places with their neighbours."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._of_earlier_examples: set[str] | None = None
        if isinstance(self.extension, TranscriptSnapshotExtension):
            self.extension.registered = True

    def __call__(
        self,
        *,
        subset: bool | None = None,
        in_any_order: PropertyFilter | None = None,
        **options: Any,  # noqa: ANN401  # those of syrupy
    ) -> Self:
        """Return this snapshot with other options for one comparison.

        Args:
            subset: Whether other lines may lie before, between and after those of the snapshot. A new snapshot has all
                lines. Delete those that do not matter.
            in_any_order: A filter of syrupy. It is called with the name of the class of each event, and returns whether
                the event may change places with neighbours for which it returns True, too.
            options: The options of syrupy: `name`, `exclude`, `include`, `matcher`, `extension_class` and `diff`.
        """
        super().__call__(**options)
        for name, value in (("subset", subset), ("in_any_order", in_any_order)):
            if value is not None:
                self._post_assert_actions.append(partial(setattr, self, name, getattr(self, name)))
                setattr(self, name, value)
        return self

    def with_defaults(
        self,
        *,
        subset: bool | None = None,
        in_any_order: PropertyFilter | None = None,
        **options: Any,  # noqa: ANN401  # as above
    ) -> EventSnapshot:
        """Return another snapshot of the test, with other options for all comparisons. The arguments are as above."""
        made: Any = super().with_defaults(**options)
        made.subset = self.subset if subset is None else subset
        made.in_any_order = in_any_order or self.in_any_order
        return made  # type: ignore[no-any-return]  # of this class

    def __eq__(self, other: object) -> bool:
        """Compare with the snapshot, and write it if an option of syrupy requests that.

        A variant is compared with the snapshot of the test as scripted.
        """
        try:
            self._prepare_extension()
            other = readable(other)
        except Exception:
            self._post_assert()  # resets the name that was given for this comparison
            raise
        location = self.extension.get_location(test_location=self.test_location, index=self.index)
        written = self.session.pytest_session.stash.setdefault(_WRITTEN, set())
        if not is_variant(self.test_location.item):
            written.add(location)
        elif location not in written and self.session.update_snapshots:
            pytest.skip("the test as scripted updates the snapshot; run again without --snapshot-update")
        return self._compared_with_earlier_examples(location, other)

    __hash__ = None  # type: ignore[assignment]  # equal objects of other types have other hashes

    def __repr__(self) -> str:
        return f"<event_snapshot of {self.test_location.snapshot_name}>"

    def begin_example(self) -> None:
        """Count the comparisons of a test from the first one again, as each example of Hypothesis has the same."""
        self._executions = 0
        self._execution_name_index.clear()
        if self._of_earlier_examples is None:
            self._of_earlier_examples = set()

    def get_assert_diff(self, *, diff_mode: DiffMode = DiffMode.DETAILED) -> list[str]:
        """Return the lines that pytest shows below a comparison that failed."""
        lines = super().get_assert_diff(diff_mode=diff_mode)
        last = self.executions[self.num_executions - 1]
        if last.recalled_data is None and last.exception is None:
            lines[0] += " Run pytest with --snapshot-update to write it."
        return lines

    def _prepare_extension(self) -> None:
        """Give the options of this comparison to the extension."""
        if isinstance(self.extension, TranscriptSnapshotExtension):
            config = self.session.pytest_session.config
            self.extension.width = None if config.get_verbosity(config.VERBOSITY_ASSERTIONS) > 1 else WIDTH
            self.extension.subset = self.subset
            self.extension.in_any_order = self.in_any_order
        elif self.subset:
            name = type(self.extension).__name__
            rule = f"It needs TranscriptSnapshotExtension or a subclass, which compares lines, in place of {name}."
            raise InvalidArgumentError("subset", "True", rule)

    def _serialize(self, data: Any) -> SerializedData:  # noqa: ANN401  # as in syrupy
        """Return the text of compared data. An extension of another kind receives this text."""
        extension, filters = self.extension, Filters(self._exclude, self._include, self._matcher, self.in_any_order)
        if isinstance(extension, TranscriptSnapshotExtension):
            return extension.serialize(data, exclude=self._exclude, include=self._include, matcher=self._matcher)
        text = text_of(data, filters)
        try:
            return extension.serialize(text)
        except TypeError:  # of an extension for bytes
            return extension.serialize(text.encode())

    def _compared_with_earlier_examples(self, location: str, data: object) -> bool:
        """Compare with the snapshot. Of several examples of Hypothesis, only the first one writes it."""
        earlier = self._of_earlier_examples
        options = self.update_snapshots, self.update_new_snapshots_only
        if earlier is not None and location in earlier:
            self.update_snapshots = self.update_new_snapshots_only = False
        try:
            return self._assert(data)
        finally:
            self.update_snapshots, self.update_new_snapshots_only = options
            if earlier is not None:
                earlier.add(location)


class _ScriptedLocation(PyTestLocation):
    """The place of a variant's snapshots, which are those of the test as scripted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = scripted_name(self.item)
        object.__setattr__(self, "nodename", name)  # a frozen dataclass sets its fields in this way
        object.__setattr__(self, "testname", name)

    @property
    def nodeid(self) -> str:
        return scripted_id(self.item)


def event_snapshot_of(request: pytest.FixtureRequest) -> EventSnapshot:
    """Return the snapshot of a test. A variant never writes it."""
    config = request.config
    if not config.pluginmanager.hasplugin("syrupy"):
        raise missing_plugin_error("event_snapshot", "syrupy", "'syrupy>=7'")
    scripted = not is_variant(request.node)
    return EventSnapshot(
        session=session_of(config),
        extension_class=TranscriptSnapshotExtension,
        test_location=(PyTestLocation if scripted else _ScriptedLocation)(request.node),
        update_snapshots=config.option.update_snapshots and scripted,
        update_new_snapshots_only=config.option.update_new_snapshots_only and scripted,
    )
