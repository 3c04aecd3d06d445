"""Charge Detail Records: money. Never lost, never doubled, never changed."""

import hashlib
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from cascade.roaming.model import Count, IdTag, Moment, Number, OperatorId, RoamingModel


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

    def digest(self) -> str:
        """SHA-256 of the record's JSON with its fields in the order above: the same body, the same digest."""
        return hashlib.sha256(self.wire().encode()).hexdigest()


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


class Noted(RoamingModel):
    """An answer that says no more than that."""
