"""Long reads that no store offers: SQL, and nothing else. They run on a thread of their own.

Each takes a read-only connection and returns records with the names of the interface. Moments are text, and
bounds on them are those of `parts.whole_seconds`; energy is integer Wh.
"""

import sqlite3
from typing import Any, Literal

import orjson

from cascade.roaming.model import id_key

Record = dict[str, Any]

SESSION_MAX_WH = 10**9
"""More than any session takes: beyond it, and below 0, a register was replaced or is wrong."""

_TRANSACTION = {
    "transactionId": "transaction_id",
    "cdrId": "cdr_id",
    "chargePointId": "charge_point_id",
    "connectorId": "connector_id",
    "idTag": "id_tag",
    "status": "CASE WHEN concurrent THEN 'ConcurrentTx' ELSE json_extract(id_tag_info, '$.status') END",
    "decidedBy": "decided_by",
    "authorizationReference": "reference",
    "homeOperatorId": "home_operator_id",
    "startedAt": "started_at",
    "meterStart": "meter_start",
    "stoppedAt": "stopped_at",
    "meterStop": "meter_stop",
    "stopReason": "stop_reason",
    "stopIdTag": "stop_id_tag",
}


def _select(columns: dict[str, str], rest: str) -> str:
    return f"SELECT {', '.join(columns.values())} {rest}"


def _where(conditions: dict[str, object]) -> str:
    """Those conditions whose value is given: with the others in it no index would be used."""
    return " AND ".join(condition for condition, value in conditions.items() if value is not None) or "true"


def transactions(
    connection: sqlite3.Connection,
    *,
    charge_point_id: str | None,
    id_tag: str | None,
    is_open: bool | None,
    start: str | None,
    end: str | None,
    after: int | None,
    limit: int,
) -> list[Record]:
    """Transactions, the newest first; `start` and `end` bound their beginnings."""
    key = None if id_tag is None else id_key(id_tag)
    where = _where(
        {
            "charge_point_id = :charge_point_id": charge_point_id,
            "id_key = :key": key,
            "(stopped_at IS NULL) = :is_open": is_open,
            "started_at >= :start": start,
            "started_at < :end": end,
            "transaction_id < :after": after,
        }
    )
    rows = connection.execute(
        _select(_TRANSACTION, f"FROM transactions WHERE {where} ORDER BY transaction_id DESC LIMIT :limit"),
        {
            "charge_point_id": charge_point_id,
            "key": key,
            "is_open": is_open,
            "start": start,
            "end": end,
            "after": after,
            "limit": limit,
        },
    )
    return [dict(zip(_TRANSACTION, row, strict=True)) for row in rows]


def transaction(connection: sqlite3.Connection, transaction_id: int) -> Record | None:
    """One transaction."""
    row = connection.execute(
        _select(_TRANSACTION, "FROM transactions WHERE transaction_id = ?"), (transaction_id,)
    ).fetchone()
    return None if row is None else dict(zip(_TRANSACTION, row, strict=True))


_METER_VALUE = {
    "id": "id",
    "chargePointId": "charge_point_id",
    "connectorId": "connector_id",
    "transactionId": "transaction_id",
    "timestamp": "measured_at",
    "sampledValue": "sampled",
}


def meter_values(
    connection: sqlite3.Connection,
    *,
    charge_point_id: str | None = None,
    transaction_id: int | None = None,
    start: str | None = None,
    end: str | None = None,
    after: int | None,
    limit: int,
) -> list[Record]:
    """What a meter said, in the order of its times; of a charge point or of a transaction."""
    where = _where(
        {
            "charge_point_id = :charge_point_id": charge_point_id,
            "transaction_id = :transaction_id": transaction_id,
            "measured_at >= :start": start,
            "measured_at < :end": end,
            "(measured_at, id) > (SELECT measured_at, id FROM meter_value WHERE id = :after)": after,
        }
    )
    rows = connection.execute(
        _select(_METER_VALUE, f"FROM meter_value WHERE {where} ORDER BY measured_at, id LIMIT :limit"),
        {
            "charge_point_id": charge_point_id,
            "transaction_id": transaction_id,
            "start": start,
            "end": end,
            "after": after,
            "limit": limit,
        },
    )
    return [dict(zip(_METER_VALUE, (*row[:-1], orjson.loads(row[-1])), strict=True)) for row in rows]


Group = Literal["day", "charge-point", "token"]

_GROUPS: dict[Group, tuple[str, str]] = {
    "day": ("substr(stopped_at, 1, 10)", "substr(stopped_at, 1, 10)"),
    "charge-point": ("charge_point_id", "charge_point_id"),
    "token": ("id_key", "max(id_tag)"),
}
"""What a session belongs to, and how that is shown."""


def energy(connection: sqlite3.Connection, *, group: Group, start: str | None, end: str | None) -> list[Record]:
    """The energy of the sessions that have ended, by day of their end in UTC, charge point or token."""
    key, shown = _GROUPS[group]
    plausible = f"FILTER (WHERE meter_stop - meter_start BETWEEN 0 AND {SESSION_MAX_WH})"
    where = _where({"stopped_at >= :start": start, "stopped_at < :end": end})
    rows = connection.execute(
        f"SELECT {shown}, ifnull(sum(meter_stop - meter_start) {plausible}, 0), count(*), "
        f"count(*) - count(*) {plausible} FROM transactions "
        f"WHERE stopped_at IS NOT NULL AND {where} GROUP BY {key} ORDER BY {key}",
        {"start": start, "end": end},
    )
    names = ("group", "energyWh", "sessions", "implausibleSessions")
    return [dict(zip(names, row, strict=True)) for row in rows]


Direction = Literal["sent", "received"]

_CDRS: dict[Direction, str] = {
    "sent": "SELECT cdr_id, 'sent' AS direction, status, reason, home_operator_id AS operator_id, "
    "queued_at AS at, body FROM cdr",
    "received": "SELECT cdr_id, 'received' AS direction, json_extract(receipt, '$.status') AS status, "
    "NULL AS reason, json_extract(body, '$.operatorId') AS operator_id, received_at AS at, body "
    "FROM received_cdr",
}

_CDR = ("cdrId", "direction", "status", "reason", "operatorId", "at", "cdr")


def cdrs(
    connection: sqlite3.Connection, *, direction: Direction, after: str | None, limit: int
) -> list[Record]:
    """CDRs, the oldest first."""
    one = _CDRS[direction]
    where = _where({f"(at, cdr_id) > (SELECT at, cdr_id FROM ({one}) WHERE cdr_id = :after)": after})
    rows = connection.execute(
        f"SELECT * FROM ({one}) WHERE {where} ORDER BY at, cdr_id LIMIT :limit",
        {"after": after, "limit": limit},
    )
    return [_cdr(row) for row in rows]


def cdr(connection: sqlite3.Connection, cdr_id: str) -> Record | None:
    """One CDR, sent or received."""
    row = connection.execute(
        f"SELECT * FROM ({' UNION ALL '.join(_CDRS.values())}) WHERE cdr_id = ?", (cdr_id,)
    ).fetchone()
    return None if row is None else _cdr(row)


def _cdr(row: tuple[Any, ...]) -> Record:
    return dict(zip(_CDR, row, strict=True))


_TOKEN = {
    "idTag": "id_tag",
    "status": "status",
    "expiryDate": "expiry_date",
    "parentIdTag": "parent_id_tag",
    "rejectedByHub": "rejection",
}


def tokens(connection: sqlite3.Connection, *, after: str | None, limit: int) -> list[Record]:
    """Our own tokens, in the order of their idTags."""
    rows = connection.execute(
        _select(_TOKEN, "FROM own_token WHERE id_key > ? ORDER BY id_key LIMIT ?"), (id_key(after or ""), limit)
    )
    return [dict(zip(_TOKEN, row, strict=True)) for row in rows]


def token(connection: sqlite3.Connection, id_tag: str) -> Record | None:
    """One of our own tokens."""
    row = connection.execute(_select(_TOKEN, "FROM own_token WHERE id_key = ?"), (id_key(id_tag),)).fetchone()
    return None if row is None else dict(zip(_TOKEN, row, strict=True))
