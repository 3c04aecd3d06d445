"""Authorizations at one load, and what the background of ITU-T E.500 does to them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.experiments.contenders import Contender
from benchmarks.experiments.open_loop import Load, run_open, wrong_answers
from benchmarks.experiments.side_by_side import numbered
from benchmarks.experiments.token_updates import TokenUpdates
from benchmarks.load.client import Background, LoadGenerator, RunResult
from benchmarks.load.plan import Profile
from benchmarks.model import Cell, Chart, Series, Table
from benchmarks.statistics import measured

BACKGROUNDS: tuple[Profile | None, ...] = (None, "normal", "high")
UPDATES_A_SECOND: dict[Profile | None, float] = {None: 0.0, "normal": 1.0, "high": 5.0}
"""Tokens that other operators change meanwhile."""

DOTS = 2_000
"""Of a time line at most."""


@dataclass(slots=True)
class AtLoad:
    """Open runs at one load, a figure a repetition."""

    what: str
    """Which background."""
    offered: float
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    max_ms: list[float] = field(default_factory=list)
    wrong: int = 0
    """Answers other than what the token should get, errors, and calls without an answer."""
    background_answers: int = 0
    background_failures: int = 0
    updates: int = 0
    """Tokens that were changed meanwhile."""
    samples: list[Sequence[float]] = field(default_factory=list)
    """As `SAMPLE_COLUMNS`."""

    def add(self, result: RunResult, updates: int) -> None:
        """Keep a run; one without an answer has no latency."""
        self.wrong += wrong_answers(result)
        self.background_answers += result.background.answers
        self.background_failures += result.background.errors + result.background.lost
        self.updates += updates
        if result.answers == 0:
            return
        self.p50_ms.append(result.histogram.p50)
        self.p99_ms.append(result.histogram.p99)
        self.max_ms.append(result.histogram.max)
        self.samples += numbered(result, len(self.p50_ms))

    @property
    def tail(self) -> list[float]:
        """p99 to p50, a figure a run."""
        return [p99 / p50 for p99, p50 in zip(self.p99_ms, self.p50_ms, strict=True)]


async def with_backgrounds(
    load: LoadGenerator,
    contender: Contender,
    offered: float,
    how: Load,
    *,
    repetitions: int,
    background_repetitions: int,
    charge_points: int,
    updates: TokenUpdates,
    on_run: Callable[[str], None],
) -> list[AtLoad]:
    """The same load without a background and with each, in turn.

    Args:
        load: asks.
        contender: is asked.
        offered: authorizations a second.
        how: the runs.
        repetitions: without a background.
        background_repetitions: with each; no more than without.
        charge_points: of the background.
        updates: published meanwhile.
        on_run: told of each run.

    Returns:
        The runs without a background, then those with each.
    """
    found = [AtLoad(profile or "none", offered) for profile in BACKGROUNDS]
    for number in range(repetitions):
        for profile, at_load in zip(BACKGROUNDS, found, strict=True):
            if profile is not None and number >= background_repetitions:
                continue
            on_run(f"{contender.name}: {offered:.0f}/s, background {at_load.what}, {number + 1}")
            background = None if profile is None else Background(profile, charge_points)
            before = updates.count
            async with updates.published(UPDATES_A_SECOND[profile]):
                result = await run_open(
                    load, contender, offered, how, seed=how.seed + number, background=background
                )
            at_load.add(result, updates.count - before)
    return found


def background_table(found: dict[str, list[AtLoad]]) -> Table:
    """What the background does to authorizations."""
    rows: list[Sequence[Cell]] = [
        (
            name,
            at_load.what,
            at_load.offered,
            measured(at_load.p50_ms),
            measured(at_load.p99_ms),
            measured(at_load.max_ms),
            _to_none(at_load, loads[0]),
            at_load.background_answers,
            at_load.updates,
            at_load.wrong,
        )
        for name, loads in found.items()
        for at_load in loads
    ]
    return Table(
        "At this load, with the background of ITU-T E.500",
        (
            *("system", "background", "offered a second", "p50, ms", "p99, ms", "max, ms"),
            *("p50 to none", "background answers", "tokens changed", "wrong"),
        ),
        rows,
        note=(
            "normal: 0.5 erlang a charge point of the background, high: 0.9; sessions of 30 minutes with a CDR "
            "at their end, meter values each minute, heartbeats each five, 60 times faster than in life; other "
            "operators publish changed tokens, 1 a second and 5. E.500 defines the days that count, not how "
            "busy they are: the erlang are this report's assumption."
        ),
    )


def _to_none(at_load: AtLoad, none: AtLoad) -> Cell:
    """p50 to that without a background, run by run, as far as both go."""
    pairs = list(zip(at_load.p50_ms, none.p50_ms, strict=False))
    return measured([with_ / without for with_, without in pairs])


def background_notes(found: dict[str, list[AtLoad]]) -> Iterator[str]:
    """What went wrong."""
    for name, loads in found.items():
        for at_load in loads:
            if at_load.wrong or at_load.background_failures:
                yield (
                    f"{name}, background {at_load.what}: {at_load.wrong} authorizations and "
                    f"{at_load.background_failures} calls of the background were not answered as they must be."
                )


def time_lines(found: dict[str, list[AtLoad]], seconds: float) -> list[Chart]:
    """Every authorization when it was due, the repetitions one after the other.

    Args:
        found: by system.
        seconds: of each repetition.
    """
    return [
        Chart(
            f"time-line-{name.replace(' ', '-')}",
            f"{name} at {loads[0].offered:.0f} a second, by background; the runs of {seconds:g} s in a row",
            "intended start, s",
            "latency, ms",
            [_dots(one, seconds) for one in loads if one.samples],
            kind="scatter",
            log_y=True,
        )
        for name, loads in found.items()
    ]


def _dots(at_load: AtLoad, seconds: float) -> Series:
    chosen = at_load.samples[:: -(-len(at_load.samples) // DOTS)]
    label = f"background {at_load.what}"
    return Series(label, [(run - 1) * seconds + at for run, at, _ in chosen], [ms for *_, ms in chosen])
