"""Writing a report into its folder.

report.html     for people
report.json     for programs
report.csv      for researchers, with samples/<experiment>-<name>.csv.gz
charts/         <experiment>-<name>.svg and .png
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.model import Findings
from benchmarks.report import charts
from benchmarks.report.document import as_bytes, document
from benchmarks.report.flat import report_csv, write_samples
from benchmarks.report.page import page


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the parts of a report lie."""

    html: Path
    json: Path
    csv: Path
    charts: tuple[Path, ...]
    samples: tuple[Path, ...]


def write(
    folder: Path, findings: Sequence[Findings], environment: Mapping[str, object], command: str
) -> ReportPaths:
    """Write the whole report; what an earlier one left under the same names is overwritten.

    Args:
        folder: made, if it is not there.
        findings: one an experiment; no two of one name, nor two charts or samples of one name in an experiment.
        environment: see `benchmarks.environment.environment`.
        command: what was typed to get the findings.

    Raises:
        OSError: a file cannot be written.
        ValueError: two charts or samples would share a file.
    """
    html, json, flat = (folder / f"report.{ending}" for ending in ("html", "json", "csv"))
    for place in ("charts", "samples"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    # the data first: should a chart fail, the measurements of an hour are on the disk
    json.write_bytes(as_bytes(document(findings, environment, command)))
    samples = _write_samples(folder / "samples", findings)
    flat.write_text(report_csv(findings), encoding="utf-8")
    drawn, pictures = _write_charts(folder / "charts", findings)
    html.write_text(page(findings, environment, command, drawn), encoding="utf-8")
    return ReportPaths(html, json, flat, pictures, samples)


def _write_charts(
    folder: Path, findings: Sequence[Findings]
) -> tuple[dict[tuple[str, str], str], tuple[Path, ...]]:
    """The SVG documents by the names of experiment and chart, for the page, and all files."""
    keyed = [((found.experiment, chart.name), chart) for found in findings for chart in found.charts]
    file_names = _file_names([key for key, _ in keyed])
    drawn, paths = {}, []
    for key, chart in keyed:
        drawn[key] = charts.svg(chart)
        vector, picture = folder / f"{file_names[key]}.svg", folder / f"{file_names[key]}.png"
        vector.write_text(drawn[key], encoding="utf-8")
        picture.write_bytes(charts.png(chart))
        paths += [vector, picture]
    return drawn, tuple(paths)


def _write_samples(folder: Path, findings: Sequence[Findings]) -> tuple[Path, ...]:
    keys = [(found.experiment, name) for found in findings for name in found.samples]
    file_names = _file_names(keys)
    paths = []
    for found in findings:
        for name, samples in found.samples.items():
            path = folder / f"{file_names[found.experiment, name]}.csv.gz"
            write_samples(path, found.sample_columns, samples)
            paths.append(path)
    return tuple(paths)


def _file_names(keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """For experiment and name; letters outside ASCII and all that a file system may mind become dashes."""
    names = [re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(key)) for key in keys]
    if len(set(names)) < len(names):
        raise ValueError(f"two of these would share a file: {sorted(keys)}")
    return dict(zip(keys, names, strict=True))
