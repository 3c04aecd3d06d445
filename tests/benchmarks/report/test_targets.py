from benchmarks.model import Estimate, Findings, Target
from benchmarks.report.targets import Row, conditions, rows, summary, verdict
from tests.benchmarks.report.example import ENVIRONMENT, FINDINGS


def test_each_target_is_a_row_in_words() -> None:
    assert list(rows(FINDINGS)) == [
        Row("scenario 4 to bare, p50", "1.32", "1.20 to 1.45", "≤ 1.4", "holds", "", "authorize"),
        Row(
            *("throughput to bare | share", "0.531", "0.500 to 0.580", "≥ 0.6"),
            *("falls short", "a <stall>", "authorize"),
        ),
        Row("null server, ms", "0.0612", "0.0600 to 0.0700", "-", "-", "", "authorize"),
        Row("memory, bytes", "not measured", "-", "≤ 120", "-", "too few tokens", "authorize"),
        Row("slope", "0.0100", "-0.0200 to 0.0300", "-", "-", "", "growth"),
    ]


def test_the_bound_itself_holds() -> None:
    at_bound = Estimate(1.4, 1.0, 2.0)
    assert verdict(Target("", at_bound, 1.4)) == "holds"
    assert verdict(Target("", at_bound, 1.4, at_most=False)) == "holds"


def test_the_verdict_is_on_what_was_measured_and_not_on_what_is_shown() -> None:
    assert verdict(Target("", Estimate(1.4001, 1.0, 2.0), 1.4)) == "falls short"


def test_the_sum_counts_what_was_not_measured_apart() -> None:
    assert summary(FINDINGS) == "1 of 3 targets hold, 1 not measured; 2 figures without a target."
    assert summary([Findings("cdr", "")]) == "0 of 0 targets hold; 0 figures without a target."


def test_conditions_leave_out_what_is_not_known() -> None:
    assert conditions(ENVIRONMENT) == (
        "2 cores; CPython 3.11.7; kernel 6.1 <rc>; 2026-01-31T12:00:00+00:00; "
        "a busy loop lost 12.3% of its time in gaps of more than 1 ms, the longest 21.5 ms"
    )
    assert conditions({"cpu": "Example"}) == "Example"
