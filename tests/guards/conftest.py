"""The fixture of the tests of guards."""

import functools
from contextlib import ExitStack

import pytest

from pytest_streamval.guards import Guard
from pytest_streamval.guards.tracking import current, install


@pytest.fixture
def guard(request, monkeypatch):
    with ExitStack() as undo:
        install(undo)
        guard = Guard(lambda: ())
        undo.callback(guard.close)
        test = request.node.obj

        @functools.wraps(test)
        def entered(**fixtures):
            # here, because the guards of this session, if it has any, set another tracker
            with ExitStack() as left:
                left.callback(current.reset, current.set(guard.test))
                test(**fixtures)

        monkeypatch.setattr(request.node, "obj", entered)
        yield guard
