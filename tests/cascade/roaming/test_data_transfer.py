from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import ocpp16
from cascade.errors import RoamingRefused
from cascade.frames import Payload
from cascade.roaming import cdrs, data_transfer, endpoints, tokens
from cascade.roaming.data_transfer import EXCHANGES, UnknownTransfer, read_answer, read_request
from cascade.roaming.model import Refusal, RoamingModel

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "wss://peer.example/ocpp"
TOKEN = tokens.Token(id_tag="DE-ABC-1")
CDR = cdrs.Cdr(
    session_start=NOW,
    id_tag="DE-ABC-1",
    meter_start=0,
    operator_id="C2",
    transaction_id=1,
    meter_stop=1,
    cdr_id=UUID(int=1),
    session_end=NOW,
    charge_point_id="CP",
    connector_id=1,
    authorization=cdrs.Authorization.WHITELIST,
)
PAIRS: dict[str, tuple[RoamingModel, RoamingModel]] = {
    "PublishTokens": (
        tokens.PublishTokens(full=True, base_version=0, tokens=(TOKEN,)),
        tokens.TokensPublished(version=1),
    ),
    "PullWhitelist": (
        tokens.PullWhitelist(epoch=0, version=0),
        tokens.WhitelistPage(epoch=1, version=2, more=False, changes=(TOKEN,)),
    ),
    "WhitelistChanged": (
        tokens.WhitelistChanged(epoch=1, from_version=1, to_version=2, changes=(TOKEN,)),
        tokens.WhitelistApplied(epoch=1, version=2),
    ),
    "PublishEndpoint": (
        endpoints.PublishEndpoint(url=URL, id_tag_prefixes=("DE-ABC",)),
        endpoints.EndpointPublished(accepted=("DE-ABC",), ticket_key="key"),
    ),
    "LookupEndpoint": (
        endpoints.LookupEndpoint(id_tag="DE-ABC-1"),
        endpoints.Referral(operator_id="C1", url=URL, ticket="ticket", expiry=NOW),
    ),
    "Cdr": (
        CDR,
        cdrs.CdrReceipt(
            cdr_id=CDR.cdr_id, digest=CDR.digest(), received_at=NOW, status=cdrs.ReceiptStatus.RECEIVED
        ),
    ),
    "CdrBatch": (
        cdrs.CdrBatch(cdrs=(CDR, CDR)),
        cdrs.CdrOutcomes(
            outcomes=(
                cdrs.CdrReceipt(
                    cdr_id=CDR.cdr_id, digest=CDR.digest(), received_at=NOW, status=cdrs.ReceiptStatus.RECEIVED
                ),
                Refusal(code="OwnToken", detail="idTag is your own"),
            )
        ),
    ),
    "CdrStatusBatch": (
        cdrs.CdrStatusBatch(
            statuses=(cdrs.CdrStatus(cdr_id=CDR.cdr_id, status=cdrs.DeliveryStatus.DELIVERED),)
        ),
        cdrs.Noted(),
    ),
    "CdrStatus": (
        cdrs.CdrStatus(cdr_id=CDR.cdr_id, status=cdrs.DeliveryStatus.ACCEPTED),
        cdrs.Noted(),
    ),
}


def lookup(data: object) -> Payload:
    return {"vendorId": "nap.roaming", "messageId": "LookupEndpoint", "data": data}


def test_the_table_is_the_designs() -> None:
    assert set(EXCHANGES) == set(PAIRS)


@pytest.mark.parametrize("message_id", PAIRS)
def test_a_request_travels_as_its_message_id(message_id: str) -> None:
    request, _ = PAIRS[message_id]
    payload = data_transfer.request(request)
    ocpp16.check_request("DataTransfer", payload)
    assert (payload["vendorId"], payload["messageId"]) == ("nap.roaming", message_id)
    assert read_request(payload) == request


@pytest.mark.parametrize("message_id", PAIRS)
def test_an_answer_travels_back(message_id: str) -> None:
    _, answer = PAIRS[message_id]
    payload = data_transfer.answer(answer)
    ocpp16.check_result("DataTransfer", payload)
    assert payload["status"] == "Accepted"
    assert read_answer(EXCHANGES[message_id].answer, payload) == answer


def test_a_refusal_travels_back_as_it_was_raised() -> None:
    payload = data_transfer.refusal(RoamingRefused("UnknownToken", "nobody owns it: check the card"))
    ocpp16.check_result("DataTransfer", payload)
    assert payload["status"] == "Rejected"
    with pytest.raises(RoamingRefused) as caught:
        read_answer(endpoints.Referral, payload)
    assert (caught.value.code, caught.value.detail) == ("UnknownToken", "nobody owns it: check the card")


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"vendorId": "com.example"}, "UnknownVendorId"),
        ({"vendorId": "NAP.ROAMING", "messageId": "Cdr"}, "UnknownVendorId"),
        ({"messageId": "Cdr", "data": "{}"}, "UnknownVendorId"),
        ({"vendorId": "nap.roaming"}, "UnknownMessageId"),
        ({"vendorId": "nap.roaming", "messageId": "cdr"}, "UnknownMessageId"),
        ({"vendorId": "nap.roaming", "messageId": ""}, "UnknownMessageId"),
    ],
)
def test_what_is_not_in_the_table_gets_the_standards_answer(payload: Payload, status: str) -> None:
    with pytest.raises(UnknownTransfer) as caught:
        read_request(payload)
    assert caught.value.status == status
    ocpp16.check_result("DataTransfer", {"status": caught.value.status})


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (None, "data"),
        ("", "data"),
        ("not json", "data"),
        ("[]", "data"),
        ('"text"', "data"),
        ("[" * 10_000, "data"),
        ("{}", "idTag"),
        ('{"idTag":7}', "idTag"),
        ('{"idTag":"SECRET-OF-A-DRIVER-THAT-IS-TOO-LONG"}', "idTag"),
        ('{"idTag":"SECRET-ü"}', "idTag"),
        ('{"idTag":"A","more":"SECRET"}', "more"),
    ],
)
def test_data_that_is_not_the_message_is_refused_by_field_and_without_its_value(
    data: object, field: str
) -> None:
    with pytest.raises(RoamingRefused) as caught:
        read_request(lookup(data))
    assert caught.value.code == "BadRequest"
    assert caught.value.detail.startswith(f"data is not a LookupEndpoint: {field}: ")
    assert "SECRET" not in caught.value.detail


def test_data_may_be_missing() -> None:
    with pytest.raises(RoamingRefused, match="data is not a LookupEndpoint"):
        read_request({"vendorId": "nap.roaming", "messageId": "LookupEndpoint"})


def test_a_fault_inside_a_list_is_named_by_its_place_and_only_a_few_are() -> None:
    bad = {"epoch": 1, "version": 1, "more": False, "changes": [{"idTag": "SECRET" * 9}] * 9}
    with pytest.raises(RoamingRefused) as caught:
        read_answer(tokens.WhitelistPage, {"status": "Accepted", "data": orjson.dumps(bad).decode()})
    assert "changes.0.idTag: " in caught.value.detail
    assert caught.value.detail.count("idTag") == 3
    assert "SECRET" not in caught.value.detail


def test_a_moment_outside_the_calendar_is_refused_like_any_other_fault() -> None:
    fields = {**orjson.loads(CDR.wire()), "sessionStart": "0001-01-01T00:00:00+14:00"}
    request = {"vendorId": "nap.roaming", "messageId": "Cdr", "data": orjson.dumps(fields).decode()}
    with pytest.raises(RoamingRefused, match="sessionStart"):
        read_request(request)


@pytest.mark.parametrize("status", ["UnknownVendorId", "UnknownMessageId"])
def test_a_peer_that_does_not_know_the_message_is_a_refusal(status: str) -> None:
    with pytest.raises(RoamingRefused, match="does not speak the roaming messages") as caught:
        read_answer(endpoints.Referral, {"status": status})
    assert caught.value.code == status


@pytest.mark.parametrize(
    "payload",
    [
        {"status": "Accepted"},
        {"status": "Accepted", "data": "{}"},
        {"status": "Rejected"},
        {"status": "Rejected", "data": '{"code":"X"}'},
        {"status": "Rejected", "data": "no"},
    ],
)
def test_an_answer_that_is_none_is_a_refusal(payload: Payload) -> None:
    with pytest.raises(RoamingRefused) as caught:
        read_answer(endpoints.Referral, payload)
    assert caught.value.code == "BadRequest"


@given(st.text() | st.none(), st.sampled_from(sorted(EXCHANGES)))
def test_any_data_is_the_message_or_refused(data: str | None, message_id: str) -> None:
    payload = {"vendorId": "nap.roaming", "messageId": message_id, "data": data}
    try:
        message = read_request(payload)
    except RoamingRefused as refused:
        assert refused.code == "BadRequest"  # noqa: PT017 - which exception comes is the question
    else:
        assert type(message) is EXCHANGES[message_id].request
