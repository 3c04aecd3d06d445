"""What came of a run: counts, raw samples, and their percentiles."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

CALL_RESULT = 3
ACCEPTED = "Accepted"

LOWEST_US, HIGHEST_US, DIGITS = 1, 60_000_000, 3
"""What the histogram tells apart; what lies outside counts as the nearest."""
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class LatenessFigures(TypedDict):
    """In milliseconds."""

    p50: float
    p99: float
    max: float


def status_of(message: Sequence[Any]) -> str | None:
    """The status in the answer to an Authorize; None for a CALLERROR, and for what is no such answer."""
    try:
        status = message[2]["idTagInfo"]["status"] if message[0] == CALL_RESULT else None
    except (IndexError, KeyError, TypeError):
        return None
    return status if isinstance(status, str) else None


class Tally:
    """Counts authorizations. Times are of `perf_counter`, in seconds.

    Args:
        begin: where the measured part begins.
    """

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.last = begin
        """When the last answer came."""
        self.asked = 0
        """How many calls should have been made."""
        self.accepted = 0
        self.denied = 0
        self.errors = 0
        self.unexpected = 0
        self._due: list[float] = []
        self._latency: list[float] = []
        self._late: list[float] = []

    def started(self, due: float, now: float) -> None:
        """A call that was due on a free charge point is being made."""
        self._late.append(now - due)

    def answered(self, message: Sequence[Any], due: float, now: float, *, admitted: bool) -> None:
        """A call was answered; `admitted` says whether its driver must be accepted."""
        self.last = now
        status = status_of(message)
        if status is None:
            self.errors += 1
            return
        accepted = status == ACCEPTED
        if accepted:
            self.accepted += 1
        else:
            self.denied += 1
        if accepted is not admitted:
            self.unexpected += 1
        self._due.append(due)
        self._latency.append(now - due)

    @property
    def answers(self) -> int:
        """Calls that got a decision."""
        return self.accepted + self.denied

    @property
    def lost(self) -> int:
        """Calls that got nothing."""
        return self.asked - self.answers - self.errors

    def samples(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Intended start in seconds from the beginning, and latency in milliseconds, a row an answer."""
        due, latency = np.array(self._due, np.float64), np.array(self._latency, np.float64)
        return np.column_stack((due - self.begin, latency * 1e3))

    def lateness_ms(self) -> LatenessFigures:
        """How late calls were started that nothing but the generator held up; zero without calls."""
        if not self._late:
            return {"p50": 0.0, "p99": 0.0, "max": 0.0}
        late = np.array(self._late, np.float64) * 1e3
        p50, p99 = np.percentile(late, (50.0, 99.0)).tolist()
        return {"p50": p50, "p99": p99, "max": float(late.max())}

    def report(self, file: Path, *, least_s: float, cpu_s: float) -> dict[str, Any]:
        """The answer to a run's command; writes the raw samples to `file`.

        Args:
            file: made or overwritten, in numpy's format.
            least_s: how long the measured part was planned to be.
            cpu_s: processor time spent in it.

        Raises:
            OSError: the file cannot be written.
        """
        samples = self.samples()
        with file.open("wb") as sink:
            np.save(sink, samples)
        return {
            "answers": self.answers,
            "accepted": self.accepted,
            "denied": self.denied,
            "errors": self.errors,
            "lost": self.lost,
            "unexpected": self.unexpected,
            "seconds": max(least_s, self.last - self.begin),
            "late_starts_ms": self.lateness_ms(),
            "cpu_s": cpu_s,
            "histogram": histogram(samples[:, 1]),
            "file": str(file),
        }


def histogram(latency_ms: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Percentiles, greatest value and mean, in milliseconds; all zero without samples."""
    recorded = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    microseconds = np.clip(np.rint(latency_ms * 1e3), LOWEST_US, HIGHEST_US).astype(np.int64)
    for value, times in zip(*(column.tolist() for column in np.unique_counts(microseconds)), strict=True):
        recorded.record_value(value, times)
    found = recorded.get_percentile_to_value_dict(PERCENTILES)
    values = {f"p{percent:g}": found.get(percent, 0) for percent in PERCENTILES}
    values |= {"max": recorded.get_max_value(), "mean": recorded.get_mean_value()}
    return {name: float(value) / 1e3 for name, value in values.items()}
