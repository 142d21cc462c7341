"""Sessions: the methods with which an application asks a backend."""

from pytest_streamval.session.outputs import wait_for_all_mots
from pytest_streamval.session.session import Session
from pytest_streamval.session.start import start_session

__all__ = ["Session", "start_session", "wait_for_all_mots"]
