"""Reconciliation: whether the ledgers of the hub and of operators tell the same of each CDR. Pure.

A CDR goes down: from the visited operator to the hub, from the hub home, or straight home on a peer link. What
the one further up says of it tells what the one below must have. A CDR that waits, or was refused, need not be
below: the ledgers agree that nobody owes for it, and it counts as unsettled.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import NamedTuple
from uuid import UUID

from cascade.roaming.ledgers import Entry, Ledger
from nap.records import LedgerRow

HUB = "the hub"
"""No operatorId has a space in it."""

_HUB_BELOW_VISITED = {
    "Queued": None,
    "Parked": None,
    "Received": "Queued",
    "Delivered": "Delivered",
    "Accepted": "Accepted",
    "Rejected": "Rejected",
}
"""What the hub says, by what the visited operator says; None: it has no such CDR."""

_HOME_BELOW = {
    "Queued": None,
    "Parked": None,
    "Rejected": None,
    "Delivered": "Received",
    "Accepted": "Accepted",
}
"""What the home operator says, by what the hub says, or on the peer route the visited operator."""

_UNSETTLED = frozenset({"Queued", "Parked", "Rejected"})


class Difference(NamedTuple):
    """What two ledgers do not agree on."""

    cdr_id: UUID
    kind: str
    """`missing`, `digest` or `state`."""
    between: tuple[str, str]
    """The hub and an operatorId, or two operatorIds, the one further up first."""
    detail: str


class Reconciliation(NamedTuple):
    """What has come of comparing."""

    counts: dict[str, int]
    """CDRs in each ledger."""
    unsettled: int
    """CDRs that wait, or were refused."""
    differences: list[Difference]


class _Held(NamedTuple):
    digest: str
    state: str


class _Book(NamedTuple):
    name: str
    held: Mapping[UUID, _Held]


def reconcile(hub: Sequence[LedgerRow], ledgers: Sequence[Ledger]) -> Reconciliation:
    """Compare the hub's ledger with those of operators, and theirs on the peer route with each other.

    Args:
        hub: the hub's ledger, of the period of the others.
        ledgers: one of each operator; of one that has given none nothing is known but what the hub says.

    Raises:
        ValueError: two are of one operator, or of different periods.
    """
    if len({ledger.operator_id for ledger in ledgers}) < len(ledgers):
        raise ValueError("two ledgers are of the same operator")
    if len({ledger.period for ledger in ledgers}) > 1:
        raise ValueError(
            "the ledgers are of different periods: have them exported with the same --from and --to"
        )
    sent = [entry for ledger in ledgers for entry in ledger.entries if entry.direction == "sent"]
    unsettled = {row.cdr_id for row in hub if row.state in _UNSETTLED}
    unsettled |= {entry.cdr_id for entry in sent if entry.state in _UNSETTLED}
    differences = [difference for ledger in ledgers for difference in _with_hub(hub, ledger)]
    for visited, home in permutations(ledgers, 2):
        differences += _between_peers(visited, home)
    counts = {HUB: len(hub)} | {ledger.operator_id: len(ledger.entries) for ledger in ledgers}
    return Reconciliation(counts, len(unsettled), differences)


def _with_hub(hub: Sequence[LedgerRow], ledger: Ledger) -> Iterator[Difference]:
    operator_id = ledger.operator_id
    through_hub = [entry for entry in ledger.entries if entry.route == "hub"]
    yield from _compare(
        _Book(operator_id, _entries(entry for entry in through_hub if entry.direction == "sent")),
        _Book(HUB, _rows(row for row in hub if row.visited == operator_id)),
        _HUB_BELOW_VISITED,
    )
    yield from _compare(
        _Book(HUB, _rows(row for row in hub if row.home == operator_id)),
        _Book(operator_id, _entries(entry for entry in through_hub if entry.direction == "received")),
        _HOME_BELOW,
    )


def _between_peers(visited: Ledger, home: Ledger) -> Iterator[Difference]:
    pair = (visited.operator_id, home.operator_id)
    sent, received = (
        _entries(
            entry
            for entry in ledger.entries
            if (entry.route, entry.direction, entry.visited, entry.home) == ("peer", direction, *pair)
        )
        for ledger, direction in ((visited, "sent"), (home, "received"))
    )
    return _compare(_Book(pair[0], sent), _Book(pair[1], received), _HOME_BELOW)


def _entries(entries: Iterable[Entry]) -> dict[UUID, _Held]:
    return {entry.cdr_id: _Held(entry.digest, entry.state) for entry in entries}


def _rows(rows: Iterable[LedgerRow]) -> dict[UUID, _Held]:
    return {row.cdr_id: _Held(row.digest, row.state) for row in rows}


def _compare(above: _Book, below: _Book, expected: Mapping[str, str | None]) -> Iterator[Difference]:
    """The differences between two books; `expected` is what below says, by what above says."""
    between = (above.name, below.name)
    for cdr_id in sorted({*above.held, *below.held}):
        up, down = above.held.get(cdr_id), below.held.get(cdr_id)
        if up is None:
            assert down is not None, "it is in one of them"
            yield Difference(cdr_id, "missing", between, f"not at {above.name}; {below.name}: {down.state}")
        elif down is None:
            if expected.get(up.state) is not None:
                yield Difference(cdr_id, "missing", between, f"not at {below.name}; {above.name}: {up.state}")
        elif up.digest != down.digest:
            yield Difference(
                cdr_id, "digest", between, f"{above.name}: {up.digest}; {below.name}: {down.digest}"
            )
        elif expected.get(up.state) != down.state:
            yield Difference(cdr_id, "state", between, f"{above.name}: {up.state}; {below.name}: {down.state}")
