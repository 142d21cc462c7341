"""Conformance kits: checks of the contracts of chunking strategies and backends, usable without pytest."""

from pytest_streamval.conformance.backends import check_backend
from pytest_streamval.conformance.chunkers import check_chunker

__all__ = ["check_backend", "check_chunker"]
