"""The documentation of events, as `help()` shows it."""

import pydoc
from dataclasses import fields

import pytest

import pytest_streamval

EVENTS = [
    each for name in dir(pytest_streamval) if name.endswith("Event") and (each := getattr(pytest_streamval, name))
]


@pytest.mark.parametrize("event", [each for each in EVENTS if each is not pytest_streamval.StreamEvent])
def test_help_describes_every_field_of_an_event(event):
    shown = pydoc.plain(pydoc.render_doc(event))
    for field in fields(event):
        assert f"{field.name}: " in shown.partition("Attributes:")[2].partition("Method resolution")[0]


def test_help_of_a_retry_says_which_runs_emit_it():
    assert "Only runs with `max_attempts` above 1 emit it" in pytest_streamval.RetryEvent.__doc__
