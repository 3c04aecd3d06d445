"""The experiment `cdr`: how fast CDRs are taken into custody, and how fast they come home."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from uuid import uuid4

from benchmarks.experiments.group_commit import bare_group_commits
from benchmarks.model import Chart, Estimate, Findings, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, measured, percentile, ratio
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import LinkedOperator, OperatorFleet, id_tag_of, tokens_of
from benchmarks.systems.services import Services
from cascade.roaming.cdrs import Authorization, Cdr
from nap.records import Mode

HOME = "C1"
PREFIX = "T"
TOKENS = 100
DELIVERY_TIMEOUT_S = 600.0
RATIO_MIN = 0.4


@dataclass(frozen=True, slots=True)
class Way:
    """How CDRs are sent."""

    name: str
    operators: int
    """That send."""
    window: int
    """Calls in flight of each."""
    size: int
    """CDRs in a message."""
    cdrs: int
    """Of all operators together, in one repetition."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    ways: tuple[Way, ...]
    """The first is what bare group commit does too: as many callers as it has writers."""
    repetitions: int

    @classmethod
    def full(cls) -> Self:
        """As published."""
        return cls(
            (
                Way("100 callers, one in a message", operators=10, window=10, size=1, cdrs=5_000),
                Way("10 operators, 100 in a message", operators=10, window=1, size=100, cdrs=20_000),
                Way("one caller, one in a message", operators=1, window=1, size=1, cdrs=500),
            ),
            repetitions=7,
        )

    @classmethod
    def quick(cls) -> Self:
        """In about a quarter of a minute."""
        return cls(
            (
                Way("100 callers, one in a message", operators=10, window=10, size=1, cdrs=1_000),
                Way("10 operators, 100 in a message", operators=10, window=1, size=100, cdrs=2_000),
                Way("one caller, one in a message", operators=1, window=1, size=1, cdrs=30),
            ),
            repetitions=5,
        )


@dataclass(slots=True)
class Measured:
    """What one way has come to: figures, one a repetition, and all samples."""

    intake_a_s: list[float] = field(default_factory=list)
    bare_a_s: list[float] = field(default_factory=list)
    """The same number of rows, as many in a write, by bare group commit in the same repetition."""
    hub_cpu_us: list[float] = field(default_factory=list)
    """The hub's CPU time to take one CDR."""
    receipts: list[list[float]] = field(default_factory=list)
    """Milliseconds from sending to each message's answer, sorted."""
    samples: list[tuple[float, float]] = field(default_factory=list)
    """Seconds from the beginning of the run, milliseconds."""


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs and databases; there already.
        shown: told of each step.
    """
    found = {way: Measured() for way in plan.ways}
    delivery_a_s: list[float] = []
    async with Services(services_folder) as services:
        hub = await HubProcess.start(services)
        visited = [f"V{number}" for number in range(max(way.operators for way in plan.ways))]
        home = await hub.enter_many([HOME], (Mode.HUB,))
        async with OperatorFleet(hub.url, home) as fleet:
            await fleet[HOME].publish(tokens_of(PREFIX, TOKENS))
        async with OperatorFleet(hub.url, await hub.enter_many(visited, (Mode.HUB,))) as fleet:
            senders = list(fleet)
            began = time.perf_counter()
            for number in range(plan.repetitions):
                shown.step(f"repetition {number + 1} of {plan.repetitions}")
                for way, results in found.items():
                    await _take(way, hub, senders, results, began)
                waiting = sum(way.cdrs for way in plan.ways)
                async with _deliveries(hub, home, waiting) as spent_s:
                    delivery_a_s.append(waiting / spent_s)
    return _findings(plan, found, delivery_a_s)


async def _take(
    way: Way, hub: HubProcess, senders: Sequence[LinkedOperator], found: Measured, run_began: float
) -> None:
    """Intake with home offline, then the same number of the same rows to bare SQLite."""
    cpu_s, began = hub.service.cpu_s(), time.perf_counter()
    sent = await _send(way, senders[: way.operators])
    found.intake_a_s.append(way.cdrs / (time.perf_counter() - began))
    found.hub_cpu_us.append(1e6 * (hub.service.cpu_s() - cpu_s) / way.cdrs)
    found.receipts.append(sorted(1e3 * seconds for _, seconds in sent))
    found.samples.extend((at - run_began, 1e3 * seconds) for at, seconds in sent)
    cdrs = [_cdr(senders[number % way.operators].operator_id, number) for number in range(way.cdrs)]
    spent_s = await bare_group_commits(
        hub.database.with_name(f"bare-{uuid4()}.sqlite"),
        cdrs,
        home=HOME,
        writers=way.operators * way.window,
        size=way.size,
    )
    found.bare_a_s.append(way.cdrs / spent_s)


@asynccontextmanager
async def _deliveries(hub: HubProcess, home: dict[str, str], expected: int) -> AsyncIterator[float]:
    """Home links and gets what has waited for it; entered when so many CDRs have come and been acknowledged.

    Yields the seconds that it took.

    Raises:
        TimeoutError: they did not come in ten minutes.
    """
    missing, all_came = expected, asyncio.Event()

    def count(_: Cdr) -> None:
        nonlocal missing
        missing -= 1
        if missing == 0:
            all_came.set()

    fleet = OperatorFleet(hub.url, home)
    fleet.on_cdr = count
    began = time.perf_counter()
    async with fleet:
        async with asyncio.timeout(DELIVERY_TIMEOUT_S):
            await all_came.wait()
        # the hub has taken the last acknowledgement when it has answered what we send after it
        await fleet[HOME].heartbeat()
        yield time.perf_counter() - began


async def _send(way: Way, senders: Sequence[LinkedOperator]) -> list[tuple[float, float]]:
    """Send CDRs; returns when each message was sent, and the seconds until its answer.

    Raises:
        AssertionError: the hub has refused one.
    """
    numbers = iter(range(0, way.cdrs, way.size))
    sent: list[tuple[float, float]] = []

    async def keep_sending(sender: LinkedOperator) -> None:
        for first in numbers:
            cdrs = [_cdr(sender.operator_id, number) for number in range(first, first + way.size)]
            began = time.perf_counter()
            if way.size == 1:
                await sender.send(cdrs[0])
            else:
                await sender.send_batch(cdrs)
            sent.append((began, time.perf_counter() - began))

    async with asyncio.TaskGroup() as group:
        for sender in senders:
            for _ in range(way.window):
                group.create_task(keep_sending(sender))
    return sent


def _cdr(visited: str, number: int) -> Cdr:
    end = datetime.now(UTC)
    return Cdr(
        session_start=end - timedelta(minutes=30),
        id_tag=id_tag_of(PREFIX, number % TOKENS),
        meter_start=1_000,
        operator_id=visited,
        transaction_id=number,
        meter_stop=8_400,
        cdr_id=uuid4(),
        session_end=end,
        charge_point_id=f"CP-{number % 100}",
        connector_id=1,
        authorization=Authorization.WHITELIST,
    )


def promised(plan: Plan) -> tuple[Target, ...]:
    """The rows that a run fills with figures."""
    return _targets({way: Measured() for way in plan.ways}, [])


def _targets(found: dict[Way, Measured], delivery_a_s: list[float]) -> tuple[Target, ...]:
    return (
        *(row for way, results in found.items() for row in _targets_of(way, results)),
        Target("CDRs delivered home, 1/s", measured(delivery_a_s), None, at_most=False),
    )


def _targets_of(way: Way, found: Measured) -> Iterable[Target]:
    to_bare = ratio(found.intake_a_s, found.bare_a_s) if found.intake_a_s else None
    p99 = [percentile(one, 0.99) for one in found.receipts]
    bound = RATIO_MIN if way.operators > 1 else None
    yield Target(f"CDR intake, {way.name}, 1/s", measured(found.intake_a_s), None, at_most=False)
    yield Target(f"CDR intake, {way.name}, to bare group commit", to_bare, bound, at_most=False)
    yield Target(f"CDR receipt, {way.name}, p99, ms", measured(p99), None)


def _findings(plan: Plan, found: dict[Way, Measured], delivery_a_s: list[float]) -> Findings:
    rates = {way.name: estimate(results.intake_a_s) for way, results in found.items()}
    bare = {way.name: estimate(results.bare_a_s) for way, results in found.items()}
    shares = {"p50": 0.5, "p99": 0.99}
    return Findings(
        experiment="cdr",
        about=(
            "Visited operators, links in the runner, send CDRs; an answer says that the hub has committed them "
            "(synchronous=FULL). The home operator is not linked meanwhile. After each way the same number of "
            "the same rows is written by the same group commit without a hub: as many writers, as many rows in "
            "a write, no socket, no validation, no look-up. Then home links, and measured is the time from its "
            "dialling until it has acknowledged all that waited for it, while the visited operators are told "
            "the outcomes."
        ),
        targets=_targets(found, delivery_a_s),
        tables=(
            Table(
                "CDRs",
                ("what", "1/s", "bare group commit, 1/s", "hub CPU for one, µs"),
                [
                    *(
                        (way.name, rates[way.name], bare[way.name], estimate(results.hub_cpu_us))
                        for way, results in found.items()
                    ),
                    ("delivery", estimate(delivery_a_s), None, None),
                ],
            ),
            Table(
                "From sending a message to its answer, ms",
                ("way", *shares),
                [
                    (
                        way.name,
                        *(
                            estimate([percentile(one, share) for one in results.receipts])
                            for share in shares.values()
                        ),
                    )
                    for way, results in found.items()
                ],
            ),
        ),
        charts=(_chart({"hub": rates, "bare group commit": bare}),),
        settings=asdict(plan),
        samples={way.name: results.samples for way, results in found.items()},
    )


def _chart(rates: dict[str, dict[str, Estimate]]) -> Chart:
    return Chart(
        "cdr",
        "CDRs a second",
        "",
        "1/s",
        [
            Series(
                label,
                list(those),
                [one.median for one in those.values()],
                [one.low for one in those.values()],
                [one.high for one in those.values()],
            )
            for label, those in rates.items()
        ],
        kind="bar",
    )
