"""The experiment `connections`: what idle links cost, in memory and in the time of those that are not idle."""

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.model import Cell, Chart, Findings, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, measured, percentile
from benchmarks.systems.charge_points import LinkedChargePoint
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import DIALS_AT_ONCE, LinkedOperator, OperatorFleet, id_tag_of, tokens_of
from benchmarks.systems.services import Service, Services
from cascade.link import Link
from nap.records import Mode

KIB = 1024
LINK_KIB = 25.0
"""The memory of an idle link, at most."""

STEPS = 5
"""Links come in so many batches: each batch is a measurement of the memory for one."""

SYSTEMS = HUB, CENTRAL = "hub", "central system"
HOME, PROBE = "C1", "PROBE"
PREFIX = "T"
TOKENS = 100
SPARE_FILES = 200
"""Open files that a process needs besides those of its idle links."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    links: int
    """Idle ones, at the hub and then at a central system."""
    heartbeats: int
    """Timed ones in each state, one after the other on one link."""
    callers: int
    """That keep the system busy when it is loaded, each with one call in flight."""

    @classmethod
    def full(cls) -> Self:
        """As published."""
        return cls(links=5_000, heartbeats=2_000, callers=4)

    @classmethod
    def quick(cls) -> Self:
        """In about a quarter of a minute."""
        return cls(links=500, heartbeats=500, callers=4)


@dataclass(slots=True)
class LinkCost:
    """What was measured of one system."""

    system: str
    kib_a_link: list[float] = field(default_factory=list)
    """One figure a batch."""
    links: list[int] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    """With so many idle links; the first without any."""
    heartbeats_ms: dict[str, list[float]] = field(default_factory=dict)
    """By the state of the system: round trips of Heartbeat in the order of their sending."""
    answered_a_s: float = 0.0
    """Authorizations that the busy callers got when the system was loaded."""


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs and databases; there already.
        shown: told of each step.

    Raises:
        OSError: this user may not open so many files.
    """
    allow_files(plan.links + SPARE_FILES)
    async with Services(services_folder) as services:
        shown.step(f"{plan.links:,} links at the hub")
        at_hub = await _at_hub(services, plan)
        shown.step(f"{plan.links:,} links at a central system")
        at_central = await _at_central(services, plan)
    return _findings(plan, (at_hub, at_central))


def allow_files(needed: int) -> None:
    """Raise the soft limit of open files, of this process and those that it starts.

    Raises:
        OSError: the hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OSError(f"{needed} open files are needed, and {hard} allowed: raise the hard limit (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def _at_hub(services: Services, plan: Plan) -> LinkCost:
    hub = await HubProcess.start(services)
    callers = [f"V{number}" for number in range(plan.callers)]
    idle = [f"L{number}" for number in range(plan.links)]
    credentials = await hub.enter_many([HOME, PROBE, *callers, *idle], (Mode.HUB,))
    first = {who: credentials[who] for who in (HOME, PROBE, *callers)}
    async with OperatorFleet(hub.url, first) as fleet:
        await fleet[HOME].publish(tokens_of(PREFIX, TOKENS))

        async def link(numbers: Sequence[int]) -> None:
            await fleet.link({idle[number]: credentials[idle[number]] for number in numbers})

        busy = [_authorizer(fleet[who]) for who in callers]
        return await _measure(HUB, plan, hub.service, fleet[PROBE].link, busy, link)


def _authorizer(operator: LinkedOperator) -> Callable[[int], Awaitable[object]]:
    return lambda number: operator.authorize(id_tag_of(PREFIX, number % TOKENS))


async def _at_central(services: Services, plan: Plan) -> LinkCost:
    settings = {
        "CPO_OPERATOR_ID": HOME,
        "CPO_DATABASE": str(services.folder / "central.sqlite"),
        "CPO_PORT": "0",
        "CPO_MODES": "whitelist",
    }
    central = await services.start("central", "cpo_central", ["serve"], settings)
    url = (await central.event("listening"))["url"]
    few = asyncio.Semaphore(DIALS_AT_ONCE)
    async with AsyncExitStack() as linked:

        async def dial(identity: str) -> LinkedChargePoint:
            async with few:
                return await linked.enter_async_context(LinkedChargePoint(url, identity))

        async def link(numbers: Sequence[int]) -> None:
            await asyncio.gather(*(dial(f"L{number}") for number in numbers))

        callers = [await dial(f"V{number}") for number in range(plan.callers)]
        busy = [_asker(caller) for caller in callers]
        return await _measure(CENTRAL, plan, central, (await dial(PROBE)).link, busy, link)


def _asker(charge_point: LinkedChargePoint) -> Callable[[int], Awaitable[object]]:
    return lambda number: charge_point.link.call("Authorize", {"idTag": id_tag_of(PREFIX, number % TOKENS)})


async def _measure(
    system: str,
    plan: Plan,
    service: Service,
    probe: Link,
    busy: Sequence[Callable[[int], Awaitable[object]]],
    link: Callable[[Sequence[int]], Awaitable[None]],
) -> LinkCost:
    """Memory and round trips without idle links, with them, and with them and callers."""
    cost = LinkCost(system)
    cost.heartbeats_ms["alone"] = await _heartbeats(probe, plan.heartbeats)
    cost.links, cost.rss_mib = [0], [service.rss_bytes() / KIB / KIB]
    for batch in range(STEPS):
        numbers = range(plan.links * batch // STEPS, plan.links * (batch + 1) // STEPS)
        await link(numbers)
        await probe.call("Heartbeat", {})
        cost.rss_mib.append(service.rss_bytes() / KIB / KIB)
        cost.links.append(numbers.stop)
        cost.kib_a_link.append(KIB * (cost.rss_mib[-1] - cost.rss_mib[-2]) / len(numbers))
    cost.heartbeats_ms["idle links"] = await _heartbeats(probe, plan.heartbeats)
    load = _Load(busy)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        try:
            cost.heartbeats_ms["idle links, loaded"] = await _heartbeats(probe, plan.heartbeats)
        finally:
            load.end()
    cost.answered_a_s = load.answered / load.lasted_s
    return cost


class _Load:
    """Callers that ask one call after the other until they are told to end."""

    def __init__(self, callers: Sequence[Callable[[int], Awaitable[object]]]) -> None:
        self._callers = callers
        self._goes_on = True
        self.answered = 0
        self.lasted_s = 0.0

    async def run(self) -> None:
        began = time.perf_counter()
        await asyncio.gather(*(self._keep_asking(ask) for ask in self._callers))
        self.lasted_s = time.perf_counter() - began

    async def _keep_asking(self, ask: Callable[[int], Awaitable[object]]) -> None:
        number = 0
        while self._goes_on:
            await ask(number)
            number += 1
            self.answered += 1

    def end(self) -> None:
        """Ask no more; `run` returns when the last answers have come."""
        self._goes_on = False


async def _heartbeats(probe: Link, number: int) -> list[float]:
    spent = []
    for _ in range(number):
        began = time.perf_counter()
        await probe.call("Heartbeat", {})
        spent.append(1e3 * (time.perf_counter() - began))
    return spent


def promised(_: Plan) -> list[Target]:
    """The rows that a run fills with figures."""
    return _targets([LinkCost(system) for system in SYSTEMS])


def _targets(costs: Sequence[LinkCost]) -> list[Target]:
    return [
        Target(f"memory of an idle link at the {cost.system}, KiB", measured(cost.kib_a_link), LINK_KIB)
        for cost in costs
    ]


def _findings(plan: Plan, costs: Sequence[LinkCost]) -> Findings:
    return Findings(
        experiment="connections",
        about=(
            f"{plan.links:,} operators link to a hub, then as many charge points to a central system, in "
            f"{STEPS} batches; each says BootNotification and then nothing but WebSocket pongs. Memory is the "
            "resident set of the process, the difference of each batch over its links. The lag of the loop is "
            "seen in the round trip of Heartbeat on one link: before the others come, with them, and with "
            f"them while {plan.callers} callers ask Authorize one call after the other. All these links are in "
            "the runner, whose own time stands in the round trips."
        ),
        targets=_targets(costs),
        tables=(_lag_table(costs), _memory_table(costs)),
        charts=(
            Chart(
                "memory-of-links",
                "Memory against idle links",
                "idle links",
                "resident set, MiB",
                [Series(cost.system, [float(links) for links in cost.links], cost.rss_mib) for cost in costs],
            ),
        ),
        settings=asdict(plan),
        samples={
            f"{cost.system}, {state}".replace(", ", "-").replace(" ", "-"): list(_timeline(spent))
            for cost in costs
            for state, spent in cost.heartbeats_ms.items()
        },
    )


def _timeline(spent_ms: Sequence[float]) -> list[tuple[float, float]]:
    """Each begins when the one before has ended."""
    at_s, rows = 0.0, []
    for ms in spent_ms:
        rows.append((at_s, ms))
        at_s += ms / 1e3
    return rows


def _lag_table(costs: Sequence[LinkCost]) -> Table:
    rows: list[Sequence[Cell]] = [
        (cost.system, state, *_shares(spent), cost.answered_a_s if "loaded" in state else None)
        for cost in costs
        for state, spent in cost.heartbeats_ms.items()
    ]
    return Table(
        "Round trip of Heartbeat on one link, ms",
        ("system", "state", "p50", "p99", "max", "authorizations meanwhile, 1/s"),
        rows,
    )


def _shares(spent_ms: Sequence[float]) -> list[float]:
    ordered = sorted(spent_ms)
    return [percentile(ordered, share) for share in (0.5, 0.99, 1.0)]


def _memory_table(costs: Sequence[LinkCost]) -> Table:
    rows: list[Sequence[Cell]] = [
        (cost.system, cost.links[-1], cost.rss_mib[0], cost.rss_mib[-1], estimate(cost.kib_a_link))
        for cost in costs
    ]
    return Table("Memory", ("system", "idle links", "before, MiB", "with them, MiB", "KiB a link"), rows)
