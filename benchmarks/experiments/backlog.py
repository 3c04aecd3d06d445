"""The experiment `backlog`: an operator that was away gets its CDRs, and what the others notice of it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple, Self
from uuid import UUID

from benchmarks.experiments.connections import KIB
from benchmarks.experiments.contenders import scenario_name
from benchmarks.experiments.open_loop import wrong_answers
from benchmarks.experiments.side_by_side import SAMPLE_COLUMNS, samples_by_state
from benchmarks.load.client import LoadGenerator, RunResult
from benchmarks.model import Cell, Chart, Findings, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, measured, ratio
from benchmarks.systems.cascade import Cascade
from benchmarks.systems.central import HomeCentral
from benchmarks.systems.custody import Custody, fill
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import OperatorFleet, id_tag_of
from benchmarks.systems.services import Service, Services
from cascade.roaming.cdrs import Authorization, Cdr
from nap.records import CdrState, Mode
from scenarios.process import ProcessFailedError

SCENARIO = 2
PROBE = scenario_name(SCENARIO)
AWAY = "H1"
"""The operator that was away."""
TOKENS = 100
"""Of its drivers."""
STATES = BEFORE, DURING = "before", "while it gets them"
GROWTH_MAX_MIB = 64.0
P99_RATIO_MAX = 2.0
WARM_UP_S = 0.2
POLL_S = 0.1
RETURNED = "the operator that was away"
DRAIN_TIMEOUT_S = 3600.0
MIB = KIB * KIB


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    cdrs: int
    """That wait."""
    visited: int
    """Operators that they come from. Every other one is linked, and is told what has become of its own."""
    charge_points: int
    """Of an operator that has nothing to do with them; its drivers are timed."""
    rate: float
    """Timed authorizations a second, Poisson."""
    seconds: float
    """Of each timed run."""
    repetitions: int
    seed: int = 1

    @classmethod
    def full(cls) -> Self:
        """As published; about ten minutes."""
        return cls(cdrs=1_000_000, visited=8, charge_points=20, rate=200.0, seconds=5.0, repetitions=7)

    @classmethod
    def quick(cls) -> Self:
        """In about half a minute."""
        return cls(cdrs=40_000, visited=8, charge_points=20, rate=200.0, seconds=0.5, repetitions=5)

    @property
    def operators(self) -> list[str]:
        """Those that the CDRs come from."""
        return [f"S{number}" for number in range(self.visited)]


class Sample(NamedTuple):
    """A look at everybody while the operator gets its CDRs."""

    settled: int
    """CDRs that it has answered for."""
    hub_mib: float
    away_mib: float
    log_mib: float
    """The hub's write-ahead log."""


@dataclass(slots=True)
class Measured:
    """What was measured."""

    up_s: list[float] = field(default_factory=list)
    """From the start of the hub until it listens: one figure."""
    runs: dict[str, list[RunResult]] = field(default_factory=lambda: {state: [] for state in STATES})
    cpu: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Of a processor, that each process used in each state; one figure a run."""
    rates: list[float] = field(default_factory=list)
    """CDRs a second that came home in each run."""
    undisturbed: list[float] = field(default_factory=list)
    """CDRs a second that came home after the runs, with nobody asking: one figure."""
    rest_mib: float = 0.0
    """The hub's memory after the first run, with the CDRs waiting."""
    samples: list[Sample] = field(default_factory=list)
    dry: int = 0
    """Runs in which the last of the CDRs came home: there was less to disturb their drivers."""

    def growth(self, until: int) -> list[float]:
        """By how many MiB the hub's memory has grown until so many CDRs were settled: one figure, or none."""
        held = [sample.hub_mib for sample in self.samples if sample.settled <= until]
        return [max(held) - self.rest_mib] if held else []


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs, databases and raw samples; there already.
        shown: told of each step.

    Raises:
        ProcessFailedError: not every CDR came home, once and unchanged.
        TimeoutError: they did not come in an hour.
    """
    found = Measured()
    async with Services(services_folder) as services:
        shown.step(f"{plan.cdrs:,} CDRs are written into the hub's file")
        database = services.folder / "hub.sqlite"
        await fill(database, _waiting(plan), home=AWAY)
        shown.step("the hub starts")
        began = datetime.now(UTC)
        cascade = await Cascade.start(services, scenarios=(SCENARIO,))
        listening = datetime.fromisoformat(cascade.hub.events("listening")[0]["timestamp"])
        found.up_s.append((listening - began).total_seconds())
        hub = HubProcess(cascade.hub, cascade.hub_url, database)
        credentials = await hub.enter_many([AWAY, *plan.operators], (Mode.HUB,))
        told = plan.operators[::2]
        load = await LoadGenerator.start(services_folder / "samples")
        try:
            await load.connect(cascade.url(SCENARIO), plan.charge_points, group=PROBE)
            with closing(Custody(database)) as custody:
                away = await HomeCentral.prepare(
                    services, AWAY, credentials[AWAY], hub_url=hub.url, id_tags=_id_tags()
                )
                async with OperatorFleet(hub.url, {who: credentials[who] for who in told}):
                    drain = _Drain(plan, found, cascade, away, custody, told, load)
                    await drain.repeat(shown)
                    shown.step("the rest, with nobody asking")
                    await drain.finish()
                shown.step("the ledgers are compared")
                _check(plan, custody, away.database)
        finally:
            await load.stop()
    return _findings(plan, found)


def _id_tags() -> list[str]:
    return [id_tag_of(AWAY, number) for number in range(TOKENS)]


def _waiting(plan: Plan) -> Iterator[Cdr]:
    """The CDRs; their ids are drawn, as ids are, so that each next one lies anywhere in an index."""
    chance = random.Random(plan.seed)  # noqa: S311 - ids of a benchmark
    end = datetime.now(UTC)
    id_tags, operators = _id_tags(), plan.operators
    for number in range(plan.cdrs):
        yield Cdr(
            session_start=end - timedelta(minutes=30),
            id_tag=id_tags[number % TOKENS],
            meter_start=1_000,
            operator_id=operators[number % plan.visited],
            transaction_id=number,
            meter_stop=8_400,
            cdr_id=UUID(int=chance.getrandbits(128), version=4),
            session_end=end,
            charge_point_id=f"CP-{number % 100}",
            connector_id=1,
            authorization=Authorization.WHITELIST,
        )


@dataclass(slots=True)
class _Drain:
    """The CDRs on their way home."""

    plan: Plan
    found: Measured
    cascade: Cascade
    away: HomeCentral
    custody: Custody
    told: Sequence[str]
    """The operators that are linked, and are told the states of their CDRs."""
    load: LoadGenerator

    async def repeat(self, shown: Shown) -> None:
        """Time drivers before and meanwhile, in turn: the link goes in between, and with it the delivery."""
        for number in range(self.plan.repetitions):
            shown.step(f"repetition {number + 1} of {self.plan.repetitions}")
            passed = self.cascade.processes(SCENARIO)
            await self._time(BEFORE, number, passed)
            if number == 0:
                self.found.rest_mib = self.cascade.hub.rss_bytes() / MIB
            async with self._delivery() as service:
                settled = self.custody.settled(AWAY)
                spent_s = await self._time(DURING, number, {**passed, RETURNED: service})
                now_settled = self.custody.settled(AWAY)
                self.found.rates.append((now_settled - settled) / spent_s)
                self.found.dry += now_settled == self.plan.cdrs
            await self._until(lambda: self.custody.untold(self.told) == 0)

    async def finish(self) -> None:
        """Bring home what is left, and tell where it came from."""
        if self.custody.settled(AWAY) < self.plan.cdrs:
            async with self._delivery():
                left, began = self.plan.cdrs - self.custody.settled(AWAY), time.perf_counter()
                await self._until(lambda: self.custody.settled(AWAY) == self.plan.cdrs)
                self.found.undisturbed.append(left / (time.perf_counter() - began))
        await self._until(lambda: self.custody.untold(self.told) == 0)

    @asynccontextmanager
    async def _delivery(self) -> AsyncIterator[Service]:
        """The operator is back and gets its CDRs; everybody's memory is watched."""
        async with self.away.linked() as service:
            watching = asyncio.create_task(self._watch(service))
            try:
                yield service
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, service: Service) -> None:
        while True:
            self.found.samples.append(
                Sample(
                    settled=self.custody.settled(AWAY),
                    hub_mib=self.cascade.hub.rss_bytes() / MIB,
                    away_mib=service.rss_bytes() / MIB,
                    log_mib=self.custody.log_bytes() / MIB,
                )
            )
            await asyncio.sleep(POLL_S)

    async def _until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while not done():  # noqa: ASYNC110 - other processes write what is waited for
                await asyncio.sleep(POLL_S)

    async def _time(self, state: str, number: int, processes: Mapping[str, Service]) -> float:
        """One timed run; returns its seconds."""
        before = {name: process.cpu_s() for name, process in processes.items()}
        began = time.perf_counter()
        result = await self.load.open(
            PROBE,
            tags=self.cascade.accepted,
            rate=self.plan.rate,
            seconds=self.plan.seconds,
            warm_up_s=WARM_UP_S,
            seed=self.plan.seed + number,
        )
        spent_s = time.perf_counter() - began
        self.found.runs[state].append(result)
        for name, process in processes.items():
            used = self.found.cpu.setdefault(name, {one: [] for one in STATES})
            used[state].append((process.cpu_s() - before[name]) / spent_s)
        return spent_s


def _check(plan: Plan, custody: Custody, home: Path) -> None:
    states, (there, equal) = custody.states(), custody.equal_at(home)
    if states != {CdrState.DELIVERED: plan.cdrs} or not there == equal == plan.cdrs:
        raise ProcessFailedError(
            f"of {plan.cdrs:,} CDRs {there:,} are at home, {equal:,} of them unchanged; the hub has {states}"
        )


def promised(plan: Plan) -> list[Target]:
    """The rows that a run fills with figures."""
    return _targets(plan, Measured())


def _targets(plan: Plan, found: Measured) -> list[Target]:
    backlog = f"{plan.cdrs:,} CDRs wait for one operator"
    before, during = ([run.histogram.p99 for run in found.runs[state]] for state in STATES)
    undisturbed = measured(found.undisturbed)
    return [
        Target(f"{backlog}: until the hub is up, s", measured(found.up_s), None),
        Target(
            f"{backlog}: growth of the hub's memory until it has them, MiB",
            measured(found.growth(plan.cdrs)),
            GROWTH_MAX_MIB,
            remark=f"{found.rest_mib:.0f} MiB before" if found.samples else "",
        ),
        Target(
            f"{backlog}: scenario {SCENARIO} while it gets them, p99, to before",
            ratio(during, before) if during else None,
            P99_RATIO_MAX,
            remark=f"{median(during):.2f} ms, {median(before):.2f} ms before" if during else "",
        ),
        Target(
            f"{backlog}: brought home meanwhile, 1/s",
            measured(found.rates),
            None,
            at_most=False,
            remark=f"{undisturbed.median:,.0f} with nobody asking" if undisturbed else "",
        ),
    ]


def _findings(plan: Plan, found: Measured) -> Findings:
    return Findings(
        experiment="backlog",
        about=(
            f"{plan.cdrs:,} CDRs of {plan.visited} visited operators wait in the hub's file for one home "
            "operator before the hub starts. It is a central system that writes each to its own database, and "
            "gets what nobody else wants of the processors (SCHED_IDLE), as in life it has its own; it links, "
            f"and is stopped again, {plan.repetitions} times. Drivers of another operator ask "
            f"{plan.rate:g} times a second (scenario {SCENARIO}), in runs of {plan.seconds:g} s: while it is "
            "away, and while the CDRs go home. At last it gets the rest, with nobody asking. Every other "
            "visited operator is linked, in the runner, and is told the states of its CDRs. In the end all "
            "CDRs are at home, once and unchanged, or there are no figures."
        ),
        targets=_targets(plan, found),
        tables=[_drivers(found), _shares(found), _memory(plan, found)],
        charts=[_chart(found)],
        settings=asdict(plan),
        samples=samples_by_state(found.runs),
        sample_columns=SAMPLE_COLUMNS,
        notes=_notes(found),
    )


def _drivers(found: Measured) -> Table:
    rows: list[Sequence[Cell]] = [
        (
            state,
            estimate([run.histogram.p50 for run in runs]),
            estimate([run.histogram.p99 for run in runs]),
            sum(run.answers for run in runs),
            sum(map(wrong_answers, runs)),
            measured(found.rates) if state == DURING else None,
        )
        for state, runs in found.runs.items()
    ]
    columns = ("state", "p50, ms", "p99, ms", "answers", "wrong", "CDRs brought home, 1/s")
    return Table("Drivers of another operator", columns, rows)


def _shares(found: Measured) -> Table:
    rows = [(name, *(measured(used[state]) for state in STATES)) for name, used in found.cpu.items()]
    return Table("Of a processor", ("process", *STATES), rows)


def _memory(plan: Plan, found: Measured) -> Table:
    rows: list[Sequence[Cell]] = [
        ("hub, before", found.rest_mib),
        ("hub, growth until a tenth is at home", measured(found.growth(plan.cdrs // 10))),
        ("hub, growth until all are", measured(found.growth(plan.cdrs))),
        ("hub, write-ahead log, at most", max(sample.log_mib for sample in found.samples)),
        (f"{RETURNED}, at most", max(sample.away_mib for sample in found.samples)),
    ]
    return Table("Memory", ("what", "MiB"), rows)


def _chart(found: Measured) -> Chart:
    settled = [sample.settled for sample in found.samples]
    return Chart(
        "memory",
        "Memory while the CDRs go home",
        "CDRs at home",
        "MiB",
        [
            Series("hub", settled, [sample.hub_mib for sample in found.samples]),
            Series(RETURNED, settled, [sample.away_mib for sample in found.samples]),
        ],
    )


def _notes(found: Measured) -> list[str]:
    return [f"The last of the CDRs came home within {found.dry} timed runs."] if found.dry else []
