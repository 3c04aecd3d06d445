"""A run on the terminal: the paper's tables beside its published column, then the rest and its failures."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargepoint_model.conformance.model import Finding, Scenario, Verdict
from chargepoint_model.conformance.scoring import Columns, columns, rates, tallies

HEADINGS = ("SteVe (published)", "semantic", "literal")

PARTS = {
    "paper": "the paper's cases",
    "generated": "generated, Core profile",
    "profiles": "generated, optional profiles",
    "frames": "frames",
    "behaviour": "behaviour",
    "own": "the charge point's own messages",
}


def show(console: Console, findings: Sequence[Finding], target: str) -> None:
    """Print everything that a person wants to know of a run."""
    console.print(f"[bold]OCPP 1.6 message conformance of {escape(target)}[/]")
    paper = columns(findings)
    if paper is not None:
        for table in (_table_2(paper), _table_3(paper), _table_4(paper)):
            console.print(table)
        _differences(console, findings)
    console.print(_summary(findings))
    _list(console, "Failed", (one for one in findings if one.semantic is Verdict.FAIL))
    _list(console, "Passed, with another error code", (one for one in findings if one.code is Verdict.FAIL))
    _list(
        console,
        "Passed, but",
        (one for one in findings if one.semantic is Verdict.PASS and one.code is not Verdict.FAIL and one.why),
    )
    skipped = sorted({one.why for one in findings if one.semantic is Verdict.SKIP})
    for why in skipped:
        console.print(f"Skipped: {escape(why)}")


# --- the paper's tables -------------------------------------------------------------------------------------


def _table_2(paper: Columns) -> Table:
    table = Table("OCPP message", "Test case scenario", *HEADINGS, title="Table 2. Results of the evaluation")
    computed = [rates(results) for results in paper]
    before = ""
    for action, scenario in paper.published:
        if action != before:
            shares = [_rate(rate.by_action[action]) for rate in computed]
            table.add_row(f"[bold]{action}[/]", "[dim]failure rate[/]", *shares)
            before = action
        table.add_row("", scenario.value, *(_word(results[action, scenario]) for results in paper))
    counts = [f"{sum(results.values())} of {len(results)}" for results in paper]
    table.add_section()
    table.add_row("[bold]PASS[/]", "", *counts)
    table.add_row("[bold]FAIL[/]", "", *(f"{rate.overall:.0%}" for rate in computed))
    return table


def _table_3(paper: Columns) -> Table:
    table = Table("Test case scenario", *HEADINGS, title="Table 3. Failure rate by test case scenario")
    computed = [rates(results) for results in paper]
    for scenario in Scenario:
        table.add_row(scenario.value, *(_rate(rate.by_scenario[scenario.value]) for rate in computed))
    return table


def _table_4(paper: Columns) -> Table:
    table = Table(
        "Scenario classification", *HEADINGS, title="Table 4. Failure rate by scenario classification"
    )
    computed = [rates(results) for results in paper]
    for name in ("positive", "negative"):
        table.add_row(f"the {name} scenario", *(_rate(rate.by_class[name]) for rate in computed))
    return table


def _word(passed: bool) -> str:  # noqa: FBT001 - a cell's value
    return "[green]PASS[/]" if passed else "[red]FAIL[/]"


def _rate(share: float) -> str:
    return f"{share:.2f}".rstrip("0").rstrip(".")


def _differences(console: Console, findings: Iterable[Finding]) -> None:
    for one in findings:
        if one.semantic is Verdict.PASS and one.literal is Verdict.FAIL:
            console.print(
                f"{one.subject}, {one.name}: right by the standard, not by the paper's rule, "
                "which asks for an error or nothing"
            )


# --- the rest -----------------------------------------------------------------------------------------------


def _summary(findings: Sequence[Finding]) -> Table:
    table = Table("Part", "passed", "failed", "skipped", "other codes", title="All cases")
    for part, tally in tallies(findings).items():
        table.add_row(PARTS[part], *map(str, tally))
    return table


def _list(console: Console, title: str, findings: Iterable[Finding]) -> None:
    found = list(findings)
    if not found:
        return
    console.print(f"\n[bold]{title}[/]: {len(found)}")
    for one in found:
        console.print(f"[bold]{escape(f'{one.part}: {one.subject}, {one.name}')}[/]", highlight=False)
        told = {"why": one.why, "sent": one.sent, "came": one.came, "expected": one.expected}
        for label, text in told.items():
            if text:
                console.print(f"  {label:<9} {escape(text)}", highlight=False, soft_wrap=True)
