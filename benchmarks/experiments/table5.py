"""The experiment `table5`: the paper's Table 5, measured as the paper did, beside the published values.

The paper gives the mean over five attempts, under a high load of the network that it does not quantify, of
three charge points: a model, one of its own make, and an industrial one (section 4.1). Here a set of attempts
is five authorizations, one after the other, on a cascade that is otherwise idle, and on one whose visited
operator has a background of charging sessions at the high load of ITU-T E.500. Many such sets are taken, so
that the mean of five can be doubted, and percentiles are given beside it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Self

from benchmarks.experiments.side_by_side import check
from benchmarks.load.client import Background, LoadGenerator, RunResult
from benchmarks.model import Cell, Chart, Findings, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import PERCENTILE_AXIS, estimate, hdr, percentile
from benchmarks.systems.cascade import Cascade
from benchmarks.systems.services import Services
from scenarios.cli import SCENARIOS

ATTEMPTS = 5
"""Of one mean, as in the paper."""
BACKGROUND_RATE = 20.0
"""Authorizations a second while there is a background: few, so that none waits for another."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    sets: int
    """Of five attempts, for each scenario."""
    background_charge_points: int
    background_s: float
    seed: int = 1

    @classmethod
    def full(cls) -> Self:
        """As published; about a minute and a half."""
        return cls(sets=200, background_charge_points=100, background_s=15.0)

    @classmethod
    def quick(cls) -> Self:
        """In less than half a minute."""
        return cls(sets=30, background_charge_points=30, background_s=2.0)


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs, databases and raw samples; there already.
        shown: told of each step.
    """
    idle: dict[int, RunResult] = {}
    busy: dict[int, RunResult] = {}
    async with Services(services_folder) as services:
        load = await LoadGenerator.start(services_folder / "samples")
        try:
            shown.step("start the processes")
            cascade = await Cascade.start(services)
            for scenario in (1, 2, 3, 4):
                shown.step(f"scenario {scenario}")
                group = f"scenario {scenario}"
                await load.connect(cascade.url(scenario), 1 + plan.background_charge_points, group=group)
                idle[scenario] = check(
                    group,
                    await load.closed(group, tags=cascade.accepted, calls=plan.sets * ATTEMPTS, seed=plan.seed),
                )
                busy[scenario] = check(
                    group,
                    await load.open(
                        group,
                        tags=cascade.accepted,
                        rate=BACKGROUND_RATE,
                        seconds=plan.background_s,
                        background=Background("high", plan.background_charge_points),
                        seed=plan.seed,
                    ),
                )
        finally:
            await load.stop()
    return _findings(plan, idle, busy)


def promised(_: Plan) -> tuple[Target, ...]:
    """None: the paper's figures stand beside ours, and are of other machines."""
    return ()


def means_of_five(latencies_ms: Sequence[float]) -> list[float]:
    """The mean of each set of attempts, in order; what does not fill a set is left out."""
    whole = len(latencies_ms) - len(latencies_ms) % ATTEMPTS
    return [fmean(latencies_ms[begin : begin + ATTEMPTS]) for begin in range(0, whole, ATTEMPTS)]


def _findings(plan: Plan, idle: dict[int, RunResult], busy: dict[int, RunResult]) -> Findings:
    latencies = {scenario: [ms for _, ms in result.samples()] for scenario, result in idle.items()}
    under_load = {scenario: [ms for _, ms in result.samples()] for scenario, result in busy.items()}
    return Findings(
        experiment="table5",
        about=(
            f"{plan.sets} sets of {ATTEMPTS} authorizations for each scenario, one after the other, through "
            "the cascade's own processes on this machine; then authorizations while the charge points of the "
            "same operator have sessions at E.500's high load. The paper's parties were three computers on "
            "one Wi-Fi network. Scenario 3 is warm: its peer link is up, as it is for every driver but the "
            "first. Scenario 5 has no time: its operator is not linked, and the driver is refused."
        ),
        tables=[_table_5(latencies), _percentile_table(latencies, under_load)],
        charts=[
            Chart(
                "table5",
                "Authorization time at the charge point",
                PERCENTILE_AXIS,
                "latency, ms",
                [Series(f"scenario {scenario}", *hdr(found)) for scenario, found in latencies.items()],
                log_x=True,
                log_y=True,
            )
        ],
        settings=asdict(plan),
        samples={f"scenario {scenario}": result.samples() for scenario, result in idle.items()}
        | {f"scenario {scenario}, high load": result.samples() for scenario, result in busy.items()},
    )


def _table_5(latencies: dict[int, list[float]]) -> Table:
    rows: list[Sequence[Cell]] = []
    for scenario in SCENARIOS:
        published = scenario.paper_ms or (None, None, None)
        found = latencies.get(scenario.number)
        ours = None if found is None else estimate(means_of_five(found))
        simulated = "yes" if found is not None else "yes, refused"
        rows.append((f"{scenario.number}: {scenario.title}", simulated, ours, *published))
    return Table(
        "Table 5: average time for user authorization over five attempts, ms",
        ("scenario", "simulatable", "here: median of means", "paper: CP model", "in-house", "industry"),
        rows,
        note="The intervals are of the median over all sets, not of one mean.",
    )


def _percentile_table(idle: dict[int, list[float]], busy: dict[int, list[float]]) -> Table:
    shares = (0.5, 0.9, 0.99, 1.0)
    rows: list[Sequence[Cell]] = [
        (f"scenario {scenario}", load, len(found), *(percentile(sorted(found), share) for share in shares))
        for scenario in idle
        for load, found in (("idle", idle[scenario]), ("E.500 high", busy[scenario]))
    ]
    return Table(
        "The same in percentiles, ms",
        ("scenario", "background", "authorizations", "p50", "p90", "p99", "max"),
        rows,
    )
