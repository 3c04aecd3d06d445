"""`python -m tests.faults`: many simulated schedules; `make faults` runs it."""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import structlog

from tests.faults.simulation.world import Outcome, run

CHUNK = 50


def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def main() -> int:
    """Run schedules, tell what was found; 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--simulate", type=int, default=1000, help="how many schedules")
    parser.add_argument("--first-seed", type=int, default=0, help="to replay one: its seed, and --simulate 1")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="a line for each schedule")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.simulate)
    began = time.perf_counter()
    if options.processes > 1 and options.simulate > CHUNK:
        with ProcessPoolExecutor(options.processes, initializer=_quiet) as pool:
            outcomes = list(pool.map(run, seeds, chunksize=CHUNK))
    else:
        _quiet()
        outcomes = [run(seed) for seed in seeds]
    for outcome in outcomes:
        if options.show or outcome.violations:
            sys.stdout.write(f"{outcome}\n")
    _summarise(outcomes, time.perf_counter() - began)
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _summarise(outcomes: list[Outcome], spent_s: float) -> None:
    faults = sum((Counter(outcome.faults) for outcome in outcomes), Counter[str]())
    kinds = ", ".join(f"{what} {count:,}" for what, count in faults.most_common())
    violated = sum(bool(outcome.violations) for outcome in outcomes)
    sys.stderr.write(
        f"{len(outcomes):,} schedules, {sum(one.sessions for one in outcomes):,} sessions, "
        f"{faults.total():,} faults ({kinds}), "
        f"{violated:,} with violations; {spent_s:.0f} s\n"
    )


if __name__ == "__main__":
    sys.exit(main())
