"""`streamval report merge`: join the parts of a report that several machines wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import add_json_option, print_json, print_text

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    report = commands.add_parser("report", help="join the parts of a report that several machines wrote")
    inner = report.add_subparsers(title="commands", required=True, metavar="COMMAND")
    merge = inner.add_parser("merge", help="write one page, or one part, from several parts")
    merge.set_defaults(parser=merge, run=_merge)
    merge.add_argument("parts", metavar="PART", nargs="+", help="a file that pytest --streamval-report PART.json wrote")
    output = "the file to write: report.html for a page, report.json for a part"
    merge.add_argument("-o", "--output", metavar="FILE", required=True, help=output)
    add_json_option(merge)


def _merge(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Join parts."""
    from pytest_streamval.errors import plural
    from pytest_streamval.report.document import Report
    from pytest_streamval.report.write import SUFFIX_RULE, has_suffix_of_report, write_report

    output, paths = options.output, options.parts
    if not has_suffix_of_report(output):
        parser.error(f"Invalid -o: {output!r}. {SUFFIX_RULE.capitalize()}.")
    try:
        parts = [(_name(path, paths), Report.load(path)) for path in paths]
        report = Report.merged(parts)
        write_report(report, output)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if options.json:
        print_json(file=output, parts=len(parts), tests=len(report.tests), streams=report.streams, lost=report.lost)
        return 0
    print_text(f"{output}: {plural(report.streams, 'stream')} of {plural(len(parts), 'part')}")
    for sentence in report.lost:
        print_text(f"  {sentence}")
    return 0


def _name(path: str, paths: list[str]) -> str:
    """Return the name of a part: the stem of its file, or the complete path if another file has the same stem."""
    names = [Path(each).stem for each in paths]
    name = Path(path).stem
    return name if names.count(name) == 1 else path
