"""Figures out of repeated measurements, and how far to trust them. Pure.

Nothing here assumes a distribution: latencies have long tails, and a noisy machine makes them longer. A figure
is the median of its repetitions, its spread an interval between two of the measured values.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import median
from typing import NamedTuple

from benchmarks.model import Estimate

CONFIDENCE = 0.95
"""The least probability with which an interval covers the true median, where the repetitions allow it."""

KEPT_UP = 0.97
"""The share of the offered rate that must be answered for a system to keep up with it."""

QUEUED = 10.0
"""A median latency so many times that of the lightest load is waiting: the queue no longer empties."""

STEPS_A_HALVING = 4
"""How many points a percentile curve has for each halving of the tail."""


def estimate(values: Sequence[float]) -> Estimate:
    """The median, and the distribution-free confidence interval of the median by order statistics.

    The k-th smallest and the k-th largest of n independent values enclose the true median with probability
    1 - 2 P(Binomial(n, 1/2) < k) (David and Nagaraja, Order Statistics, section 7.1). The interval is the
    narrowest of these that covers at least 95 %, or minimum and maximum where n is too small for any:

    ===  ==================  ========
      n  interval            coverage
    ===  ==================  ========
      5  minimum to maximum    93.8 %
      7  minimum to maximum    98.4 %
      9  2nd to 8th            96.1 %
    ===  ==================  ========

    Args:
        values: one or more figures, of repetitions that do not depend on each other; finite.

    Raises:
        ValueError: there are no values, or one is not a finite number.
    """
    ordered = sorted(float(value) for value in values)
    if not ordered or not all(map(math.isfinite, ordered)):
        raise ValueError(f"an estimate needs finite values, and at least one: {ordered}")
    rank = _rank(len(ordered))
    return Estimate(median(ordered), ordered[rank - 1], ordered[-rank])


def measured(values: Sequence[float]) -> Estimate | None:
    """The estimate, or None of no values: what was promised, and not measured."""
    return estimate(values) if values else None


def coverage(n: int) -> float:
    """The probability, 0 to 1, with which the interval of an estimate of `n` values covers the true median.

    Args:
        n: how many values the estimate is of, at least 1.
    """
    return _coverage(n, _rank(n))


def _rank(n: int) -> int:
    """Counted from either end, 1 is the outermost: which order statistics the interval lies between."""
    rank = 1
    while 2 * (rank + 1) <= n and _coverage(n, rank + 1) >= CONFIDENCE:
        rank += 1
    return rank


def _coverage(n: int, rank: int) -> float:
    outside = sum(math.comb(n, fewer) for fewer in range(rank))
    return 1 - outside / (1 << (n - 1))  # both sides: twice the outside over 2 ** n


def percentile(sorted_values: Sequence[float], q: float) -> float:
    """The nearest-rank percentile: the smallest value that at least the share `q` of all do not exceed.

    It is always one of the measured values, as in an HDR histogram: nothing is interpolated into the tail.

    Args:
        sorted_values: in ascending order, at least one.
        q: 0 (the minimum) to 1 (the maximum).

    Raises:
        ValueError: there are no values, or `q` lies outside its range.
    """
    if not len(sorted_values) or not 0 <= q <= 1:  # an array has no truth of its own
        raise ValueError(f"no percentile {q} of {len(sorted_values)} values")
    # 0.07 * 100 is a hair more than 7, and a hair must not be a rank
    rank = math.ceil(q * len(sorted_values) - 1e-9)
    return float(sorted_values[max(rank, 1) - 1])


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """The estimate of a ratio from paired repetitions: what slows both of a pair cancels out.

    Args:
        numerators: one figure for each repetition.
        denominators: of the same repetitions, in the same order; not 0.

    Raises:
        ValueError: there are no pairs, they do not pair up, or a denominator is 0.
    """
    if 0 in denominators:
        raise ValueError("a ratio to nothing")
    pairs = zip(numerators, denominators, strict=True)
    return estimate([numerator / denominator for numerator, denominator in pairs])


class LoadPoint(NamedTuple):
    """What came of one run at one offered load."""

    offered: float
    """Calls a second, as planned."""
    answered: float
    """Calls a second that were answered, over the time in which they were offered."""
    p50_ms: float
    p99_ms: float


def knee(points: Sequence[LoadPoint]) -> float:
    """The highest offered load that the system keeps up with, in calls a second; 0 if there is none.

    It keeps up while it answers at least 97 % of what is offered and the median latency is at most 10 times
    that of the lightest load. In the simplest queue (M/M/1) the median grows tenfold at nine tenths of the
    capacity. Runs at one load count by their medians. One caller in closed loop would be the wrong measure: it
    keeps all processes awake, where drivers who come now and then find them asleep, and waking may take longer
    than the work.

    The rule is plain so that it can be doubted: no curve is fitted and nothing depends on the spacing of the
    loads (as it does in Kneedle, Satopää et al. 2011), and the answer is always a load that was tried. It looks
    at the median and not at the tail because on a shared machine p99 shows the machine's own stalls at every
    load, and would put the knee wherever the first stall fell. A load that was not kept up with below one that
    was is such a stall too: no system is short of capacity at less and has enough at more.

    Raises:
        ValueError: there are no points.
    """
    if not points:
        raise ValueError("a knee needs points")
    loads = [_of_one_load(list(group)) for _, group in groupby(sorted(points), lambda point: point.offered)]
    kept_up = [
        point.offered
        for point in loads
        if point.answered >= KEPT_UP * point.offered and point.p50_ms <= QUEUED * loads[0].p50_ms
    ]
    return max(kept_up, default=0.0)


def _of_one_load(runs: Sequence[LoadPoint]) -> LoadPoint:
    return LoadPoint(*(median(figures) for figures in zip(*runs, strict=True)))


class PercentileCurve(NamedTuple):
    """Percentiles for a chart with a logarithmic x axis, as HdrHistogram plots them."""

    x: list[float]
    """1 / (1 - percentile): 1 is the minimum, 2 the median, 100 p99, the number of values the maximum."""
    y: list[float]
    """In the unit of the values."""


PERCENTILE_AXIS = "1 in so many is slower (2: p50, 100: p99, 1,000: p99.9)"
"""What to write beside the x axis of a percentile curve."""


def hdr(values: Iterable[float]) -> PercentileCurve:
    """The whole distribution as a curve, as fine in the tail as there are values to show it.

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a percentile curve needs values")
    steps = math.ceil(math.log2(len(ordered)) * STEPS_A_HALVING)
    x = [2 ** (step / STEPS_A_HALVING) for step in range(steps)]
    y = [percentile(ordered, 1 - 1 / one_in) for one_in in x]
    return PercentileCurve([*x, float(len(ordered))], [*y, float(ordered[-1])])
