from pathlib import Path

from benchmarks.experiments import whitelist
from benchmarks.experiments.whitelist import Plan
from benchmarks.model import Estimate
from benchmarks.progress import progress

TINY = Plan(operators=3, revocations=2, listed=20, sizes=(20, 600), repetitions=1, lookups=50)


async def test_every_figure_is_measured(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("whitelist")
        found = await whitelist.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in whitelist.promised(TINY)]
    assert [target.bound for target in found.targets] == [250.0, 30.0 * 600 / 1e6, 50.0, 120.0]
    *times, memory = found.targets
    assert all(target.measured is not None and target.measured.low > 0 for target in times)
    assert memory.measured is not None
    assert len(found.samples["revocation"]) == 2 * 3
    assert all(ms > 0 for _, ms in found.samples["revocation"])
    revocation, lists, lookups = found.tables
    assert [len(row) for row in revocation.rows] == [3, 3, 3, 3]
    assert [row[0] for row in lists.rows] == [20, 600]
    assert [row[:2] for row in lookups.rows] == [
        (size, what) for size in (20, 600) for what in ("held", "unheld", "clock")
    ]
    for row in lists.rows:
        by_column = dict(zip(lists.columns, row, strict=True))
        for column in ("pull, s", "transfer to disk, s", "delta of 100, ms"):
            cell = by_column[column]
            assert isinstance(cell, Estimate)
            assert cell.low > 0
        for column in ("publish, s", "publish, MB sent", "pull, MB received", "delta, kB"):
            cell = by_column[column]
            assert isinstance(cell, float)
            assert cell > 0
    assert found.settings["sizes"] == (20, 600)
    assert [chart.name for chart in found.charts] == ["revocation", "list-size"]


def test_the_plans_are_what_is_promised() -> None:
    full, quick = Plan.full(), Plan.quick()
    assert full.sizes == (10_000, 100_000, 1_000_000)
    assert quick.sizes == (10_000, 50_000)
    assert full.operators == quick.operators == 200
    assert min(full.revocations, quick.revocations, full.repetitions, quick.repetitions) >= 5
