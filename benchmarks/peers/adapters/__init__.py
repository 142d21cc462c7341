"""Each contender behind the same few functions; a module here is imported only where its contender is installed.

An engine's module has `passing()` and `failing_at(chunk)`, which make a requirement, and coroutine functions of
`(source, chunking, requirements)`:

- `run` goes to the end the cheapest way. It takes a `variant` too, another way to drive the engine: `"backend"` has
  the deltas of an asynchronous iterator handed over as the engine's real backends do it, `"double"` plays them as the
  double of a backend does that the engine's own project tests with, `"events"` asks for events where they are extra.
- `read` goes to the end and takes all chunks, `unread` with nobody reading; what they return is what a user keeps.
- `first` returns with the first chunk in the reader's hands; awaiting what it returns ends the run.

A splitter's module has `split(pieces) -> list[str]`, and `STREAMING`, whether it takes a text in pieces.
"""
