"""Settlement: what we owe the operators that our drivers visited, and what those owe us whose drivers came.

We owe by our invoice lines, which have prices; what is owed to us is known in energy only, since the home
operator's tariffs are its own. `read_ledger` is for `nap reconcile`, which compares such ledgers.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from cascade.roaming.ledgers import Entry, Ledger, Period
from cpo_central.cdrs.outbox import CdrState

TAKEN = frozenset({CdrState.DELIVERED.value, CdrState.ACCEPTED.value})
"""The states of a CDR of ours that the home operator has, and owes for."""

_COMMON = (
    "cdr_id, digest, json_extract(body, '$.operatorId'), json_extract(body, '$.meterStart'), "
    "json_extract(body, '$.meterStop'), credit_reference_id, substr(json_extract(body, '$.sessionEnd'), 1, 19) "
    "AS ended"
)


class OwedToUs(NamedTuple):
    """What a home operator has from us."""

    home: str | None
    """None: those of the hub route, where only the hub knows whose drivers they were."""
    sessions: int
    """Those that home has taken, less those that credits have cancelled."""
    credits: int
    energy_wh: int


def read_ledger(connection: sqlite3.Connection, operator_id: str, period: Period) -> Ledger:
    """Our CDRs of a period, sent and received.

    Args:
        connection: to our database.
        operator_id: ours.
        period: in which the sessions ended.
    """
    return Ledger(
        operator_id=operator_id,
        period_start=period.start,
        period_end=period.end,
        entries=(*sent(connection, period), *received(connection, operator_id, period)),
    )


def sent(connection: sqlite3.Connection, period: Period) -> list[Entry]:
    """What we have sent, or are to send, of the sessions at our charge points."""
    rows = connection.execute(
        f"SELECT {_COMMON}, route, status, home_operator_id FROM cdr WHERE ended >= ? AND ended < ? "
        "ORDER BY ended, cdr_id",
        period.seconds(),
    )
    return [Entry(**_common(row), direction="sent", route=row[7], state=row[8], home=row[9]) for row in rows]


def received(connection: sqlite3.Connection, operator_id: str, period: Period) -> list[Entry]:
    """What we have taken of our drivers' sessions elsewhere."""
    rows = connection.execute(
        f"SELECT {_COMMON}, sent_by, json_extract(receipt, '$.status') FROM received_cdr "
        "WHERE ended >= ? AND ended < ? ORDER BY ended, cdr_id",
        period.seconds(),
    )
    return [
        Entry(
            **_common(row),
            direction="received",
            route="hub" if row[7] is None else "peer",
            state=row[8],
            home=operator_id,
        )
        for row in rows
    ]


def _common(row: tuple[Any, ...]) -> dict[str, Any]:
    cdr_id, digest, visited, meter_start, meter_stop, reference = row[:6]
    energy_wh = meter_stop - meter_start
    return {
        "cdr_id": UUID(cdr_id),
        "digest": digest,
        "visited": visited,
        "energy_wh": energy_wh if reference is None else -energy_wh,
        "credit_reference_id": None if reference is None else UUID(reference),
    }


def owed_to_us(entries: Iterable[Entry]) -> list[OwedToUs]:
    """What each home operator has from us, in the order of their ids."""
    taken: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.state in TAKEN:
            taken.setdefault(entry.home or "", []).append(entry)
    return [_owed(home, taken[home]) for home in sorted(taken)]


def _owed(home: str, entries: list[Entry]) -> OwedToUs:
    credited = sum(entry.credit_reference_id is not None for entry in entries)
    return OwedToUs(
        home=home or None,
        sessions=len(entries) - 2 * credited,
        credits=credited,
        energy_wh=sum(entry.energy_wh for entry in entries),
    )
