"""`streamval report`: join the parts that several machines wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import print_json, takes_json

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    report = commands.add_parser("report", help="join the parts of a report that several machines wrote")
    inner = report.add_subparsers(title="commands", required=True, metavar="COMMAND")
    merge = inner.add_parser("merge", help="write one page, or one part, of several parts")
    merge.set_defaults(parser=merge, run=_merge)
    merge.add_argument("parts", metavar="PART", nargs="+", help="what pytest --streamval-report PART.json wrote")
    merge.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="where to: report.html for a page, report.json for a part"
    )
    takes_json(merge)


def _merge(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Join parts."""
    from pytest_streamval.report.document import Report, suffix_fault

    if fault := suffix_fault(options.output):
        parser.error(f"-o {options.output} does not fit: {fault}.")
    try:
        parts = [(_name(path, options.parts), Report.load(path)) for path in options.parts]
        report = Report.merged(parts)
        report.dump(options.output)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if options.json:
        print_json(
            file=options.output, parts=len(parts), tests=len(report.tests), streams=report.streams, lost=report.lost
        )
        return 0
    plural = "" if report.streams == 1 else "s"
    print(f"{options.output}: {report.streams:,} stream{plural} of {len(parts)} part{'' if len(parts) == 1 else 's'}")
    for sentence in report.lost:
        print(f"  {sentence}")
    return 0


def _name(path: str, paths: list[str]) -> str:
    """Return what a part is called: its file's name, or all of its path where another file has the same name."""
    names = [Path(each).stem for each in paths]
    name = Path(path).stem
    return name if names.count(name) == 1 else path
