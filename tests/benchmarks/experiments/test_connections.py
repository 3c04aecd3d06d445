import resource
from pathlib import Path

import pytest

from benchmarks.experiments import connections
from benchmarks.experiments.connections import Plan, allow_files
from benchmarks.progress import progress

TINY = Plan(links=10, heartbeats=5, callers=2)


async def test_every_figure_is_measured(tmp_path: Path) -> None:
    with progress() as shown:
        shown.begin("connections")
        found = await connections.run(TINY, tmp_path, shown)
    assert [row.name for row in found.targets] == [row.name for row in connections.promised(TINY)]
    assert [target.bound for target in found.targets] == [25.0, 25.0]
    assert all(target.measured is not None for target in found.targets)
    lag, memory = found.tables
    states = ("alone", "idle links", "idle links, loaded")
    assert [row[:2] for row in lag.rows] == [
        (system, state) for system in ("hub", "central system") for state in states
    ]
    for row in lag.rows:
        shares = [cell for cell in row[2:5] if isinstance(cell, float)]
        assert len(shares) == 3
        assert shares == sorted(shares)
        assert shares[0] > 0
        assert row[5] is None or (isinstance(row[5], float) and row[5] > 0)
    assert [row[1] for row in memory.rows] == [10, 10]
    assert {len(rows) for rows in found.samples.values()} == {5}
    assert len(found.samples) == 6
    (chart,) = found.charts
    assert [list(series.x) for series in chart.series] == [[0, 2, 4, 6, 8, 10]] * 2


def test_more_files_than_may_be_open_are_refused() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(OSError, match="raise the hard limit"):
        allow_files(before[1] + 1)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_the_soft_limit_of_open_files_is_raised_where_it_is_too_low() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1] - 1, before[1]))
    try:
        allow_files(before[1])
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
