from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experiments import growth
from benchmarks.experiments.growth import Plan, reading, slope_percent
from benchmarks.model import Estimate
from benchmarks.progress import progress

TINY = Plan(operators=(1, 3), tokens=(20, 600), calls=10, rounds=2)


async def test_every_figure_is_measured(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("growth")
        found = await growth.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in growth.promised(TINY)]
    assert len(found.targets) == 4
    assert all(target.measured is not None for target in found.targets)
    assert [[row[:2] for row in table.rows] for table in found.tables] == [
        [(1, 20), (3, 20)],
        [(1, 20), (1, 600)],
    ]
    for chart in found.charts:
        (series,) = chart.series
        assert all(cost > 0 for cost in series.y)
    assert {name: len(rows) for name, rows in found.samples.items()} == {
        "1-operators-20-tokens": 20,
        "3-operators-20-tokens": 20,
        "1-operators-600-tokens": 20,
    }


@given(st.floats(1, 1e6), st.floats(-0.3, 3), st.lists(st.integers(0, 6), min_size=2, unique=True))
def test_a_line_has_its_slope(base: float, growing: float, decades: list[int]) -> None:
    costs = [base * (1 + growing * (decade - sum(decades) / len(decades))) for decade in decades]
    assert slope_percent([10.0**decade for decade in decades], costs) == pytest.approx(100 * growing, abs=1e-6)


def test_the_plans_are_what_is_promised() -> None:
    assert Plan.full().operators == (1, 10, 100, 1_000)
    assert Plan.full().tokens == (10_000, 100_000, 1_000_000)
    assert Plan.quick().operators == (1, 10, 100)
    assert Plan.quick().tokens == (10_000, 50_000)
    assert min(Plan.full().rounds, Plan.quick().rounds) >= 5


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        (Estimate(1.0, -3.0, 4.9), "flat within noise"),
        (Estimate(1.0, -9.0, 12.0), "too noisy to tell"),
        (Estimate(6.0, -1.0, 14.0), "too noisy to tell"),
        (Estimate(8.0, 6.0, 9.0), "it grows"),
    ],
)
def test_a_wide_interval_is_not_called_flat(slope: Estimate, said: str) -> None:
    assert reading(slope).startswith(said)
