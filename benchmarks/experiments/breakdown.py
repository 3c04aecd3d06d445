"""Where the time of an authorization goes, hop by hop, from what each process wrote of it in its own log.

Each figure is the median of its own distribution, so that they add up to the whole only roughly.
"""

from collections.abc import Mapping
from statistics import median

from benchmarks.experiments.contenders import Contenders, scenario_name
from benchmarks.experiments.side_by_side import check
from benchmarks.load.client import LoadGenerator
from benchmarks.model import Cell, Chart, Series, Table
from benchmarks.systems.services import Service

PARTS = (
    "charge point ↔ central",
    "central's own",
    "central ↔ hub",
    "hub's own",
    "home, asked by the hub",
    "home, asked by the central",
)


async def break_down(
    load: LoadGenerator, contenders: Contenders, scenarios: tuple[int, ...], calls: int, seed: int
) -> dict[int, list[float]]:
    """Milliseconds of each of `PARTS`, by scenario, with one caller."""
    found = {}
    for scenario in scenarios:
        contender = contenders[scenario_name(scenario)]
        marks = {role: service.mark for role, service in contender.processes.items()}
        result = await load.closed(
            contender.name, tags=contender.accepted, callers=1, calls=calls, warm_up=0, seed=seed
        )
        check(contender.name, result)
        for role in {"visited", "hub"} & contender.processes.keys():  # the log comes after the answer
            await contender.processes[role].event("authorization", since=marks[role])
        found[scenario] = _parts(scenario, result.histogram.p50, contender.processes, marks)
    return found


def _parts(
    scenario: int, p50_ms: float, processes: Mapping[str, Service], marks: Mapping[str, int]
) -> list[float]:
    central = processes["visited"].events("authorization", since=marks["visited"])
    total_ms = median(event["total_ms"] for event in central)
    upstream_ms = median(event["upstream_ms"] for event in central)
    outside, own = max(p50_ms - total_ms, 0.0), total_ms - upstream_ms
    if scenario == 1:
        return [outside, own, 0.0, 0.0, 0.0, 0.0]
    if scenario == 3:
        return [outside, own, 0.0, 0.0, 0.0, upstream_ms]
    hub = processes["hub"].events("authorization", since=marks["hub"])
    hub_ms = median(event["hub_ms"] for event in hub)
    home_ms = median(event["home_ms"] or 0.0 for event in hub)
    return [outside, own, max(upstream_ms - hub_ms - home_ms, 0.0), hub_ms, home_ms, 0.0]


def breakdown_chart(found: Mapping[int, list[float]]) -> Chart:
    """One bar a scenario."""
    names = [scenario_name(scenario) for scenario in found]
    return Chart(
        "breakdown",
        "Where the time goes, one caller",
        "",
        "ms",
        [Series(part, names, [parts[place] for parts in found.values()]) for place, part in enumerate(PARTS)],
        kind="stacked",
    )


def breakdown_table(found: Mapping[int, list[float]]) -> Table:
    """The same in figures."""
    rows: list[tuple[Cell, ...]] = [(scenario_name(scenario), *parts) for scenario, parts in found.items()]
    return Table("Where the time goes with one caller, ms (medians)", ("system", *PARTS), rows)
