"""Councils: one prompt to several models, and one result."""

from pytest_streamval.council.cache import CouncilCache
from pytest_streamval.council.council import Council
from pytest_streamval.council.events import CouncilEvent, per_member
from pytest_streamval.council.members import Member
from pytest_streamval.council.results import CouncilResult, ModelAnswer
from pytest_streamval.council.scripted import CouncilFactory
from pytest_streamval.council.stream import CouncilStream

__all__ = [
    "Council",
    "CouncilCache",
    "CouncilEvent",
    "CouncilFactory",
    "CouncilResult",
    "CouncilStream",
    "Member",
    "ModelAnswer",
    "per_member",
]
