"""Charge Detail Records: money. Never lost, never doubled, never changed.

What was wrong is corrected by a credit, a CDR that cancels another, and then a new CDR with the right values.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import Field, StringConstraints

from cascade.roaming.model import Count, IdTag, Moment, Number, OperatorId, Refusal, RoamingModel

SESSION_MAX_WH = 10**9
"""More than any session takes (a 3.75 MW charger needs 11 days for it): the register is wrong."""


class Authorization(StrEnum):
    """How the visited operator got the answer that let the session start."""

    WHITELIST = "whitelist"
    HUB = "hub"
    PEER = "peer"


class Cdr(RoamingModel):
    """One finished session. The first six fields are the paper's (table 6)."""

    session_start: Moment
    id_tag: IdTag
    meter_start: Number
    """Wh"""
    operator_id: OperatorId
    """The visited operator's."""
    transaction_id: Number
    meter_stop: Number
    """Wh"""
    cdr_id: UUID
    """Fixed and stored when the session starts."""
    session_end: Moment
    home_operator_id: OperatorId | None = None
    """Named only where the visited operator knows it, from a referral."""
    charge_point_id: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    connector_id: Count
    authorization: Authorization
    authorization_reference: Annotated[str, StringConstraints(min_length=1, max_length=36)] | None = None
    """The message id of the Authorize CALL on the hub or peer link, which the other side recorded."""
    credit_reference_id: UUID | None = None
    """This is a credit: the cdrId of the CDR that it cancels (OCPI 2.2.1, CDR object, credit_reference_id)."""

    @property
    def energy_wh(self) -> int:
        """What was charged, in Wh; a credit takes it back: negative."""
        energy = self.meter_stop - self.meter_start
        return energy if self.credit_reference_id is None else -energy

    @property
    def is_plausible(self) -> bool:
        """Whether time and energy run forward, and the energy is what a session can take."""
        energy = self.meter_stop - self.meter_start
        return self.session_start <= self.session_end and 0 <= energy <= SESSION_MAX_WH

    def credited_by(self, cdr_id: UUID) -> "Cdr":
        """The credit of this CDR that has the id `cdr_id`."""
        return self.model_copy(update={"cdr_id": cdr_id, "credit_reference_id": self.cdr_id})

    def digest(self) -> str:
        """SHA-256 of the record's JSON with its fields in the order above: the same body, the same digest."""
        return digest_of(self.wire())


def digest_of(body: str) -> str:
    """The digest of a CDR whose `wire()` is at hand already."""
    return hashlib.sha256(body.encode()).hexdigest()


class Objection(NamedTuple):
    """Why a credit is not taken."""

    code: str
    """Of the refusal."""
    detail: str
    """What to do about it."""


UNKNOWN_ORIGINAL = Objection(
    "UnknownOriginal", "creditReferenceId is not the cdrId of a CDR of yours taken here"
)


def objection_to_credit(credit: Cdr, original: Cdr, cancelled_by: UUID | None) -> Objection | None:
    """Why a credit is not to be taken, by the hub or by the home operator; None: it is.

    Args:
        credit: a CDR that has a creditReferenceId.
        original: the CDR that is known by that id.
        cancelled_by: the credit that has cancelled `original` before, if one has.
    """
    if original.operator_id != credit.operator_id:
        return UNKNOWN_ORIGINAL
    if original.credit_reference_id is not None:
        return Objection("CreditOfCredit", "creditReferenceId names a credit: send a new CDR instead")
    if cancelled_by not in {None, credit.cdr_id}:
        return Objection("AlreadyCredited", f"the CDR has been cancelled by {cancelled_by}")
    if credit != original.credited_by(credit.cdr_id):
        return Objection("CreditMismatch", "a credit repeats all other fields of the CDR that it cancels")
    return None


class ReceiptStatus(StrEnum):
    """What the receiver has done with a CDR."""

    RECEIVED = "Received"
    """Stored; the sender may forget it."""
    ACCEPTED = "Accepted"
    """Stored, and matched with the authorization that it refers to."""


class CdrReceipt(RoamingModel):
    """The receiver has stored and committed this CDR. The same body gets the same receipt for ever."""

    cdr_id: UUID
    digest: Annotated[str, Field(min_length=64, max_length=64)]
    received_at: Moment
    status: ReceiptStatus


BATCH_MAX = 500
"""CDRs, or statuses of CDRs, in one message."""


class CdrBatch(RoamingModel):
    """Several CDRs in one message, each judged by itself, in their order."""

    cdrs: Annotated[tuple[Cdr, ...], Field(min_length=1, max_length=BATCH_MAX)]


class CdrOutcomes(RoamingModel):
    """What the receiver has done with each CDR of a batch: as many as it has, in their order."""

    outcomes: Annotated[tuple[CdrReceipt | Refusal, ...], Field(min_length=1, max_length=BATCH_MAX)]


class DeliveryStatus(StrEnum):
    """What has become of a CDR that the hub has taken."""

    DELIVERED = "Delivered"
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class CdrStatus(RoamingModel):
    """Hub to visited: what the home operator said."""

    cdr_id: UUID
    status: DeliveryStatus
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None


class CdrStatusBatch(RoamingModel):
    """Hub to visited: what the home operators said about several CDRs."""

    statuses: Annotated[tuple[CdrStatus, ...], Field(min_length=1, max_length=BATCH_MAX)]


class Noted(RoamingModel):
    """An answer that says no more than that."""
