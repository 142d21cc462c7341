"""Recordings of streams: cassettes, the recorder that writes them, record modes, matching and redaction."""
