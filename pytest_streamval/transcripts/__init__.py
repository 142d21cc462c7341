"""Transcripts of runs, and assertions about runs."""
