"""The experiment `returning`: hundreds of operators come back at once, and what the others notice of it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.experiments.connections import SPARE_FILES, allow_files
from benchmarks.experiments.contenders import scenario_name
from benchmarks.experiments.open_loop import wrong_answers
from benchmarks.experiments.side_by_side import SAMPLE_COLUMNS, samples_by_state
from benchmarks.load.client import LoadGenerator, RunResult
from benchmarks.model import Cell, Findings, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, measured
from benchmarks.systems.cascade import Cascade
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import OperatorFleet
from benchmarks.systems.services import Services
from nap.records import Mode

SCENARIO = 2
PROBE = scenario_name(SCENARIO)
STATES = BEFORE, DURING = "before", "while they return"
STORM_AFTER_S = 0.5
"""From the beginning of a timed run to the moment when the links go."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    operators: int
    """That return."""
    charge_points: int
    """Of an operator that stays linked; its drivers are timed."""
    rate: float
    """Timed authorizations a second, Poisson."""
    seconds: float
    """Of each timed run."""
    repetitions: int
    seed: int = 1

    @classmethod
    def full(cls) -> Self:
        """As published; about a minute."""
        return cls(operators=500, charge_points=20, rate=200.0, seconds=3.0, repetitions=7)

    @classmethod
    def quick(cls) -> Self:
        """In about a quarter of a minute."""
        return cls(operators=100, charge_points=20, rate=200.0, seconds=1.0, repetitions=5)


@dataclass(slots=True)
class Measured:
    """What was measured."""

    returned_s: list[float] = field(default_factory=list)
    """From the moment when all links are gone until the last operator has been answered its boot."""
    runs: dict[str, list[RunResult]] = field(default_factory=lambda: {state: [] for state in STATES})


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs, databases and raw samples; there already.
        shown: told of each step.

    Raises:
        OSError: this user may not open so many files.
    """
    allow_files(plan.operators + SPARE_FILES)
    found = Measured()
    async with Services(services_folder) as services:
        cascade = await Cascade.start(services, scenarios=(SCENARIO,))
        hub = HubProcess(cascade.hub, cascade.hub_url, services.folder / "hub.sqlite")
        credentials = await hub.enter_many([f"R{number}" for number in range(plan.operators)], (Mode.HUB,))
        load = await LoadGenerator.start(services_folder / "samples")
        try:
            await load.connect(cascade.url(SCENARIO), plan.charge_points, group=PROBE)
            shown.step(f"{plan.operators:,} operators link for the first time")
            async with OperatorFleet(hub.url, credentials) as fleet:
                for number in range(plan.repetitions):
                    shown.step(f"repetition {number + 1} of {plan.repetitions}")
                    found.runs[BEFORE].append(await _time(plan, load, cascade, number))
                    found.runs[DURING].append(await _storm(plan, load, cascade, number, fleet, found))
        finally:
            await load.stop()
    return _findings(plan, found)


async def _storm(
    plan: Plan, load: LoadGenerator, cascade: Cascade, number: int, fleet: OperatorFleet, found: Measured
) -> RunResult:
    """Time drivers while all operators lose their links and dial at once."""
    timing = asyncio.create_task(_time(plan, load, cascade, number))
    await asyncio.sleep(STORM_AFTER_S)
    await fleet.drop()
    began = time.perf_counter()
    await fleet.link_again()
    found.returned_s.append(time.perf_counter() - began)
    return await timing


async def _time(plan: Plan, load: LoadGenerator, cascade: Cascade, number: int) -> RunResult:
    return await load.open(
        PROBE,
        tags=cascade.accepted,
        rate=plan.rate,
        seconds=plan.seconds,
        warm_up_s=0.2,
        seed=plan.seed + number,
    )


def promised(plan: Plan) -> list[Target]:
    """The rows that a run fills with figures."""
    return _targets(plan, Measured())


def _targets(plan: Plan, found: Measured) -> list[Target]:
    storm = f"{plan.operators:,} operators return at once"
    before = measured([run.histogram.p99 for run in found.runs[BEFORE]])
    remark = "" if before is None else f"{before.median:.2f} ms before"
    return [
        Target(f"{storm}: until all are back, s", measured(found.returned_s), None),
        Target(
            f"{storm}: scenario {SCENARIO} meanwhile, p99, ms",
            measured([run.histogram.p99 for run in found.runs[DURING]]),
            None,
            remark=remark,
        ),
    ]


def _findings(plan: Plan, found: Measured) -> Findings:
    rows: list[Sequence[Cell]] = [
        (
            state,
            estimate([run.histogram.p50 for run in runs]),
            estimate([run.histogram.p99 for run in runs]),
            sum(run.answers for run in runs),
            sum(map(wrong_answers, runs)),
        )
        for state, runs in found.runs.items()
    ]
    return Findings(
        experiment="returning",
        about=(
            f"{plan.operators:,} operators, links in the runner, have been linked before, so the hub knows "
            "their credentials without argon2. They close their links, and all dial in the same moment; each "
            "is back when its BootNotification has been answered; whom the hub tells to come back later does, "
            "and counts until then. Beside them the drivers of an operator that "
            f"stays linked ask {plan.rate:g} times a second (scenario {SCENARIO}), in runs of "
            f"{plan.seconds:g} s, before and meanwhile; the storm lasts for a part of its run."
        ),
        targets=_targets(plan, found),
        tables=[Table("Those that stay linked", ("state", "p50, ms", "p99, ms", "answers", "wrong"), rows)],
        settings=asdict(plan),
        samples=samples_by_state(found.runs),
        sample_columns=SAMPLE_COLUMNS,
    )
