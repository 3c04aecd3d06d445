"""Open loop: the knee of a system, and its tail at half of it.

The knee is looked for upwards from a fraction of what the system answered in a closed run.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Self

from benchmarks.experiments.contenders import Contender
from benchmarks.experiments.side_by_side import GENERATOR_LIMIT, generator_share
from benchmarks.load.client import Background, LoadGenerator, RunResult
from benchmarks.model import Cell, Chart, Estimate, Series, Table, Target
from benchmarks.statistics import LoadPoint, estimate, knee

OVERLOAD = 2
"""So many loads that are not kept up with, one after the other, end a sweep: beyond it gets no better."""

DRAIN_S = 0.25
"""What is answered so long after the end of a run still counts: a stall of the machine is no lack of capacity,
and a queue that grows shows in the median."""


@dataclass(frozen=True, slots=True)
class Load:
    """How open runs are done."""

    seconds: float
    """Measured, of each run."""
    warm_up_s: float
    deny_share: float
    """Of the drivers; they must be refused."""
    seed: int


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One run at one offered load."""

    point: LoadPoint
    wrong: int
    """Answers other than what the token should get, errors, and calls without an answer."""
    generator_late_ms: float
    """p99 of how late the load generator itself was in starting what was due."""
    generator_share: float
    """Of a processor."""

    @classmethod
    def of(cls, offered: float, how: Load, result: RunResult) -> Self:
        """What counts of a result.

        Arrivals are drawn, and in a short run may be a tenth more or less than planned. So it is the share of
        them that was answered rightly and in time that counts, as the same share of the planned rate.
        """
        asked = result.answers + result.errors + result.lost
        rightly = (result.answers - result.unexpected) / asked if asked else 1.0
        in_time = min(1.0, (how.seconds + DRAIN_S) / max(result.seconds, how.seconds))
        return cls(
            LoadPoint(
                offered=offered,
                answered=offered * rightly * in_time,
                p50_ms=result.histogram.p50,
                p99_ms=result.histogram.p99,
            ),
            wrong_answers(result),
            result.late_starts_ms.p99,
            generator_share(result),
        )


def wrong_answers(result: RunResult) -> int:
    """Answers other than what the token should get, errors, and calls without an answer."""
    return result.unexpected + result.errors + result.lost


@dataclass(slots=True)
class Sweep:
    """What came of the offered loads."""

    runs: list[SweepRun] = field(default_factory=list)

    @property
    def knee(self) -> float:
        """In calls a second; 0 if no load was kept up with."""
        return knee([run.point for run in self.runs])

    @property
    def beyond(self) -> float | None:
        """The lowest load that was tried above the knee; None if there is none."""
        return min((run.point.offered for run in self.runs if run.point.offered > self.knee), default=None)

    def by_load(self) -> Iterator[tuple[float, list[SweepRun]]]:
        """The runs of each load, ascending."""
        ordered = sorted(self.runs, key=lambda run: run.point)
        for offered, runs in groupby(ordered, lambda run: run.point.offered):
            yield offered, list(runs)


async def sweep(
    load: LoadGenerator,
    contender: Contender,
    loads: Sequence[float],
    how: Load,
    *,
    repetitions: int,
    on_load: Callable[[float], None],
) -> Sweep:
    """Offer more and more.

    Args:
        load: asks.
        contender: is asked.
        loads: authorizations a second, ascending.
        how: the runs.
        repetitions: of each load.
        on_load: told of each.
    """
    found, behind = Sweep(), 0
    for offered in loads:
        on_load(offered)
        for number in range(repetitions):
            result = await run_open(load, contender, offered, how, seed=how.seed + number)
            found.runs.append(SweepRun.of(offered, how, result))
        behind = behind + 1 if found.knee < offered else 0
        if behind == OVERLOAD:
            break
    return found


async def run_open(
    load: LoadGenerator,
    contender: Contender,
    offered: float,
    how: Load,
    *,
    seed: int,
    background: Background | None = None,
) -> RunResult:
    """One open run."""
    return await load.open(
        contender.name,
        tags=contender.accepted,
        rate=offered,
        seconds=how.seconds,
        warm_up_s=how.warm_up_s,
        deny_share=how.deny_share,
        denied_tags=contender.denied,
        background=background,
        seed=seed,
    )


def knee_target(name: str, found: Sweep | None) -> Target:
    """The knee, its spread up to the next load that was tried; a sweep that did not enclose it has none."""
    what = f"{name}: knee, authorizations a second"
    if found is None:
        return Target(what, None, None)
    if found.knee == 0.0:
        return Target(what, None, None, remark=f"not even {found.runs[0].point.offered:.0f} were kept up with")
    if found.beyond is None:
        return Target(what, None, None, remark=f"all loads up to {found.knee:.0f} were kept up with")
    measured = Estimate(found.knee, found.knee, found.beyond)
    return Target(what, measured, None, remark="it lies between this and the next load that was tried")


def sweep_notes(name: str, found: Sweep) -> Iterator[str]:
    """What must be known of a sweep: no knee, loads that fell behind below it, the generator's own limit."""
    remark = knee_target(name, found).remark
    if found.knee == 0.0:
        yield f"{name} has no knee in this run, and nothing was measured at half of it: {remark}."
    elif found.beyond is None:
        yield f"The knee of {name} lies above the sweep, and its half is that of the highest load: {remark}."
    for offered, runs in found.by_load():
        if estimate([run.generator_share for run in runs]).median >= GENERATOR_LIMIT:
            yield f"{name} at {offered:.0f} a second ran at the load generator's own limit."


def sweep_chart(sweeps: dict[str, Sweep]) -> Chart:
    """Latency against offered load: the median of the runs of each."""
    return Chart(
        "latency-load",
        "Latency against offered load (Poisson arrivals)",
        "offered, authorizations a second",
        "latency from the intended start, ms",
        [_line(name, found, share) for name, found in sweeps.items() for share in ("p50", "p99")],
        log_y=True,
    )


def _line(name: str, found: Sweep, share: str) -> Series:
    loads = dict(found.by_load())
    figures = [
        estimate([run.point.p50_ms if share == "p50" else run.point.p99_ms for run in runs])
        for runs in loads.values()
    ]
    return Series(
        f"{name}, {share}",
        list(loads),
        [one.median for one in figures],
        [one.low for one in figures],
        [one.high for one in figures],
    )


def sweep_table(sweeps: dict[str, Sweep]) -> Table:
    """Every load of the sweeps."""
    rows: list[Sequence[Cell]] = [
        (
            name,
            offered,
            estimate([run.point.answered for run in runs]),
            estimate([run.point.p50_ms for run in runs]),
            estimate([run.point.p99_ms for run in runs]),
            sum(run.wrong for run in runs),
            estimate([run.generator_late_ms for run in runs]),
            estimate([run.generator_share for run in runs]),
        )
        for name, found in sweeps.items()
        for offered, runs in found.by_load()
    ]
    return Table(
        "Load sweep",
        (
            *("system", "offered a second", "answered a second", "p50, ms", "p99, ms", "wrong"),
            *("generator late, p99, ms", "generator, of a CPU"),
        ),
        rows,
        note=(
            "A load is kept up with if at least 97 % of it is answered rightly and in time, and the median "
            "latency is at most 10 times that of the lightest load; the knee is the highest such load."
        ),
    )
