"""The requests of a server, and the assertions about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors import client_stayed_error
from pytest_streamval.server.arguments import check_times
from pytest_streamval.server.request_search import requested
from pytest_streamval.server.tool_results import request_with_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_streamval.server.handler import RequestHandler
    from pytest_streamval.server.journal import Journal, ServedRequest
    from pytest_streamval.server.thread_home import Home


class ServerAssertions:
    """The requests of a server, and the assertions about them."""

    _journal: Journal
    _handler: RequestHandler
    _home: Home | None

    @property
    def requests(self) -> tuple[ServedRequest, ...]:
        """The requests so far, in the order in which they arrived. With a `journal_limit` the oldest are missing."""
        return tuple(self._journal.requests)

    def requests_after(self, number: int) -> tuple[int, Sequence[ServedRequest]]:
        """Return the number of all requests so far, and those after the first `number` that the journal still has."""
        return self._journal.after(number)

    def wait_for_requests(self, count: int, *, within: float) -> bool:
        """Wait for requests, and return whether at least `count` of them have arrived within some seconds.

        On a virtual clock, the server answers in the event loop of the test, so this does not wait.
        """
        return self._wait_for(lambda: self._journal.arrived >= count, within)

    def assert_requested(
        self,
        times: int | None = None,
        *,
        method: str | None = None,
        path: str | None = None,
        protocol: str | None = None,
        model: str | None = None,
        stream: bool | None = None,
        prompt: str | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[ServedRequest]:
        """Assert that there were requests with these properties, and return them.

        Args:
            times: The number of such requests, or None for one or more.
            method: The HTTP method.
            path: The path, without its query.
            protocol: The protocol of a request for an output.
            model: The name of the model.
            stream: Whether the client requested a stream.
            prompt: A part of the last message.
            body: Fields of the body, with their values.
            headers: Headers with their values, as in the journal.

        Raises:
            CheckFailedError: An `AssertionError`. If there was no such request, or another number of them.
            InvalidArgumentError: A `ValueError`. If `times` is not a number.
        """
        __tracebackhide__ = True
        check_times(times)
        exact = {"method": method, "protocol": protocol, "model": model, "stream": stream}
        other = {"path": path, "prompt": prompt, "body": body, "headers": headers}
        return requested(self.requests, times, exact, other)

    def assert_tool_result(self, call_id: str, text: str) -> ServedRequest:
        """Assert that a request brought the result of a tool, and return the first such request.

        Args:
            call_id: The id of the call, as in the script. For Gemini and Ollama, it may be the name of the tool.
            text: A part of the result. The result of Gemini is an object: its only text, or its JSON.

        Raises:
            CheckFailedError: An `AssertionError`. If there is no such request.
        """
        __tracebackhide__ = True
        return request_with_result(self.requests, call_id, text)

    def assert_client_disconnected(self, within: float = 0.0, *, request: int | None = None) -> None:
        """Assert that a client left in the middle of a response.

        This waits synchronously, and not at all in the event loop of the server. In an async test, await
        `client_left(within=...)` instead.

        Args:
            within: The seconds to wait.
            request: The index of the client's request, -1 for the newest, or None for any request.

        Raises:
            CheckFailedError: An `AssertionError`. If no client has left before the end of its response.
        """
        __tracebackhide__ = True

        if not self._wait_for(lambda: self._has_left(request), within):
            raise client_stayed_error(within, [repr(each) for each in self.requests])

    async def client_left(self, within: float, *, request: int | None = None) -> None:
        """Wait until a client has left in the middle of a response.

        Args:
            within: The seconds to wait, in virtual time if the server answers in this event loop.
            request: The index of the client's request, -1 for the newest, or None for any request.

        Raises:
            CheckFailedError: An `AssertionError`. If no client leaves within that time.
        """
        __tracebackhide__ = True
        if self._is_current:
            left = await self._journal.await_for(lambda: self._has_left(request), within)
        else:
            left = await self._journal.wait_in_thread(lambda: self._has_left(request), within)
        if not left:
            raise client_stayed_error(within, [repr(each) for each in self.requests])

    def _has_left(self, request: int | None) -> bool:
        requests = self.requests if request is None else self.requests[request:][:1]
        return any(each.client_disconnected for each in requests)

    def _wait_for(self, predicate: Callable[[], bool], within: float) -> bool:
        """Wait synchronously, unless that would block the event loop that has to make progress."""
        if self._is_current:
            self._handler.notice_clients_that_left()
        return self._journal.wait_for(predicate, 0.0 if self._is_current else within)

    def unstopped(self, within: float) -> Iterator[str]:
        """Yield a line for each response that is still produced, or went on after its client had left.

        Args:
            within: The seconds to wait for the end of all producers. The server's thread notices clients that leave.
        """
        self._wait_for(lambda: all(each.ended for each in self.requests), within)
        for request in self.requests:
            if request.unstopped and not (self._is_current and request.client_disconnected and not request.deltas_late):
                yield f"{request.summary}: the producer {request.unstopped}: {request!r}"

    @property
    def _is_current(self) -> bool:
        return self._home is not None and self._home.is_current
