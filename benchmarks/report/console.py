"""The table of targets on a terminal, and in Markdown for the README."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.model import Findings
from benchmarks.report.targets import FIGURES, HEADINGS, Row, Verdict, conditions, rows, summary

COLOURS: dict[Verdict, str] = {"holds": "green", "falls short": "red", "-": "dim"}


def print_targets(console: Console, findings: Sequence[Findings]) -> None:
    """Every target with its verdict, and the sum of it."""
    table = Table(title="Targets", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in FIGURES else "left")
    for row in rows(findings):
        words = (_what(row), row.measured, row.spread, row.target)
        table.add_row(*map(escape, words), f"[{COLOURS[row.verdict]}]{row.verdict}[/]")
    console.print(table)
    console.print(summary(findings), highlight=False)


def _what(row: Row) -> str:
    return f"{row.name} ({row.remark})" if row.remark else row.name


def markdown(findings: Sequence[Findings], environment: Mapping[str, object], command: str) -> str:
    """The same table for the README, with its command and environment; ends in a line break."""
    lines = [
        f"`{command}`: {conditions(environment)}.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"| {' | '.join('--:' if heading in FIGURES else '---' for heading in HEADINGS)} |",
        *(_markdown_row(row) for row in rows(findings)),
        "",
        summary(findings),
    ]
    return "\n".join(lines) + "\n"


def _markdown_row(row: Row) -> str:
    verdict = f"**{row.verdict}**" if row.verdict == "falls short" else row.verdict
    words = (_what(row), row.measured, row.spread, row.target, verdict)
    return f"| {' | '.join(word.replace('|', '&#124;').replace('<', '&lt;') for word in words)} |"
