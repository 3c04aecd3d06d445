import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.model import Cell, Estimate
from benchmarks.report.numbers import cell, number, plain, spread


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.6, "0.600"),
        (1.0, "1.00"),
        (1.2345, "1.23"),
        (45.0, "45.0"),
        (99.96, "100"),
        (250.4, "250"),
        (999.6, "1,000"),
        (12345.6, "12,300"),
        (1234567.0, "1,230,000"),
        (0.0612, "0.0612"),
        (0.000123, "0.000123"),
        (0.0000123, "1.23e-05"),
        (-1.5, "-1.50"),
        (0.0, "0"),
        (12345, "12,345"),
        (0, "0"),
        (math.nan, "nan"),
        (math.inf, "inf"),
    ],
)
def test_measured_figures_have_three_digits_and_counts_all_of_theirs(value: float, shown: str) -> None:
    assert number(value) == shown


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_what_is_shown_is_within_half_a_digit_of_what_was_measured(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.6, "0.6"), (1.4, "1.4"), (250.0, "250"), (1_000_000.0, "1,000,000"), (0.1 + 0.2, "0.3")],
)
def test_set_figures_claim_no_precision(value: float, shown: str) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), ("a|b", "a|b"), (5, "5"), (2.5, "2.50"), (Estimate(1.0, 0.5, 2.0), "1.00 (0.500 to 2.00)")],
)
def test_cells(value: Cell, shown: str) -> None:
    assert cell(value) == shown


def test_a_spread_may_cross_zero() -> None:
    assert spread(Estimate(0.0, -0.02, 0.03)) == "-0.0200 to 0.0300"
