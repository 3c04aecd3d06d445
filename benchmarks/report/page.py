"""report.html: one file, readable for ever: its style and its charts are inside, and it runs nothing.

In the order in which a sceptic asks: what was run and where, what was promised and what came of it, then each
experiment with how it was done, what to mind, tables and charts.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from string import Template

from benchmarks.model import Cell, Chart, Estimate, Findings, Table
from benchmarks.report.numbers import NOTHING, cell, number, spread
from benchmarks.report.style import CSS
from benchmarks.report.targets import FIGURES, HEADINGS, Row, conditions, rows, summary

PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Benchmark report</title>
<style>
$css</style>
</head>
<body>
<h1>Benchmark report</h1>
<p class="faint">$conditions</p>
<nav><ul>
$contents
</ul></nav>
<section id="run">
<h2>What was run, and where</h2>
<p><code>$command</code></p>
$environment
</section>
<section id="targets">
<h2>Targets</h2>
<p>$summary</p>
$targets
</section>
$experiments
</body>
</html>
""")

EXPERIMENT = Template("""\
<section id="experiment-$anchor">
<h2>$name</h2>
<p>$about</p>
$notes
$tables
$charts
$settings
</section>
""")


def page(
    findings: Sequence[Findings],
    environment: Mapping[str, object],
    command: str,
    drawn: Mapping[tuple[str, str], str],
) -> str:
    """The whole page.

    Args:
        findings: one an experiment.
        environment: see `benchmarks.environment.environment`.
        command: what was typed to get them.
        drawn: the SVG documents, by the names of experiment and chart.
    """
    anchors = [("run", "What was run, and where"), ("targets", "Targets")]
    anchors += [(f"experiment-{_anchor(found.experiment)}", found.experiment) for found in findings]
    return PAGE.substitute(
        css=CSS,
        conditions=escape(conditions(environment)),
        contents=_items(f'<a href="#{anchor}">{escape(title)}</a>' for anchor, title in anchors),
        command=escape(command),
        environment=_pairs(environment),
        summary=escape(summary(findings)),
        targets=_targets(rows(findings)),
        experiments="".join(_experiment(found, drawn) for found in findings),
    )


def _experiment(found: Findings, drawn: Mapping[tuple[str, str], str]) -> str:
    return EXPERIMENT.substitute(
        anchor=_anchor(found.experiment),
        name=escape(found.experiment),
        about=escape(found.about),
        notes=_list(escape(note) for note in found.notes),
        tables="\n".join(map(_table, found.tables)),
        charts="\n".join(_figure(chart, drawn[found.experiment, chart.name], found) for chart in found.charts),
        settings=f"<h3>Settings</h3>\n{_pairs(found.settings)}" if found.settings else "",
    )


def _anchor(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


# --- tables -----------------------------------------------------------------------------------------------


def _targets(shown: Iterable[Row]) -> str:
    body = "\n".join(_target(row) for row in shown)
    head = "".join(f"<th{_class(heading in FIGURES)}>{heading}</th>" for heading in HEADINGS)
    return _grid(head, body)


def _target(row: Row) -> str:
    remark = f'<br><span class="faint">{escape(row.remark)}</span>' if row.remark else ""
    where = f'<a href="#experiment-{_anchor(row.experiment)}">{escape(row.name)}</a>{remark}'
    figures = "".join(f'<td class="number">{escape(text)}</td>' for text in row[1:4])
    known = "" if row.verdict == NOTHING else f' class="{_anchor(row.verdict)}"'
    verdict = f"<td{known}>{row.verdict}</td>"
    return f"<tr><td>{where}</td>{figures}{verdict}</tr>"


def _table(table: Table) -> str:
    numeric = [_is_numeric(column) for column in zip(*table.rows, strict=True)] or [False] * len(table.columns)
    head = "".join(
        f"<th{_class(right)}>{escape(name)}</th>" for name, right in zip(table.columns, numeric, strict=True)
    )
    body = "\n".join(
        f"<tr>{''.join(_cell(value, right) for value, right in zip(row, numeric, strict=True))}</tr>"
        for row in table.rows
    )
    return f"<h3>{escape(table.title)}</h3>\n{_grid(head, body, table.note)}"


def _is_numeric(column: Sequence[Cell]) -> bool:
    return not any(isinstance(value, str) for value in column)


def _class(right: bool) -> str:  # noqa: FBT001 - a column is one or the other
    return ' class="number"' if right else ""


def _cell(value: Cell, right: bool) -> str:  # noqa: FBT001 - as above
    shown = escape(cell(value))
    if isinstance(value, Estimate):
        shown = f'{number(value.median)} <span class="faint">{spread(value)}</span>'
    return f"<td{_class(right)}>{shown}</td>"


def _grid(head: str, body: str, note: str = "") -> str:
    caption = f"<caption>{escape(note)}</caption>\n" if note else ""
    parts = f"{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="wide"><table>\n{parts}\n</table></div>'


def _pairs(settings: Mapping[str, object]) -> str:
    body = "\n".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_words(value))}</td></tr>" for name, value in settings.items()
    )
    return f'<div class="wide"><table>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _words(value: object) -> str:
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
        case list() | tuple():
            return ", ".join(map(_words, value))
        case _:
            return str(value)


def _list(items: Iterable[str]) -> str:
    listed = _items(items)
    return f"<ul>\n{listed}\n</ul>" if listed else ""


def _items(items: Iterable[str]) -> str:
    return "\n".join(f"<li>{item}</li>" for item in items)


# --- charts -----------------------------------------------------------------------------------------------


def _figure(chart: Chart, svg: str, found: Findings) -> str:
    prefix = f"{_anchor(found.experiment)}-{_anchor(chart.name)}-"
    return f'<figure role="img" aria-label="{escape(chart.title)}">\n{inline(svg, prefix)}</figure>'


def inline(svg: str, prefix: str) -> str:
    """An SVG document as an element of a page: without its prologue, its ids told apart from other charts'.

    Args:
        svg: as `benchmarks.report.charts.svg` writes it.
        prefix: for every id, and for what refers to it.
    """
    element = svg[svg.index("<svg") :]
    return re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}", element)
