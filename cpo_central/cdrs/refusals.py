"""CDRs that we have refused as home operator: kept for a person to see what the visited operator has parked.

A refusal is forgotten when the same CDR is taken after all, and when it is old.
"""

import sqlite3
from datetime import datetime
from typing import NamedTuple

from cascade.database import Database
from cascade.roaming.cdrs import Cdr, CdrReceipt, digest_of
from cascade.roaming.model import Refusal, utc_text


class RefusedCdr(NamedTuple):
    """A CDR that we have not taken."""

    cdr: Cdr
    sent_by: str | None
    """operatorId of the peer; None: the hub."""
    reason: str
    refused_at: str
    """The last time."""


def note(connection: sqlite3.Connection, cdr: Cdr, sender: str | None, refusal: Refusal, now: datetime) -> None:
    """Keep that a CDR was refused; part of the transaction that has judged it."""
    body = cdr.wire()
    connection.execute(
        "INSERT OR REPLACE INTO refused_cdr (cdr_id, digest, body, sent_by, reason, refused_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (str(cdr.cdr_id), digest_of(body), body, sender, str(refusal), utc_text(now)),
    )


def forget(connection: sqlite3.Connection, receipt: CdrReceipt) -> None:
    """It is taken after all; part of the transaction that takes it."""
    connection.execute(
        "DELETE FROM refused_cdr WHERE cdr_id = ? AND digest = ?", (str(receipt.cdr_id), receipt.digest)
    )


async def refused(database: Database) -> list[RefusedCdr]:
    """Those that we have refused, the oldest first."""

    def job(connection: sqlite3.Connection) -> list[RefusedCdr]:
        rows = connection.execute(
            "SELECT body, sent_by, reason, refused_at FROM refused_cdr ORDER BY refused_at, cdr_id"
        )
        return [
            RefusedCdr(Cdr.model_validate_json(body), sent_by, reason, at) for body, sent_by, reason, at in rows
        ]

    return await database.scan(job)
