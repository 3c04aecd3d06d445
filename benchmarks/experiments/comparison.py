"""Our own system beside the baselines: the ratios that are promised, and the tables and charts behind them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.experiments.contenders import HOPS, Contenders, chain_name, scenario_name
from benchmarks.experiments.side_by_side import Board, Closed, latency_ratio, rate_ratio, take_turns
from benchmarks.load.client import LoadGenerator
from benchmarks.model import Cell, Chart, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import PERCENTILE_AXIS, estimate, hdr, measured
from benchmarks.systems.chains import Kind

LATENCY_TO_BARE = 1.4
RATE_TO: Mapping[Kind, float] = {"bare": 0.6, "naive": 15.0}
CROWDED = (2, 4)
"""The scenarios whose throughput is held against the baselines'."""
LATENCY_TO_HTTP = 0.6
RATE_TO_HTTP = {32: 2.5, 256: 3.0}
"""By callers."""
TO_SCENARIO_1 = {2: 1.8, 3: 1.8, 4: 2.5}

BESIDE_HTTP = (scenario_name(4), chain_name("http", 3))

NULL = chain_name("fastest", 1)
"""Answers at once on the fastest sockets: what is left is the load generator itself."""


class Sizes(Protocol):
    """Of a comparison."""

    @property
    def scenarios(self) -> tuple[int, ...]:
        """Of our own system."""
        ...

    @property
    def charge_points(self) -> int:
        """Callers of the runs with many."""
        ...

    @property
    def rounds(self) -> int:
        """Of each kind of run."""
        ...

    @property
    def calls(self) -> int:
        """With one caller."""
        ...

    @property
    def seconds(self) -> float:
        """With many."""
        ...

    @property
    def all_crowded(self) -> bool:
        """Whether all are measured with many callers, or only those of whom something is promised."""
        ...

    @property
    def seed(self) -> int:
        """Of all that is drawn."""
        ...


@dataclass(frozen=True, slots=True)
class Boards:
    """What was measured; nothing yet, as it is made."""

    one: Board = field(default_factory=dict)
    """With one caller."""
    many: Board = field(default_factory=dict)
    crowds: Mapping[int, Board] = field(default_factory=lambda: {callers: {} for callers in RATE_TO_HTTP})
    """Beside HTTP, by callers."""


async def compare(plan: Sizes, load: LoadGenerator, contenders: Contenders, shown: Shown) -> Boards:
    """Measure all contenders in turn: one caller, many, and 32 and 256 beside HTTP.

    Raises:
        WrongAnswerError: a contender did not answer as it must.
    """

    async def turns(names: Iterable[str], how: Closed, what: str) -> Board:
        return await take_turns(
            load,
            contenders,
            [name for name in names if name in contenders],
            how,
            rounds=plan.rounds,
            seed=plan.seed,
            on_round=lambda number: shown.step(f"{what}, round {number} of {plan.rounds}"),
        )

    everybody = [contender.name for contender in contenders]
    crowded = everybody if plan.all_crowded else list(dict.fromkeys([*_promised_crowded(), NULL]))
    return Boards(
        await turns(everybody, Closed(1, calls=plan.calls), "one caller"),
        await turns(crowded, Closed(plan.charge_points, seconds=plan.seconds), f"{plan.charge_points} callers"),
        {
            callers: await turns(BESIDE_HTTP, Closed(callers, seconds=plan.seconds), f"{callers} callers")
            for callers in RATE_TO_HTTP
        },
    )


def _promised_crowded() -> Iterator[str]:
    for scenario in CROWDED:
        yield scenario_name(scenario)
        yield from (chain_name(kind, HOPS[scenario]) for kind in RATE_TO)


def comparison_targets(scenarios: Sequence[int], boards: Boards) -> list[Target]:
    """Every ratio that is promised of these scenarios; without a figure, if the boards have none."""
    return [
        *_to_bare(scenarios, boards.one),
        *_throughputs(scenarios, boards.many),
        *(_to_http(boards) if 4 in scenarios else []),
        *(_to_scenario_1(scenarios, boards.one) if 1 in scenarios else []),
        *_overhead(boards),
    ]


def _to_bare(scenarios: Sequence[int], one: Board) -> Iterator[Target]:
    for scenario in scenarios:
        name, bare = scenario_name(scenario), chain_name("bare", HOPS[scenario])
        yield Target(f"{name}: p50 with one caller, to {bare}", latency_ratio(one, name, bare), LATENCY_TO_BARE)


def _throughputs(scenarios: Sequence[int], many: Board) -> Iterator[Target]:
    for scenario in CROWDED:
        if scenario in scenarios:
            name = scenario_name(scenario)
            for kind, bound in RATE_TO.items():
                other = chain_name(kind, HOPS[scenario])
                found = rate_ratio(many, name, other)
                yield Target(f"{name}: throughput, to {other}", found, bound, at_most=False)


def _to_http(boards: Boards) -> Iterator[Target]:
    name, http = BESIDE_HTTP
    found = latency_ratio(boards.one, name, http)
    yield Target(f"{name}: p50 with one caller, to {http}", found, LATENCY_TO_HTTP)
    for callers, bound in RATE_TO_HTTP.items():
        found = rate_ratio(boards.crowds[callers], name, http)
        yield Target(f"{name}: throughput at {callers} callers, to {http}", found, bound, at_most=False)


def _to_scenario_1(scenarios: Sequence[int], one: Board) -> Iterator[Target]:
    first = scenario_name(1)
    for scenario, bound in TO_SCENARIO_1.items():
        if scenario in scenarios:
            name, hops = scenario_name(scenario), HOPS[scenario]
            bare = latency_ratio(one, chain_name("bare", hops), chain_name("bare", 1))
            yield Target(
                f"{name}{' (warm)' if scenario == 3 else ''}: p50, to {first}",
                latency_ratio(one, name, first),
                bound,
                remark="" if bare is None else f"bare itself: {bare.median:.2f} for {hops} hops to 1",
            )


def _overhead(boards: Boards) -> Iterator[Target]:
    alone, crowd = boards.one.get(NULL), boards.many.get(NULL)
    what = "load generator against the null server"
    yield Target(f"{what}: p50 with one caller, ms", measured(alone.p50_ms if alone else []), None)
    yield Target(f"{what}: answers a second", measured(crowd.rate if crowd else []), None)


def comparison_tables(callers: int, boards: Boards) -> list[Table]:
    """Every contender in every kind of run."""
    crowds = [_table(f"{many} callers, beside HTTP", board) for many, board in boards.crowds.items() if board]
    return [_table("One caller", boards.one), _table(f"{callers} callers", boards.many), *crowds]


def _table(title: str, board: Board) -> Table:
    rows: list[Sequence[Cell]] = [
        (name, *map(estimate, (found.p50_ms, found.p99_ms, found.rate, found.cpu_us, found.generator)))
        for name, found in board.items()
    ]
    columns = (
        *("system", "p50, ms", "p99, ms", "answers a second"),
        *("CPU of its processes, µs each", "generator, of a CPU"),
    )
    return Table(title, columns, rows)


def comparison_charts(callers: int, boards: Boards) -> list[Chart]:
    """The distributions with one caller, and the throughput with many."""
    return [_percentiles(boards.one), _bars(callers, boards.many)]


def _percentiles(one: Board) -> Chart:
    """Our scenarios, and the longest chain of each baseline: more lines would hide each other."""
    baselines = {chain_name(kind, 3) for kind in ("bare", "http", "naive")}
    shown = [name for name in one if name in baselines or name in map(scenario_name, HOPS)]
    return Chart(
        "percentiles",
        "Latency percentiles, one caller",
        PERCENTILE_AXIS,
        "latency, ms",
        [Series(name, *hdr([latency_ms for *_, latency_ms in one[name].samples])) for name in shown],
        log_x=True,
        log_y=True,
    )


def _bars(callers: int, many: Board) -> Chart:
    rates = [estimate(found.rate) for found in many.values()]
    return Chart(
        "throughput",
        f"Authorizations a second, {callers} callers",
        "",
        "answers a second",
        [
            Series(
                "answers a second",
                list(many),
                [rate.median for rate in rates],
                [rate.low for rate in rates],
                [rate.high for rate in rates],
            )
        ],
        kind="bar",
        log_y=True,
    )


def comparison_samples(callers: int, boards: Boards) -> dict[str, Sequence[Sequence[float]]]:
    """Of every run, as `SAMPLE_COLUMNS`."""
    return {
        f"{_callers(many)}, {name}{beside}": found.samples
        for many, board, beside in _kinds(callers, boards)
        for name, found in board.items()
    }


def limit_notes(callers: int, boards: Boards) -> list[str]:
    """A mark for each run at the load generator's own limit."""
    return [
        f"{name} with {_callers(many)}{beside} ran at the load generator's own limit: "
        "its figures are the generator's."
        for many, board, beside in _kinds(callers, boards)
        for name, found in board.items()
        if found.at_generator_limit
    ]


def _kinds(callers: int, boards: Boards) -> Iterator[tuple[int, Board, str]]:
    yield 1, boards.one, ""
    yield callers, boards.many, ""
    for many, board in boards.crowds.items():
        yield many, board, " beside HTTP"


def _callers(many: int) -> str:
    return f"{many} caller{'s' if many > 1 else ''}"
