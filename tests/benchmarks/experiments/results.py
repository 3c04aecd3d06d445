"""Results of runs that never were."""

from pathlib import Path

import numpy as np

from benchmarks.experiments.side_by_side import Measured
from benchmarks.load.client import BackgroundResult, Histogram, Lateness, RunResult


def result(
    folder: Path,
    *,
    latencies_ms: tuple[float, ...] = (1.0, 2.0, 10.0),
    seconds: float = 1.0,
    cpu_s: float = 0.1,
    errors: int = 0,
    lost: int = 0,
    unexpected: int = 0,
    background: int = 0,
    background_lost: int = 0,
) -> RunResult:
    answers = len(latencies_ms)
    file = folder / "run.npy"
    np.save(file, np.array([(0.1 * number, ms) for number, ms in enumerate(latencies_ms)]).reshape(-1, 2))
    ordered = sorted(latencies_ms) or [0.0]
    middle, last = ordered[len(ordered) // 2], ordered[-1]
    return RunResult(
        answers=answers,
        accepted=answers,
        denied=0,
        errors=errors,
        lost=lost,
        unexpected=unexpected,
        seconds=seconds,
        late_starts_ms=Lateness(0.0, 0.1, 0.2),
        cpu_s=cpu_s,
        histogram=Histogram(middle, middle, last, last, last, middle),
        background=BackgroundResult(background, 0, background_lost),
        file=file,
    )


def measured(p50_ms: float, rate: float, *, rounds: int = 5, generator: float = 0.1) -> Measured:
    return Measured(
        p50_ms=[p50_ms] * rounds,
        p99_ms=[3 * p50_ms] * rounds,
        rate=[rate] * rounds,
        cpu_us=[50.0] * rounds,
        generator=[generator] * rounds,
        samples=[(1.0, 0.0, p50_ms)],
    )
