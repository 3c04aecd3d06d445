"""report.json: everything that was found, for programs. Raw samples lie in files of their own.

`targets` has one object a target: `name`, `measured` (the median, or null), `spread` (low and high, or null),
`target` (the bound, or null), `at_most`, `holds` (true, false, or null where there is nothing to hold),
`remark` and `experiment`. `experiments` has the rest of the findings, by the names of `benchmarks.model`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from benchmarks.model import Cell, Chart, Estimate, Findings, Table, Target


def document(findings: Sequence[Findings], environment: Mapping[str, object], command: str) -> dict[str, Any]:
    """The whole report as one object.

    Args:
        findings: one an experiment.
        environment: see `benchmarks.environment.environment`.
        command: what was typed to get them.
    """
    return {
        "command": command,
        "environment": dict(environment),
        "targets": [_target(target, found.experiment) for found in findings for target in found.targets],
        "experiments": [_experiment(found) for found in findings],
    }


def as_bytes(report: Mapping[str, Any]) -> bytes:
    """As JSON; what is neither a number nor a text is written in its own words, NaN and infinity as null."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(report, option=option | orjson.OPT_SERIALIZE_NUMPY, default=str)


def _target(target: Target, experiment: str) -> dict[str, Any]:
    measured = target.measured
    return {
        "name": target.name,
        "measured": None if measured is None else measured.median,
        "spread": None if measured is None else [measured.low, measured.high],
        "target": target.bound,
        "at_most": target.at_most,
        "holds": target.holds,
        "remark": target.remark,
        "experiment": experiment,
    }


def _experiment(found: Findings) -> dict[str, Any]:
    return {
        "experiment": found.experiment,
        "about": found.about,
        "settings": dict(found.settings),
        "notes": list(found.notes),
        "tables": [_table(table) for table in found.tables],
        "charts": [_chart(chart) for chart in found.charts],
        "samples": {
            "columns": list(found.sample_columns),
            "counts": {name: len(samples) for name, samples in found.samples.items()},
        },
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": list(table.columns),
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
        "note": table.note,
    }


def _cell(cell: Cell) -> str | float | dict[str, float] | None:
    return cell._asdict() if isinstance(cell, Estimate) else cell


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "name": chart.name,
        "title": chart.title,
        "x_label": chart.x_label,
        "y_label": chart.y_label,
        "kind": chart.kind,
        "log_x": chart.log_x,
        "log_y": chart.log_y,
        "series": [
            {
                "label": series.label,
                "x": list(series.x),
                "y": list(series.y),
                "low": None if series.low is None else list(series.low),
                "high": None if series.high is None else list(series.high),
            }
            for series in chart.series
        ],
    }
