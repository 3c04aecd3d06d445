from dataclasses import replace
from pathlib import Path

from benchmarks.experiments import returning
from benchmarks.experiments.returning import Plan
from benchmarks.progress import progress

TINY = replace(Plan.quick(), operators=5, charge_points=2, rate=50.0, seconds=0.8, repetitions=2)


async def test_every_figure_is_measured(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("returning")
        found = await returning.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in returning.promised(TINY)]
    assert all(target.measured is not None for target in found.targets)
    (table,) = found.tables
    assert [row[0] for row in table.rows] == list(returning.STATES)
    assert [row[4] for row in table.rows] == [0, 0]
