"""Streams made visible: a page of a run's streams, a picture of a failed test's stream, and the timelines of both.

Loaded if a test streams or a report is requested. Each module imports its own dependencies.
"""
