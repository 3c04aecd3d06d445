"""report.csv and the raw samples: what a researcher loads in one line.

`pandas.read_csv("report.csv")`: long form, one line a figure. A target is a line of the table `targets`; every
other table has one line a cell, so that `query("table == ...").pivot(index="row", columns="column",
values="value")` is the table again.

`pandas.read_csv("samples/<experiment>-<name>.csv.gz")`: one line a sample, in full precision.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.model import Cell, Estimate, Findings, Table, Target


class Line(NamedTuple):
    """One line of report.csv; a field that has no meaning on it is empty."""

    experiment: str
    table: str
    """Its title, or `targets`."""
    row: int
    """Of the table, from 1."""
    label: Cell
    """What stands first in the row."""
    column: str
    value: float | None = None
    """The figure, the median of an estimate."""
    low: float | None = None
    high: float | None = None
    text: str = ""
    """The cell's, where it is not a figure; the target's remark."""
    target: float | None = None
    at_most: bool | None = None
    holds: bool | None = None


def report_csv(findings: Sequence[Findings]) -> str:
    """All targets and all cells of all tables."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(Line._fields)
    for found in findings:
        writer.writerows(_target(row, found.experiment, target) for row, target in enumerate(found.targets, 1))
        for table in found.tables:
            writer.writerows(_cells(found.experiment, table))
    return written.getvalue()


def _target(row: int, experiment: str, target: Target) -> Line:
    value, low, high = target.measured or (None, None, None)
    return Line(
        *(experiment, "targets", row, target.name, "measured", value, low, high, target.remark),
        target=target.bound,
        at_most=None if target.bound is None else target.at_most,
        holds=target.holds,
    )


def _cells(experiment: str, table: Table) -> Iterator[Line]:
    for number, row in enumerate(table.rows, 1):
        first = row[0] if row else None
        label = first.median if isinstance(first, Estimate) else first
        for column, cell in zip(table.columns, row, strict=True):
            line = Line(experiment, table.title, number, label, column)
            match cell:
                case None:
                    yield line
                case str():
                    yield line._replace(text=cell)
                case Estimate(median=median, low=low, high=high):
                    yield line._replace(value=median, low=low, high=high)
                case _:
                    yield line._replace(value=cell)


def write_samples(path: Path, columns: Sequence[str], samples: Iterable[Sequence[float]]) -> None:
    """One set of raw samples as compressed CSV; the same samples make the same bytes.

    Args:
        path: of the file.
        columns: the names of what a sample holds.
        samples: one row each.
    """
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(samples)
