"""A real browser: Debian's Chromium, or the browser that the variable CHROMIUM names."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pytest_streamval.report.write import write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_streamval.report.document import Report

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")  # an event loop runs until it is closed
def browser() -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(
            f"These tests need a browser, and none of {', '.join(NAMES)} is on the path. Install one, on Debian with "
            "apt-get install chromium, or name one in the variable CHROMIUM.",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        # root in a container cannot create the namespaces of the sandbox; the pages are our own
        arguments = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the page of a report in a window without network, and fail on any complaint."""
    complaints: list[str] = []
    contexts = []

    def opened(report: Report, **options: object) -> Page:
        write_report(report, tmp_path / "report.html")
        context = browser.new_context(viewport={"width": 1000, "height": 800}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: request.url.startswith("file:") or complaints.append(request.url))
        page.goto((tmp_path / "report.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
