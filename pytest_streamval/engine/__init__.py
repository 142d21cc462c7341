"""The streaming validation engine."""
