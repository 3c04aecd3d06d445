from benchmarks.experiments.comparison import (
    NULL,
    Boards,
    comparison_samples,
    comparison_tables,
    comparison_targets,
    limit_notes,
)
from benchmarks.experiments.contenders import HOPS, chain_name, scenario_name
from tests.benchmarks.experiments.results import measured

OURS = {scenario_name(scenario): measured(0.2 * hops, 10_000 / hops) for scenario, hops in HOPS.items()}
BARE = {chain_name("bare", hops): measured(0.16 * hops, 12_500 / hops) for hops in (1, 2, 3)}
NAIVE = {chain_name("naive", hops): measured(2.0 * hops, 400 / hops) for hops in (2, 3)}
HTTP = {chain_name("http", 3): measured(1.2, 1_000)}
CONTENDERS = OURS | BARE | NAIVE | HTTP | {NULL: measured(0.02, 50_000, generator=0.99)}
BESIDE = {name: CONTENDERS[name] for name in (scenario_name(4), chain_name("http", 3))}
BOARDS = Boards(CONTENDERS, CONTENDERS, {32: BESIDE, 256: BESIDE})

BOUNDS = {
    "scenario 1: p50 with one caller, to bare, 1 hop": 1.4,
    "scenario 2: p50 with one caller, to bare, 2 hops": 1.4,
    "scenario 3: p50 with one caller, to bare, 2 hops": 1.4,
    "scenario 4: p50 with one caller, to bare, 3 hops": 1.4,
    "scenario 2: throughput, to bare, 2 hops": 0.6,
    "scenario 2: throughput, to naive, 2 hops": 15.0,
    "scenario 4: throughput, to bare, 3 hops": 0.6,
    "scenario 4: throughput, to naive, 3 hops": 15.0,
    "scenario 4: p50 with one caller, to http, 3 hops": 0.6,
    "scenario 4: throughput at 32 callers, to http, 3 hops": 2.5,
    "scenario 4: throughput at 256 callers, to http, 3 hops": 3.0,
    "scenario 2: p50, to scenario 1": 1.8,
    "scenario 3 (warm): p50, to scenario 1": 1.8,
    "scenario 4: p50, to scenario 1": 2.5,
    "load generator against the null server: p50 with one caller, ms": None,
    "load generator against the null server: answers a second": None,
}
"""The table of promises, as far as it is of this comparison."""


def test_every_promise_is_a_row() -> None:
    rows = comparison_targets((1, 2, 3, 4), BOARDS)
    assert {row.name: row.bound for row in rows} == BOUNDS
    assert len(rows) == len(BOUNDS)
    assert all(row.measured is not None for row in rows)
    assert {row.name for row in rows if not row.at_most} == {name for name in BOUNDS if "throughput" in name}
    by_name = {row.name: row for row in rows}
    assert by_name["scenario 4: throughput at 256 callers, to http, 3 hops"].holds
    assert by_name["scenario 4: p50, to scenario 1"].holds is False
    assert by_name["scenario 4: p50, to scenario 1"].remark == "bare itself: 3.00 for 3 hops to 1"


def test_the_rows_are_the_same_before_anything_is_measured() -> None:
    rows = comparison_targets((1, 2, 3, 4), Boards())
    assert {row.name: row.bound for row in rows} == BOUNDS
    assert all(row.measured is None and row.holds is None for row in rows)


def test_only_the_scenarios_that_run_are_promised() -> None:
    names = [row.name for row in comparison_targets((2,), BOARDS)]
    assert names == [
        name for name in BOUNDS if name.startswith(("scenario 2", "load")) and "scenario 1" not in name
    ]


def test_every_run_is_in_the_tables_and_in_the_samples() -> None:
    tables = comparison_tables(100, BOARDS)
    assert [len(table.rows) for table in tables] == [len(CONTENDERS), len(CONTENDERS), 2, 2]
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    assert len(comparison_samples(100, BOARDS)) == 2 * len(CONTENDERS) + 4


def test_a_comparison_with_as_many_callers_as_beside_http_keeps_both() -> None:
    assert len(comparison_samples(32, BOARDS)) == 2 * len(CONTENDERS) + 4


def test_runs_at_the_generators_limit_are_marked() -> None:
    notes = limit_notes(100, BOARDS)
    assert [note.partition(" ran")[0] for note in notes] == [
        f"{NULL} with 1 caller",
        f"{NULL} with 100 callers",
    ]
