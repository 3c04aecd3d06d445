"""Charge Detail Records, the decisions: which of our sessions owes one, and which of others' we take.

A session owes a CDR if it was not our own driver's and the authorization that it started with was Accepted.
A CDR that comes to us as the home operator is taken once: the same body gets the same receipt for ever. A
credit is taken for what we have taken, also if the driver has left us since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cascade.frames import Payload
from cascade.roaming.cdrs import (
    UNKNOWN_ORIGINAL,
    Authorization,
    Cdr,
    CdrReceipt,
    ReceiptStatus,
    objection_to_credit,
)
from cpo_central.drivers.authorization import DecidedBy

CONCURRENT_TX = "ConcurrentTx"

AUTHORIZATION_AGE_MAX = timedelta(hours=24)
"""How long before a session an authorization may have been given."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a charger's clock may be behind ours: its session then starts before we authorized it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """What a StopTransaction says."""

    charge_point_id: str
    transaction_id: int
    meter_stop: int
    """Wh"""
    stopped_at: datetime
    reason: str | None
    id_tag: str | None
    """Of whoever ended it, if it was ended with a card."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as it is stored; its authorization is that of its start."""

    transaction_id: int
    cdr_id: UUID
    charge_point_id: str
    connector_id: int
    id_tag: str
    meter_start: int
    """Wh"""
    started_at: datetime
    info: Payload
    """OCPP's IdTagInfo, as it was decided."""
    decided_by: DecidedBy
    reference: str | None
    home_operator_id: str | None
    stop: Stop | None
    concurrent: bool = False
    """Whether its token was charging elsewhere when it started."""

    @property
    def answer(self) -> Payload:
        """OCPP's IdTagInfo, as the charger is told."""
        return {**self.info, "status": CONCURRENT_TX} if self.concurrent else self.info


_ROAMING = {
    DecidedBy.WHITELIST: Authorization.WHITELIST,
    DecidedBy.HUB: Authorization.HUB,
    DecidedBy.PEER: Authorization.PEER,
}


def due(transaction: Transaction, stop: Stop, operator_id: str) -> Cdr | None:
    """The CDR of a session that ends now, if it owes one.

    That a charger was told ConcurrentTx is no reason not to bill what it gave all the same; if it obeyed, and
    gave nothing, there was no session.

    Args:
        transaction: the session.
        stop: its end.
        operator_id: ours.
    """
    authorization = _ROAMING.get(transaction.decided_by)
    if authorization is None or transaction.info["status"] != "Accepted":
        return None
    if transaction.concurrent and stop.meter_stop == transaction.meter_start:
        return None
    return Cdr(
        session_start=transaction.started_at,
        id_tag=transaction.id_tag,
        meter_start=transaction.meter_start,
        operator_id=operator_id,
        transaction_id=transaction.transaction_id,
        meter_stop=stop.meter_stop,
        cdr_id=transaction.cdr_id,
        session_end=stop.stopped_at,
        home_operator_id=transaction.home_operator_id,
        charge_point_id=transaction.charge_point_id,
        connector_id=transaction.connector_id,
        authorization=authorization,
        authorization_reference=transaction.reference,
    )


@dataclass(frozen=True, slots=True)
class Recorded:
    """An authorization of one of our drivers that we answered with Accepted."""

    asked_by: str | None
    """operatorId of the peer; None: the hub."""
    message_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HomeAuthorization:
    """An answer that we gave about an idTag as the home operator."""

    id_tag: str
    asked_by: str | None
    """operatorId of the peer; None: the hub."""
    message_id: str
    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Original:
    """A CDR that we have taken and a credit names."""

    cdr: Cdr
    status: ReceiptStatus
    """Of its receipt."""
    cancelled_by: UUID | None
    """The credit that has cancelled it before."""


@dataclass(frozen=True, slots=True)
class CdrFacts:
    """What is known when a CDR comes."""

    sender: str | None
    """operatorId of the peer; None: the hub."""
    stored: CdrReceipt | None
    """The receipt that was given for this cdrId before."""
    is_ours: bool
    """Whether the idTag is one of our drivers'."""
    authorizations: Sequence[Recorded]
    """Those of this idTag."""
    original: Original | None = None
    """For a credit: what it names."""


@dataclass(frozen=True, slots=True)
class Take:
    """Store it and give a receipt of this status."""

    status: ReceiptStatus


@dataclass(frozen=True, slots=True)
class Repeat:
    """It is stored: give the same receipt again."""

    receipt: CdrReceipt


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse it."""

    code: str
    detail: str


def judge(cdr: Cdr, facts: CdrFacts) -> Take | Repeat | Refuse:
    """Whether we, the home operator, take a CDR."""
    if facts.sender is not None and cdr.operator_id != facts.sender:
        return Refuse("OperatorMismatch", f"operatorId is not {facts.sender}, whose link this is")
    if facts.stored is not None:
        if facts.stored.digest == cdr.digest():
            return Repeat(facts.stored)
        return Refuse("CdrConflict", "another CDR with this cdrId was received before")
    return _judge_session(cdr, facts) if cdr.credit_reference_id is None else _judge_credit(cdr, facts.original)


def _judge_session(cdr: Cdr, facts: CdrFacts) -> Take | Refuse:
    if not facts.is_ours:
        return Refuse("UnknownToken", "the idTag is not one of ours")
    if not cdr.is_plausible:
        return Refuse(
            "ImplausibleCdr", "time or energy runs backwards, or the energy is more than any session takes"
        )
    proven = any(_proves(cdr, recorded) for recorded in facts.authorizations)
    return Take(ReceiptStatus.ACCEPTED if proven else ReceiptStatus.RECEIVED)


def _judge_credit(credit: Cdr, original: Original | None) -> Take | Refuse:
    if original is None:
        return Refuse(*UNKNOWN_ORIGINAL)
    objection = objection_to_credit(credit, original.cdr, original.cancelled_by)
    return Take(original.status) if objection is None else Refuse(*objection)


def _proves(cdr: Cdr, recorded: Recorded) -> bool:
    """Whether a session started with this authorization.

    A peer refers to the CALL that it made to us. The hub asks us in a CALL of its own, so there the idTag and
    the time must do; a whitelist asks nobody, and so proves nothing.
    """
    if cdr.authorization is Authorization.PEER:
        return recorded.asked_by == cdr.operator_id and recorded.message_id == cdr.authorization_reference
    if cdr.authorization is Authorization.HUB:
        before = cdr.session_start - recorded.at
        return recorded.asked_by is None and -CLOCK_TOLERANCE <= before <= AUTHORIZATION_AGE_MAX
    return False
