"""A provider on loopback, as for backends alone."""

from tests.live.conftest import provider

__all__ = ["provider"]
