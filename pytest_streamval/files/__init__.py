"""Files: writing that is complete or not at all, and reading of data that may be hostile."""
