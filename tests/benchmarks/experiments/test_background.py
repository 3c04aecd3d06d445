from pathlib import Path

from benchmarks.experiments.background import DOTS, AtLoad, background_notes, background_table, time_lines
from benchmarks.model import Estimate
from tests.benchmarks.experiments.results import result


def at_load(what: str, *results: float, folder: Path) -> AtLoad:
    found = AtLoad(what, 100.0)
    for p50_ms in results:
        found.add(result(folder, latencies_ms=(p50_ms, p50_ms, 4 * p50_ms), background=7), updates=2)
    return found


def test_the_tail_is_taken_run_by_run(tmp_path: Path) -> None:
    found = at_load("none", 1.0, 2.0, 3.0, folder=tmp_path)
    assert found.tail == [4.0, 4.0, 4.0]
    assert [row[0] for row in found.samples] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert (found.background_answers, found.updates, found.wrong) == (21, 6, 0)


def test_a_background_is_held_against_the_runs_without_one(tmp_path: Path) -> None:
    loads = [at_load("none", 1.0, 2.0, folder=tmp_path), at_load("high", 3.0, folder=tmp_path)]
    table = background_table({"scenario 2": loads})
    column = table.columns.index("p50 to none")
    assert [row[column] for row in table.rows] == [Estimate(1.0, 1.0, 1.0), Estimate(3.0, 3.0, 3.0)]


def test_a_run_without_an_answer_has_no_latency_and_is_told(tmp_path: Path) -> None:
    found = AtLoad("normal", 100.0)
    found.add(result(tmp_path, latencies_ms=(), lost=3, background_lost=2), updates=0)
    assert (found.p50_ms, found.tail, found.wrong) == ([], [], 3)
    assert background_table({"scenario 2": [found]}).rows[0][3] is None
    (note,) = background_notes({"scenario 2": [found]})
    assert "3 authorizations and 2 calls" in note
    assert time_lines({"scenario 2": [found]}, 1.0)[0].series == []


def test_what_went_well_needs_no_note(tmp_path: Path) -> None:
    assert list(background_notes({"scenario 2": [at_load("none", 1.0, folder=tmp_path)]})) == []


def test_a_time_line_has_the_runs_in_a_row_and_no_more_dots_than_can_be_seen(tmp_path: Path) -> None:
    found = at_load("none", 1.0, 1.0, folder=tmp_path)
    (chart,) = time_lines({"scenario 2": [found]}, 5.0)
    assert list(chart.series[0].x) == [0.0, 0.1, 0.2, 5.0, 5.1, 5.2]
    found.samples *= DOTS
    (chart,) = time_lines({"scenario 2": [found]}, 5.0)
    assert DOTS / 2 < len(chart.series[0].x) <= DOTS
