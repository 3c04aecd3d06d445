"""The experiment `authorize`: how long a driver waits, how many can be served, and beside what else.

First all contenders in turn, with one caller and with many; then open loop, on our own system alone: the load
is raised to the knee, and half of the knee is looked at closely. Every ratio is of figures of the same round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.experiments.background import (
    AtLoad,
    background_notes,
    background_table,
    time_lines,
    with_backgrounds,
)
from benchmarks.experiments.breakdown import break_down, breakdown_chart, breakdown_table
from benchmarks.experiments.comparison import (
    BESIDE_HTTP,
    CROWDED,
    RATE_TO_HTTP,
    Boards,
    compare,
    comparison_charts,
    comparison_samples,
    comparison_tables,
    comparison_targets,
    limit_notes,
)
from benchmarks.experiments.contenders import HOPS, Contenders, assemble, scenario_name
from benchmarks.experiments.open_loop import (
    Load,
    Sweep,
    knee_target,
    sweep,
    sweep_chart,
    sweep_notes,
    sweep_table,
)
from benchmarks.experiments.side_by_side import SAMPLE_COLUMNS, Closed, take_turns
from benchmarks.experiments.side_by_side import Measured as ClosedMeasured
from benchmarks.experiments.token_updates import TokenUpdates
from benchmarks.experiments.tried import TRIED
from benchmarks.load.client import LoadGenerator
from benchmarks.model import Findings, Target
from benchmarks.progress import Shown
from benchmarks.statistics import measured
from benchmarks.systems.chains import Kind
from benchmarks.systems.services import Services

ALL = (1, 2, 3, 4)
TAIL = 5.0
"""p99 to p50 at half the knee, at most."""
WARM_UP_S = 0.3
"""Of each open run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    scenarios: tuple[int, ...]
    charge_points: int
    """Callers of the runs with many; in open loop drivers come to all that are connected."""
    background_charge_points: int
    """Further ones, for the background."""
    operators: int
    """Linked besides those that take part."""
    tokens: int
    """Of the home operator."""
    rounds: int
    calls: int
    """With one caller, of each contender in a round."""
    seconds: float
    """With many callers, of each contender in a round; 0: no comparison."""
    all_crowded: bool
    """Whether all contenders are measured with many callers, or only those of whom something is promised; then
    the outer limit is measured with the fewest and the most hops only."""
    open_scenarios: tuple[int, ...]
    sweep: tuple[float, ...]
    """The offered loads of a sweep, ascending, in parts of the rate of a closed run with many callers."""
    sweep_repetitions: int
    """Of each load."""
    open_seconds: float
    """Of each open run."""
    open_repetitions: int
    """At half the knee."""
    background_repetitions: int
    """The same with each background; no more than without."""
    rate: float | None = None
    """Authorizations a second in open loop; None: half the knee, which is looked for."""
    deny_share: float = 0.1
    """Of the drivers in open loop."""
    seed: int = 1

    @classmethod
    def full(cls) -> Self:
        """As published; about twelve minutes."""
        return cls(
            scenarios=ALL,
            charge_points=100,
            background_charge_points=100,
            operators=10,
            tokens=10_000,
            rounds=7,
            calls=500,
            seconds=1.5,
            all_crowded=True,
            open_scenarios=ALL,
            sweep=(0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0, 1.25, 1.6),
            sweep_repetitions=3,
            open_seconds=2.0,
            open_repetitions=5,
            background_repetitions=5,
        )

    @classmethod
    def quick(cls) -> Self:
        """In about a minute and a half."""
        return cls(
            scenarios=ALL,
            charge_points=100,
            background_charge_points=50,
            operators=3,
            tokens=1_000,
            rounds=5,
            calls=100,
            seconds=0.3,
            all_crowded=False,
            open_scenarios=(2, 4),
            sweep=(0.05, 0.15, 0.4, 0.7, 1.0, 1.4),
            sweep_repetitions=3,
            open_seconds=0.6,
            open_repetitions=5,
            background_repetitions=1,
        )

    @property
    def baselines(self) -> Mapping[Kind, Sequence[int]]:
        """The hops of each kind that the scenarios are held against; `fastest, 1 hop` is the null server."""
        if not self.seconds:
            return {}
        hops = sorted({1, *(HOPS[scenario] for scenario in self.scenarios)})
        crowded = sorted({HOPS[scenario] for scenario in self.scenarios if scenario in CROWDED})
        return {
            "bare": hops,
            "naive": crowded,
            "http": [3] if 4 in self.scenarios else [],
            "fastest": hops if self.all_crowded else sorted({hops[0], hops[-1]}),
        }

    @property
    def load(self) -> Load:
        """The open runs."""
        return Load(self.open_seconds, WARM_UP_S, self.deny_share, self.seed)

    def connected(self, name: str) -> int:
        """The charge points of a contender: as many as its largest run needs, as idle ones cost time too."""
        needed = [self.charge_points]
        if self.seconds and name in BESIDE_HTTP:
            needed.append(max(RATE_TO_HTTP))
        if name in map(scenario_name, self.open_scenarios):
            needed.append(self.charge_points + self.background_charge_points)
        return max(needed)


@dataclass(slots=True)
class Measured:
    """What was measured; nothing yet, as it is made."""

    boards: Boards = field(default_factory=Boards)
    parts: dict[int, list[float]] = field(default_factory=dict)
    """Where the time goes, by scenario."""
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    at_loads: dict[str, list[AtLoad]] = field(default_factory=dict)
    """The runs at half the knee, or at the given load; without a background first."""


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs, databases and raw samples; there already.
        shown: told of each step.
    """
    async with Services(services_folder) as services:
        load = await LoadGenerator.start(services_folder / "samples")
        try:
            shown.step("start the processes")
            contenders = await assemble(
                services,
                load,
                scenarios=plan.scenarios,
                baselines=plan.baselines,
                charge_points=plan.connected,
                tokens=plan.tokens,
            )
            found = Measured()
            if plan.seconds:
                found.boards = await compare(plan, load, contenders, shown)
            shown.step("where the time goes")
            found.parts = await break_down(load, contenders, plan.scenarios, plan.calls, plan.seed)
            async with TokenUpdates.linked(services, contenders.cascade, plan.operators, plan.seed) as updates:
                for scenario in plan.open_scenarios:
                    await _open_loop(plan, load, contenders, scenario_name(scenario), updates, shown, found)
        finally:
            await load.stop()
    return _findings(plan, found)


async def _open_loop(
    plan: Plan,
    load: LoadGenerator,
    contenders: Contenders,
    name: str,
    updates: TokenUpdates,
    shown: Shown,
    found: Measured,
) -> None:
    """Look for the knee, unless a load is given, and stay at half of it; without a knee there is no half."""
    rate = plan.rate
    if rate is None:
        crowd = await _closed(
            plan, load, contenders, name, Closed(plan.charge_points, seconds=plan.open_seconds)
        )
        found.sweeps[name] = await sweep(
            load,
            contenders[name],
            [crowd.rate[0] * part for part in plan.sweep],
            plan.load,
            repetitions=plan.sweep_repetitions,
            on_load=lambda offered: shown.step(f"{name}: {offered:.0f}/s"),
        )
        rate = found.sweeps[name].knee / 2
    if rate:
        found.at_loads[name] = await with_backgrounds(
            load,
            contenders[name],
            rate,
            plan.load,
            repetitions=plan.open_repetitions,
            background_repetitions=plan.background_repetitions,
            charge_points=plan.background_charge_points,
            updates=updates,
            on_run=shown.step,
        )


async def _closed(
    plan: Plan, load: LoadGenerator, contenders: Contenders, name: str, how: Closed
) -> ClosedMeasured:
    board = await take_turns(load, contenders, [name], how, rounds=1, seed=plan.seed, on_round=lambda _: None)
    return board[name]


def promised(plan: Plan) -> list[Target]:
    """The rows that a run of this plan fills with figures."""
    return _targets(plan, Measured())


def _targets(plan: Plan, found: Measured) -> list[Target]:
    rows = comparison_targets(plan.scenarios, found.boards) if plan.seconds else []
    for name in map(scenario_name, plan.open_scenarios):
        if plan.rate is None:
            rows.append(knee_target(name, found.sweeps.get(name)))
        rows.append(_tail_target(name, found, "half the knee" if plan.rate is None else "the given load"))
    return rows


def _tail_target(name: str, found: Measured, where: str) -> Target:
    what = f"{name}: p99 to p50 at {where}"
    if name not in found.at_loads:
        return Target(what, None, TAIL, remark="no load was kept up with" if name in found.sweeps else "")
    alone = found.at_loads[name][0]
    p50 = measured(alone.p50_ms)
    remark = f"{alone.offered:.0f} a second, {len(alone.tail)} runs"
    if p50 is not None:  # stalls raise the median too, and then make the ratio small
        remark += f", p50 {p50.median:.2f} ms"
    return Target(what, measured(alone.tail), TAIL, remark=remark)


def _findings(plan: Plan, found: Measured) -> Findings:
    compared = plan.seconds > 0
    return Findings(
        experiment="authorize",
        about=ABOUT,
        targets=_targets(plan, found),
        tables=[
            *(comparison_tables(plan.charge_points, found.boards) if compared else []),
            breakdown_table(found.parts),
            *([sweep_table(found.sweeps)] if found.sweeps else []),
            *([background_table(found.at_loads)] if found.at_loads else []),
            TRIED,
        ],
        charts=[
            *(comparison_charts(plan.charge_points, found.boards) if compared else []),
            breakdown_chart(found.parts),
            *([sweep_chart(found.sweeps)] if found.sweeps else []),
            *time_lines(found.at_loads, plan.open_seconds),
        ],
        settings=asdict(plan) | {"warm_up_s": WARM_UP_S, "baselines": plan.baselines},
        samples={
            **comparison_samples(plan.charge_points, found.boards),
            **{
                f"{name}, background {one.what}": one.samples
                for name, loads in found.at_loads.items()
                for one in loads
            },
        },
        sample_columns=SAMPLE_COLUMNS,
        notes=[
            *limit_notes(plan.charge_points, found.boards),
            *(note for name, swept in found.sweeps.items() for note in sweep_notes(name, swept)),
            *background_notes(found.at_loads),
        ],
    )


ABOUT = (
    "Charge points are picows clients in one process, the load generator; every other party is a process of "
    "its own, on this machine, over loopback sockets. Latency is from the Authorize CALL to its CALLRESULT at "
    "the charge point; in open loop from the intended start of a Poisson arrival, so that a stall is not "
    "hidden. In closed loop each caller has one call in flight. The contenders run all the time and are asked "
    "in turn, in an order drawn anew for each round. Our own processes validate, look up, decide, record and "
    "log as they are delivered; their logs go to files. bare: relays on websockets that match ids and do "
    "nothing else. naive: the same chain on the ocpp package's ChargePoint. http: an OCPI-style hub over "
    "keep-alive HTTP (aiohttp). fastest: the bare chain on picows, without a target."
)
