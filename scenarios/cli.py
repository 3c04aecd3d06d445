"""The command line: `python -m scenarios`."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from scenarios import scenario_1, scenario_2, scenario_3, scenario_4, scenario_5
from scenarios.model import Scenario
from scenarios.outcome import Outcome
from scenarios.process import ProcessFailedError
from scenarios.report import as_json, print_tables, print_traces
from scenarios.runner import run_scenario

SCENARIOS = tuple(module.SCENARIO for module in (scenario_1, scenario_2, scenario_3, scenario_4, scenario_5))

app = typer.Typer()


@app.command()
def scenarios(
    scenario: Annotated[int | None, typer.Option(min=1, max=5, help="Only this one.")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="Timed authorizations of each variant.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show the message sequences.")] = False,
) -> None:
    """Run the paper's five scenarios over real processes; exit code 1 if an outcome is not as expected."""
    console = Console(width=None if sys.stdout.isatty() else 180)
    chosen = [one for one in SCENARIOS if scenario in {None, one.number}]
    try:
        outcomes = asyncio.run(_run(chosen, attempts))
    except (ProcessFailedError, asyncio.CancelledError) as error:
        typer.echo(str(error) or "stopped", err=True)
        raise typer.Exit(1) from None
    if trace:
        print_traces(console, outcomes)
    print_tables(console, outcomes, attempts)
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(as_json(outcomes, attempts), option=orjson.OPT_INDENT_2))
    if not all(outcome.as_expected for outcome in outcomes):
        raise typer.Exit(1)


async def _run(chosen: list[Scenario], attempts: int) -> list[Outcome]:
    task = asyncio.current_task()
    assert task is not None, "in a task"
    with contextlib.suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    outcomes: list[Outcome] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for one in chosen:
            shown = progress.add_task(f"scenario {one.number}: {one.title}", total=len(one.variants))

            def note(outcome: Outcome, shown: TaskID = shown, one: Scenario = one) -> None:
                outcomes.append(outcome)
                state = "" if outcome.as_expected else " - not as expected"
                progress.update(
                    shown,
                    advance=1,
                    description=f"scenario {one.number}: {one.title}: {outcome.variant.name}{state}",
                )

            await run_scenario(one, attempts, note)
    return outcomes
