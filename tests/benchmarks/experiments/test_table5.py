from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experiments import table5
from benchmarks.experiments.table5 import ATTEMPTS, Plan, means_of_five
from benchmarks.model import Estimate
from benchmarks.progress import progress

TINY = Plan(sets=1, background_charge_points=2, background_s=0.3)


async def test_the_table_is_there_beside_the_published_values(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("table5")
        found = await table5.run(TINY, tmp_path, shown)
    published, percentiles = found.tables
    assert len(published.rows) == 5
    for row in published.rows[:4]:
        assert isinstance(row[2], Estimate)
        assert row[2].low > 0
        assert all(isinstance(value, int | float) and value > 0 for value in row[3:])
    assert list(published.rows[4][1:]) == ["yes, refused", None, None, None, None]
    assert [row[:2] for row in percentiles.rows] == [
        (f"scenario {scenario}", load) for scenario in (1, 2, 3, 4) for load in ("idle", "E.500 high")
    ]
    for row in percentiles.rows:
        shares = [cell for cell in row[3:] if isinstance(cell, float)]
        assert shares == sorted(shares)
        assert shares[0] > 0
    assert len(found.samples["scenario 1"]) == ATTEMPTS
    assert len(found.charts[0].series) == 4


@given(st.lists(st.floats(0.01, 1e4), max_size=40))
def test_a_mean_is_of_five_attempts_in_their_order(latencies: list[float]) -> None:
    means = means_of_five(latencies)
    assert len(means) == len(latencies) // 5
    for number, mean in enumerate(means):
        five = latencies[5 * number : 5 * number + 5]
        assert min(five) * (1 - 1e-9) <= mean <= max(five) * (1 + 1e-9)


def test_the_paper_took_the_plain_mean() -> None:
    assert means_of_five([1.0, 2.0, 3.0, 4.0, 10.0, 7.0]) == [4.0]
