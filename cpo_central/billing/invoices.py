"""Tariffs and invoice lines in the database.

A line is written in the commit that takes its CDR, or, if no tariff fitted then, as soon as one that does is
added. It keeps the whole tariff, and never changes.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial
from uuid import UUID

from cascade.database import Database
from cascade.errors import CascadeError
from cascade.roaming.cdrs import Cdr
from cascade.roaming.ledgers import Period
from cascade.roaming.model import id_key, utc_text
from cpo_central.billing.pricing import Charges, Line, Tariff, choose, conflict, price

PRICED_AT_ONCE = 1000
"""CDRs priced in one commit when a tariff is added, so that a server that runs meanwhile does not wait long."""


class TariffError(CascadeError):
    """A tariff cannot be added or ended: the text says why, and what to do."""


class Pricing:
    """Prices CDRs that have been taken; part of the transaction that takes them.

    Args:
        connection: the writer, in that transaction.
        now: the time of pricing.
    """

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = utc_text(now)
        self._tariffs: dict[str, dict[str, str]] = {}

    def add_line(self, cdr: Cdr) -> bool:
        """Price a CDR, if it can be."""
        priced = (
            self._session(cdr) if cdr.credit_reference_id is None else self._credit(cdr.credit_reference_id)
        )
        if priced is None:
            return False
        tariff, charges = priced
        self._connection.execute(
            "INSERT INTO invoice_line (cdr_id, tariff, charges, priced_at) VALUES (?, ?, ?, ?)",
            (str(cdr.cdr_id), tariff, charges.wire(), self._now),
        )
        return True

    def _session(self, cdr: Cdr) -> tuple[str, Charges] | None:
        """The text of the tariff, and the charges."""
        texts = self._texts(cdr.operator_id)
        tariff = choose((_tariff(text) for text in texts.values()), cdr.operator_id, cdr.session_start)
        return None if tariff is None else (texts[tariff.tariff_id], price(tariff, cdr))

    def _credit(self, original: UUID) -> tuple[str, Charges] | None:
        """What the original was priced with, and its charges, reversed."""
        row = self._connection.execute(
            "SELECT tariff, charges FROM invoice_line WHERE cdr_id = ?", (str(original),)
        ).fetchone()
        return None if row is None else (row[0], Charges.model_validate_json(row[1]).reversed())

    def _texts(self, visited: str) -> dict[str, str]:
        """The tariffs for sessions at an operator by their ids, read once."""
        if visited not in self._tariffs:
            rows = self._connection.execute(
                "SELECT tariff_id, body FROM tariff WHERE operator_id IS NULL OR operator_id = ?", (visited,)
            )
            self._tariffs[visited] = dict(rows.fetchall())
        return self._tariffs[visited]


@lru_cache(maxsize=1000)
def _tariff(body: str) -> Tariff:
    return Tariff.model_validate_json(body)


class InvoiceStore:
    """Our tariffs, and the lines priced with them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tariffs(self) -> list[Tariff]:
        """All of them, in the order of their ids."""
        return await self._database.scan(_tariffs)

    async def add(self, tariff: Tariff) -> None:
        """Add a tariff; it prices nothing yet.

        Raises:
            TariffError: it is there, or contradicts another.
        """

        def job(connection: sqlite3.Connection) -> None:
            contradiction = conflict(tariff, _tariffs(connection))
            if contradiction is not None:
                raise TariffError(contradiction)
            connection.execute(
                "INSERT INTO tariff (tariff_id, operator_id, body) VALUES (?, ?, ?)",
                (tariff.tariff_id, tariff.operator_id, tariff.wire()),
            )

        await self._database.write(job)

    async def end(self, tariff_id: str, at: datetime) -> Tariff:
        """Let a tariff be for sessions that start before a moment only; returns it as it is now.

        Raises:
            TariffError: there is none, it does not begin before or ends earlier anyway, or sessions that
                started since have been priced with it.
        """

        def job(connection: sqlite3.Connection) -> Tariff:
            row = connection.execute("SELECT body FROM tariff WHERE tariff_id = ?", (tariff_id,)).fetchone()
            if row is None:
                raise TariffError(f"there is no tariff {tariff_id}: `cpo-central tariffs list` shows them")
            tariff = _tariff(row[0])
            if at <= tariff.valid_from or (tariff.valid_to is not None and tariff.valid_to < at):
                raise TariffError(f"tariff {tariff_id} can end only while it is valid, and only earlier")
            if _was_used_since(connection, tariff_id, at):
                raise TariffError(
                    f"sessions that started at {utc_text(at)} or later are priced with tariff {tariff_id}, and "
                    "lines never change: end it later"
                )
            ended = tariff.model_copy(update={"valid_to": at})
            connection.execute("UPDATE tariff SET body = ? WHERE tariff_id = ?", (ended.wire(), tariff_id))
            return ended

        return await self._database.write(job)

    async def price_waiting(self, now: datetime) -> int:
        """Price every CDR that a tariff fits by now; returns how many.

        The credits come last: one can be priced when its original is.
        """
        return await self._price("IS NULL", now) + await self._price("IS NOT NULL", now)

    async def _price(self, which: str, now: datetime) -> int:
        """Price those whose credit_reference_id is so."""
        priced, after = 0, ""
        while True:
            some = partial(_price_some, which=which, after=after, now=now)
            count, last = await self._database.write(some)
            priced += count
            if last is None:
                return priced
            after = last

    async def lines(self, period: Period, *, visited: str | None, id_tag: str | None) -> list[Line]:
        """The sessions that ended in a period, the earliest first, priced or not.

        Args:
            period: which.
            visited: only those at this operator.
            id_tag: only this driver's.
        """
        start, end = period.seconds()

        def job(connection: sqlite3.Connection) -> list[Line]:
            rows = connection.execute(
                "SELECT body, tariff, charges, substr(json_extract(body, '$.sessionEnd'), 1, 19) AS ended "
                "FROM received_cdr LEFT JOIN invoice_line USING (cdr_id) "
                "WHERE ended >= :start AND ended < :end "
                "AND (:visited IS NULL OR json_extract(body, '$.operatorId') = :visited) "
                "AND (:key IS NULL OR upper(json_extract(body, '$.idTag')) = :key) "
                "ORDER BY ended, received_at, cdr_id",
                {"start": start, "end": end, "visited": visited, "key": id_tag and id_key(id_tag)},
            )
            return [_line(body, tariff, charges) for body, tariff, charges, _ in rows]

        return await self._database.scan(job)


def _tariffs(connection: sqlite3.Connection) -> list[Tariff]:
    rows = connection.execute("SELECT body FROM tariff ORDER BY tariff_id")
    return [_tariff(body) for (body,) in rows]


def _was_used_since(connection: sqlite3.Connection, tariff_id: str, at: datetime) -> bool:
    rows = connection.execute(
        "SELECT json_extract(body, '$.sessionStart') FROM invoice_line JOIN received_cdr USING (cdr_id) "
        "WHERE json_extract(tariff, '$.tariffId') = ?",
        (tariff_id,),
    )
    return any(datetime.fromisoformat(started) >= at for (started,) in rows)


def _price_some(
    connection: sqlite3.Connection, *, which: str, after: str, now: datetime
) -> tuple[int, str | None]:
    """Price the next that wait; returns how many, and after which to go on, if there may be more."""
    rows: Sequence[tuple[str, str]] = connection.execute(
        "SELECT cdr_id, body FROM received_cdr LEFT JOIN invoice_line USING (cdr_id) "
        f"WHERE tariff IS NULL AND credit_reference_id {which} AND cdr_id > ? ORDER BY cdr_id LIMIT ?",
        (after, PRICED_AT_ONCE),
    ).fetchall()
    pricing = Pricing(connection, now)
    count = sum(pricing.add_line(Cdr.model_validate_json(body)) for _, body in rows)
    return count, rows[-1][0] if len(rows) == PRICED_AT_ONCE else None


def _line(body: str, tariff: str | None, charges: str | None) -> Line:
    return Line(
        cdr=Cdr.model_validate_json(body),
        tariff=None if tariff is None else _tariff(tariff),
        charges=None if charges is None else Charges.model_validate_json(charges),
    )
