import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.statistics import LoadPoint, coverage, estimate, hdr, knee, measured, percentile, ratio

FIGURES = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)
POSITIVE = st.floats(min_value=1e-6, max_value=1e6)


# --- estimates ---------------------------------------------------------------------------------------------


@given(st.lists(FIGURES, min_size=1, max_size=60))
def test_an_interval_contains_its_median_and_ends_in_measured_values(values: list[float]) -> None:
    median, low, high = estimate(values)
    assert low <= median <= high
    assert {low, high} <= set(values)


@given(st.lists(FIGURES, min_size=1, max_size=60), st.randoms())
def test_the_order_of_the_repetitions_does_not_matter(values: list[float], rng: random.Random) -> None:
    shuffled = rng.sample(values, len(values))
    assert estimate(shuffled) == estimate(values)


def test_what_was_not_measured_has_no_estimate() -> None:
    assert measured([]) is None
    assert measured([2.0, 1.0, 3.0]) == estimate([2.0, 1.0, 3.0])


def test_intervals_of_the_docstring() -> None:
    assert estimate([5, 3, 1, 4, 2]) == (3, 1, 5)
    assert estimate(range(1, 8)) == (4, 1, 7)
    assert estimate(range(1, 10)) == (5, 2, 8)
    assert [round(coverage(n), 3) for n in (5, 7, 9)] == [0.938, 0.984, 0.961]


def test_an_even_number_has_its_median_between_two_values() -> None:
    assert estimate([1, 2]) == (1.5, 1, 2)


@given(st.integers(min_value=6, max_value=200))
def test_from_six_values_on_an_interval_covers_95_percent_and_is_the_narrowest_that_does(n: int) -> None:
    assert coverage(n) >= 0.95
    _, low, high = estimate(range(n))
    narrower = 2 * sum(math.comb(n, k) for k in range(int(low) + 2))  # of 2 ** n: outside the next one inward
    assert low == n - 1 - high
    assert 1 - narrower / 2**n < 0.95


@given(st.integers(min_value=1, max_value=5))
def test_fewer_values_have_minimum_and_maximum(n: int) -> None:
    assert estimate(range(n))[1:] == (0, n - 1)
    assert coverage(n) == 1 - 2 * 0.5**n


def test_the_coverage_is_what_random_draws_show() -> None:
    rng = random.Random(3)  # noqa: S311 - no secret
    covered = 0
    for _ in range(2000):
        _, low, high = estimate([rng.gauss() for _ in range(9)])
        covered += low <= 0 <= high
    assert covered / 2000 == pytest.approx(coverage(9), abs=0.02)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_is_no_estimate(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        estimate(values)


# --- ratios ------------------------------------------------------------------------------------------------


@given(st.lists(POSITIVE, min_size=1, max_size=20))
def test_the_ratio_of_a_series_to_itself_is_one(values: list[float]) -> None:
    assert ratio(values, values) == (1, 1, 1)


@given(st.lists(POSITIVE, min_size=1, max_size=20), st.floats(min_value=0.01, max_value=100))
def test_what_slows_both_of_a_pair_cancels_out(pace: list[float], factor: float) -> None:
    assert ratio([factor * one for one in pace], pace) == pytest.approx((factor, factor, factor))


def test_repetitions_must_pair_up() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="to nothing"):
        ratio([1.0, 2.0], [1.0, 0.0])


# --- percentiles -------------------------------------------------------------------------------------------


@given(st.lists(FIGURES, min_size=1, max_size=200).map(sorted), st.floats(min_value=0, max_value=1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], q: float) -> None:
    found = percentile(values, q)
    assert found in values
    assert sum(value <= found for value in values) >= q * len(values) - 1e-6
    assert sum(value < found for value in values) <= q * len(values)


def test_percentiles_of_a_hundred() -> None:
    hundred = range(1, 101)
    assert [percentile(hundred, q) for q in (0, 0.07, 0.5, 0.99, 1)] == [1, 7, 50, 99, 100]


@pytest.mark.parametrize(("values", "q"), [([], 0.5), ([1.0], 1.1), ([1.0], -0.1)])
def test_what_is_no_percentile(values: list[float], q: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, q)


@given(st.lists(FIGURES, min_size=1, max_size=300))
def test_a_percentile_curve_climbs_from_the_minimum_to_the_maximum(values: list[float]) -> None:
    x, y = hdr(values)
    assert (x[0], x[-1]) == (1, len(values))
    assert (y[0], y[-1]) == (min(values), max(values))
    assert x == sorted(set(x))
    assert y == sorted(y)


def test_a_percentile_curve_has_the_median_at_two() -> None:
    x, y = hdr(range(1, 1025))
    assert y[x.index(2)] == 512
    assert y[x.index(64)] == 1008


def test_a_curve_of_nothing() -> None:
    with pytest.raises(ValueError, match="needs values"):
        hdr([])


# --- the knee ----------------------------------------------------------------------------------------------


def point(offered: float, answered: float | None = None, p50: float = 1.0, p99: float = 3.0) -> LoadPoint:
    return LoadPoint(offered, offered if answered is None else answered, p50, p99)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([point(100), point(200), point(400, 300, 80.0, 900.0)], 200),
        ([point(100), point(200, 195), point(400, 387)], 200),  # 97.5 %, then 96.75 %
        ([point(100), point(200, p50=9.0), point(400, p50=11.0)], 200),
        ([point(400, p50=11.0), point(200), point(100)], 200),  # in any order
        ([point(100, p50=5.0), point(200, p50=0.4), point(400, p50=40.0)], 400),  # idle processes wake late
        ([point(100, p99=500.0), point(200, p99=400.0), point(400, 300)], 200),  # the machine's stalls
        ([point(100), point(200, 120), point(400), point(800, 500)], 400),  # a stall in one run
        ([point(100, 50), point(200, 60)], 0),
        ([point(100), point(200), point(200, 100), point(200, 110)], 100),  # repetitions: by their medians
        ([point(100), point(200), point(200, 100), point(200)], 200),
    ],
)  # fmt: skip
def test_the_knee_is_the_highest_load_that_is_kept_up_with(
    points: Sequence[LoadPoint], expected: float
) -> None:
    assert knee(points) == expected


@given(st.floats(min_value=10, max_value=10_000), st.lists(st.floats(1, 20_000), min_size=1, max_size=20))
def test_the_knee_of_a_queue_is_nine_tenths_of_its_capacity(capacity: float, loads: list[float]) -> None:
    """M/M/1: the median time in the system is ln 2 / (capacity - load)."""

    def run(load: float) -> LoadPoint:
        if load >= capacity:
            return point(load, capacity, 10_000.0, 10_000.0)
        return point(load, load, 1000 * math.log(2) / (capacity - load), 5000 / (capacity - load))

    lightest = capacity / 1000
    limit = capacity - (capacity - lightest) / 10
    kept_up = [load for load in [lightest, *loads] if load < limit * 0.999]
    doubtful = [load for load in loads if limit * 0.999 <= load <= limit * 1.001]
    assert knee([run(load) for load in [lightest, *loads]]) in {max(kept_up), *doubtful}


def test_a_knee_of_nothing() -> None:
    with pytest.raises(ValueError, match="needs points"):
        knee([])
