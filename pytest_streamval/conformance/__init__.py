"""Conformance kits: what a chunking strategy and a backend have to keep, checked without pytest."""

from pytest_streamval.conformance.backends import check_backend
from pytest_streamval.conformance.chunkers import check_chunker

__all__ = ["check_backend", "check_chunker"]
