"""The experiment `growth`: what one authorization costs the hub as operators and tokens become more.

All systems that are compared run at the same time, and are asked in turn, round after round: what disturbs the
machine for a while disturbs all of them. Slopes are taken within a round.
"""

import asyncio
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Self

from benchmarks.model import Cell, Chart, Estimate, Findings, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, measured, percentile
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import OperatorFleet, id_tag_of, tokens_of
from benchmarks.systems.services import Services
from nap.records import Mode

HOME, CALLER = "C1", "V0"
PREFIX = "T"
RECORD_INTERVAL_S, SETTLE_S = 0.1, 0.25
"""How often the hub writes down what it has answered, and how long it is then given to have done all of it: the
CPU time of an authorization is not over with its answer."""

SLOPE_PERCENT = 5.0
"""What counts as flat: the cost of an authorization grows by no more for ten times as many."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done."""

    operators: tuple[int, ...]
    """Linked, besides the home operator, ascending; the tokens are the fewest of `tokens`."""
    tokens: tuple[int, ...]
    """Held, ascending; the operators are the fewest of `operators`."""
    calls: int
    """Authorizations of each system in a round, one after the other."""
    rounds: int
    seed: int = 1

    @classmethod
    def full(cls) -> Self:
        """As published."""
        return cls((1, 10, 100, 1_000), (10_000, 100_000, 1_000_000), calls=4_000, rounds=9)

    @classmethod
    def quick(cls) -> Self:
        """In less than a minute."""
        return cls((1, 10, 100), (10_000, 50_000), calls=1_000, rounds=5)


@dataclass(slots=True)
class Point:
    """One system and what was measured of it, a figure a round."""

    operators: int
    tokens: int
    cpu_us: list[float] = field(default_factory=list)
    """The hub's CPU time for one authorization."""
    p50_ms: list[float] = field(default_factory=list)
    """From the caller's call to its answer."""
    asked: list[tuple[float, float]] = field(default_factory=list)
    """Seconds from the beginning of the run, milliseconds; each authorization."""


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs and databases; there already.
        shown: told of each step.
    """
    fewest = Point(plan.operators[0], plan.tokens[0])
    by_operators = [fewest, *(Point(many, fewest.tokens) for many in plan.operators[1:])]
    by_tokens = [fewest, *(Point(fewest.operators, many) for many in plan.tokens[1:])]
    points = [*by_operators, *by_tokens[1:]]
    async with Services(services_folder) as services:
        systems = [_System(services, point) for point in points]
        try:
            shown.step(f"fill {len(systems)} hubs")
            async with asyncio.TaskGroup() as filling:
                for system in systems:
                    filling.create_task(system.start())
            await _take_turns(plan, systems, shown)
        finally:
            await asyncio.gather(*(system.close() for system in systems))
    return _findings(plan, by_operators, by_tokens)


async def _take_turns(plan: Plan, systems: Sequence["_System"], shown: Shown) -> None:
    rng = random.Random(plan.seed)  # noqa: S311 - it chooses drivers
    for system in systems:
        await system.authorize(plan.calls // 4 + 1, rng)  # warm
    began = time.perf_counter()
    for number in range(plan.rounds):
        shown.step(f"round {number + 1} of {plan.rounds}")
        for system in rng.sample(systems, len(systems)):
            await system.measure(plan.calls, rng, began)


class _System:
    """A hub with its operators and tokens."""

    def __init__(self, services: Services, point: Point) -> None:
        self.point = point
        self._services = services
        self._hub: HubProcess
        self._fleet: OperatorFleet | None = None

    async def start(self) -> None:
        """Start the hub, link the operators and publish the tokens."""
        name = f"hub-{self.point.operators}-operators-{self.point.tokens}-tokens"
        settings = {"NAP_RECORD_INTERVAL_S": str(RECORD_INTERVAL_S)}
        self._hub = await HubProcess.start(self._services, name, settings)
        visited = [f"V{number}" for number in range(self.point.operators)]
        credentials = await self._hub.enter_many([HOME, *visited], (Mode.HUB,))
        fleet = OperatorFleet(self._hub.url, credentials)
        self._fleet = await fleet.__aenter__()
        await fleet[HOME].publish(tokens_of(PREFIX, self.point.tokens))

    async def authorize(self, calls: int, rng: random.Random) -> list[tuple[float, float]]:
        """Ask about drivers, one after the other; returns when each was asked, and the seconds that it took."""
        assert self._fleet is not None, "started"
        caller, spent = self._fleet[CALLER], []
        for id_tag in [id_tag_of(PREFIX, rng.randrange(self.point.tokens)) for _ in range(calls)]:
            began = time.perf_counter()
            status = await caller.authorize(id_tag)
            spent.append((began, time.perf_counter() - began))
            if status != "Accepted":
                raise AssertionError(f"the hub holds {id_tag}, and answered {status}")
        return spent

    async def measure(self, calls: int, rng: random.Random, began: float) -> None:
        """One turn of a round."""
        cpu_s = self._hub.service.cpu_s()
        spent = await self.authorize(calls, rng)
        await asyncio.sleep(SETTLE_S)
        self.point.cpu_us.append(1e6 * (self._hub.service.cpu_s() - cpu_s) / calls)
        self.point.p50_ms.append(1e3 * percentile(sorted(seconds for _, seconds in spent), 0.5))
        self.point.asked.extend((at - began, 1e3 * seconds) for at, seconds in spent)

    async def close(self) -> None:
        """Unlink the operators."""
        if self._fleet is not None:
            await self._fleet.__aexit__(None, None, None)


def slope_percent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """By how many percent of its mean the cost grows for ten times the size: the least squares line.

    Args:
        sizes: two or more different ones, positive.
        costs: one for each size, positive.
    """
    decades = [math.log10(size) for size in sizes]
    mean, middle = fmean(costs), fmean(decades)
    above = sum((decade - middle) * (cost - mean) for decade, cost in zip(decades, costs, strict=True))
    return 100 * above / sum((decade - middle) ** 2 for decade in decades) / mean


def reading(slope: Estimate) -> str:
    """What the spread of a slope lets one say of growth.

    The verdict is that of the median, as in every row. To let a slope hold because its interval reaches down to
    the bound would reward noise: the worse a machine, the flatter everything on it. To ask that the whole
    interval lie below would punish the system for the machine. So the row holds by its median, and says beside
    it whether the interval has the bound inside, and the run therefore cannot tell.
    """
    if slope.high <= SLOPE_PERCENT:
        return "flat within noise: the whole interval is below the bound"
    if slope.low > SLOPE_PERCENT:
        return "it grows: the whole interval is above the bound"
    return "too noisy to tell: the bound lies within the interval"


def promised(plan: Plan) -> list[Target]:
    """The rows that a run of this plan fills with figures."""
    fewest = Point(plan.operators[0], plan.tokens[0])
    return _targets(
        {
            "operators": [fewest, Point(plan.operators[-1], fewest.tokens)],
            "tokens": [fewest, Point(fewest.operators, plan.tokens[-1])],
        }
    )


def _targets(axes: Mapping[str, Sequence[Point]]) -> list[Target]:
    return [
        _target(axis, points, what, figures)
        for axis, points in axes.items()
        for what, figures in (
            ("hub CPU", [point.cpu_us for point in points]),
            ("p50", [point.p50_ms for point in points]),
        )
    ]


def _target(axis: str, points: Sequence[Point], what: str, figures: Sequence[Sequence[float]]) -> Target:
    slope = measured(_slopes(axis, points, figures))
    span = f"from {_size(axis, points[0]):,} to {_size(axis, points[-1]):,}"
    return Target(
        f"growth of an authorization's {what} for ten times as many {axis}, %",
        slope,
        SLOPE_PERCENT,
        remark=span if slope is None else f"{span}; {reading(slope)}",
    )


def _findings(plan: Plan, by_operators: Sequence[Point], by_tokens: Sequence[Point]) -> Findings:
    axes = {"operators": by_operators, "tokens": by_tokens}
    return Findings(
        experiment="growth",
        about=(
            "One visited operator asks the hub Authorize (mode hub), one call at a time, about random tokens "
            f"of one home operator: {plan.calls:,} calls to each hub in a round, {plan.rounds} rounds, the "
            "hubs in random order. Each size has a hub of its own, and all of them run all the time. Further "
            "operators are linked and idle, as links in the runner. CPU time is that of the hub's process, "
            "all threads."
        ),
        targets=_targets(axes),
        tables=[_table(axis, points) for axis, points in axes.items()],
        charts=[chart for axis, points in axes.items() for chart in _charts(axis, points)],
        settings=asdict(plan),
        samples={
            f"{point.operators}-operators-{point.tokens}-tokens": point.asked
            for point in (*by_operators, *by_tokens[1:])
        },
    )


def _size(axis: str, point: Point) -> int:
    return point.operators if axis == "operators" else point.tokens


def _slopes(axis: str, points: Sequence[Point], figures: Sequence[Sequence[float]]) -> list[float]:
    """One for each round."""
    sizes = [float(_size(axis, point)) for point in points]
    return [slope_percent(sizes, costs) for costs in zip(*figures, strict=True)]


def _table(axis: str, points: Sequence[Point]) -> Table:
    rows: list[Sequence[Cell]] = [
        (point.operators, point.tokens, estimate(point.cpu_us), estimate(point.p50_ms)) for point in points
    ]
    return Table(f"An authorization against {axis}", ("operators", "tokens", "hub CPU, µs", "p50, ms"), rows)


def _charts(axis: str, points: Sequence[Point]) -> tuple[Chart, ...]:
    sizes = [float(_size(axis, point)) for point in points]
    figures = {
        "cpu": ("hub CPU for one authorization, µs", [estimate(point.cpu_us) for point in points]),
        "p50": ("p50 of an authorization, ms", [estimate(point.p50_ms) for point in points]),
    }
    return tuple(
        Chart(
            f"growth-{axis}-{name}",
            f"{label.partition(',')[0]} against {axis}",
            axis,
            label,
            [
                Series(
                    "hub",
                    sizes,
                    [one.median for one in estimates],
                    [one.low for one in estimates],
                    [one.high for one in estimates],
                )
            ],
            log_x=True,
        )
        for name, (label, estimates) in figures.items()
    )
