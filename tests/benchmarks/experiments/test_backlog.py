from dataclasses import replace
from pathlib import Path

from benchmarks.experiments import backlog
from benchmarks.experiments.backlog import Plan
from benchmarks.progress import progress

TINY = replace(Plan.quick(), cdrs=600, visited=2, charge_points=2, rate=50.0, seconds=0.2, repetitions=2)


async def test_every_figure_is_measured(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("backlog")
        found = await backlog.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in backlog.promised(TINY)]
    assert all(target.measured is not None for target in found.targets)
    drivers, shares, memory = found.tables
    assert [row[0] for row in drivers.rows] == list(backlog.STATES)
    assert [row[4] for row in drivers.rows] == [0, 0]
    assert [row[0] for row in shares.rows] == ["visited", "hub", backlog.RETURNED]
    assert all(row[1] is not None for row in memory.rows if "a tenth" not in str(row[0]))  # it may be too quick
    (chart,) = found.charts
    assert all(len(series.x) == len(series.y) > 0 for series in chart.series)


def test_both_plans_repeat_often_enough() -> None:
    assert min(Plan.full().repetitions, Plan.quick().repetitions) >= 5
