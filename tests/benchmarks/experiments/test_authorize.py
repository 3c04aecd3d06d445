import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.experiments import authorize
from benchmarks.experiments.authorize import Plan
from benchmarks.experiments.side_by_side import SAMPLE_COLUMNS
from benchmarks.experiments.tried import TRIED
from benchmarks.model import Estimate, Findings, Table
from benchmarks.progress import progress

TINY = Plan(
    scenarios=(1, 4),
    charge_points=3,
    background_charge_points=2,
    operators=1,
    tokens=20,
    rounds=1,
    calls=5,
    seconds=0.2,
    all_crowded=True,
    open_scenarios=(4,),
    sweep=(0.05, 0.1),
    sweep_repetitions=1,
    open_seconds=0.2,
    open_repetitions=1,
    background_repetitions=1,
)
SYSTEMS = [
    *("scenario 1", "scenario 4", "bare, 1 hop", "bare, 3 hops", "naive, 3 hops", "http, 3 hops"),
    *("fastest, 1 hop", "fastest, 3 hops"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Findings]:
    with progress() as shown:
        shown.begin("authorize")
        yield asyncio.run(authorize.run(TINY, tmp_path_factory.mktemp("authorize"), shown))


def table(found: Findings, title: str) -> Table:
    (one,) = [one for one in found.tables if one.title == title]
    return one


def test_all_that_was_promised_is_measured(found: Findings) -> None:
    names = [row.name for row in found.targets]
    assert names == [row.name for row in authorize.promised(TINY)]
    *rows, knee, tail = found.targets
    assert all(row.measured is not None and row.measured.low > 0 for row in rows)
    assert (knee.name, knee.bound) == ("scenario 4: knee, authorizations a second", None)
    assert knee.measured is not None or knee.remark
    assert (tail.name, tail.bound) == ("scenario 4: p99 to p50 at half the knee", 5.0)
    assert tail.measured is not None or tail.remark


def test_all_contenders_are_measured_in_every_way(found: Findings) -> None:
    for title, systems in (
        ("One caller", SYSTEMS),
        ("3 callers", SYSTEMS),
        ("32 callers, beside HTTP", ["scenario 4", "http, 3 hops"]),
        ("256 callers, beside HTTP", ["scenario 4", "http, 3 hops"]),
    ):
        rows = table(found, title).rows
        assert [row[0] for row in rows] == systems
        for row in rows:
            assert all(isinstance(cell, Estimate) and cell.low > 0 for cell in row[1:])


def test_the_time_is_broken_down_by_hop(found: Findings) -> None:
    first, fourth = table(found, "Where the time goes with one caller, ms (medians)").rows
    assert isinstance(first[2], float)
    assert first[2] > 0
    assert list(first[3:]) == [0.0] * 4
    central, hub, home = fourth[2], fourth[4], fourth[5]
    assert all(isinstance(part, float) and part > 0 for part in (central, hub, home))


def test_the_load_is_swept_and_the_background_is_beside_it(found: Findings) -> None:
    assert [row[0] for row in table(found, "Load sweep").rows] == ["scenario 4"] * 2
    backgrounds = [one for one in found.tables if one.title.endswith("E.500")]
    if found.targets[-1].measured is not None:
        assert [row[1] for row in backgrounds[0].rows] == ["none", "normal", "high"]


def test_what_was_tried_is_in_the_report(found: Findings) -> None:
    assert TRIED in found.tables
    assert {len(row) for row in TRIED.rows} == {len(TRIED.columns)}


def test_every_sample_is_kept(found: Findings) -> None:
    assert found.sample_columns == SAMPLE_COLUMNS
    for name in SYSTEMS:
        assert len(found.samples[f"1 caller, {name}"]) == TINY.calls
        assert found.samples[f"3 callers, {name}"]
    assert all(len(row) == 3 and row[2] > 0 for rows in found.samples.values() for row in rows)


def test_a_chart_for_everything(found: Findings) -> None:
    names = {chart.name for chart in found.charts}
    assert {"percentiles", "throughput", "breakdown", "latency-load"} <= names


def test_both_plans_keep_what_is_promised() -> None:
    full, quick = Plan.full(), Plan.quick()
    for plan in (full, quick):
        assert plan.scenarios == (1, 2, 3, 4)
        assert {2, 4} <= set(plan.open_scenarios)
        assert plan.charge_points == 100
        assert min(plan.rounds, plan.open_repetitions) >= 5
        assert 1 <= plan.background_repetitions <= plan.open_repetitions
        assert list(plan.sweep) == sorted(plan.sweep)
    assert full.open_scenarios == full.scenarios
    assert full.all_crowded


def test_no_more_charge_points_than_the_runs_need() -> None:
    assert [TINY.connected(name) for name in ("scenario 1", "scenario 4", "http, 3 hops")] == [3, 256, 256]
    quick = Plan.quick()
    names = ("scenario 1", "scenario 2", "bare, 2 hops")
    assert [quick.connected(name) for name in names] == [100, 150, 100]


def test_a_scenario_without_baselines_promises_only_its_own() -> None:
    alone = replace(Plan.quick(), open_scenarios=(2,), seconds=0.0, rate=50.0)
    assert alone.baselines == {}
    assert [row.name for row in authorize.promised(alone)] == ["scenario 2: p99 to p50 at the given load"]
