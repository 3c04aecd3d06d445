"""How figures are written: three significant digits, thousands grouped; units stand in the names. Pure."""

import math

from benchmarks.model import Cell, Estimate

DIGITS = 3
NOTHING = "-"


def number(value: float) -> str:
    """A measured figure: 0.600, 1.23, 45.0, 1,230; whole numbers that were counted stay whole: 1,234."""
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    return _significant(value)


def plain(value: float) -> str:
    """A figure that was set, not measured: no zeros that would claim precision: 0.6, 250, 1,000,000."""
    return f"{value:,.10g}"


def spread(estimate: Estimate) -> str:
    """From where to where the figure may lie."""
    return f"{number(estimate.low)} to {number(estimate.high)}"


def cell(value: Cell) -> str:
    """What stands in a table; an estimate with its spread."""
    match value:
        case None:
            return NOTHING
        case str():
            return value
        case Estimate(median=median):
            return f"{number(median)} ({spread(value)})"
        case _:
            return number(value)


def _significant(value: float) -> str:
    scientific = f"{value:.{DIGITS - 1}e}"
    magnitude = int(scientific.partition("e")[2])
    if value == 0:
        return "0"
    if magnitude < -4:  # in 0.0000123 the zeros would have to be counted
        return scientific
    return f"{float(scientific):,.{max(DIGITS - 1 - magnitude, 0)}f}"
