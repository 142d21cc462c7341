"""The failing cuts of a run of pytest: from its option, its ini value, or the controller of pytest-xdist."""

from __future__ import annotations

import pytest

from pytest_streamval.errors import MissingExtraError
from pytest_streamval.fuzzing.failing_cut_database import FailingCut, FailingCuts, without_password

OPTION = "--streamval-fuzz-db"
WORKER_INPUT = "streamval_failing_cuts"
"""The key of the failing cuts in the input of a worker of pytest-xdist, as all workers collect the same tests."""

_INI = "streamval_fuzz_db"


def failing_cuts_of(config: pytest.Config) -> FailingCuts:
    """Return the failing cuts of a run. A worker receives them from its controller.

    Raises:
        pytest.UsageError: If the database cannot be used.
    """
    sent = getattr(config, "workerinput", {}).get(WORKER_INPUT)
    if sent is not None:
        return FailingCuts(FailingCut(*each) for each in sent)
    place, base = config.getoption(OPTION), config.invocation_params.dir
    if place is None:
        place, base = config.getini(_INI), config.rootpath
    try:
        return FailingCuts.load(place, root=config.rootpath, base=base)
    except MissingExtraError as error:
        raise pytest.UsageError(str(error)) from error
    except ConnectionError as error:
        msg = (
            f"{OPTION} {without_password(place)} cannot be used: {error} It must be the address of a running Redis, "
            "such as redis://localhost:6379/0, or a directory."
        )
        raise pytest.UsageError(msg) from error
    except OSError as error:
        msg = (
            f"{OPTION} {base / place} cannot be used: {error.strerror}. It must be a directory that can be written, or "
            "a Redis such as redis://localhost:6379/0. Without the option, failing cuts are kept in "
            ".hypothesis/examples below the root."
        )
        raise pytest.UsageError(msg) from error
