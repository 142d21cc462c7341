"""Small ASGI applications, written by hand."""

from __future__ import annotations

import asyncio
from functools import wraps

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path

PLAIN = [(b"content-type", b"text/plain")]
SSE = [(b"content-type", b"text/event-stream")]
urlpatterns = []  # of Django, which finds them in its ROOT_URLCONF


def start(headers=PLAIN, status=200):
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: str | bytes, *, more: bool = True):
    return {
        "type": "http.response.body",
        "body": data.encode() if isinstance(data, str) else data,
        "more_body": more,
    }


def http_only(app):
    """Return an application without a lifespan."""

    @wraps(app)
    async def without_lifespan(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        return await app(scope, receive, send)

    return without_lifespan


def streaming(*pieces, headers=PLAIN, seen=None):
    """Return an application that sends pieces, and sleeps for numbers."""

    @http_only
    async def app(scope, receive, send):
        await send(start(headers))
        for piece in pieces:
            if isinstance(piece, int | float):
                await asyncio.sleep(piece)
            else:
                await send(body(piece))
                if seen is not None:
                    seen.append((piece, asyncio.get_running_loop().time()))
        await send(body("", more=False))

    return app


def events(*data, headers=SSE, seconds=0):
    """Return an application that sends server-sent events."""
    pieces = [part for each in data for part in (f"data: {each}\n\n", seconds)]
    return streaming(*pieces, headers=headers)


def django_app(view):
    """Return the application of Django with one view."""
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None)
        django.setup()
    urlpatterns[:] = [path("", view)]
    return get_asgi_application()
