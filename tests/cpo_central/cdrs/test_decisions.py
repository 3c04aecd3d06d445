from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cascade.roaming.cdrs import Authorization, Cdr, CdrReceipt, ReceiptStatus
from cpo_central.cdrs.decisions import (
    AUTHORIZATION_AGE_MAX,
    CLOCK_TOLERANCE,
    CdrFacts,
    Original,
    Recorded,
    Refuse,
    Repeat,
    Stop,
    Take,
    Transaction,
    due,
    judge,
)
from cpo_central.drivers.authorization import DecidedBy

START = datetime(2026, 1, 1, 10, tzinfo=UTC)
END = START + timedelta(hours=1)
SECOND = timedelta(seconds=1)
CDR_ID = UUID("2f3c0bd6-6b7b-4f10-9e0c-6bb6ac0d4b6e")


def transaction(**other: object) -> Transaction:
    given: dict[str, Any] = {
        "transaction_id": 7,
        "cdr_id": CDR_ID,
        "charge_point_id": "CP-1",
        "connector_id": 2,
        "id_tag": "HOME0001",
        "meter_start": 1000,
        "started_at": START,
        "info": {"status": "Accepted"},
        "decided_by": DecidedBy.PEER,
        "reference": "abc-1",
        "home_operator_id": "C1",
        "stop": None,
    }
    return Transaction(**{**given, **other})


STOP = Stop("CP-1", 7, 8500, END, "Local", "HOME0001")


def cdr(**other: object) -> Cdr:
    given: dict[str, Any] = {
        "session_start": START,
        "id_tag": "HOME0001",
        "meter_start": 1000,
        "operator_id": "C2",
        "transaction_id": 7,
        "meter_stop": 8500,
        "cdr_id": CDR_ID,
        "session_end": END,
        "home_operator_id": "C1",
        "charge_point_id": "CP-1",
        "connector_id": 2,
        "authorization": Authorization.PEER,
        "authorization_reference": "abc-1",
    }
    return Cdr(**{**given, **other})


def facts(**other: object) -> CdrFacts:
    given: dict[str, Any] = {"sender": "C2", "stored": None, "is_ours": True, "authorizations": []}
    return CdrFacts(**{**given, **other})


def test_a_roaming_session_owes_a_cdr() -> None:
    assert due(transaction(), STOP, "C2") == cdr()


@pytest.mark.parametrize("decided_by", [DecidedBy.WHITELIST, DecidedBy.HUB, DecidedBy.PEER])
def test_the_cdr_tells_how_the_session_was_authorized(decided_by: DecidedBy) -> None:
    made = due(transaction(decided_by=decided_by, reference=None, home_operator_id=None), STOP, "C2")
    assert made is not None
    assert made.authorization.value == decided_by.value
    assert made.home_operator_id is None


@pytest.mark.parametrize(
    "other",
    [
        {"decided_by": DecidedBy.OWN},
        {"decided_by": DecidedBy.NONE, "info": {"status": "Invalid"}},
        {"info": {"status": "Blocked"}},
    ],
)
def test_other_sessions_owe_none(other: dict[str, Any]) -> None:
    assert due(transaction(**other), STOP, "C2") is None


def test_what_was_told_concurrent_is_billed_as_it_was_decided() -> None:
    concurrent = transaction(concurrent=True, info={"status": "Accepted", "parentIdTag": "GROUP"})
    assert concurrent.answer == {"status": "ConcurrentTx", "parentIdTag": "GROUP"}
    assert due(concurrent, STOP, "C2") == cdr()
    assert due(concurrent, replace(STOP, meter_stop=1000), "C2") is None, "it gave nothing"
    assert due(transaction(), replace(STOP, meter_stop=1000), "C2") is not None
    assert due(transaction(concurrent=True, decided_by=DecidedBy.OWN), STOP, "C2") is None


def test_the_same_cdr_gets_the_same_receipt_for_ever() -> None:
    receipt = CdrReceipt(cdr_id=CDR_ID, digest=cdr().digest(), received_at=END, status=ReceiptStatus.RECEIVED)
    assert judge(cdr(), facts(stored=receipt, is_ours=False)) == Repeat(receipt)
    conflict = judge(cdr(meter_stop=8501), facts(stored=receipt))
    assert isinstance(conflict, Refuse)
    assert conflict.code == "CdrConflict"


@pytest.mark.parametrize(
    ("changed", "known", "code"),
    [
        ({}, {"is_ours": False}, "UnknownToken"),
        ({"operator_id": "C3"}, {}, "OperatorMismatch"),
        ({"meter_stop": 999}, {}, "ImplausibleCdr"),
        ({"session_end": START - SECOND}, {}, "ImplausibleCdr"),
    ],
)
def test_what_is_refused(changed: dict[str, Any], known: dict[str, Any], code: str) -> None:
    refused = judge(cdr(**changed), facts(**known))
    assert isinstance(refused, Refuse)
    assert refused.code == code


def test_the_hub_relays_cdrs_of_any_operator() -> None:
    assert judge(cdr(operator_id="C3"), facts(sender=None)) == Take(ReceiptStatus.RECEIVED)


@pytest.mark.parametrize(
    ("recorded", "status"),
    [
        (Recorded("C2", "abc-1", START), ReceiptStatus.ACCEPTED),
        (Recorded("C2", "abc-2", START), ReceiptStatus.RECEIVED),
        (Recorded("C3", "abc-1", START), ReceiptStatus.RECEIVED),
        (Recorded(None, "abc-1", START), ReceiptStatus.RECEIVED),
    ],
)
def test_a_peer_refers_to_the_call_that_it_made(recorded: Recorded, status: ReceiptStatus) -> None:
    assert judge(cdr(), facts(authorizations=[recorded])) == Take(status)


@pytest.mark.parametrize(
    ("asked_by", "at", "status"),
    [
        (None, START, ReceiptStatus.ACCEPTED),
        (None, START - AUTHORIZATION_AGE_MAX, ReceiptStatus.ACCEPTED),
        (None, START - AUTHORIZATION_AGE_MAX - SECOND, ReceiptStatus.RECEIVED),
        (None, START + CLOCK_TOLERANCE, ReceiptStatus.ACCEPTED),
        (None, START + CLOCK_TOLERANCE + SECOND, ReceiptStatus.RECEIVED),
        ("C2", START, ReceiptStatus.RECEIVED),
    ],
)
def test_the_hub_asked_shortly_before(asked_by: str | None, at: datetime, status: ReceiptStatus) -> None:
    relayed = cdr(authorization=Authorization.HUB, authorization_reference="hub-9")
    known = facts(sender=None, authorizations=[Recorded(asked_by, "other", at)])
    assert judge(relayed, known) == Take(status)


def test_a_whitelist_proves_nothing() -> None:
    listed = cdr(authorization=Authorization.WHITELIST, authorization_reference=None)
    known = facts(sender=None, authorizations=[Recorded(None, "abc-1", START)])
    assert judge(listed, known) == Take(ReceiptStatus.RECEIVED)


def test_a_session_at_the_beginning_of_time_is_no_fault() -> None:
    ancient = datetime.min.replace(tzinfo=UTC)
    relayed = cdr(session_start=ancient, authorization=Authorization.HUB)
    known = facts(sender=None, authorizations=[Recorded(None, "abc-1", START)])
    assert judge(relayed, known) == Take(ReceiptStatus.RECEIVED)


# --- credits ------------------------------------------------------------------------------------------------

CREDIT = cdr().credited_by(UUID(int=5))


@pytest.mark.parametrize("status", ReceiptStatus)
def test_a_credit_is_taken_as_its_original_was_also_when_the_driver_has_left(status: ReceiptStatus) -> None:
    known = facts(is_ours=False, original=Original(cdr(), status, cancelled_by=None))
    assert judge(CREDIT, known) == Take(status)


@pytest.mark.parametrize(
    ("original", "code"),
    [
        (None, "UnknownOriginal"),
        (Original(cdr(meter_stop=8499), ReceiptStatus.RECEIVED, None), "CreditMismatch"),
        (Original(cdr(), ReceiptStatus.RECEIVED, UUID(int=4)), "AlreadyCredited"),
    ],
)
def test_a_credit_that_fits_nothing_is_refused(original: Original | None, code: str) -> None:
    refused = judge(CREDIT, facts(original=original))
    assert isinstance(refused, Refuse)
    assert refused.code == code


def test_a_credit_gets_the_same_receipt_for_ever() -> None:
    receipt = CdrReceipt(
        cdr_id=CREDIT.cdr_id, digest=CREDIT.digest(), received_at=END, status=ReceiptStatus.RECEIVED
    )
    known = facts(stored=receipt, original=Original(cdr(), ReceiptStatus.RECEIVED, CREDIT.cdr_id))
    assert judge(CREDIT, known) == Repeat(receipt)
