"""Who is compared: our own system by scenario, and the baselines with the same hops, all running at once."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.load.client import LoadGenerator
from benchmarks.systems.cascade import Cascade
from benchmarks.systems.chains import ACCEPTED, DENIED, Chain, Kind
from benchmarks.systems.services import Service, Services

HOPS = {1: 1, 2: 2, 3: 2, 4: 3}
"""Sockets that the question of a scenario crosses; scenario 3 warm, its peer link being up."""

STARTS_AT_ONCE = 3
"""Chains: with more, each takes so long to start on a small machine that it seems not to."""


def scenario_name(scenario: int) -> str:
    """What our own system is called in a scenario."""
    return f"scenario {scenario}"


def chain_name(kind: Kind, hops: int) -> str:
    """What a baseline is called."""
    return f"{kind}, {hops} hop{'s' if hops > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Contender:
    """A system that answers charge points; its name is also that of its group at the load generator."""

    name: str
    url: str
    accepted: Sequence[str]
    denied: Sequence[str]
    processes: Mapping[str, Service]
    """Those that an authorization passes, by what they are."""

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have used until now."""
        return sum(service.cpu_s() for service in self.processes.values())


class Contenders:
    """Those that are compared, by name.

    Args:
        entered: all of them.
        cascade: our own system.
    """

    def __init__(self, entered: Sequence[Contender], cascade: Cascade) -> None:
        self._entered = {contender.name: contender for contender in entered}
        self.cascade = cascade

    def __getitem__(self, name: str) -> Contender:
        return self._entered[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entered

    def __iter__(self) -> Iterator[Contender]:
        return iter(self._entered.values())


async def assemble(
    services: Services,
    load: LoadGenerator,
    *,
    scenarios: Sequence[int],
    baselines: Mapping[Kind, Sequence[int]],
    charge_points: Callable[[str], int],
    tokens: int,
) -> Contenders:
    """Start what is compared and connect the charge points.

    Args:
        services: keeps the processes.
        load: whose charge points they are.
        scenarios: of our own system.
        baselines: the hops of the chains of each kind.
        charge_points: how many a contender gets, by its name, at least 1.
        tokens: of the home operator, at least 1.

    Raises:
        ExceptionGroup: of what has failed; nothing is still starting then.
    """
    wanted = [(kind, hops) for kind, lengths in baselines.items() for hops in lengths]
    few = asyncio.Semaphore(STARTS_AT_ONCE)

    async def chain(kind: Kind, hops: int) -> Chain:
        async with few:
            return await Chain.start(services, kind, hops)

    async with asyncio.TaskGroup() as starting:
        ours = starting.create_task(Cascade.start(services, scenarios=scenarios, tokens=tokens))
        chains = [starting.create_task(chain(kind, hops)) for kind, hops in wanted]
    cascade = ours.result()
    entered = [_ours(cascade, scenario) for scenario in scenarios]
    entered += [_baseline(*what, task.result()) for what, task in zip(wanted, chains, strict=True)]
    for contender in entered:
        await load.connect(contender.url, charge_points(contender.name), group=contender.name)
    return Contenders(entered, cascade)


def _ours(cascade: Cascade, scenario: int) -> Contender:
    return Contender(
        scenario_name(scenario),
        cascade.url(scenario),
        cascade.accepted,
        cascade.denied,
        cascade.processes(scenario),
    )


def _baseline(kind: Kind, hops: int, chain: Chain) -> Contender:
    return Contender(chain_name(kind, hops), chain.url, ACCEPTED, DENIED, chain.processes)
