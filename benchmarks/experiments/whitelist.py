"""The experiment `whitelist`: how fast a revocation spreads, and what lists of growing size cost."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from benchmarks.experiments.revocation import Revocations, measure_revocations
from benchmarks.experiments.transfer import DELTA, ListCost, measure_list
from benchmarks.model import Cell, Chart, Findings, Series, Table, Target
from benchmarks.progress import Shown
from benchmarks.statistics import estimate, measured, percentile
from benchmarks.systems.services import Services

REVOCATION_MS, TRANSFER_S, LOOKUP_US, TOKEN_BYTES = 250.0, 30.0, 50.0, 120.0
"""What must hold; the transfer is that of a million tokens."""

MILLION = 1_000_000
MB = 1e6


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done; sizes are in tokens."""

    operators: int
    """That a revocation must reach."""
    revocations: int
    listed: int
    """On the whitelist while revocations are measured."""
    sizes: tuple[int, ...]
    """Of lists, ascending."""
    repetitions: int
    """Pulls, transfers, deltas and series of look-ups for each size."""
    lookups: int
    """Timed ones in a series, of held and of unheld tokens each."""
    seed: int = 1

    @classmethod
    def full(cls) -> Self:
        """As published."""
        return cls(
            operators=200,
            revocations=50,
            listed=10_000,
            sizes=(10_000, 100_000, MILLION),
            repetitions=5,
            lookups=100_000,
        )

    @classmethod
    def quick(cls) -> Self:
        """In about three quarters of a minute."""
        return cls(
            operators=200,
            revocations=9,
            listed=1_000,
            sizes=(10_000, 50_000),
            repetitions=5,
            lookups=20_000,
        )


async def run(plan: Plan, services_folder: Path, shown: Shown) -> Findings:
    """Measure it.

    Args:
        plan: what is done.
        services_folder: for logs and databases; there already.
        shown: told of each step.
    """
    async with Services(services_folder) as services:
        shown.step(f"revocations to {plan.operators} operators")
        revocations = await measure_revocations(
            services, operators=plan.operators, tokens=plan.listed, count=plan.revocations
        )
        rng = random.Random(plan.seed)  # noqa: S311 - it chooses what is looked up
        costs = [
            await measure_list(
                services, size, repetitions=plan.repetitions, lookups=plan.lookups, rng=rng, step=shown.step
            )
            for size in plan.sizes
        ]
    return _findings(plan, revocations, costs)


def _findings(plan: Plan, revocations: Revocations, costs: Sequence[ListCost]) -> Findings:
    pairs = zip(revocations.begun_at_s, revocations.arrivals_ms, strict=True)
    return Findings(
        experiment="whitelist",
        about=(
            f"A home operator revokes {plan.revocations} tokens, one after the other; measured is the time "
            f"from its PublishTokens call until each of {plan.operators} linked operators has received the "
            "change. These operators are links in the runner, whose decoding stands in the figures. Then "
            "lists of growing size are published over one link, pulled by a client that keeps nothing, "
            "transferred to central systems that write them to disk (from hub_linked to the log line that the "
            "replica is whole), and looked up: by the hub's own store, opened on the hub's file, one tag a "
            "measurement."
        ),
        targets=_targets(plan, revocations, costs[-1]),
        tables=(_revocation_table(plan, revocations), _list_table(costs), _lookup_table(costs)),
        charts=_charts(revocations, costs),
        settings=asdict(plan),
        samples={"revocation": [(at, ms) for at, arrivals in pairs for ms in arrivals]},
        notes=_notes(costs[-1]),
    )


def _notes(largest: ListCost) -> tuple[str, ...]:
    about = (
        f"The first revocation after the start does not count. A delta is {DELTA} changed tokens. The hub's "
        "memory is its resident set after the publication less that before, over the tokens: tokens live in "
        "the file, so that it falls with the size of the list."
    )
    if largest.tokens >= MILLION:
        return (about,)
    scaled = (
        f"This plan has no list of {MILLION:,} tokens: the time of the first transfer is held against the same "
        "share of its bound as the list has of the million."
    )
    return about, scaled


def promised(plan: Plan) -> tuple[Target, ...]:
    """The rows that a run of this plan fills with figures."""
    return _targets(plan, Revocations([], [], []), ListCost(plan.sizes[-1]))


def _targets(plan: Plan, revocations: Revocations, largest: ListCost) -> tuple[Target, ...]:
    size = f"{largest.tokens:,} tokens"
    return (
        Target(
            f"revocation to {plan.operators} linked operators, p99, ms",
            measured([percentile(arrivals, 0.99) for arrivals in revocations.arrivals_ms]),
            REVOCATION_MS,
            remark="the median over revocations of the p99 over operators",
        ),
        Target(
            f"{size}: first transfer to one operator, s",
            measured(largest.transfer_s),
            TRANSFER_S * largest.tokens / MILLION,
            remark="to a central system that writes them to its disk",
        ),
        Target(
            f"{size}: token look-up in the hub, p99, µs",
            measured(_p99s(largest)),
            LOOKUP_US,
            remark="the median over series of the p99 of held and unheld tokens together",
        ),
        Target(
            f"{size}: hub memory for each token, bytes",
            measured([largest.rss_bytes_a_token] if largest.publish_s else []),
            TOKEN_BYTES,
        ),
    )


def _p99s(cost: ListCost) -> list[float]:
    """Of each series of look-ups."""
    series = zip(cost.held_us, cost.unheld_us, strict=True)
    return [percentile(sorted(held + unheld), 0.99) for held, unheld in series]


def _revocation_table(plan: Plan, revocations: Revocations) -> Table:
    everything = sorted(ms for arrivals in revocations.arrivals_ms for ms in arrivals)
    each = revocations.arrivals_ms
    rows: list[Sequence[Cell]] = [
        (
            name,
            estimate([percentile(arrivals, q) for arrivals in each]),
            percentile(everything, q),
        )
        for name, q in (("first operator", 0.0), ("p50", 0.5), ("p99", 0.99), ("last operator", 1.0))
    ]
    return Table(
        f"A revocation to {plan.operators} linked operators, ms",
        ("reached", "median of the revocations", "over all revocations and operators"),
        rows,
        note=f"The hub spends {estimate(revocations.hub_cpu_ms).median:.0f} ms of CPU time on one (median).",
    )


def _list_table(costs: Sequence[ListCost]) -> Table:
    columns = (
        "tokens",
        "publish, s",
        "publish, MB sent",
        "publish, hub CPU s",
        "pull, s",
        "pull, MB received",
        "pull, hub CPU s",
        "transfer to disk, s",
        f"delta of {DELTA}, ms",
        "delta, kB",
        "hub memory, bytes a token",
        "database, bytes a token",
    )
    rows: list[Sequence[Cell]] = [
        (
            cost.tokens,
            cost.publish_s,
            cost.publish_bytes / MB,
            cost.publish_cpu_s,
            estimate(cost.pull_s),
            cost.pull_bytes / MB,
            estimate(cost.pull_cpu_s),
            estimate(cost.transfer_s),
            estimate(cost.delta_ms),
            cost.delta_bytes / 1e3,
            cost.rss_bytes_a_token,
            cost.database_bytes_a_token,
        )
        for cost in costs
    ]
    return Table(
        "Lists by size",
        columns,
        rows,
        note="Bytes are those of the JSON messages, without WebSocket headers; pages hold 500 tokens.",
    )


def _lookup_table(costs: Sequence[ListCost]) -> Table:
    rows: list[Sequence[Cell]] = [
        (
            cost.tokens,
            kind,
            *(estimate([percentile(one, q) for one in series]) for q in (0.5, 0.99, 0.999, 1.0)),
        )
        for cost in costs
        for kind, series in (("held", cost.held_us), ("unheld", cost.unheld_us), ("clock", cost.clock_us))
    ]
    return Table(
        "A token look-up in the hub's store, µs",
        ("tokens", "what", "p50", "p99", "p99.9", "max"),
        rows,
        note="What the clock takes to be read stands in each look-up; it is the row `clock`.",
    )


def _charts(revocations: Revocations, costs: Sequence[ListCost]) -> tuple[Chart, ...]:
    everything = sorted(ms for arrivals in revocations.arrivals_ms for ms in arrivals)
    shares = [step / 100 for step in range(101)]
    sizes = [float(cost.tokens) for cost in costs]
    timed = {
        "publish": [estimate([cost.publish_s]) for cost in costs],
        "pull": [estimate(cost.pull_s) for cost in costs],
        "transfer to disk": [estimate(cost.transfer_s) for cost in costs],
    }
    return (
        Chart(
            "revocation",
            "When a revocation has come to so many operators",
            "ms from the home operator's call",
            "share of operators",
            [Series("all revocations", [percentile(everything, share) for share in shares], shares)],
        ),
        Chart(
            "list-size",
            "Moving a whole list",
            "tokens",
            "s",
            [
                Series(
                    label,
                    sizes,
                    [one.median for one in estimates],
                    [one.low for one in estimates],
                    [one.high for one in estimates],
                )
                for label, estimates in timed.items()
            ],
            log_x=True,
            log_y=True,
        ),
    )
