"""Adapters that give each contender the same functions. A module is imported only if its contender is installed.

An engine's module has `passing()` and `failing_at(chunk)`, which make a requirement, and coroutine functions of
`(source, chunking, requirements)`:

- `run` goes to the end in the cheapest way. It takes a `variant` too, which is another way to drive the engine:
  `"backend"` puts the deltas of an asynchronous iterator as the engine's real backends do, `"double"` plays them as the
  backend's double in the tests of the engine's own project, and `"events"` requests events if they are extra.
- `read` goes to the end and takes all chunks, and `unread` goes to the end without a reader. Both return the object
  that a user keeps.
- `first` returns after the reader got its first chunk. Awaiting its result ends the run.

A splitter's module has `split(pieces) -> list[str]`, and `STREAMING`, whether it takes a text in pieces.
"""
