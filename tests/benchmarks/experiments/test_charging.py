from dataclasses import replace
from pathlib import Path

from benchmarks.experiments import charging
from benchmarks.experiments.charging import Plan
from benchmarks.progress import progress

TINY = replace(
    Plan.quick(), charge_points=4, connect_rate=50.0, probes=2, rate=50.0, seconds=0.3, repetitions=2
)


async def test_every_figure_is_measured(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("charging")
        found = await charging.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in charging.promised(TINY)]
    assert all(target.measured is not None for target in found.targets)
    beside, did = found.tables
    assert [row[0] for row in beside.rows] == list(charging.STATES)
    assert [row[4] for row in beside.rows] == [0, 0]
    (row,) = did.rows
    assert row[0] == row[1] == TINY.charge_points
    assert row[3:] == (0, 0)
