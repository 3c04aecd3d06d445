"""Charging transactions: started once, stopped once, however often the charger says so.

A token that charges somewhere may not start to charge elsewhere (ConcurrentTx); those of a group may, each by
itself. A transaction that was never stopped is over when its connector starts another: it was lost.

A charger repeats what was not answered. The same start (charger, connector, idTag, time and meter) is the same
transaction; the same stop changes nothing; a stop that ends no transaction of its charger, or contradicts one
that is over, is kept for a person to look at.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from cascade.database import Database
from cascade.frames import Payload
from cascade.roaming.cdrs import Cdr
from cascade.roaming.model import id_key, utc_text
from cpo_central.cdrs import decisions as cdrs
from cpo_central.cdrs.decisions import Stop, Transaction
from cpo_central.cdrs.outbox import queue
from cpo_central.drivers.authorization import DecidedBy, Decision


@dataclass(frozen=True, slots=True)
class Start:
    """What a StartTransaction says."""

    charge_point_id: str
    connector_id: int
    id_tag: str
    meter_start: int
    """Wh"""
    started_at: datetime


class MeterValue(NamedTuple):
    """One meterValue of a MeterValues or StopTransaction request."""

    measured_at: str
    """As OCPP writes a moment in UTC."""
    sampled: list[Payload]


class Stopped(Enum):
    """What a StopTransaction has done."""

    NOW = "now"
    BEFORE = "before"
    """The same stop was reported before."""
    ORPHAN = "orphan"
    """It ends no transaction of this charger, or contradicts the stop of one."""


_COLUMNS = (
    "transaction_id, cdr_id, charge_point_id, connector_id, id_tag, meter_start, started_at, id_tag_info, "
    "decided_by, reference, home_operator_id, concurrent, meter_stop, stopped_at, stop_reason, stop_id_tag"
)


class TransactionStore:
    """The transactions of our chargers, and what their meters said.

    Args:
        database: ours.
        operator_id: ours, for CDRs.
    """

    def __init__(self, database: Database, operator_id: str) -> None:
        self._database = database
        self._operator_id = operator_id

    def find_start(self, start: Start) -> Transaction | None:
        """The transaction that this start has begun before."""
        return _find_start(self._database.reader, start)

    async def start(self, start: Start, decision: Decision, cdr_id: UUID) -> Transaction:
        """Begin a transaction, or find the one that this start has begun before.

        Args:
            start: what the charger reported.
            decision: who authorized it, and how.
            cdr_id: for its CDR.
        """

        def job(connection: sqlite3.Connection) -> Transaction:
            if _find_start(connection, start) is None:
                concurrent = decision.accepted and _charges_elsewhere(connection, start)
                _insert(connection, start, decision, cdr_id, concurrent=concurrent)
            transaction = _find_start(connection, start)
            assert transaction is not None, "it was there or has been inserted"
            return transaction

        return await self._database.write(job)

    async def stop(
        self, stop: Stop, meter_values: Sequence[MeterValue], request: Payload, now: datetime
    ) -> tuple[Stopped, Cdr | None]:
        """End a transaction and, in the same commit, queue its CDR if one is due.

        Args:
            stop: what the charger reported.
            meter_values: its transactionData.
            request: the whole request, kept if the stop is an orphan.
            now: the time of the report.
        """

        def job(connection: sqlite3.Connection) -> tuple[Stopped, Cdr | None]:
            transaction = _find(connection, stop.charge_point_id, stop.transaction_id)
            if transaction is not None and transaction.stop == stop:
                return Stopped.BEFORE, None
            if transaction is None or transaction.stop is not None:
                connection.execute(
                    "INSERT OR IGNORE INTO orphan_stop (charge_point_id, transaction_id, stop, reported_at) "
                    "VALUES (?, ?, ?, ?)",
                    (stop.charge_point_id, stop.transaction_id, orjson.dumps(request).decode(), utc_text(now)),
                )
                return Stopped.ORPHAN, None
            connection.execute(
                "UPDATE transactions SET meter_stop = ?, stopped_at = ?, stop_reason = ?, stop_id_tag = ? "
                "WHERE transaction_id = ?",
                (stop.meter_stop, utc_text(stop.stopped_at), stop.reason, stop.id_tag, stop.transaction_id),
            )
            _insert_meter_values(
                connection, stop.charge_point_id, transaction.connector_id, stop.transaction_id, meter_values
            )
            cdr = cdrs.due(transaction, stop, self._operator_id)
            if cdr is not None:
                queue(connection, cdr, now)
            return Stopped.NOW, cdr

        return await self._database.write(job)

    async def record_meter_values(
        self,
        charge_point_id: str,
        connector_id: int,
        transaction_id: int | None,
        meter_values: Sequence[MeterValue],
    ) -> None:
        """Keep what a meter said."""
        await self._database.write(
            lambda connection: _insert_meter_values(
                connection, charge_point_id, connector_id, transaction_id, meter_values
            )
        )

    async def all(self) -> list[Transaction]:
        """Every transaction, in the order of their starts."""

        def job(connection: sqlite3.Connection) -> list[Transaction]:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM transactions ORDER BY transaction_id")
            return [_transaction(row) for row in rows]

        return await self._database.scan(job)


def _find_start(connection: sqlite3.Connection, start: Start) -> Transaction | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM transactions WHERE charge_point_id = ? AND connector_id = ? "
        "AND id_key = ? AND started_at = ? AND meter_start = ?",
        (
            start.charge_point_id,
            start.connector_id,
            id_key(start.id_tag),
            utc_text(start.started_at),
            start.meter_start,
        ),
    ).fetchone()
    return None if row is None else _transaction(row)


def _find(connection: sqlite3.Connection, charge_point_id: str, transaction_id: int) -> Transaction | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM transactions WHERE transaction_id = ? AND charge_point_id = ?",
        (transaction_id, charge_point_id),
    ).fetchone()
    return None if row is None else _transaction(row)


def _charges_elsewhere(connection: sqlite3.Connection, start: Start) -> bool:
    """Whether the token of a start is in use at another connector."""
    row = connection.execute(
        "SELECT 1 FROM transactions AS other WHERE id_key = ? AND stopped_at IS NULL "
        "AND NOT (charge_point_id = ? AND connector_id = ?) AND NOT EXISTS ("
        "SELECT 1 FROM transactions AS later WHERE later.charge_point_id = other.charge_point_id "
        "AND later.connector_id = other.connector_id AND later.transaction_id > other.transaction_id)",
        (id_key(start.id_tag), start.charge_point_id, start.connector_id),
    ).fetchone()
    return row is not None


def _insert(
    connection: sqlite3.Connection, start: Start, decision: Decision, cdr_id: UUID, *, concurrent: bool
) -> None:
    connection.execute(
        "INSERT INTO transactions (cdr_id, charge_point_id, connector_id, id_tag, id_key, meter_start, "
        "started_at, id_tag_info, decided_by, reference, home_operator_id, concurrent) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(cdr_id),
            start.charge_point_id,
            start.connector_id,
            start.id_tag,
            id_key(start.id_tag),
            start.meter_start,
            utc_text(start.started_at),
            orjson.dumps(decision.info).decode(),
            decision.decided_by.value,
            decision.reference,
            decision.home_operator_id,
            concurrent,
        ),
    )


def _insert_meter_values(
    connection: sqlite3.Connection,
    charge_point_id: str,
    connector_id: int | None,
    transaction_id: int | None,
    meter_values: Sequence[MeterValue],
) -> None:
    rows = []
    for value in meter_values:
        sampled = orjson.dumps(value.sampled)
        # what a charger repeats is stored once: it differs in nothing, or it was not repeated
        digest = blake2b(b"%a %a %b" % (connector_id, transaction_id, sampled), digest_size=8).digest()
        row = (charge_point_id, connector_id, transaction_id, value.measured_at, sampled.decode(), digest)
        rows.append(row)
    connection.executemany(
        "INSERT OR IGNORE INTO meter_value "
        "(charge_point_id, connector_id, transaction_id, measured_at, sampled, digest) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )


def _transaction(row: tuple[Any, ...]) -> Transaction:
    meter_stop, stopped_at, reason, stop_id_tag = row[12:]
    stop = None
    if stopped_at is not None:
        stop = Stop(row[2], row[0], meter_stop, datetime.fromisoformat(stopped_at), reason, stop_id_tag)
    return Transaction(
        transaction_id=row[0],
        cdr_id=UUID(row[1]),
        charge_point_id=row[2],
        connector_id=row[3],
        id_tag=row[4],
        meter_start=row[5],
        started_at=datetime.fromisoformat(row[6]),
        info=orjson.loads(row[7]),
        decided_by=DecidedBy(row[8]),
        reference=row[9],
        home_operator_id=row[10],
        stop=stop,
        concurrent=bool(row[11]),
    )
