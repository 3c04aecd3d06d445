"""CDRs and authorizations in the database: those that we send, with their outbox, and those that we receive.

An outbox row goes only when the receiver has acknowledged the CDR, in the same commit that says so. What the
receiver refuses stays there, parked, until a person sends it again.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from cascade.database import Database
from cascade.roaming.cdrs import (
    Authorization,
    Cdr,
    CdrReceipt,
    CdrStatus,
    DeliveryStatus,
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

TO_HUB = ""
"""What stands for the hub where home operators stand in the outbox."""


class Route(StrEnum):
    """Which way a CDR goes home."""

    HUB = "hub"
    PEER = "peer"

    @classmethod
    def of(cls, cdr: Cdr) -> "Route":
        """The way that the session's authorization has come."""
        return cls.PEER if cdr.authorization is Authorization.PEER else cls.HUB


class CdrState(StrEnum):
    """What has become of a CDR of ours."""

    QUEUED = "Queued"
    PARKED = "Parked"
    RECEIVED = "Received"
    """The hub has it."""
    DELIVERED = "Delivered"
    """The home operator has it."""
    ACCEPTED = "Accepted"
    """The home operator has matched it with an authorization."""
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where CDRs go: to the hub, or to one home operator."""

    route: Route
    home_operator_id: str | None
    """On the route `peer`."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A CDR of ours that its receiver has taken or refused."""

    cdr_id: UUID
    state: CdrState
    receipt: CdrReceipt | None
    """None: it is refused, and parked."""
    reason: str | None


@dataclass(frozen=True, slots=True)
class SentCdr:
    """A CDR of ours and what has become of it."""

    cdr: Cdr
    route: Route
    state: CdrState
    reason: str | None
    queued_at: str


@dataclass(frozen=True, slots=True)
class ReceivedCdr:
    """A CDR of one of our drivers' sessions elsewhere."""

    cdr: Cdr
    sent_by: str | None
    receipt: CdrReceipt


def queue(connection: sqlite3.Connection, cdr: Cdr, now: datetime) -> None:
    """Write a CDR and its outbox row; part of the transaction that ends the session."""
    cdr_id, body, route = str(cdr.cdr_id), cdr.wire(), Route.of(cdr)
    connection.execute(
        "INSERT INTO cdr "
        "(cdr_id, body, digest, route, home_operator_id, status, queued_at, credit_reference_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            cdr_id,
            body,
            digest_of(body),
            route,
            cdr.home_operator_id,
            CdrState.QUEUED,
            utc_text(now),
            _reference(cdr),
        ),
    )
    destination = cdr.home_operator_id if route is Route.PEER else None
    connection.execute(
        "INSERT INTO outbox (cdr_id, destination) VALUES (?, ?)", (cdr_id, destination or TO_HUB)
    )


def _reference(cdr: Cdr) -> str | None:
    return None if cdr.credit_reference_id is None else str(cdr.credit_reference_id)


class CdrStore:
    """CDRs, sent and received, and the authorizations that we gave as home operator."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- sent -----------------------------------------------------------------------------------------------

    def destinations(self) -> list[Destination]:
        """Where CDRs wait to go, each once: looked up from one to the next, however many wait for it."""
        rows = self._database.reader.execute(
            "WITH RECURSIVE known (home) AS (SELECT min(destination) FROM outbox WHERE NOT parked UNION ALL "
            "SELECT (SELECT min(destination) FROM outbox WHERE NOT parked AND destination > home) "
            "FROM known WHERE home IS NOT NULL) SELECT home FROM known WHERE home IS NOT NULL"
        )
        return [
            Destination(Route.HUB, None) if home == TO_HUB else Destination(Route.PEER, home)
            for (home,) in rows
        ]

    def waiting(self, destination: Destination, limit: int) -> list[Cdr]:
        """The CDRs for one destination, in the order of their sessions' ends."""
        rows = self._database.reader.execute(
            "SELECT body FROM outbox JOIN cdr USING (cdr_id) WHERE NOT parked AND destination = ? "
            "ORDER BY position LIMIT ?",
            (destination.home_operator_id or TO_HUB, limit),
        )
        return [Cdr.model_validate_json(body) for (body,) in rows]

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Write down what receivers have said, in one commit.

        What was taken leaves the outbox as its receipt is kept; what was refused stays there until a person
        sends it again.
        """

        def job(connection: sqlite3.Connection) -> None:
            for one in settled:
                if one.receipt is None:
                    _park(connection, one)
                else:
                    _deliver(connection, one, one.receipt)

        await self._database.write(job)

    async def failed(self, cdr: Cdr, reason: str) -> None:
        """It could not be delivered this time; the outbox keeps it."""
        await self._database.write(
            lambda connection: connection.execute(
                "UPDATE cdr SET reason = ? WHERE cdr_id = ? AND status = ?",
                (reason, str(cdr.cdr_id), CdrState.QUEUED),
            )
        )

    async def resend(self, cdr_id: str) -> CdrState | None:
        """Put a parked CDR back, and its credit with it; returns the state it was in, or None if there is none.

        Without its credit, what was to be corrected would be billed.
        """

        def job(connection: sqlite3.Connection) -> CdrState | None:
            row = connection.execute("SELECT status FROM cdr WHERE cdr_id = ?", (cdr_id,)).fetchone()
            if row is not None and row[0] == CdrState.PARKED:
                connection.execute(
                    "UPDATE cdr SET status = ?, reason = NULL "
                    "WHERE (cdr_id = ?2 OR credit_reference_id = ?2) AND status = ?3",
                    (CdrState.QUEUED, cdr_id, CdrState.PARKED),
                )
                connection.execute(
                    "UPDATE outbox SET parked = 0 WHERE cdr_id IN ("
                    "SELECT cdr_id FROM cdr WHERE cdr_id = ?1 OR credit_reference_id = ?1)",
                    (cdr_id,),
                )
            return None if row is None else CdrState(row[0])

        return await self._database.write(job)

    async def redeliver(self, since: str) -> int:
        """Put back all that a receiver has acknowledged since a moment; returns how many.

        For a receiver that has lost them, say as a backup was restored: what it has, it acknowledges again.

        Args:
            since: as far as the second, in UTC and without a zone (`Period.seconds`).
        """

        def job(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "INSERT INTO outbox (cdr_id, destination) "
                "SELECT cdr_id, CASE route WHEN 'peer' THEN home_operator_id ELSE ?2 END FROM cdr "
                "WHERE queued_at >= ?1 AND cdr_id NOT IN (SELECT cdr_id FROM outbox) "
                "ORDER BY queued_at, credit_reference_id IS NOT NULL",
                (since, TO_HUB),
            ).rowcount

        return await self._database.write(job)

    async def note(self, statuses: Sequence[CdrStatus]) -> list[bool]:
        """Keep what home operators said about CDRs, in one commit; returns of each whether it is one of ours.

        What was accepted or rejected is no longer merely delivered.
        """
        return await self._database.write(lambda connection: [_note(connection, status) for status in statuses])

    async def sent(self) -> list[SentCdr]:
        """Every CDR of ours, the oldest first."""

        def job(connection: sqlite3.Connection) -> list[SentCdr]:
            rows = connection.execute(
                "SELECT body, route, status, reason, queued_at FROM cdr ORDER BY queued_at, cdr_id"
            )
            return [
                SentCdr(Cdr.model_validate_json(body), Route(route), CdrState(status), reason, queued_at)
                for body, route, status, reason, queued_at in rows
            ]

        return await self._database.scan(job)

    # --- received -------------------------------------------------------------------------------------------

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


def _deliver(connection: sqlite3.Connection, settled: Settled, receipt: CdrReceipt) -> None:
    """Keep the receipt; a CdrStatus of the hub may have come before it, and knows more."""
    connection.execute("DELETE FROM outbox WHERE cdr_id = ?", (str(settled.cdr_id),))
    connection.execute(
        "UPDATE cdr SET receipt = ?, reason = CASE WHEN status = ?3 THEN NULL ELSE reason END, "
        "status = CASE WHEN status = ?3 THEN ?2 ELSE status END WHERE cdr_id = ?4",
        (receipt.wire(), settled.state, CdrState.QUEUED, str(settled.cdr_id)),
    )


def _park(connection: sqlite3.Connection, settled: Settled) -> None:
    connection.execute("UPDATE outbox SET parked = 1 WHERE cdr_id = ?", (str(settled.cdr_id),))
    connection.execute(
        "UPDATE cdr SET status = ?, reason = ? WHERE cdr_id = ?",
        (settled.state, settled.reason, str(settled.cdr_id)),
    )


def _note(connection: sqlite3.Connection, status: CdrStatus) -> bool:
    cdr_id = str(status.cdr_id)
    found = connection.execute("SELECT status FROM cdr WHERE cdr_id = ?", (cdr_id,)).fetchone()
    if found is None:
        return False
    is_final = found[0] in {CdrState.ACCEPTED, CdrState.REJECTED}
    if status.status is not DeliveryStatus.DELIVERED or not is_final:
        connection.execute(
            "UPDATE cdr SET status = ?, reason = ? WHERE cdr_id = ?",
            (status.status.value, status.reason, cdr_id),
        )
    return True


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
