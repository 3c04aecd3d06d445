"""The experiment `charging`: a central system with many charge points that charge, and who waits meanwhile."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.experiments.connections import KIB, SPARE_FILES, allow_files
from benchmarks.experiments.open_loop import wrong_answers
from benchmarks.experiments.side_by_side import SAMPLE_COLUMNS, samples_by_state
from benchmarks.load.client import LoadGenerator, RunResult
from benchmarks.model import Cell, Findings, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, measured
from benchmarks.systems.fleet import Fleet, Report
from benchmarks.systems.services import Service, Services
from scenarios.process import run as run_command

PROBE = "probe"
CENTRAL = "C1"
STATES = ALONE, DURING = "alone", "while the fleet charges"
CHARGING_SHARE = 0.9
"""Of the fleet, that charges before the second measurement begins; some are always between two drivers."""
SAMPLE_INTERVAL_S = 300
"""Model seconds between two MeterValues: the charge point model's default."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    charge_points: int
    """Of the fleet."""
    connect_rate: float
    """How many of them connect in a second."""
    time_scale: float
    """Model seconds per second."""
    energy_wh: int
    """Of each session, at 22 kW."""
    probes: int
    """Charge points whose drivers are timed."""
    rate: float
    """Timed Authorize a second, Poisson."""
    seconds: float
    """Of each repetition."""
    repetitions: int
    seed: int = 1

    @classmethod
    def full(cls) -> Self:
        """As published; about two minutes."""
        return cls(
            charge_points=1_000,
            connect_rate=50.0,
            time_scale=60.0,
            energy_wh=7_400,
            probes=20,
            rate=100.0,
            seconds=5.0,
            repetitions=5,
        )

    @classmethod
    def quick(cls) -> Self:
        """In about a quarter of a minute."""
        return cls(
            charge_points=200,
            connect_rate=100.0,
            time_scale=60.0,
            energy_wh=7_400,
            probes=10,
            rate=100.0,
            seconds=1.0,
            repetitions=5,
        )


@dataclass(slots=True)
class Measured:
    """What was measured."""

    runs: dict[str, list[RunResult]] = field(default_factory=lambda: {state: [] for state in STATES})
    kib_a_connection: list[float] = field(default_factory=list)
    """Of the central system: when all have booted, and at the end."""
    cpu: list[float] = field(default_factory=list)
    """Of a processor, that the central system used while the fleet charged; one figure a repetition."""
    last: Report = field(default_factory=dict)
    """The fleet's."""


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs, databases and raw samples; there already.
        shown: told of each step.

    Raises:
        OSError: this user may not open so many files.
    """
    allow_files(plan.charge_points + SPARE_FILES)
    found = Measured()
    async with Services(services_folder) as services:
        central, url = await _start_central(services, plan)
        load = await LoadGenerator.start(services_folder / "samples")
        try:
            await load.connect(url, plan.probes, group=PROBE, prefix="PROBE")
            shown.step("alone")
            await _time(plan, load, found.runs[ALONE])
            await _charge(plan, central, url, load, found, shown)
        finally:
            await load.stop()
    return _findings(plan, found)


async def _start_central(services: Services, plan: Plan) -> tuple[Service, str]:
    """A central system that knows all drivers, and its URL."""
    database = services.folder / f"{CENTRAL}.sqlite"
    drivers = services.folder / "drivers.csv"
    numbers = range(1, plan.charge_points + plan.probes + 1)
    drivers.write_text("idTag\n" + "".join(f"D{number}\n" for number in numbers))
    arguments = ["tokens", "import", str(drivers), "--database", str(database)]
    await run_command("cpo-central tokens import", "cpo_central", arguments, {})
    settings = {"CPO_OPERATOR_ID": CENTRAL, "CPO_DATABASE": str(database), "CPO_PORT": "0"}
    central = await services.start(CENTRAL, "cpo_central", ["serve"], settings)
    return central, (await central.event("listening"))["url"]


async def _charge(
    plan: Plan, central: Service, url: str, load: LoadGenerator, found: Measured, shown: Shown
) -> None:
    """Bring the fleet, and time the drivers of the probes beside it."""
    empty = central.rss_bytes()

    def kib_a_connection() -> float:
        return (central.rss_bytes() - empty) / plan.charge_points / KIB

    shown.step(f"{plan.charge_points:,} charge points connect")
    fleet = await Fleet.start(
        url,
        plan.charge_points,
        tag="D{n}",
        time_scale=plan.time_scale,
        energy_wh=plan.energy_wh,
        connect_rate=plan.connect_rate,
    )
    try:
        await fleet.report(lambda report: report["booted"] == plan.charge_points)
        found.kib_a_connection.append(kib_a_connection())
        enough = CHARGING_SHARE * plan.charge_points
        await fleet.report(lambda report: report["charging"] >= enough)
        shown.step("they charge")
        await _time(plan, load, found.runs[DURING], central=central, cpu=found.cpu)
        found.kib_a_connection.append(kib_a_connection())
        found.last = await fleet.end()
    finally:
        await fleet.stop()


async def _time(
    plan: Plan,
    load: LoadGenerator,
    runs: list[RunResult],
    *,
    central: Service | None = None,
    cpu: list[float] | None = None,
) -> None:
    tags = [f"D{plan.charge_points + number}" for number in range(1, plan.probes + 1)]
    for number in range(plan.repetitions):
        before = central.cpu_s() if central else 0.0
        result = await load.open(
            PROBE, tags=tags, rate=plan.rate, seconds=plan.seconds, warm_up_s=0.5, seed=plan.seed + number
        )
        runs.append(result)
        if central is not None and cpu is not None:
            cpu.append((central.cpu_s() - before) / (plan.seconds + 0.5))


def promised(plan: Plan) -> list[Target]:
    """The rows that a run fills with figures."""
    return _targets(plan, Measured())


def _targets(plan: Plan, found: Measured) -> list[Target]:
    with_fleet = f"with {plan.charge_points:,} charge points charging"
    during = found.runs[DURING]
    return [
        Target(f"{with_fleet}: memory of a connection, KiB", measured(found.kib_a_connection), None),
        Target(f"{with_fleet}: Authorize, p50, ms", measured([run.histogram.p50 for run in during]), None),
        Target(f"{with_fleet}: Authorize, p99, ms", measured([run.histogram.p99 for run in during]), None),
    ]


def _findings(plan: Plan, found: Measured) -> Findings:
    rows: list[Sequence[Cell]] = [
        (
            state,
            estimate([run.histogram.p50 for run in runs]),
            estimate([run.histogram.p99 for run in runs]),
            sum(run.answers for run in runs),
            sum(map(wrong_answers, runs)),
            measured(found.cpu) if state == DURING else None,
        )
        for state, runs in found.runs.items()
    ]
    last = found.last
    return Findings(
        experiment="charging",
        about=(
            f"{plan.charge_points:,} charge point models in one process connect to one central system, boot, "
            f"and charge one driver after the other: {plan.energy_wh:,} Wh at 22 kW, "
            f"{plan.time_scale:g} times as fast as real time, MeterValues every {SAMPLE_INTERVAL_S} model "
            f"seconds. Beside them {plan.probes} charge points of the load generator ask Authorize "
            f"{plan.rate:g} times a second in all, before the fleet comes and while it charges. Memory is the "
            "growth of the central system's resident set for each charge point of the fleet, when all have "
            "booted and at the end."
        ),
        targets=_targets(plan, found),
        tables=[
            Table(
                "Authorize beside a fleet that charges",
                ("state", "p50, ms", "p99, ms", "answers", "wrong", "central system, of a CPU"),
                rows,
            ),
            Table(
                "What the fleet did",
                ("transactions started", "stopped", "authorizations", "of them failed", "links lost"),
                [
                    (
                        last["transactionsStarted"],
                        last["transactionsStopped"],
                        last["authorizations"]["count"],
                        last["authorizationsFailed"],
                        last["linksLost"],
                    )
                ],
            ),
        ],
        settings=asdict(plan),
        samples=samples_by_state(found.runs),
        sample_columns=SAMPLE_COLUMNS,
    )
