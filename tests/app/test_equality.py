"""Each application sees the same under `app_client` and under uvicorn on a socket."""

from __future__ import annotations

import pytest

from tests.app.equal_applications import APPS
from tests.app.equal_sockets import SOCKET_APPS, SOCKET_WAYS, socket_in_app_client, socket_under_uvicorn
from tests.app.equality import PAGE, WAYS, in_app_client, row, seen, under_uvicorn

# Django receives in a task of its own. Whether that has begun at the end depends on the version of Python.
VARIES = {("Django", "at the end")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("app", APPS)
def test_an_application_sees_the_same_as_under_uvicorn(app, way):
    ours = seen(in_app_client, APPS[app], way)
    theirs = seen(under_uvicorn, APPS[app], way)
    assert ours == theirs
    assert (app, way) in VARIES or row(app, way, ours, theirs) in PAGE.read_text("utf-8")


@pytest.mark.parametrize("way", SOCKET_WAYS)
@pytest.mark.parametrize("app", SOCKET_APPS)
def test_an_application_with_a_websocket_sees_the_same_as_under_uvicorn(app, way):
    ours = seen(socket_in_app_client, SOCKET_APPS[app], way)
    theirs = seen(socket_under_uvicorn, SOCKET_APPS[app], way)
    assert ours == theirs
    assert row(app, way, ours, theirs) in PAGE.read_text("utf-8")


def test_the_page_compares_twenty_applications_in_eight_ways():
    assert len(APPS) >= 20
    assert len(WAYS) >= 8
    assert len(SOCKET_WAYS) >= 8
