"""CDRs that we receive as the home operator, and the authorizations that prove their sessions.

What is taken is priced and committed before its receipt is given; of what is not we keep why.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cascade.database import Database
from cascade.roaming.cdrs import (
    Authorization,
    Cdr,
    CdrReceipt,
    ReceiptStatus,
    digest_of,
)
from cascade.roaming.model import Refusal, id_key, utc_text
from cpo_central.billing.invoices import Pricing
from cpo_central.cdrs import refusals
from cpo_central.cdrs.decisions import (
    AUTHORIZATION_AGE_MAX,
    CLOCK_TOLERANCE,
    CdrFacts,
    HomeAuthorization,
    Original,
    Recorded,
    Refuse,
    Repeat,
    Take,
    judge,
)
from cpo_central.drivers.tokens import find_own


@dataclass(frozen=True, slots=True)
class ReceivedCdr:
    """A CDR of one of our drivers' sessions elsewhere."""

    cdr: Cdr
    sent_by: str | None
    receipt: CdrReceipt


class Intake:
    """CDRs of our drivers' sessions elsewhere, and the authorizations that we gave."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_authorizations(self, answers: Sequence[HomeAuthorization]) -> None:
        """Keep what we answered about idTags; CDRs may refer to it."""
        rows = [
            (id_key(answer.id_tag), answer.asked_by, answer.message_id, answer.status, answer.at.timestamp())
            for answer in answers
        ]
        await self._database.write(
            lambda connection: connection.executemany(
                "INSERT INTO home_authorization (id_key, asked_by, message_id, status, at) "
                "VALUES (?, ?, ?, ?, ?)",
                rows,
            )
        )

    async def prune(self, before: datetime) -> int:
        """Forget what we answered or refused before a moment; returns how many answers and refusals."""

        def job(connection: sqlite3.Connection) -> int:
            answers = connection.execute("DELETE FROM home_authorization WHERE at < ?", (before.timestamp(),))
            refused = connection.execute("DELETE FROM refused_cdr WHERE refused_at < ?", (utc_text(before),))
            return answers.rowcount + refused.rowcount

        return await self._database.write(job)

    async def take(self, cdrs: Sequence[Cdr], sender: str | None, now: datetime) -> list[CdrReceipt | Refusal]:
        """Take CDRs of our drivers' sessions, and price them; all is committed when the outcomes come.

        Each is judged by itself, after those before it. Of what we do not take we note why.

        Args:
            cdrs: the records.
            sender: operatorId of the peer; None: the hub.
            now: the time of their arrival.

        Raises:
            StoreError: none of them was taken.
        """

        def job(connection: sqlite3.Connection) -> list[CdrReceipt | Refusal]:
            pricing = Pricing(connection, now)
            return [_take(connection, cdr, sender, now, pricing) for cdr in cdrs]

        return await self._database.write(job)

    async def received(self) -> list[ReceivedCdr]:
        """Every CDR that we have taken, the oldest first."""

        def job(connection: sqlite3.Connection) -> list[ReceivedCdr]:
            rows = connection.execute(
                "SELECT body, sent_by, receipt FROM received_cdr ORDER BY received_at, cdr_id"
            )
            return [
                ReceivedCdr(Cdr.model_validate_json(body), sent_by, CdrReceipt.model_validate_json(receipt))
                for body, sent_by, receipt in rows
            ]

        return await self._database.scan(job)


def _take(
    connection: sqlite3.Connection, cdr: Cdr, sender: str | None, now: datetime, pricing: Pricing
) -> CdrReceipt | Refusal:
    match judge(cdr, _facts(connection, cdr, sender)):
        case Repeat(receipt):
            return receipt
        case Refuse(code, detail):
            refusal = Refusal(code=code, detail=detail)
            refusals.note(connection, cdr, sender, refusal, now)
            return refusal
        case Take(status):
            receipt = _store(connection, cdr, sender, status, now)
            pricing.add_line(cdr)
            return receipt


def _facts(connection: sqlite3.Connection, cdr: Cdr, sender: str | None) -> CdrFacts:
    stored = connection.execute(
        "SELECT receipt FROM received_cdr WHERE cdr_id = ?", (str(cdr.cdr_id),)
    ).fetchone()
    return CdrFacts(
        sender=sender,
        stored=None if stored is None else CdrReceipt.model_validate_json(stored[0]),
        is_ours=find_own(connection, cdr.id_tag) is not None,
        authorizations=_authorizations(connection, cdr),
        original=_original(connection, cdr),
    )


def _original(connection: sqlite3.Connection, credit: Cdr) -> Original | None:
    reference = _reference(credit)
    if reference is None:
        return None
    row = connection.execute(
        "SELECT body, receipt, (SELECT cdr_id FROM received_cdr WHERE credit_reference_id = ?1) "
        "FROM received_cdr WHERE cdr_id = ?1",
        (reference,),
    ).fetchone()
    if row is None:
        return None
    body, receipt, cancelled_by = row
    return Original(
        cdr=Cdr.model_validate_json(body),
        status=CdrReceipt.model_validate_json(receipt).status,
        cancelled_by=None if cancelled_by is None else UUID(cancelled_by),
    )


def _authorizations(connection: sqlite3.Connection, cdr: Cdr) -> Sequence[Recorded]:
    """Those that may prove the session: the pure decision looks again."""
    if cdr.authorization is Authorization.WHITELIST:
        return []
    started = cdr.session_start.timestamp()
    earliest = started - AUTHORIZATION_AGE_MAX.total_seconds()
    latest = started + CLOCK_TOLERANCE.total_seconds()
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT asked_by, message_id, at FROM home_authorization "
        "WHERE id_key = ? AND status = 'Accepted' AND at >= ? AND (at <= ? OR message_id = ?)",
        (id_key(cdr.id_tag), earliest, latest, cdr.authorization_reference),
    ).fetchall()
    return [
        Recorded(asked_by, message_id, datetime.fromtimestamp(at, UTC)) for asked_by, message_id, at in rows
    ]


def _store(
    connection: sqlite3.Connection, cdr: Cdr, sender: str | None, status: ReceiptStatus, now: datetime
) -> CdrReceipt:
    body = cdr.wire()
    receipt = CdrReceipt(cdr_id=cdr.cdr_id, digest=digest_of(body), received_at=now, status=status)
    connection.execute(
        "INSERT INTO received_cdr (cdr_id, body, digest, sent_by, receipt, received_at, credit_reference_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            str(cdr.cdr_id),
            body,
            receipt.digest,
            sender,
            receipt.wire(),
            utc_text(now),
            _reference(cdr),
        ),
    )
    refusals.forget(connection, receipt)
    return receipt


def _reference(cdr: Cdr) -> str | None:
    return None if cdr.credit_reference_id is None else str(cdr.credit_reference_id)
