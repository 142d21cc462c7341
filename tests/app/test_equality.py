"""Each application sees the same under `app_client` and under uvicorn on a socket."""

from __future__ import annotations

import pytest

from tests.app.equality import APPS, PAGE, WAYS, in_app_client, seen, under_uvicorn


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("app", APPS)
def test_an_application_sees_the_same_as_under_uvicorn(app, way):
    ours = seen(in_app_client, APPS[app], way)
    assert ours == seen(under_uvicorn, APPS[app], way)
    assert f"| {app} | {way} |" in PAGE.read_text("utf-8")
    assert f"| {ours.task} | {', '.join(ours.own) or 'nothing'} | {ours.client} | the same |" in PAGE.read_text("utf-8")
