"""What experiments find: figures with their spread, held against targets. Pure data.

An experiment returns `Findings`; the report renders any list of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Estimate(NamedTuple):
    """The median of several repetitions, and how far they spread."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table of promises: what was measured, and what it must be."""

    name: str
    """What is measured, in words, with its unit."""
    measured: Estimate | None
    """None: it could not be measured; `remark` says why."""
    bound: float | None
    """None: reported without a target."""
    at_most: bool = True
    """Whether the bound is the largest value that holds, or the smallest."""
    remark: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the median is within its bound; None without a bound, or without a measurement."""
        if self.bound is None or self.measured is None:
            return None
        return self.measured.median <= self.bound if self.at_most else self.measured.median >= self.bound


Cell = str | float | int | Estimate | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one set of bars, of a chart."""

    label: str
    x: Sequence[float] | Sequence[str]
    y: Sequence[float]
    low: Sequence[float] | None = None
    """The lower ends of the error bars, in the unit of `y`."""
    high: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot of the report."""

    name: str
    """Its file name, without an ending."""
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    kind: Literal["line", "bar", "stacked", "scatter"] = "line"
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """What one experiment found."""

    experiment: str
    """Its name on the command line."""
    about: str
    """What was done, in a few sentences: enough to doubt it."""
    targets: Sequence[Target] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    """The plan that was followed: sizes, durations, repetitions, seed."""
    samples: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    """Raw samples by name: columns as `sample_columns`, one row a sample."""
    sample_columns: Sequence[str] = ("at_s", "latency_ms")
    """`at_s`: the intended start, from the beginning of the run."""
    notes: Sequence[str] = ()
    """What the reader must know: marks of runs at the generator's limit, what fell short and why."""
