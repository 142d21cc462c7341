"""The page: one file, with its style, its script and its data in it, that asks no network for anything."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_streamval.report.timeline import OUTCOMES

if TYPE_CHECKING:
    from pytest_streamval.report.document import Report

_STYLE = ("page.css",)
_SCRIPT = ("words.js", "stream.js", "page.js")  # parts of one script, in this order
# What could end the element that the data is in, or begin another; escaped as JSON allows.
_MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def page_of(report: Report, *, title: str = "Streams") -> str:
    """Return the page that shows a report.

    Args:
        report: what it shows, in its order.
        title: of the page.
    """
    loader = PackageLoader("pytest_streamval.report", "page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    style, script = (_source(environment, loader, *names) for names in (_STYLE, _SCRIPT))
    tests = [entry.facts() for entry in report.tests]
    return environment.get_template("page.html").render(
        title=title,
        report=report,
        style=style,
        style_hash=_digest(style),
        script=script,
        script_hash=_digest(script),
        data=_data({"outcomes": OUTCOMES, "tests": tests}),
    )


def _source(environment: Environment, loader: PackageLoader, *names: str) -> Markup:
    sources = (loader.get_source(environment, name)[0] for name in names)
    return Markup("\n".join(sources))  # noqa: S704  # files of this package


def _digest(source: str) -> str:
    """Return what names a style or script in the page's content security policy: nothing else in it is obeyed."""
    return f"sha256-{b64encode(sha256(source.encode()).digest()).decode()}"


def _data(value: dict[str, Any]) -> Markup:
    """Return values as JSON that no character of can be taken for markup."""
    return Markup(json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_MARKUP))  # noqa: S704  # it is escaped
