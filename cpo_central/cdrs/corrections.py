"""Corrections of CDRs that we have sent: a credit that cancels one, and a new CDR with the right values.

Both are written into the outbox in one commit, in this order, behind what they correct. A credit of a CDR that
was refused is refused as well: the two are parked side by side, or sent again together, and weigh nothing.
"""

import sqlite3
from datetime import datetime
from uuid import UUID, uuid4

from cascade.database import Database
from cascade.errors import CascadeError
from cascade.roaming.cdrs import Cdr, objection_to_credit
from cpo_central.cdrs.outbox import queue


class CorrectionError(CascadeError):
    """A CDR cannot be corrected so: the text says why."""


async def correct(
    database: Database, cdr_id: UUID, *, meter_stop: int | None, session_end: datetime | None, now: datetime
) -> list[Cdr]:
    """Cancel a CDR, and queue a new one if a right value is given; returns the credit and the new CDR.

    Args:
        database: ours.
        cdr_id: of a CDR that we have sent.
        meter_stop: the right one, in Wh.
        session_end: the right one, in UTC.
        now: when they are queued.

    Raises:
        CorrectionError: there is no such CDR, it is a credit or has been cancelled, or the new one could not
            be true.
    """
    right = {"meter_stop": meter_stop, "session_end": session_end}
    changes = {name: value for name, value in right.items() if value is not None}

    def job(connection: sqlite3.Connection) -> list[Cdr]:
        original = _original(connection, cdr_id)
        made = [original.credited_by(uuid4())]
        objection = objection_to_credit(made[0], original, _cancelled_by(connection, cdr_id))
        if objection is not None:
            raise CorrectionError(f"CDR {cdr_id} cannot be cancelled: {objection.detail}")
        if changes:
            made.append(original.model_copy(update={**changes, "cdr_id": uuid4()}))
            if not made[1].is_plausible:
                raise CorrectionError(
                    "the new CDR could not be true: its time or energy runs backwards, or too far"
                )
        for cdr in made:
            queue(connection, cdr, now)
        return made

    return await database.write(job)


def _original(connection: sqlite3.Connection, cdr_id: UUID) -> Cdr:
    row = connection.execute("SELECT body FROM cdr WHERE cdr_id = ?", (str(cdr_id),)).fetchone()
    if row is None:
        raise CorrectionError(f"we have sent no CDR {cdr_id}: `cpo-central cdrs list` shows them")
    return Cdr.model_validate_json(row[0])


def _cancelled_by(connection: sqlite3.Connection, cdr_id: UUID) -> UUID | None:
    row = connection.execute("SELECT cdr_id FROM cdr WHERE credit_reference_id = ?", (str(cdr_id),)).fetchone()
    return None if row is None else UUID(row[0])
