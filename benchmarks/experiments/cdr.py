"""The experiment `cdr`: how fast CDRs are taken into custody, and how fast they come home."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from uuid import uuid4

from benchmarks.experiments.group_commit import bare_group_commits
from benchmarks.model import Cell, Chart, Estimate, Findings, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, percentile, ratio
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import LinkedOperator, OperatorFleet, id_tag_of, tokens_of
from benchmarks.systems.services import Services
from cascade.roaming.cdrs import Authorization, Cdr
from nap.records import Mode

HOME = "C1"
PREFIX = "T"
TOKENS = 100
DELIVERY_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    operators: int
    """Visited ones that send."""
    window: int
    """Calls in flight of each."""
    cdrs: int
    """In one repetition, of all operators together."""
    alone: int
    """CDRs sent one after the other in one repetition."""
    repetitions: int

    @classmethod
    def full(cls) -> Self:
        """As published."""
        return cls(operators=8, window=32, cdrs=5_000, alone=500, repetitions=7)

    @classmethod
    def quick(cls) -> Self:
        """In about a quarter of a minute."""
        return cls(operators=8, window=32, cdrs=400, alone=30, repetitions=5)


@dataclass(slots=True)
class Measured:
    """Figures, one a repetition, and all samples."""

    intake_a_s: list[float] = field(default_factory=list)
    bare_a_s: list[float] = field(default_factory=list)
    delivery_a_s: list[float] = field(default_factory=list)
    hub_cpu_us: list[float] = field(default_factory=list)
    """The hub's CPU time to take one CDR."""
    receipts: list[list[float]] = field(default_factory=list)
    """Milliseconds to each receipt, sorted, with all windows full."""
    receipts_alone: list[list[float]] = field(default_factory=list)
    """The same, of one operator with one call in flight."""
    samples: list[tuple[float, float]] = field(default_factory=list)
    """Seconds from the beginning of the run, milliseconds; with all windows full."""


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs and databases; there already.
        shown: told of each step.
    """
    measured = Measured()
    async with Services(services_folder) as services:
        hub = await HubProcess.start(services)
        visited = [f"V{number}" for number in range(plan.operators)]
        home = await hub.enter_many([HOME], (Mode.HUB,))
        async with OperatorFleet(hub.url, home) as fleet:
            await fleet[HOME].publish(tokens_of(PREFIX, TOKENS))
        async with OperatorFleet(hub.url, await hub.enter_many(visited, (Mode.HUB,))) as fleet:
            senders = list(fleet)
            await _send(senders[:1], plan.alone, 1)  # warm
            async with _deliveries(hub, home, plan.alone):
                pass
            began = time.perf_counter()
            for number in range(plan.repetitions):
                shown.step(f"repetition {number + 1} of {plan.repetitions}")
                await _repeat(plan, hub, home, senders, measured, began)
    return _findings(plan, measured)


async def _repeat(
    plan: Plan,
    hub: HubProcess,
    home: dict[str, str],
    senders: Sequence[LinkedOperator],
    measured: Measured,
    run_began: float,
) -> None:
    """One repetition: intake with home offline, the same rows to bare SQLite, then home comes back."""
    cpu_s, began = hub.service.cpu_s(), time.perf_counter()
    sent = await _send(senders, plan.cdrs, plan.window)
    measured.intake_a_s.append(len(sent) / (time.perf_counter() - began))
    measured.hub_cpu_us.append(1e6 * (hub.service.cpu_s() - cpu_s) / len(sent))
    measured.receipts.append(sorted(1e3 * seconds for _, seconds in sent))
    measured.samples.extend((at - run_began, 1e3 * seconds) for at, seconds in sent)
    cdrs = [_cdr(senders[number % len(senders)].operator_id, number) for number in range(plan.cdrs)]
    path = hub.database.with_name(f"bare-{len(measured.bare_a_s)}.sqlite")
    spent_s = await bare_group_commits(path, cdrs, home=HOME, writers=plan.operators * plan.window)
    measured.bare_a_s.append(len(cdrs) / spent_s)
    alone = await _send(senders[:1], plan.alone, 1)
    measured.receipts_alone.append(sorted(1e3 * seconds for _, seconds in alone))
    waiting = len(sent) + len(alone)
    began = time.perf_counter()
    async with _deliveries(hub, home, waiting):
        measured.delivery_a_s.append(waiting / (time.perf_counter() - began))


@asynccontextmanager
async def _deliveries(hub: HubProcess, home: dict[str, str], expected: int) -> AsyncIterator[None]:
    """Home links and gets what has waited for it; entered when so many CDRs have come and been acknowledged.

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
    async with fleet:
        async with asyncio.timeout(DELIVERY_TIMEOUT_S):
            await all_came.wait()
        # the hub has taken the last acknowledgement when it has answered what we send after it
        await fleet[HOME].heartbeat()
        yield


async def _send(senders: Sequence[LinkedOperator], count: int, window: int) -> list[tuple[float, float]]:
    """Send CDRs, each operator with so many calls in flight; returns when each was sent, and its seconds."""
    numbers = iter(range(count))
    sent: list[tuple[float, float]] = []

    async def keep_sending(sender: LinkedOperator) -> None:
        for number in numbers:
            cdr = _cdr(sender.operator_id, number)
            began = time.perf_counter()
            await sender.send(cdr)
            sent.append((began, time.perf_counter() - began))

    async with asyncio.TaskGroup() as group:
        for sender in senders:
            for _ in range(window):
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


def promised(_: Plan) -> tuple[Target, ...]:
    """The rows that a run fills with figures."""
    return _targets(None, None, None)


def _targets(
    intake: Estimate | None, to_bare: Estimate | None, delivery: Estimate | None
) -> tuple[Target, ...]:
    return (
        Target("CDRs taken into custody, 1/s", intake, None, at_most=False),
        Target("CDRs taken into custody, to bare SQLite group commit", to_bare, None, at_most=False),
        Target("CDRs delivered home, 1/s", delivery, None, at_most=False),
    )


def _findings(plan: Plan, measured: Measured) -> Findings:
    in_flight = plan.operators * plan.window
    shares = {"p50": 0.5, "p99": 0.99}
    latencies: list[Sequence[Cell]] = [
        (what, *(estimate([percentile(one, q) for one in receipts]) for q in shares.values()))
        for what, receipts in ((f"{in_flight} in flight", measured.receipts), ("one", measured.receipts_alone))
    ]
    intake, bare = estimate(measured.intake_a_s), estimate(measured.bare_a_s)
    delivery = estimate(measured.delivery_a_s)
    return Findings(
        experiment="cdr",
        about=(
            f"{plan.operators} visited operators, links in the runner, send {plan.cdrs:,} CDRs with "
            f"{plan.window} calls in flight each; a receipt says that the hub has committed "
            "(synchronous=FULL). The home operator is not linked meanwhile. In the same repetition the same "
            "number of the same rows is written by the same group commit without a hub: as many writers, no "
            "socket, no validation, no look-up. Then one operator sends one CDR at a time. Then home links, "
            "and measured is the time from its dialling until it has acknowledged all that waited for it; the "
            "hub delivers them in order, one at a time, and writes down each outcome."
        ),
        targets=_targets(intake, ratio(measured.intake_a_s, measured.bare_a_s), delivery),
        tables=(
            Table(
                "CDRs",
                ("what", "1/s", "hub CPU for one, µs"),
                (
                    ("intake", intake, estimate(measured.hub_cpu_us)),
                    ("bare group commit", bare, None),
                    ("delivery", delivery, None),
                ),
            ),
            Table("From sending a CDR to its receipt, ms", ("calls in flight", *shares), latencies),
        ),
        charts=(_chart({"intake": intake, "bare group commit": bare, "delivery": delivery}),),
        settings=asdict(plan),
        samples={"intake": measured.samples},
    )


def _chart(rates: dict[str, Estimate]) -> Chart:
    return Chart(
        "cdr",
        "CDRs a second",
        "",
        "1/s",
        [
            Series(
                "median",
                list(rates),
                [one.median for one in rates.values()],
                [one.low for one in rates.values()],
                [one.high for one in rates.values()],
            )
        ],
        kind="bar",
    )
