"""Showing what came of the scenarios: tables beside the paper's Table 5, sequences, and JSON."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from scenarios.frames import mermaid
from scenarios.model import Route
from scenarios.outcome import Outcome


def environment() -> dict[str, Any]:
    """Where the times were measured."""
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "packages": {name: version(name) for name in ("websockets", "uvloop", "orjson", "jsonschema-rs")},
    }


def as_json(outcomes: Sequence[Outcome], attempts: int) -> dict[str, Any]:
    """The whole report as one document."""
    return {
        "attempts": attempts,
        "environment": environment(),
        "scenarios": [outcome.as_json() for outcome in outcomes],
    }


def print_tables(console: Console, outcomes: Sequence[Outcome], attempts: int) -> None:
    """The paper's Table 5 beside ours, then every refusal, then the sum of it."""
    console.print(_table_5([outcome for outcome in outcomes if _is_main(outcome)], attempts))
    console.print(_table_variants([outcome for outcome in outcomes if not _is_main(outcome)]))
    with_cdr = [outcome for outcome in outcomes if outcome.variant.cdr is not Route.NONE]
    came_home = sum(outcome.cdr.delivered and outcome.cdr.matches_session for outcome in with_cdr)
    numbers = {outcome.scenario.number for outcome in outcomes}
    failed = {outcome.scenario.number for outcome in outcomes if not outcome.as_expected}
    refusals = [outcome for outcome in outcomes if not _is_main(outcome)]
    console.print(
        f"{len(numbers) - len(failed)} of {len(numbers)} scenarios as expected, "
        f"{sum(outcome.as_expected for outcome in refusals)} of {len(refusals)} further variants as expected, "
        f"{came_home} of {len(with_cdr)} CDRs delivered home and equal to their sessions."
    )


def _is_main(outcome: Outcome) -> bool:
    return outcome.variant.name.startswith("accepted") or outcome.scenario.number == 5


def _table_5(outcomes: Sequence[Outcome], attempts: int) -> Table:
    table = Table(
        title=f"Authorization time at the charge point over {attempts} attempts, in ms", title_justify="left"
    )
    for column in ("scenario", "", "decision", "decided by", "CDR"):
        table.add_column(column)
    for column in ("p50", "mean", "max", "paper: model", "in-house", "industry"):
        table.add_column(column, justify="right")
    table.add_column("as expected")
    for outcome in outcomes:
        times = outcome.times()
        published = outcome.scenario.paper_ms or ("n/a",) * 3
        table.add_row(
            f"{outcome.scenario.number}: {outcome.scenario.title}",
            outcome.variant.name,
            *_decision(outcome),
            _cdr(outcome),
            *(f"{times[name]:.3f}" for name in ("p50", "mean", "max")),
            *(str(ms) for ms in published),
            _mark(outcome),
        )
    return table


def _table_variants(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Refusals, and who is offline", title_justify="left")
    for column in ("scenario", "variant", "decision", "decided by"):
        table.add_column(column)
    for column in ("p50", "max"):
        table.add_column(column, justify="right")
    table.add_column("as expected")
    table.add_column("")
    for outcome in outcomes:
        times = outcome.times()
        table.add_row(
            str(outcome.scenario.number),
            outcome.variant.name,
            *_decision(outcome),
            f"{times['p50']:.3f}",
            f"{times['max']:.3f}",
            _mark(outcome),
            outcome.variant.about,
        )
    return table


def _decision(outcome: Outcome) -> tuple[str, str]:
    return ", ".join(sorted(set(outcome.decisions))), ", ".join(sorted(outcome.decided_by))


def _cdr(outcome: Outcome) -> str:
    if not outcome.cdr.sent:
        return "-"
    return f"home, by {outcome.cdr.route}" if outcome.cdr.delivered else "not home"


def _mark(outcome: Outcome) -> str:
    return "[green]yes[/]" if outcome.as_expected else f"[red]no: {outcome.variant.status} expected[/]"


def print_traces(console: Console, outcomes: Sequence[Outcome]) -> None:
    """The message sequence of each traced visit, as a table and as a Mermaid diagram."""
    for outcome in outcomes:
        if not outcome.frames:
            continue
        title = f"Scenario {outcome.scenario.number}, {outcome.variant.name}"
        table = Table(title=title, title_justify="left")
        table.add_column("ms", justify="right")
        for column in ("from", "to", "", "action"):
            table.add_column(column)
        table.add_column("transit ms", justify="right")
        for message in outcome.frames:
            transit = "" if message.transit_ms is None else f"{message.transit_ms:.3f}"
            table.add_row(
                f"{message.at_ms:.3f}", message.sender, message.receiver, message.kind, message.action, transit
            )
        console.print(table)
        console.print(mermaid(outcome.frames), markup=False, highlight=False)
