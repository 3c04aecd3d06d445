"""`python -m tests.faults`: seeded runs over real processes, and simulated schedules; `make faults` runs both.

A simulated schedule is the same in every run of its seed. In a run over processes the seed says who charges,
and what fails when; the processes themselves go their own ways.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import structlog

from tests.faults.outcome import Outcome
from tests.faults.processes import run as over_processes
from tests.faults.simulation import world

KEPT = Path(tempfile.gettempdir()) / "nap-faults"
"""Where the databases and logs of a run that violated something stay."""


def main() -> int:
    """Run, tell what was found; 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="runs over real processes")
    parser.add_argument("--schedules", type=int, default=0, help="simulated schedules")
    parser.add_argument(
        "--first-seed", type=int, default=0, help="to run one again: its seed, and a count of 1"
    )
    parser.add_argument("--at-once", type=int, default=2, help="runs side by side")
    parser.add_argument("--show", action="store_true", help="a line for each, not only for violations")
    options = parser.parse_args()
    found: list[Outcome] = []
    for what, count, function, chunk in (
        ("runs over processes", options.seeds, run_processes, 1),
        ("simulated schedules", options.schedules, world.run, 50),
    ):
        seeds = range(options.first_seed, options.first_seed + count)
        if seeds:
            found += _carry_out(what, seeds, function, options.at_once, chunk, show=options.show)
    return 1 if any(outcome.violations for outcome in found) else 0


def run_processes(seed: int) -> Outcome:
    """One run over processes, in a folder that stays only if something was violated."""
    with tempfile.TemporaryDirectory(prefix="nap-faults-") as temporary:
        outcome = asyncio.run(over_processes.run(seed, Path(temporary)))
        if outcome.violations:
            KEPT.mkdir(exist_ok=True)
            Path(temporary).rename(KEPT / f"{seed}-{int(time.time())}")
            Path(temporary).mkdir()
    return outcome


def _carry_out(
    what: str, seeds: Sequence[int], function: Callable[[int], Outcome], at_once: int, chunk: int, *, show: bool
) -> list[Outcome]:
    began, outcomes = time.perf_counter(), []
    with ProcessPoolExecutor(at_once, initializer=_quiet) as pool:
        for outcome in pool.map(function, seeds, chunksize=chunk):
            outcomes.append(outcome)
            if show or outcome.violations:
                sys.stdout.write(f"{outcome}\n")
                sys.stdout.flush()
    sys.stderr.write(f"{what}: {_summary(outcomes)}; {time.perf_counter() - began:.0f} s\n")
    return outcomes


def _quiet() -> None:
    """Spend no time on log lines that nobody reads, and little on looking for garbage."""
    gc.set_threshold(100_000)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=True)


def _summary(outcomes: Sequence[Outcome]) -> str:
    faults = sum((Counter(outcome.faults) for outcome in outcomes), Counter[str]())
    kinds = ", ".join(f"{what} {count:,}" for what, count in faults.most_common())
    at_home = sum(outcome.at_home for outcome in outcomes)
    return (
        f"{len(outcomes):,} from seed {outcomes[0].seed}, "
        f"{sum(outcome.sessions for outcome in outcomes):,} sessions, "
        + (f"{at_home:,} CDRs at home, " if at_home else "")
        + f"{sum(outcome.corrections for outcome in outcomes):,} corrections, "
        f"{sum(outcome.batches for outcome in outcomes):,} batches, " + f"{faults.total():,} faults ({kinds}), "
        f"{sum(bool(outcome.violations) for outcome in outcomes):,} with violations"
    )


if __name__ == "__main__":
    sys.exit(main())
