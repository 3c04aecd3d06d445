from pathlib import Path

import pytest

from benchmarks.experiments.open_loop import (
    DRAIN_S,
    Load,
    Sweep,
    SweepRun,
    knee_target,
    sweep_chart,
    sweep_notes,
    sweep_table,
)
from benchmarks.model import Estimate
from benchmarks.statistics import LoadPoint
from tests.benchmarks.experiments.results import result

HOW = Load(seconds=1.0, warm_up_s=0.1, deny_share=0.1, seed=1)


def swept(*kept_up: bool, generator: float = 0.2) -> Sweep:
    """Loads of 100, 200 and so on, three runs of each."""
    return Sweep(
        [
            SweepRun(LoadPoint(100.0 * place, 100.0 * place, 1.0 if kept else 50.0, 60.0), 0, 0.1, generator)
            if kept
            else SweepRun(LoadPoint(100.0 * place, 40.0 * place, 50.0, 60.0), 2, 0.1, generator)
            for place, kept in enumerate(kept_up, 1)
            for _ in range(3)
        ],
    )


def test_a_knee_lies_between_two_loads() -> None:
    found = swept(True, True, False, False)
    row = knee_target("scenario 2", found)
    assert row.measured == Estimate(200.0, 200.0, 300.0)
    assert row.bound is None
    assert list(sweep_notes("scenario 2", found)) == []


def test_a_sweep_in_which_nothing_was_kept_up_with_has_no_knee() -> None:
    found = swept(False, False)
    row = knee_target("scenario 2", found)
    assert row.measured is None
    assert row.remark == "not even 100 were kept up with"
    (note,) = sweep_notes("scenario 2", found)
    assert row.remark in note


def test_a_knee_above_the_sweep_is_not_named_but_half_of_the_highest_load_is_used() -> None:
    found = swept(True, True)
    row = knee_target("scenario 2", found)
    assert (row.measured, found.knee) == (None, 200.0)
    assert row.remark == "all loads up to 200 were kept up with"
    (note,) = sweep_notes("scenario 2", found)
    assert row.remark in note


def test_before_anything_is_offered_there_is_a_row() -> None:
    row = knee_target("scenario 2", None)
    assert (row.name, row.measured) == ("scenario 2: knee, authorizations a second", None)


def test_loads_at_the_generators_limit_are_marked() -> None:
    notes = list(sweep_notes("scenario 1", swept(True, False, generator=0.95)))
    assert notes == [
        f"scenario 1 at {offered} a second ran at the load generator's own limit." for offered in (100, 200)
    ]


def test_the_loads_are_told_with_their_spread() -> None:
    found = swept(True, True, False)
    table = sweep_table({"scenario 2": found})
    assert [row[:2] for row in table.rows] == [
        ("scenario 2", 100.0),
        ("scenario 2", 200.0),
        ("scenario 2", 300.0),
    ]
    assert table.rows[2][2] == Estimate(120.0, 120.0, 120.0)
    assert [row[5] for row in table.rows] == [0, 0, 6]
    chart = sweep_chart({"scenario 2": found})
    assert [series.label for series in chart.series] == ["scenario 2, p50", "scenario 2, p99"]
    assert list(chart.series[0].x) == [100.0, 200.0, 300.0]


def test_the_luck_of_the_draw_is_not_a_lack_of_capacity(tmp_path: Path) -> None:
    run = SweepRun.of(10.0, HOW, result(tmp_path, latencies_ms=(1.0,) * 8))
    assert run.point.answered == 10.0


@pytest.mark.parametrize(
    ("unexpected", "errors", "lost", "share"), [(4, 0, 0, 4 / 8), (0, 4, 0, 8 / 12), (0, 0, 4, 8 / 12)]
)
def test_what_is_not_answered_rightly_is_not_kept_up_with(
    tmp_path: Path, unexpected: int, errors: int, lost: int, share: float
) -> None:
    came = result(tmp_path, latencies_ms=(1.0,) * 8, unexpected=unexpected, errors=errors, lost=lost)
    run = SweepRun.of(10.0, HOW, came)
    assert run.point.answered == pytest.approx(10.0 * share)
    assert run.wrong == 4


def test_what_is_answered_long_after_the_end_is_not_kept_up_with(tmp_path: Path) -> None:
    stalled = SweepRun.of(10.0, HOW, result(tmp_path, seconds=1.0 + DRAIN_S))
    overloaded = SweepRun.of(10.0, HOW, result(tmp_path, seconds=2.0 + 2 * DRAIN_S))
    assert stalled.point.answered == 10.0
    assert overloaded.point.answered == pytest.approx(5.0)


def test_a_run_to_which_nobody_came_was_kept_up_with(tmp_path: Path) -> None:
    assert SweepRun.of(10.0, HOW, result(tmp_path, latencies_ms=())).point.answered == 10.0
