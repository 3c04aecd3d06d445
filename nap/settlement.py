"""Settlement: what went between which operators in a period, by the hub's own ledger. Pure.

Money is no matter of the hub: a home operator prices what it takes by the tariffs that it has agreed on with
the visited one.
"""

from collections.abc import Iterable
from typing import NamedTuple

from nap.records import CdrState, LedgerRow

TAKEN = frozenset({CdrState.DELIVERED, CdrState.ACCEPTED})
"""The states of a CDR that the home operator has, and owes for."""


class Balance(NamedTuple):
    """What a home operator has from one visited operator."""

    visited: str
    home: str
    sessions: int
    """CDRs that home has taken, less those that credits have cancelled."""
    credits: int
    """Credits that home has taken."""
    energy_wh: int
    """Of what home has taken; credits are negative."""
    queued: int
    """CDRs and credits that still wait for home: in no figure above."""
    rejected: int
    """CDRs and credits that home has refused: in no figure above."""


def balances(rows: Iterable[LedgerRow]) -> list[Balance]:
    """The balance of each pair of operators, in the order of their ids."""
    pairs: dict[tuple[str, str], list[LedgerRow]] = {}
    for row in rows:
        pairs.setdefault((row.visited, row.home), []).append(row)
    return [_balance(visited, home, pairs[visited, home]) for visited, home in sorted(pairs)]


def _balance(visited: str, home: str, rows: list[LedgerRow]) -> Balance:
    taken = [row for row in rows if row.state in TAKEN]
    credited = sum(row.is_credit for row in taken)
    return Balance(
        visited=visited,
        home=home,
        sessions=len(taken) - 2 * credited,
        credits=credited,
        energy_wh=sum(row.energy_wh for row in taken),
        queued=sum(row.state is CdrState.QUEUED for row in rows),
        rejected=sum(row.state is CdrState.REJECTED for row in rows),
    )
