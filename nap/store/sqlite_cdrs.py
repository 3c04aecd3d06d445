"""CDRs in SQLite. A row is written once; only its state, reason and told change."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from cascade.database import Database
from cascade.errors import RoamingRefused
from cascade.roaming.cdrs import Authorization, Cdr, digest_of
from cascade.roaming.ledgers import Period
from cascade.roaming.model import id_key, utc_text
from nap.records import Backlog, CdrFacts, CdrOutcome, CdrState, LedgerRow, RefusedCdr, StoredCdr
from nap.store.sqlite_endpoints import longest_prefix

REDELIVERED_AT_ONCE = 1000
"""In one commit: a hub that runs beside it has to write too."""

_COLUMNS = "body, digest, visited, home, received_at, authorized, state, reason, settled_at"


def _stored(row: tuple[Any, ...]) -> StoredCdr:
    body, digest, visited, home, received_at, authorized, state, reason, settled_at = row
    return StoredCdr(
        cdr=Cdr.model_validate_json(body),
        body=body,
        digest=digest,
        visited=visited,
        home=home,
        received_at=datetime.fromisoformat(received_at),
        authorized=bool(authorized),
        state=CdrState(state),
        reason=reason,
        settled_at=datetime.fromisoformat(settled_at) if settled_at else None,
    )


def _ledger_row(row: tuple[Any, ...]) -> LedgerRow:
    cdr_id, digest, visited, home, meter_start, meter_stop, is_credit, state = row
    energy_wh = meter_start - meter_stop if is_credit else meter_stop - meter_start
    return LedgerRow(UUID(cdr_id), digest, visited, home, energy_wh, bool(is_credit), CdrState(state))


class SqliteCdrs:
    """CDRs in the hub's custody."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(
        self,
        visited: str,
        cdrs: Sequence[Cdr],
        decide: Callable[[Cdr, CdrFacts], StoredCdr | None],
        now: datetime,
    ) -> list[StoredCdr | RoamingRefused]:
        """Load the facts, decide, and store, one after the other and all in one step."""
        return await self._database.write(lambda db: [_take(db, visited, cdr, decide, now) for cdr in cdrs])

    def queued(self, home: str, limit: int) -> list[StoredCdr]:
        """The next CDRs that wait for delivery to an operator, in the order they came."""
        return self._select("home = ? AND state = 'Queued' ORDER BY seq LIMIT ?", home, limit)

    def backlogs(self) -> list[Backlog]:
        """What waits for delivery, by operator."""
        rows = self._database.reader.execute(
            "SELECT home, waiting, received_at FROM (SELECT home, count(*) AS waiting, min(seq) AS first"
            " FROM cdrs WHERE state = 'Queued' GROUP BY home) JOIN cdrs USING (home) WHERE seq = first"
            " ORDER BY home"
        )
        return [Backlog(home, waiting, datetime.fromisoformat(at)) for home, waiting, at in rows]

    async def redeliver(self, home: str, since: datetime) -> int:
        """Offer an operator again what it has acknowledged and came since a moment; returns how many."""
        # as far as the second: with the Z, text would not sort as time does
        begin = utc_text(since.replace(microsecond=0)).removesuffix("Z")

        def acknowledged(db: sqlite3.Connection) -> list[tuple[str]]:
            return db.execute(
                "SELECT cdr_id FROM cdrs WHERE home = ? AND received_at >= ? AND state IN (?, ?)",
                (home, begin, CdrState.DELIVERED.value, CdrState.ACCEPTED.value),
            ).fetchall()

        rows = await self._database.scan(acknowledged)
        for first in range(0, len(rows), REDELIVERED_AT_ONCE):
            await self._update(
                "state = 'Queued', settled_at = NULL, told = 1 WHERE cdr_id = ?",
                rows[first : first + REDELIVERED_AT_ONCE],
            )
        return len(rows)

    def untold(self, visited: str, limit: int) -> list[CdrOutcome]:
        """What has become of CDRs of the visited operator, and it has not been told yet."""
        rows = self._database.reader.execute(
            "SELECT cdr_id, state, reason FROM cdrs WHERE visited = ? AND told = 0 ORDER BY seq LIMIT ?",
            (visited, limit),
        )
        return [CdrOutcome(UUID(cdr_id), CdrState(state), reason) for cdr_id, state, reason in rows]

    def find(self, *, state: CdrState | None, operator_id: str | None, limit: int) -> list[StoredCdr]:
        """CDRs, the newest first, of one state or any, to or from one operator or all."""
        return self._select(
            "(?1 IS NULL OR state = ?1) AND (?2 IS NULL OR visited = ?2 OR home = ?2)"
            " ORDER BY seq DESC LIMIT ?3",
            state and state.value,
            operator_id,
            limit,
        )

    def ledger(self, period: Period) -> list[LedgerRow]:
        """The CDRs of the sessions that ended in a period, in the order they came."""
        rows = self._database.reader.execute(
            "SELECT cdr_id, digest, visited, home, json_extract(body, '$.meterStart'),"
            " json_extract(body, '$.meterStop'), credit_reference_id IS NOT NULL, state FROM cdrs"
            " WHERE substr(json_extract(body, '$.sessionEnd'), 1, 19) >= ?1"
            " AND substr(json_extract(body, '$.sessionEnd'), 1, 19) < ?2 ORDER BY seq",
            period.seconds(),
        )
        return [_ledger_row(row) for row in rows]

    def _select(self, where: str, *values: object) -> list[StoredCdr]:
        rows = self._database.reader.execute(f"SELECT {_COLUMNS} FROM cdrs WHERE {where}", values)
        return [_stored(row) for row in rows]

    async def settle(self, outcomes: Sequence[CdrOutcome], now: datetime) -> None:
        """What the home operator said about CDRs."""
        at = utc_text(now)
        await self._update(
            "state = ?, reason = ?, settled_at = ?, told = 0 WHERE cdr_id = ?",
            [(state.value, reason, at, str(cdr_id)) for cdr_id, state, reason in outcomes],
        )

    async def note_told(self, told: Sequence[CdrOutcome]) -> None:
        """The visited operator knows these; a CDR that is in another state by now is still to be told."""
        await self._update(
            "told = 1 WHERE cdr_id = ? AND state = ?",
            [(str(outcome.cdr_id), outcome.state.value) for outcome in told],
        )

    async def requeue(self, cdr_id: UUID) -> bool:
        """Offer a rejected CDR to the home operator again, and its credit with it; False if there is none."""
        statement = (
            "UPDATE cdrs SET state = 'Queued', reason = NULL, settled_at = NULL, told = 1"
            " WHERE (cdr_id = ?1 OR credit_reference_id = ?1) AND state = 'Rejected'"
        )
        return bool(await self._database.write(lambda db: db.execute(statement, (str(cdr_id),)).rowcount))

    def refused(self, *, operator_id: str | None, limit: int) -> list[RefusedCdr]:
        """CDRs that were not taken, the newest refusal first, from one operator or all."""
        rows = self._database.reader.execute(
            "SELECT body, visited, reason, refused_at FROM refused_cdrs WHERE ?1 IS NULL OR visited = ?1"
            " ORDER BY refused_at DESC LIMIT ?2",
            (operator_id, limit),
        )
        return [
            RefusedCdr(Cdr.model_validate_json(body), visited, reason, datetime.fromisoformat(at))
            for body, visited, reason, at in rows
        ]

    async def prune_refused(self, before: datetime) -> int:
        """Forget older refusals; returns how many."""
        statement = "DELETE FROM refused_cdrs WHERE refused_at < ?"
        return await self._database.write(lambda db: db.execute(statement, (utc_text(before),)).rowcount)

    async def _update(self, change: str, rows: Sequence[tuple[str | None, ...]]) -> None:
        await self._database.write(lambda db: db.executemany(f"UPDATE cdrs SET {change}", rows).rowcount)


def _take(
    db: sqlite3.Connection,
    visited: str,
    cdr: Cdr,
    decide: Callable[[Cdr, CdrFacts], StoredCdr | None],
    now: datetime,
) -> StoredCdr | RoamingRefused:
    try:
        stored = decide(cdr, _facts(db, visited, cdr))
    except RoamingRefused as refused:
        _note_refused(db, visited, cdr, refused, now)
        return refused
    if stored is None:
        row = db.execute(f"SELECT {_COLUMNS} FROM cdrs WHERE cdr_id = ?", (str(cdr.cdr_id),))
        return _stored(row.fetchone())
    cdr_id = str(cdr.cdr_id)
    db.execute(
        f"INSERT INTO cdrs (cdr_id, credit_reference_id, {_COLUMNS})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (
            cdr_id,
            cdr.credit_reference_id and str(cdr.credit_reference_id),
            stored.body,
            stored.digest,
            stored.visited,
            stored.home,
            utc_text(stored.received_at),
            stored.authorized,
            stored.state.value,
        ),
    )
    db.execute(
        "DELETE FROM refused_cdrs WHERE visited = ? AND cdr_id = ? AND digest = ?",
        (visited, cdr_id, stored.digest),
    )
    return stored


def _note_refused(
    db: sqlite3.Connection, visited: str, cdr: Cdr, refused: RoamingRefused, now: datetime
) -> None:
    body = cdr.wire()
    db.execute(
        "INSERT OR REPLACE INTO refused_cdrs (visited, cdr_id, digest, body, reason, refused_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (visited, str(cdr.cdr_id), digest_of(body), body, str(refused), utc_text(now)),
    )


def _facts(db: sqlite3.Connection, visited: str, cdr: Cdr) -> CdrFacts:
    known = db.execute("SELECT digest FROM cdrs WHERE cdr_id = ?", (str(cdr.cdr_id),)).fetchone()
    key = id_key(cdr.id_tag)
    token = db.execute("SELECT home, listed FROM tokens WHERE id_key = ?", (key,)).fetchone()
    if cdr.authorization is Authorization.WHITELIST:
        authorized = token is not None and token[1] > 0
    else:
        row = db.execute(
            "SELECT 1 FROM authorizations WHERE visited = ? AND message_id = ? AND id_key = ?"
            " AND status = 'Accepted'",
            (visited, cdr.authorization_reference, key),
        ).fetchone()
        authorized = row is not None
    return CdrFacts(
        known_digest=known and known[0],
        home=token[0] if token else longest_prefix(db, key),
        authorized=authorized,
        original=_original(db, cdr),
        cancelled_by=_cancelled_by(db, cdr),
    )


def _original(db: sqlite3.Connection, credit: Cdr) -> StoredCdr | None:
    if credit.credit_reference_id is None:
        return None
    row = db.execute(
        f"SELECT {_COLUMNS} FROM cdrs WHERE cdr_id = ?", (str(credit.credit_reference_id),)
    ).fetchone()
    return row and _stored(row)


def _cancelled_by(db: sqlite3.Connection, credit: Cdr) -> UUID | None:
    if credit.credit_reference_id is None:
        return None
    row = db.execute(
        "SELECT cdr_id FROM cdrs WHERE credit_reference_id = ?", (str(credit.credit_reference_id),)
    ).fetchone()
    return row and UUID(row[0])
