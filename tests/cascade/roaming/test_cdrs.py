import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cascade.roaming import cdrs
from cascade.roaming.cdrs import (
    SESSION_MAX_WH,
    Authorization,
    Cdr,
    CdrReceipt,
    CdrStatus,
    DeliveryStatus,
    ReceiptStatus,
    objection_to_credit,
)

START, END = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 13, 30, tzinfo=UTC)
CDR = Cdr(
    session_start=START,
    id_tag="DE-ABC-1",
    meter_start=1000,
    operator_id="C2",
    transaction_id=7,
    meter_stop=8500,
    cdr_id=UUID(int=1),
    session_end=END,
    home_operator_id="C1",
    charge_point_id="CP 1/a",
    connector_id=1,
    authorization=Authorization.HUB,
    authorization_reference="0f-1",
)
CHANGES: dict[str, object] = {
    "session_start": START - timedelta(microseconds=1),
    "id_tag": "de-abc-1",
    "meter_start": 1001,
    "operator_id": "C3",
    "transaction_id": 8,
    "meter_stop": 8501,
    "cdr_id": UUID(int=2),
    "session_end": END + timedelta(microseconds=1),
    "home_operator_id": None,
    "charge_point_id": "CP 1/b",
    "connector_id": 2,
    "authorization": Authorization.PEER,
    "authorization_reference": None,
    "credit_reference_id": UUID(int=3),
}

numbers = st.integers(-(2**63), 2**63 - 1)
moments = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
operator_ids = st.from_regex(r"\A[A-Za-z0-9*._-]{1,36}\Z")
records = st.fixed_dictionaries(
    {
        "session_start": moments,
        "id_tag": st.from_regex(r"\A[\x20-\x7e]{1,20}\Z"),
        "meter_start": numbers,
        "operator_id": operator_ids,
        "transaction_id": numbers,
        "meter_stop": numbers,
        "cdr_id": st.uuids(),
        "session_end": moments,
        "home_operator_id": st.none() | operator_ids,
        "charge_point_id": st.text(min_size=1, max_size=255),
        "connector_id": st.integers(0, 2**63 - 1),
        "authorization": st.sampled_from(Authorization),
        "authorization_reference": st.none() | st.text(min_size=1, max_size=36),
        "credit_reference_id": st.none() | st.uuids(),
    }
).map(lambda fields: Cdr(**fields))


@given(records)
def test_a_record_comes_back_as_it_was_sent_with_the_same_digest(record: Cdr) -> None:
    received = Cdr.model_validate_json(record.wire())
    assert received == record
    assert received.digest() == record.digest()


def test_the_fields_of_the_paper_come_first_and_are_called_as_there() -> None:
    assert list(orjson.loads(CDR.wire()))[:6] == [
        "sessionStart",
        "idTag",
        "meterStart",
        "operatorId",
        "transactionId",
        "meterStop",
    ]


def test_the_digest_is_of_the_body_and_not_of_how_it_was_written() -> None:
    fields = orjson.loads(CDR.wire())
    fields["sessionStart"] = START.astimezone(timezone(timedelta(hours=2))).isoformat()
    shuffled = orjson.dumps(dict(reversed(fields.items())), option=orjson.OPT_INDENT_2)
    assert Cdr.model_validate_json(shuffled).digest() == CDR.digest()


def test_the_digest_is_the_same_for_ever() -> None:
    assert CDR.digest() == "c3ce5f586586b5901bac1aa0cfaa8afd998e69a38784a252ad9913472771238e"


@pytest.mark.parametrize("field", Cdr.model_fields)
def test_the_digest_differs_when_any_field_does(field: str) -> None:
    changed = CDR.model_copy(update={field: CHANGES[field]})
    assert changed.digest() != CDR.digest()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("meterStart", "1000"),
        ("meterStart", 1000.0),
        ("meterStop", 2**63),
        ("transactionId", -(2**63) - 1),
        ("cdrId", "not-a-uuid"),
        ("sessionStart", "2026-03-01T12:00:00"),
        ("connectorId", -1),
        ("authorization", "Hub"),
        ("chargePointId", ""),
        ("chargePointId", "x" * 256),
        ("authorizationReference", "x" * 37),
        ("operatorId", "C 2"),
        ("price", 12),
    ],
)
def test_a_record_that_is_not_right_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Cdr.model_validate_json(json.dumps({**orjson.loads(CDR.wire()), field: value}))


@pytest.mark.parametrize("field", [name for name, field in Cdr.model_fields.items() if field.is_required()])
def test_a_record_that_is_not_complete_is_refused(field: str) -> None:
    incomplete = orjson.loads(CDR.wire())
    del incomplete[Cdr.model_fields[field].alias or field]
    with pytest.raises(ValidationError):
        Cdr.model_validate_json(orjson.dumps(incomplete))


def test_what_answers_a_record_comes_back_as_it_was_sent() -> None:
    for message in (
        CdrReceipt(cdr_id=CDR.cdr_id, digest=CDR.digest(), received_at=END, status=ReceiptStatus.ACCEPTED),
        CdrStatus(cdr_id=CDR.cdr_id, status=DeliveryStatus.REJECTED, reason="unknown token"),
        CdrStatus(cdr_id=CDR.cdr_id, status=DeliveryStatus.DELIVERED),
        cdrs.Noted(),
    ):
        assert type(message).model_validate_json(message.wire()) == message


def test_a_receipt_names_a_whole_digest() -> None:
    with pytest.raises(ValidationError):
        CdrReceipt(cdr_id=CDR.cdr_id, digest="short", received_at=END, status=ReceiptStatus.RECEIVED)


# --- credits ------------------------------------------------------------------------------------------------

CREDIT_ID = UUID(int=9)
CREDIT = CDR.credited_by(CREDIT_ID)


def test_a_credit_takes_back_what_it_names() -> None:
    assert (CREDIT.cdr_id, CREDIT.credit_reference_id) == (CREDIT_ID, CDR.cdr_id)
    assert CDR.energy_wh == 7500
    assert CREDIT.energy_wh == -7500
    assert '"creditReferenceId":"00000000-0000-0000-0000-000000000001"' in CREDIT.wire()
    assert "creditReferenceId" not in CDR.wire()


@given(records)
def test_a_credit_of_a_session_is_taken_once(record: Cdr) -> None:
    original = record.model_copy(update={"credit_reference_id": None})
    credit = Cdr.model_validate_json(original.credited_by(CREDIT_ID).wire())
    assert objection_to_credit(credit, original, None) is None
    assert original.energy_wh + credit.energy_wh == 0
    again = objection_to_credit(credit, original, UUID(int=8))
    assert again is not None
    assert again.code == "AlreadyCredited"


@pytest.mark.parametrize(
    ("original", "code"),
    [
        (CDR.model_copy(update={"operator_id": "C3"}), "UnknownOriginal"),
        (CDR.model_copy(update={"credit_reference_id": UUID(int=7)}), "CreditOfCredit"),
        (CDR.model_copy(update={"meter_stop": 8499}), "CreditMismatch"),
        (CDR.model_copy(update={"id_tag": "de-abc-1"}), "CreditMismatch"),
    ],
)
def test_a_credit_that_is_not_right_is_refused(original: Cdr, code: str) -> None:
    objection = objection_to_credit(CREDIT, original, None)
    assert objection is not None
    assert objection.code == code
    assert objection.detail


@pytest.mark.parametrize(
    ("changed", "plausible"),
    [
        ({}, True),
        ({"meter_stop": 1000, "session_end": START}, True),
        ({"meter_stop": 1000 + SESSION_MAX_WH}, True),
        ({"meter_stop": 1001 + SESSION_MAX_WH}, False),
        ({"meter_stop": 999}, False),
        ({"session_end": START - timedelta(microseconds=1)}, False),
    ],
)
def test_what_can_be_true(changed: dict[str, object], plausible: bool) -> None:  # noqa: FBT001 - drawn
    assert CDR.model_copy(update=changed).is_plausible is plausible
    assert CDR.model_copy(update=changed).credited_by(CREDIT_ID).is_plausible is plausible
