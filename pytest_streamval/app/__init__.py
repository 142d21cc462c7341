"""The application under test: a client for any ASGI application, in the event loop of the test."""
