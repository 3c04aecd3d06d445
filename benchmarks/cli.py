"""The command line: `python -m benchmarks`, installed as `roaming-bench`."""

import functools
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from benchmarks.experiments import (
    authorize,
    backlog,
    cdr,
    charging,
    connections,
    growth,
    returning,
    table5,
    wan,
    whitelist,
)
from benchmarks.model import Findings, Target
from benchmarks.progress import Shown
from benchmarks.session import Experiment, carry_out

app = typer.Typer(no_args_is_help=True, help="Measure the cascade, beside what else one could build.")

P = TypeVar("P")
"""A plan."""

REPEATED = ("rounds", "sweep_repetitions", "open_repetitions", "background_repetitions")
"""What `--repetitions` sets."""

Quick = Annotated[bool, typer.Option("--quick", help="Small sizes and few repetitions.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="The report's folder [default: runs/<moment>-<experiment>].")
]


@app.command("authorize")
def authorize_(
    quick: Quick = False,
    out: Out = None,
    scenario: Annotated[
        int | None, typer.Option(min=1, max=4, help="Only this one; without it all, beside the baselines.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, help="Authorizations a second in open loop [default: half the knee]."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.5, help="Of each run in open loop.")] = None,
    charge_points: Annotated[int | None, typer.Option(min=1, help="That ask.")] = None,
    background_charge_points: Annotated[
        int | None, typer.Option(min=1, help="That have sessions meanwhile.")
    ] = None,
    operators: Annotated[int | None, typer.Option(min=0, help="Linked besides.")] = None,
    deny_share: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Of the drivers in open loop.")
    ] = None,
    repetitions: Annotated[int | None, typer.Option(min=1, help="Of each run.")] = None,
    compare: Annotated[bool, typer.Option(help="Beside the baselines.")] = True,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 1,
) -> None:
    """Latency, throughput, knee and tail of an authorization, beside the baselines."""
    given = {
        "charge_points": charge_points,
        "background_charge_points": background_charge_points,
        "operators": operators,
        "open_seconds": seconds,
        "deny_share": deny_share,
        "rate": rate,
        **dict.fromkeys(REPEATED, repetitions),
    }
    changed = {name: value for name, value in given.items() if value is not None}
    if scenario is not None:
        changed |= {"scenarios": (scenario,), "open_scenarios": (scenario,)}
    if scenario is not None or not compare:
        changed["seconds"] = 0.0
    plan = authorize.Plan.quick() if quick else authorize.Plan.full()
    _carry_out([_authorize(replace(plan, seed=seed, **changed))], out)  # type: ignore[arg-type]


@app.command("table5")
def table5_(quick: Quick = False, out: Out = None) -> None:
    """The paper's Table 5, beside the published values, and in percentiles."""
    _carry_out([_table5(quick=quick)], out)


@app.command("whitelist")
def whitelist_(quick: Quick = False, out: Out = None) -> None:
    """How long a revocation takes to reach everybody; what lists cost, up to a million tokens."""
    _carry_out([_whitelist(quick=quick)], out)


@app.command("cdr")
def cdr_(quick: Quick = False, out: Out = None) -> None:
    """Durable intake and delivery of CDRs, beside bare SQLite group commit."""
    _carry_out([_cdr(quick=quick)], out)


@app.command("connections")
def connections_(quick: Quick = False, out: Out = None) -> None:
    """Memory and loop lag with thousands of idle links."""
    _carry_out([_connections(quick=quick)], out)


@app.command("returning")
def returning_(quick: Quick = False, out: Out = None) -> None:
    """Hundreds of operators that come back at once."""
    _carry_out([_returning(quick=quick)], out)


@app.command("backlog")
def backlog_(quick: Quick = False, out: Out = None) -> None:
    """An operator that was away, and a million CDRs that wait for it."""
    _carry_out([_backlog(quick=quick)], out)


@app.command("charging")
def charging_(quick: Quick = False, out: Out = None) -> None:
    """One central system with a thousand charge points that charge."""
    _carry_out([_charging(quick=quick)], out)


@app.command("growth")
def growth_(quick: Quick = False, out: Out = None) -> None:
    """The cost of an authorization against operators and tokens."""
    _carry_out([_growth(quick=quick)], out)


@app.command("wan")
def wan_(quick: Quick = False, out: Out = None) -> None:
    """With a round trip, and loss, between the parties."""
    _carry_out([_wan(quick=quick)], out)


@app.command("all")
def all_(quick: Quick = False, out: Out = None) -> None:
    """Every experiment, one after the other; with --quick in about five minutes, else in about forty."""
    others = (_table5, _whitelist, _cdr, _connections, _returning, _backlog, _charging, _growth, _wan)
    plan = authorize.Plan.quick() if quick else authorize.Plan.full()
    _carry_out([_authorize(plan), *(experiment(quick=quick) for experiment in others)], out)


def _authorize(plan: authorize.Plan) -> Experiment:
    return _planned("authorize", "latency and throughput", authorize.run, authorize.promised, plan)


def _table5(*, quick: bool) -> Experiment:
    plan = table5.Plan.quick() if quick else table5.Plan.full()
    return _planned("table5", "the paper's table", table5.run, table5.promised, plan)


def _whitelist(*, quick: bool) -> Experiment:
    plan = whitelist.Plan.quick() if quick else whitelist.Plan.full()
    return _planned("whitelist", "revocations and lists", whitelist.run, whitelist.promised, plan)


def _cdr(*, quick: bool) -> Experiment:
    plan = cdr.Plan.quick() if quick else cdr.Plan.full()
    return _planned("cdr", "intake and delivery", cdr.run, cdr.promised, plan)


def _connections(*, quick: bool) -> Experiment:
    plan = connections.Plan.quick() if quick else connections.Plan.full()
    return _planned("connections", "idle links", connections.run, connections.promised, plan)


def _returning(*, quick: bool) -> Experiment:
    plan = returning.Plan.quick() if quick else returning.Plan.full()
    return _planned("returning", "a storm of operators", returning.run, returning.promised, plan)


def _backlog(*, quick: bool) -> Experiment:
    plan = backlog.Plan.quick() if quick else backlog.Plan.full()
    return _planned("backlog", "CDRs that waited", backlog.run, backlog.promised, plan)


def _charging(*, quick: bool) -> Experiment:
    plan = charging.Plan.quick() if quick else charging.Plan.full()
    return _planned("charging", "a central system at work", charging.run, charging.promised, plan)


def _growth(*, quick: bool) -> Experiment:
    plan = growth.Plan.quick() if quick else growth.Plan.full()
    return _planned("growth", "operators and tokens", growth.run, growth.promised, plan)


def _wan(*, quick: bool) -> Experiment:
    plan = wan.Plan.quick() if quick else wan.Plan.full()
    return _planned("wan", "round trips between the parties", wan.run, wan.promised, plan)


def _planned(
    name: str,
    title: str,
    run: Callable[[P, Path, Shown], Awaitable[Findings]],
    promised: Callable[[P], Sequence[Target]],
    plan: P,
) -> Experiment:
    return Experiment(name, f"{name}: {title}", functools.partial(run, plan), promised(plan))


def _carry_out(experiments: Sequence[Experiment], out: Path | None) -> None:
    what = experiments[0].name if len(experiments) == 1 else "all"
    folder = out or Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{what}"
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    if not carry_out(experiments, folder, command):
        raise typer.Exit(1)
