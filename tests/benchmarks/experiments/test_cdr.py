from pathlib import Path

from benchmarks.experiments import cdr
from benchmarks.experiments.cdr import Plan, Way
from benchmarks.model import Estimate
from benchmarks.progress import progress

TINY = Plan(
    (
        Way("some", operators=2, window=3, size=1, cdrs=12),
        Way("many", operators=2, window=1, size=4, cdrs=16),
        Way("one", operators=1, window=1, size=1, cdrs=2),
    ),
    repetitions=2,
)


async def test_every_figure_is_measured(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("cdr")
        found = await cdr.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in cdr.promised(TINY)]
    assert [target.bound for target in found.targets if "to bare" in target.name] == [0.4, 0.4, None]
    assert all(target.measured is not None and target.measured.low > 0 for target in found.targets)
    rates, receipts = found.tables
    assert [row[0] for row in rates.rows] == ["some", "many", "one", "delivery"]
    assert [row[0] for row in receipts.rows] == ["some", "many", "one"]
    for row in receipts.rows:
        for cell in row[1:]:
            assert isinstance(cell, Estimate)
            assert cell.low > 0
    assert {name: len(samples) for name, samples in found.samples.items()} == {"some": 24, "many": 8, "one": 4}


def test_both_plans_repeat_often_enough() -> None:
    assert min(Plan.full().repetitions, Plan.quick().repetitions) >= 5
