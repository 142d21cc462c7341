"""The page of a report: one file with its style, its script and its data in it, which loads nothing else."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_streamval.errors import harmless, plural
from pytest_streamval.files.typed_json import to_json
from pytest_streamval.report.timeline import OUTCOMES

if TYPE_CHECKING:
    from pytest_streamval.report.document import Report

_SCRIPTS = ("words.js", "stream.js", "page.js")  # parts of one script, in this order
# Characters that could end the element around the data, or begin another one. JSON allows these escapes.
_MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def page_of(report: Report, *, title: str = "Streams") -> str:
    """Return the page that shows a report.

    Args:
        report: The report. The page keeps its order.
        title: The title of the page.
    """
    loader = PackageLoader("pytest_streamval.report", "page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["plural"] = plural
    style, *scripts = (loader.get_source(environment, name)[0] for name in ("page.css", *_SCRIPTS))
    script = "\n".join(scripts)
    data = to_json({"outcomes": OUTCOMES, "tests": report.tests}).translate(_MARKUP)
    return environment.get_template("page.html").render(
        title=harmless(title),
        lost=[harmless(sentence) for sentence in report.lost],
        report=report,
        style=Markup(style),  # noqa: S704  # a file of this package
        style_hash=_script_hash(style),
        script=Markup(script),  # noqa: S704  # files of this package
        script_hash=_script_hash(script),
        data=Markup(data),  # noqa: S704  # it is escaped
    )


def _script_hash(source: str) -> str:
    """Return the hash by which the page's content security policy allows a style or a script, and no other."""
    return f"sha256-{b64encode(sha256(source.encode()).digest()).decode()}"
