"""Contenders in turn, round after round: what disturbs the machine for a while disturbs all of them.

Ratios are taken within a round. The order is drawn anew for each round.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.experiments.contenders import Contender, Contenders
from benchmarks.load.client import LoadGenerator, RunResult
from benchmarks.model import Estimate
from benchmarks.statistics import estimate, ratio

SAMPLE_COLUMNS = ("round", "at_s", "latency_ms")
"""Of what is measured in rounds; `at_s` begins anew in each."""

GENERATOR_LIMIT = 0.9
"""The share of a processor from which the load generator itself is the limit, and its run is marked."""


@dataclass(slots=True)
class Measured:
    """What was measured of one contender in one kind of run, a figure a round."""

    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    """Answers a second."""
    cpu_us: list[float] = field(default_factory=list)
    """CPU time of all its processes for one authorization, without the load generator's."""
    generator: list[float] = field(default_factory=list)
    """The share of a processor that the load generator used."""
    samples: list[Sequence[float]] = field(default_factory=list)
    """As `SAMPLE_COLUMNS`."""

    def add(self, result: RunResult, cpu_s: float) -> None:
        """Keep a round."""
        self.p50_ms.append(result.histogram.p50)
        self.p99_ms.append(result.histogram.p99)
        self.rate.append(result.rate)
        self.cpu_us.append(1e6 * cpu_s / max(result.answers, 1))
        self.generator.append(generator_share(result))
        self.samples += numbered(result, len(self.rate))

    @property
    def at_generator_limit(self) -> bool:
        """Whether the load generator was the limit in most rounds."""
        return estimate(self.generator).median >= GENERATOR_LIMIT


Board = dict[str, Measured]
"""What was measured, by contender."""


def generator_share(result: RunResult) -> float:
    """The share of a processor that the load generator used in a run."""
    return result.cpu_s / result.seconds if result.seconds else 0.0


def numbered(result: RunResult, number: int) -> list[Sequence[float]]:
    """The raw samples of a round, as `SAMPLE_COLUMNS`."""
    return [(number, at_s, latency_ms) for at_s, latency_ms in result.samples()]


def samples_by_state(runs: Mapping[str, Sequence[RunResult]]) -> dict[str, list[Sequence[float]]]:
    """Raw samples of the runs of each state, by a name that a file can have; rows as `SAMPLE_COLUMNS`."""
    return {
        state.replace(" ", "-"): [row for number, run in enumerate(of, 1) for row in numbered(run, number)]
        for state, of in runs.items()
    }


class WrongAnswerError(Exception):
    """A contender did not answer as it must: its figures mean nothing."""


def check(name: str, result: RunResult) -> RunResult:
    """Pass on a result in which every answer was what it must be.

    Raises:
        WrongAnswerError: one was not.
    """
    if result.unexpected or result.errors or result.lost:
        raise WrongAnswerError(
            f"{name}: {result.unexpected} unexpected answers, {result.errors} errors, {result.lost} lost "
            f"of {result.answers}"
        )
    return result


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed run: each caller asks, waits for the answer, and asks again."""

    callers: int
    calls: int | None = None
    seconds: float | None = None
    warm_up: int = 20


async def take_turns(
    load: LoadGenerator,
    contenders: Contenders,
    names: Sequence[str],
    how: Closed,
    *,
    rounds: int,
    seed: int,
    on_round: Callable[[int], None],
) -> Board:
    """Measure contenders in turn.

    Args:
        load: asks.
        contenders: who may be asked.
        names: who is asked.
        how: the run of each in a round.
        rounds: how many.
        seed: of the order, and of who presents when.
        on_round: told that a round begins.

    Raises:
        WrongAnswerError: a contender did not answer as it must.
    """
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    board: Board = {name: Measured() for name in names}
    for number in range(rounds):
        on_round(number + 1)
        for name in chance.sample(list(names), len(names)):
            result, cpu_s = await _one(load, contenders[name], how, seed + number)
            board[name].add(result, cpu_s)
    return board


async def _one(load: LoadGenerator, contender: Contender, how: Closed, seed: int) -> tuple[RunResult, float]:
    before_s = contender.cpu_s()
    result = await load.closed(
        contender.name,
        tags=contender.accepted,
        callers=how.callers,
        calls=how.calls,
        seconds=how.seconds,
        warm_up=how.warm_up,
        seed=seed,
    )
    spent_s = contender.cpu_s() - before_s
    measured = result.answers / (result.answers + how.warm_up)
    return check(contender.name, result), spent_s * measured


def latency_ratio(board: Board, name: str, other: str) -> Estimate | None:
    """p50 of one to p50 of another, round by round; None if one of them was not measured."""
    if name not in board or other not in board:
        return None
    return ratio(board[name].p50_ms, board[other].p50_ms)


def rate_ratio(board: Board, name: str, other: str) -> Estimate | None:
    """Answers a second of one to those of another, round by round; None if one of them was not measured."""
    if name not in board or other not in board:
        return None
    return ratio(board[name].rate, board[other].rate)
