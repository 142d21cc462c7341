"""Cuts of texts, and the search for a cut that changes a result."""
