"""The experiment `wan`: the same with a network between the parties, where round trips decide.

A delaying proxy stands before every URL that is dialled: between charge point and central system, central
system and hub, and peers. On each of these ways a round trip takes the same time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from benchmarks.experiments.contenders import chain_name, scenario_name
from benchmarks.experiments.side_by_side import SAMPLE_COLUMNS, check, numbered
from benchmarks.load.client import LoadGenerator, RunResult
from benchmarks.model import Cell, Chart, Findings, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, measured
from benchmarks.systems.cascade import Cascade
from benchmarks.systems.chains import ACCEPTED, Chain
from benchmarks.systems.services import Services

HTTP = chain_name("http", 3)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    scenarios: tuple[int, ...]
    """Of our own system; HTTP stands beside them."""
    rtts_ms: tuple[float, ...]
    losses: tuple[float, ...]
    """Shares of what is sent."""
    calls: int
    """Of each system in a round, one after the other."""
    rounds: int
    seed: int = 1

    @classmethod
    def full(cls) -> Self:
        """As published; about five minutes."""
        return cls((1, 2, 3, 4), rtts_ms=(5.0, 20.0, 80.0), losses=(0.0, 0.01), calls=10, rounds=5)

    @classmethod
    def quick(cls) -> Self:
        """In about half a minute."""
        return cls((1, 2, 3, 4), rtts_ms=(20.0,), losses=(0.0,), calls=6, rounds=5)

    @property
    def systems(self) -> tuple[str, ...]:
        """What is measured on each network."""
        return (*map(scenario_name, self.scenarios), HTTP)


@dataclass(slots=True)
class Measured:
    """One system on one network, a figure a round."""

    rtt_ms: float
    loss: float
    system: str
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    samples: list[Sequence[float]] = field(default_factory=list)
    """As `SAMPLE_COLUMNS`."""

    def add(self, result: RunResult) -> None:
        """Keep a round."""
        self.p50_ms.append(result.histogram.p50)
        self.p99_ms.append(result.histogram.p99)
        self.samples += numbered(result, len(self.p50_ms))

    @property
    def round_trips(self) -> list[float]:
        """p50 in round trips of the network."""
        return [p50 / self.rtt_ms for p50 in self.p50_ms]


class Network:
    """Proxies before URLs.

    Args:
        services: keeps them.
        rtt_ms: the round trip through each.
        loss: the share of what is sent that is lost.
        seed: of what is lost.
    """

    def __init__(self, services: Services, rtt_ms: float, loss: float, seed: int) -> None:
        self._services = services
        self._options = ["--rtt-ms", str(rtt_ms), "--loss", str(loss), "--seed", str(seed)]
        self._count = 0

    async def via(self, url: str) -> str:
        """Put a proxy before a URL; returns the URL to dial instead."""
        self._count += 1
        parts = urlsplit(url)
        arguments = ["--upstream", f"{parts.hostname}:{parts.port}", *self._options]
        proxy = await self._services.start(f"proxy-{self._count}", "benchmarks.proxy", arguments, {})
        listening = urlsplit((await proxy.event("listening"))["url"])
        return parts._replace(netloc=f"{listening.hostname}:{listening.port}").geturl()


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs, databases and raw samples; there already.
        shown: told of each step.
    """
    found = []
    for rtt_ms in plan.rtts_ms:
        for loss in plan.losses:
            folder = services_folder / f"{rtt_ms:g}-ms-{loss:g}"
            folder.mkdir()
            shown.step(f"{rtt_ms:g} ms, {loss:.1%} lost")
            found += await _on_network(plan, folder, rtt_ms, loss)
    return _findings(plan, found)


async def _on_network(plan: Plan, folder: Path, rtt_ms: float, loss: float) -> list[Measured]:
    found = {system: Measured(rtt_ms, loss, system) for system in plan.systems}
    async with Services(folder) as services:
        network = Network(services, rtt_ms, loss, plan.seed)
        load = await LoadGenerator.start(folder / "samples")
        try:
            tags = await _assemble(plan, services, load, network)
            for number in range(plan.rounds):
                for system, one in found.items():
                    result = await load.closed(
                        system, tags=tags[system], calls=plan.calls, warm_up=1, seed=plan.seed + number
                    )
                    one.add(check(system, result))
        finally:
            await load.stop()
    return list(found.values())


async def _assemble(
    plan: Plan, services: Services, load: LoadGenerator, network: Network
) -> dict[str, Sequence[str]]:
    """Start all systems on the network, a charge point on each; returns whom each accepts."""
    async with asyncio.TaskGroup() as starting:
        ours = starting.create_task(Cascade.start(services, scenarios=plan.scenarios, via=network.via))
        theirs = starting.create_task(Chain.start(services, "http", 3, via=network.via))
    cascade, http = ours.result(), theirs.result()
    urls = {scenario_name(scenario): cascade.url(scenario) for scenario in plan.scenarios} | {HTTP: http.url}
    async with asyncio.TaskGroup() as starting:
        dialled = {name: starting.create_task(network.via(url)) for name, url in urls.items()}
    for name, task in dialled.items():
        await load.connect(task.result(), 1, group=name)
    return dict.fromkeys(urls, cascade.accepted) | {HTTP: ACCEPTED}


def promised(plan: Plan) -> list[Target]:
    """The rows that a run of this plan fills with figures."""
    return _targets(plan, [Measured(max(plan.rtts_ms), min(plan.losses), system) for system in plan.systems])


def _targets(plan: Plan, found: Sequence[Measured]) -> list[Target]:
    return [
        Target(
            f"{one.system}: round trips of an authorization, at {one.rtt_ms:g} ms",
            measured(one.round_trips),
            None,
        )
        for one in found
        if one.rtt_ms == max(plan.rtts_ms) and one.loss == min(plan.losses)
    ]


def _findings(plan: Plan, found: Sequence[Measured]) -> Findings:
    whole = [one for one in found if one.loss == min(plan.losses)]
    rows: list[Sequence[Cell]] = [
        (
            one.system,
            one.rtt_ms,
            one.loss * 100,
            estimate(one.p50_ms),
            estimate(one.p99_ms),
            estimate(one.round_trips),
        )
        for one in found
    ]
    return Findings(
        experiment="wan",
        about=(
            "One caller; a TCP proxy of user space before every URL that is dialled delays each chunk by half "
            "a round trip each way. A lost chunk, and all behind it, comes a retransmission time-out later, as "
            "TCP's application sees it. Links and HTTP connections are up before the first authorization."
        ),
        targets=_targets(plan, found),
        tables=[
            Table(
                "With a network between the parties",
                ("system", "round trip, ms", "lost, %", "p50, ms", "p99, ms", "p50 in round trips"),
                rows,
            )
        ],
        charts=[
            Chart(
                "wan",
                "p50 of an authorization against the round trip between the parties",
                "round trip, ms",
                "p50, ms",
                [_series(system, whole) for system in plan.systems],
                kind="line" if len(plan.rtts_ms) > 1 else "bar",  # a line of one point shows nothing
            )
        ],
        settings=asdict(plan),
        samples={f"{one.system}, {one.rtt_ms:g} ms, {one.loss:g} lost": one.samples for one in found},
        sample_columns=SAMPLE_COLUMNS,
    )


def _series(system: str, found: Sequence[Measured]) -> Series:
    own = [one for one in found if one.system == system]
    figures = [estimate(one.p50_ms) for one in own]
    return Series(
        system,
        [one.rtt_ms for one in own],
        [figure.median for figure in figures],
        [figure.low for figure in figures],
        [figure.high for figure in figures],
    )
