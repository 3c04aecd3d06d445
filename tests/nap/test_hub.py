"""What an operator can ask of the hub, over real sockets."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp.v16 import ChargePoint, call

from cascade.client import basic, link_url
from cascade.errors import InternalFaultError, PeerError, RoamingRefused
from cascade.exchange import ask
from cascade.frames import Call, Payload, encode
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.roaming import data_transfer, tickets
from cascade.roaming.cdrs import Authorization, Cdr, CdrReceipt, ReceiptStatus
from cascade.roaming.endpoints import LookupEndpoint, Referral
from cascade.roaming.model import Refusal
from cascade.roaming.tokens import Token, TokenStatus
from nap.records import Mode
from tests.conftest import LogLines
from tests.nap.actors import SECRET, Partner, World, cdr
from tests.nap.conftest import StartHub

FUTURE = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
REDIRECT, HUB = [Mode.REDIRECT], [Mode.HUB]


# --- a charge point's words ---------------------------------------------------------------------------------


async def test_an_operator_boots_and_its_heart_beats(start_hub: StartHub) -> None:
    world = await start_hub(heartbeat_interval_s=77)
    partner = await world.link("C1")
    booted = await partner.link.call(
        "BootNotification", {"chargePointVendor": "x", "chargePointModel": "central"}
    )
    beat = await partner.link.call("Heartbeat", {})
    assert (booted["status"], booted["interval"]) == ("Accepted", 77)
    for answer in (booted, beat):
        assert abs(datetime.fromisoformat(answer["currentTime"]) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("action", ["StatusNotification", "StopTransaction", "StartTransaction"])
async def test_what_only_chargers_say_is_not_supported(world: World, action: str) -> None:
    partner = await world.link("C1")
    payloads: dict[str, Payload] = {
        "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
        "StopTransaction": {"transactionId": 1, "meterStop": 1, "timestamp": "2026-05-04T12:00:00Z"},
        "StartTransaction": {
            "connectorId": 1,
            "idTag": "AB1",
            "meterStart": 0,
            "timestamp": "2026-05-04T12:00:00Z",
        },
    }
    with pytest.raises(PeerError, match="NotSupported"):
        await partner.link.call(action, payloads[action])
    await partner.settle()


async def test_off_the_shelf_ocpp_works_as_an_operators_client(world: World) -> None:
    """`mobilityhouse/ocpp`, unmodified."""
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    home = await world.link("C1")
    await home.publish(Token(id_tag="AB1"))
    await world.enter("C2")
    async with connect(
        link_url(world.app.url, "C2"),
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        additional_headers={"Authorization": basic("C2", SECRET)},
    ) as connection:
        client = ChargePoint("C2", connection)
        running = asyncio.create_task(client.start())
        booted = await client.call(call.BootNotification(charge_point_vendor="x", charge_point_model="y"))
        beat = await client.call(call.Heartbeat())
        accepted = await client.call(call.Authorize(id_tag="AB1"))
        unknown = await client.call(call.Authorize(id_tag="ZZ1"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert booted.status == "Accepted"
    assert beat.current_time.endswith("Z")
    assert accepted.id_tag_info == {"status": "Accepted"}
    assert unknown.id_tag_info == {"status": "Invalid"}


async def test_plain_ocpp_roams_as_well(world: World) -> None:
    home = await world.link("C1", subprotocols=[SUBPROTOCOL])
    visited = await world.link("C2", subprotocols=[SUBPROTOCOL])
    assert home.connection.subprotocol == SUBPROTOCOL
    await home.publish(Token(id_tag="AB1"))
    page = await visited.pull()
    answers = await asyncio.gather(*(visited.status_of(tag) for tag in ("AB1", "AB2", "AB1")))
    assert answers == ["Accepted", "Invalid", "Accepted"]
    message = cdr(authorization=Authorization.WHITELIST, authorization_reference=None)
    await visited.send(message)
    assert await home.next(Cdr) == message
    assert page.changes == (Token(id_tag="AB1"),)


async def test_of_the_subprotocols_offered_the_windowed_one_is_taken(world: World) -> None:
    partner = await world.link("C1", subprotocols=[SUBPROTOCOL, WINDOWED_SUBPROTOCOL])
    assert partner.connection.subprotocol == WINDOWED_SUBPROTOCOL


# --- Authorize: from the tokens held ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_tag", "expected"),
    [
        ("ab1", {"status": "Accepted", "parentIdTag": "FLEET"}),
        ("AB2", {"status": "Blocked"}),
        ("AB3", {"status": "Expired", "expiryDate": "2020-01-01T00:00:00Z"}),
        ("AB4", {"status": "Invalid"}),
        ("AB5", {"status": "Invalid"}),
    ],
)
async def test_the_hub_answers_from_the_tokens_it_holds(
    world: World, logs: LogLines, id_tag: str, expected: dict[str, Any]
) -> None:
    home, visited = await world.link("C1"), await world.link("C2", wants=HUB)
    await home.publish(
        Token(id_tag="AB1", parent_id_tag="FLEET"),
        Token(id_tag="AB2", status=TokenStatus.BLOCKED),
        Token(id_tag="AB3", expiry_date=datetime(2020, 1, 1, tzinfo=UTC)),
        Token(id_tag="AB4", deleted=True),
    )
    assert await visited.link.call("Authorize", {"idTag": id_tag}) == {"idTagInfo": expected}
    await home.settle()
    assert home.asked == []
    (line,) = logs.named("authorization")
    assert (line["visited"], line["status"], line["home_ms"]) == ("C2", expected["status"], None)
    assert line["home"] == (None if id_tag == "AB5" else "C1")
    assert line["id_tag"] != id_tag
    assert (line["reason"] == "") is (expected["status"] == "Accepted")


async def test_the_hub_answers_also_while_home_is_offline(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2", wants=HUB)
    await home.publish(Token(id_tag="AB1", expiry_date=FUTURE))
    await world.unlink(home)
    assert await visited.status_of("AB1") == "Accepted"


async def test_an_operators_own_token_is_not_the_hubs_to_judge(world: World) -> None:
    home = await world.link("C1")
    await home.publish(Token(id_tag="AB1"))
    assert await home.status_of("AB1") == "Invalid"
    assert home.asked == []


async def test_a_disabled_operators_drivers_are_refused_everywhere(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(Token(id_tag="AB1"))
    await home.claim("AB")
    assert await visited.status_of("AB1") == "Accepted"
    await world.app.store.operators.change("C1", enabled=False)
    assert await visited.status_of("AB1") == "Invalid"
    assert await visited.status_of("AB2") == "Invalid"
    with pytest.raises(RoamingRefused, match="NoReferral"):
        await ask(visited.link, LookupEndpoint(id_tag="AB1"), Referral)


# --- Authorize: redirected home -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"])
async def test_home_is_asked_and_its_answer_relayed(world: World, logs: LogLines, status: str) -> None:
    async def answer(message: Call) -> Payload:
        assert message.payload == {"idTag": "ab1"}
        return {"idTagInfo": {"status": status, "parentIdTag": "FLEET"}}

    home, visited = await world.link("C1"), await world.link("C2", wants=REDIRECT)
    home.authorize = answer
    await home.claim("AB")
    answered = await visited.link.call("Authorize", {"idTag": "ab1"})
    assert answered == {"idTagInfo": {"status": status, "parentIdTag": "FLEET"}}
    (line,) = logs.named("authorization")
    assert line["decided_by"] == "home"
    assert line["home_ms"] > 0


async def test_home_that_is_offline_is_not_waited_for(start_hub: StartHub, logs: LogLines) -> None:
    world = await start_hub(call_timeout_s=600)
    home, visited = await world.link("C1"), await world.link("C2", wants=REDIRECT)
    await home.claim("AB")
    await world.unlink(home)
    async with asyncio.timeout(5):
        assert await visited.status_of("AB1") == "Invalid"
    assert logs.named("authorization")[0]["reason"] == "home operator offline"


async def test_home_that_goes_while_it_is_asked_is_not_waited_for(start_hub: StartHub) -> None:
    world = await start_hub(call_timeout_s=600)
    home, visited = await world.link("C1"), await world.link("C2", wants=REDIRECT)
    await home.claim("AB")

    async def go(_: Call) -> Payload:
        await home.link.close()
        return {}

    home.authorize = go
    async with asyncio.timeout(5):
        assert await visited.status_of("AB1") == "Invalid"


async def test_home_that_is_silent_is_waited_for_until_the_call_times_out(
    start_hub: StartHub, logs: LogLines
) -> None:
    world = await start_hub(call_timeout_s=0.2)
    home, visited = await world.link("C1"), await world.link("C2", wants=REDIRECT)
    await home.claim("AB")
    never = asyncio.Event()

    async def be_silent(_: Call) -> Payload:
        await never.wait()
        return {"idTagInfo": {"status": "Accepted"}}

    home.authorize = be_silent
    assert await visited.status_of("AB1") == "Invalid"
    (line,) = logs.named("authorization")
    assert (line["decided_by"], line["reason"]) == ("none", "Authorize: no answer in time")
    never.set()
    await home.settle()


async def test_home_that_fails_refuses(world: World, logs: LogLines) -> None:
    async def fail(_: Call) -> Payload:
        raise InternalFaultError("broken")

    home, visited = await world.link("C1"), await world.link("C2", wants=REDIRECT)
    home.authorize = fail
    await home.claim("AB")
    assert await visited.status_of("AB1") == "Invalid"
    assert logs.named("authorization")[0]["reason"] == "InternalError: broken"


async def test_home_whose_answer_is_none_of_the_standard_refuses(world: World) -> None:
    async def babble(_: Call) -> Payload:
        return {"idTagInfo": {"status": "Certainly"}}

    home, visited = await world.link("C1"), await world.link("C2", wants=REDIRECT)
    home.authorize = babble
    await home.claim("AB")
    assert await visited.status_of("AB1") == "Invalid"


async def test_two_operators_can_ask_each_other_at_once(world: World) -> None:
    first, second = await world.link("C1", wants=REDIRECT), await world.link("C2", wants=REDIRECT)
    await first.claim("AB")
    await second.claim("CD")
    answers = await asyncio.gather(
        *(first.status_of(f"CD{n}") for n in range(50)), *(second.status_of(f"AB{n}") for n in range(50))
    )
    assert answers == ["Accepted"] * 100


# --- what an operator can learn -----------------------------------------------------------------------------


async def learnt(partner: Partner, id_tag: str) -> bytes:
    """All that an operator is answered about a token, byte for byte but for the message ids."""
    partner.frames.came.clear()
    await partner.link.call("Authorize", {"idTag": id_tag})
    await partner.link.call("DataTransfer", data_transfer.request(LookupEndpoint(id_tag=id_tag)))
    return b"".join(encode(frame._replace(message_id="")) for frame in partner.frames.came)


@pytest.mark.parametrize("consents", [[], [Mode.WHITELIST]])
async def test_a_home_that_has_not_consented_looks_like_an_unknown_token(
    world: World, consents: list[Mode]
) -> None:
    home, visited = await world.link("C1", consents=consents), await world.link("C2")
    await home.publish(
        Token(id_tag="AB1", parent_id_tag="FLEET"), Token(id_tag="AB2", status=TokenStatus.BLOCKED)
    )
    await home.claim("AB")
    unknown = await learnt(visited, "ZZ1")
    for id_tag in ("AB1", "AB2", "AB9"):
        assert await learnt(visited, id_tag) == unknown
    await home.settle()
    assert home.asked == []


async def test_an_unknown_token_is_asked_of_nobody(world: World) -> None:
    others = [await world.link(name) for name in ("C1", "C3", "C4")]
    for number, other in enumerate(others):
        await other.claim(f"A{number}")
        await other.publish(Token(id_tag=f"B{number}"))
    visited = await world.link("C2")
    assert await visited.status_of("ZZ1") == "Invalid"
    with pytest.raises(RoamingRefused):
        await ask(visited.link, LookupEndpoint(id_tag="ZZ1"), Referral)
    for other in others:
        await other.settle()
        assert other.asked == []


# --- tokens -------------------------------------------------------------------------------------------------


async def test_a_conflict_rejects_only_its_own_token(world: World) -> None:
    first, second = await world.link("C1"), await world.link("C2")
    await first.publish(Token(id_tag="AB1"))
    await first.claim("PQ")
    published = await second.publish(Token(id_tag="ab1"), Token(id_tag="PQ1"), Token(id_tag="CD1"))
    assert [(token.id_tag, token.code) for token in published.rejected] == [
        ("ab1", "TokenTaken"),
        ("PQ1", "PrefixTaken"),
    ]
    assert await first.status_of("CD1") == "Accepted"
    assert await second.status_of("AB1") == "Accepted"


async def test_a_delta_that_does_not_follow_the_last_is_refused(world: World) -> None:
    partner = await world.link("C1")
    first = await partner.publish(Token(id_tag="AB1"))
    with pytest.raises(RoamingRefused, match=f"VersionConflict.*version {first.version}"):
        await partner.publish(Token(id_tag="AB2"), full=False, base_version=first.version + 1)
    second = await partner.publish(Token(id_tag="AB2"), full=False, base_version=first.version)
    assert second.version > first.version


async def test_who_does_not_want_the_whitelist_does_not_get_it(world: World) -> None:
    visited = await world.link("C2", wants=HUB)
    with pytest.raises(RoamingRefused, match="NotAgreed"):
        await visited.pull()


# --- endpoints and referrals --------------------------------------------------------------------------------


async def test_a_referral_leads_home_with_a_ticket_that_holds_there(start_hub: StartHub) -> None:
    world = await start_hub(referral_lifetime_s=60)
    home, visited = await world.link("C1"), await world.link("C2")
    published = await home.claim("AB", "cd")
    referral = await ask(visited.link, LookupEndpoint(id_tag="ab9"), Referral)
    assert (referral.operator_id, referral.url) == ("C1", "wss://peer.example/roam")
    assert referral.id_tag_prefixes == ("AB", "CD")
    now = datetime.now(UTC)
    assert now < referral.expiry <= now + timedelta(seconds=60)
    until = tickets.verify(referral.ticket, published.ticket_key, visited="C2", home="C1", now=now)
    assert until == referral.expiry


async def test_a_referral_finds_the_home_of_a_published_token_too(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.claim()
    await home.publish(Token(id_tag="XY1"))
    assert (await ask(visited.link, LookupEndpoint(id_tag="xy1"), Referral)).operator_id == "C1"


async def test_no_referral_without_an_endpoint_or_the_wish_for_it(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2", wants=HUB)
    await home.claim("AB", url=None)
    with pytest.raises(RoamingRefused, match="NotAgreed"):
        await ask(visited.link, LookupEndpoint(id_tag="AB1"), Referral)
    await world.app.store.operators.change("C2", wants=(Mode.PEER,))
    with pytest.raises(RoamingRefused, match="NoReferral"):
        await ask(visited.link, LookupEndpoint(id_tag="AB1"), Referral)


async def test_a_prefix_of_another_is_rejected_and_the_rest_granted(world: World) -> None:
    first, second = await world.link("C1"), await world.link("C2")
    await first.claim("AB")
    await first.publish(Token(id_tag="XY1"))
    published = await second.claim("AB1", "XY", "CD")
    assert published.accepted == ("CD",)
    assert [rejected.code for rejected in published.rejected] == ["PrefixTaken", "TokensTaken"]


# --- CDRs ---------------------------------------------------------------------------------------------------


async def test_a_receipt_comes_after_the_commit_and_names_the_body(world: World, logs: LogLines) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(Token(id_tag="AB1"))
    message_id = visited.link.new_message_id()
    await visited.link.call("Authorize", {"idTag": "AB1"}, message_id=message_id)
    message = cdr(authorization_reference=message_id)
    taken = await visited.send(message)
    assert (taken.cdr_id, taken.digest, taken.status) == (
        message.cdr_id,
        message.digest(),
        ReceiptStatus.RECEIVED,
    )
    (stored,) = world.app.store.cdrs.find(state=None, operator_id=None, limit=10)
    assert (stored.cdr, stored.authorized, stored.received_at) == (message, True, taken.received_at)
    (line,) = [line for line in logs.named("cdr") if line["stage"] == "received"]
    assert (line["visited"], line["home"], line["authorized"]) == ("C2", "C1", True)


async def test_a_cdr_that_the_store_does_not_take_gets_no_receipt(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(Token(id_tag="AB1"))
    message = cdr()
    world.refuse_writes()
    with pytest.raises(PeerError, match="InternalError"):
        await visited.send(message)
    assert home.asked == []
    world.take_writes()
    await visited.send(message)
    assert await home.next(Cdr) == message


async def test_the_same_body_gets_the_same_receipt_for_ever(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(Token(id_tag="AB1"))
    message = cdr()
    payload = data_transfer.request(message)
    first = await visited.link.call("DataTransfer", payload)
    assert await home.next(Cdr) == message
    await world.stop()
    await world.start()
    again = Partner("C2")
    await world.relink(again)
    assert await again.link.call("DataTransfer", payload) == first
    assert len(world.app.store.cdrs.find(state=None, operator_id=None, limit=10)) == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(cdr("C3"), "OperatorMismatch", id="another's"),
        pytest.param(cdr(id_tag="ZZ1"), "UnknownToken", id="nobody's token"),
        pytest.param(cdr(id_tag="CD1"), "OwnToken", id="own token"),
        pytest.param(cdr(home_operator_id="C3"), "HomeMismatch", id="another home"),
        pytest.param(cdr(meter_stop=0), "ImplausibleCdr", id="energy backwards"),
    ],
)
async def test_a_cdr_that_nobody_could_bill_is_refused_and_shown(
    world: World, logs: LogLines, message: Cdr, code: str
) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(Token(id_tag="AB1"))
    await visited.publish(Token(id_tag="CD1"))
    with pytest.raises(RoamingRefused, match=code):
        await visited.send(message)
    assert world.app.store.cdrs.find(state=None, operator_id=None, limit=10) == []
    (line,) = logs.named("cdr")
    assert (line["stage"], line["cdr_id"]) == ("refused", str(message.cdr_id))
    assert line["reason"].startswith(code)


async def test_another_body_for_the_same_id_is_a_conflict(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(Token(id_tag="AB1"))
    message = cdr()
    await visited.send(message)
    with pytest.raises(RoamingRefused, match="CdrConflict"):
        await visited.send(cdr(cdr_id=message.cdr_id, meter_stop=99_999))
    (stored,) = world.app.store.cdrs.find(state=None, operator_id=None, limit=10)
    assert stored.cdr == message


async def test_of_many_cdrs_each_gets_its_own_answer(world: World, logs: LogLines) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(Token(id_tag="AB1"))
    good, unknown = cdr(), cdr(id_tag="ZZ1")
    answer = await visited.send_all(good, unknown, good)
    receipt, refusal, again = answer.outcomes
    assert isinstance(receipt, CdrReceipt)
    assert (receipt.digest, receipt.status) == (good.digest(), ReceiptStatus.RECEIVED)
    assert again == receipt
    assert isinstance(refusal, Refusal)
    assert refusal.code == "UnknownToken"
    (shown,) = world.app.store.cdrs.refused(operator_id="C2", limit=10)
    assert (shown.cdr, shown.reason) == (unknown, str(refusal))
    assert await home.next(Cdr) == good
    stages = [line["stage"] for line in logs.named("cdr")]
    assert sorted(stages[:3]) == ["received", "received", "refused"]


async def test_many_cdrs_that_the_store_does_not_take_get_no_answer(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(Token(id_tag="AB1"))
    world.refuse_writes()
    with pytest.raises(PeerError, match="InternalError"):
        await visited.send_all(cdr(), cdr())
    world.take_writes()
    assert world.app.store.cdrs.find(state=None, operator_id=None, limit=10) == []


# --- what is no message -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (None, "data"),
        ("", "data"),
        ("no JSON", "data"),
        ("[]", "data"),
        ('{"idTag": ""}', "idTag"),
        ('{"idTag": "ä"}', "idTag"),
        ('{"idTag": "AB1", "more": 1}', "more"),
        ('{"idTag": 1}', "idTag"),
    ],
)
async def test_data_that_is_not_the_message_is_refused_with_code_and_detail(
    world: World, data: str | None, word: str
) -> None:
    partner = await world.link("C1")
    payload = {"vendorId": "nap.roaming", "messageId": "LookupEndpoint"}
    answer = await partner.link.call("DataTransfer", payload | ({} if data is None else {"data": data}))
    assert answer["status"] == "Rejected"
    refusal = json.loads(answer["data"])
    assert refusal["code"] == "BadRequest"
    assert word in refusal["detail"]
    await partner.settle()


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"vendorId": "com.example"}, "UnknownVendorId"),
        ({"vendorId": "nap.roaming"}, "UnknownMessageId"),
        ({"vendorId": "nap.roaming", "messageId": "Sing"}, "UnknownMessageId"),
        (
            data_transfer.request(cdr())
            | {"messageId": "CdrStatus", "data": f'{{"cdrId": "{uuid.uuid4()}", "status": "Accepted"}}'},
            "UnknownMessageId",
        ),
    ],
)
async def test_what_the_hub_does_not_speak_it_says_so(world: World, payload: Payload, status: str) -> None:
    partner = await world.link("C1")
    assert await partner.link.call("DataTransfer", payload) == {"status": status}


async def test_frames_that_are_none_leave_the_link_alive(world: World) -> None:
    partner, other = await world.link("C1"), await world.link("C2")
    for text in ("no JSON", "{}", "[]", "[9]", '[3,"x",{}]', '[2,"x"]'):
        await partner.connection.send(text)
    await partner.settle()
    await other.settle()


async def test_an_operator_that_is_gone_from_the_store_may_ask_nothing(start_hub: StartHub) -> None:
    world = await start_hub(poll_s=600)  # its link is not closed before it asks
    partner = await world.link("C1")
    store = world.app.store
    await store._database.write(lambda db: db.execute("DELETE FROM operators").rowcount)  # type: ignore[attr-defined]
    with pytest.raises(PeerError, match="SecurityError"):
        await partner.status_of("AB1")
