from pathlib import Path

from benchmarks.experiments import wan
from benchmarks.experiments.wan import HTTP, Plan
from benchmarks.progress import progress

TINY = Plan((3,), rtts_ms=(20.0,), losses=(0.0,), calls=3, rounds=1)


async def test_round_trips_decide(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("wan")
        found = await wan.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in wan.promised(TINY)]
    trips = [row.measured.low for row in found.targets if row.measured is not None]
    # one between charge point and central, and one more for each hop behind it: no proxy was left out
    assert all(seen >= least for seen, least in zip(trips, (2.0, 3.0), strict=True))
    assert [chart.kind for chart in found.charts] == ["bar"]
    (table,) = found.tables
    assert [row[:3] for row in table.rows] == [(system, 20.0, 0.0) for system in ("scenario 3", HTTP)]
    assert {name: len(rows) for name, rows in found.samples.items()} == {
        f"{system}, 20 ms, 0 lost": 3 for system in ("scenario 3", HTTP)
    }


def test_the_plans_are_what_is_promised() -> None:
    assert Plan.full().scenarios == Plan.quick().scenarios == (1, 2, 3, 4)
    assert Plan.full().rtts_ms == (5.0, 20.0, 80.0)
    assert max(Plan.full().losses) > 0
    assert min(Plan.full().rounds, Plan.quick().rounds) >= 5
