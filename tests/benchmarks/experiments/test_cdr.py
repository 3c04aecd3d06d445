from pathlib import Path

from benchmarks.experiments import cdr
from benchmarks.experiments.cdr import Plan
from benchmarks.model import Estimate
from benchmarks.progress import progress

TINY = Plan(operators=2, window=3, cdrs=12, alone=2, repetitions=2)


async def test_every_figure_is_measured(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("cdr")
        found = await cdr.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in cdr.promised(TINY)]
    assert [target.bound for target in found.targets] == [None, None, None]
    assert all(target.measured is not None and target.measured.low > 0 for target in found.targets)
    rates, receipts = found.tables
    assert [row[0] for row in rates.rows] == ["intake", "bare group commit", "delivery"]
    assert [row[0] for row in receipts.rows] == ["6 in flight", "one"]
    for row in receipts.rows:
        for cell in row[1:]:
            assert isinstance(cell, Estimate)
            assert cell.low > 0
    assert len(found.samples["intake"]) == 2 * 12


def test_both_plans_repeat_often_enough() -> None:
    assert min(Plan.full().repetitions, Plan.quick().repetitions) >= 5
