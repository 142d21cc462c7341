"""Recordings of streams: cassettes, the recorder that writes them, matching and redaction."""
