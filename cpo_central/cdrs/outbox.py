"""CDRs that we send: each with its outbox row, from the stop of its session to the acknowledgement.

An outbox row goes only when the receiver has acknowledged the CDR, in the same commit that says so. What the
receiver refuses stays there, parked, until a person sends it again.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from cascade.database import Database
from cascade.roaming.cdrs import (
    Authorization,
    Cdr,
    CdrReceipt,
    CdrStatus,
    DeliveryStatus,
    digest_of,
)
from cascade.roaming.model import utc_text

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
            cdr.credit_reference_id and str(cdr.credit_reference_id),
        ),
    )
    destination = cdr.home_operator_id if route is Route.PEER else None
    connection.execute(
        "INSERT INTO outbox (cdr_id, destination) VALUES (?, ?)", (cdr_id, destination or TO_HUB)
    )


class Outbox:
    """The CDRs that we send, and what has become of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
