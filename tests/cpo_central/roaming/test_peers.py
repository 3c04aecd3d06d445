import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from cascade.client import bearer, dial, link_url
from cascade.database import Database
from cascade.errors import CallFailed, LinkLostError, PeerError, RoamingRefused
from cascade.exchange import ask
from cascade.link import Link
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.roaming import tickets
from cascade.roaming.cdrs import Cdr, CdrReceipt, ReceiptStatus
from cascade.roaming.endpoints import LookupEndpoint, PublishEndpoint, Referral
from cascade.trace import FrameTrace
from cpo_central.app import Central
from cpo_central.cdrs.decisions import HomeAuthorization
from cpo_central.cdrs.intake import Intake
from cpo_central.commands.records import list_received, list_sent, put_tokens
from cpo_central.drivers.token_csv import read_token
from cpo_central.drivers.tokens import TokenStore
from cpo_central.roaming.home import KEEP, Home
from cpo_central.roaming.peer_client import PeerClient
from tests.conftest import LogLines
from tests.cpo_central.actors import LIMITS, Charger, Hub, told
from tests.cpo_central.cdrs.test_decisions import cdr
from tests.cpo_central.cdrs.test_delivery import put, records
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]


async def home(start: Start, hub: Hub, operator_id: str = "C1", **given: object) -> Central:
    """A home operator with a few drivers."""
    prefix = f"{operator_id}-"
    central = await start(operator_id, hub, peer_port=0, id_tag_prefixes=(prefix,), **given)
    await hub.until(lambda hub: operator_id in hub.endpoints)
    tokens = [{"idTag": f"{prefix}00001"}, {"idTag": f"{prefix}00002", "status": "Blocked"}]
    await put_tokens(central._settings.database, [read_token(dict(token)) for token in tokens])
    for number in range(1, 4):
        hub.homes[f"{prefix}0000{number}"] = operator_id
    return central


async def visited(start: Start, hub: Hub, **given: object) -> Central:
    central = await start("C2", hub, modes=("peer",), **given)
    await hub.has_link("C2")
    await hub.until(lambda hub: "C2" in hub.endpoints)
    return central


# --- authorization ------------------------------------------------------------------------------------------


async def test_the_hub_is_asked_once_and_home_from_then_on(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    await home(start, hub)
    cp = await charger(await visited(start, hub))
    assert await cp.authorize("C1-00001") == {"status": "Accepted"}
    assert await cp.authorize("c1-00002") == {"status": "Blocked"}  # another token, by its prefix
    assert await cp.authorize("C1-99999") == {"status": "Invalid"}
    assert len(hub.messages(LookupEndpoint)) == 1
    assert hub.calls("Authorize") == []
    cold, warm, unknown = await told(logs, "authorization", 3)
    assert {line["decided_by"] for line in (cold, warm, unknown)} == {"peer"}
    assert cold["operator"] == "C1"
    assert cold["reference"]
    assert {"lookup_ms", "dial_ms", "ask_ms"} <= set(cold)
    assert not {"lookup_ms", "dial_ms"} & set(warm)
    assert [line["status"] for line in await told(logs, "home_authorization", 3)] == [
        "Accepted",
        "Blocked",
        "Invalid",
    ]
    assert {line["asked_by"] for line in logs.named("home_authorization")} == {"C2"}


async def test_warm_authorizations_work_while_the_hub_is_away(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    await home(start, hub)
    cp = await charger(await visited(start, hub))
    await cp.authorize("C1-00001")
    await hub.stop()
    await told(logs, "hub_unlinked", 2)
    assert await cp.authorize("C1-00001") == {"status": "Accepted"}
    assert await cp.authorize("C3-00001") == {"status": "Invalid"}
    assert logs.named("authorization")[-1]["reason"] == "peer: not linked to the hub"


async def test_first_contacts_at_the_same_time_share_look_up_and_dial(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    await home(start, hub)
    central = await visited(start, hub)
    chargers = [await charger(central, f"CP-{number}") for number in range(6)]
    tags = ["C1-00001", "C1-00001", "C1-00002", "C1-00001", "C1-00002", "C1-00001"]
    asked = [cp.authorize(tag) for cp, tag in zip(chargers, tags, strict=True)]
    answers = await asyncio.gather(*asked)
    assert [answer["status"] for answer in answers] == [
        "Accepted" if tag == "C1-00001" else "Blocked" for tag in tags
    ]
    assert len(hub.messages(LookupEndpoint)) == 1
    assert len([line for line in logs.named("peer_linked") if line["peer"] == "C2"]) == 1


async def test_different_homes_are_looked_up_each(start: Start, hub: Hub, charger: Connect) -> None:
    await home(start, hub)
    await home(start, hub, "C3")
    central = await visited(start, hub)
    one, other = await charger(central, "CP-1"), await charger(central, "CP-2")
    answers = await asyncio.gather(one.authorize("C1-00001"), other.authorize("C3-00001"))
    assert [answer["status"] for answer in answers] == ["Accepted", "Accepted"]
    assert {message.id_tag for message in hub.messages(LookupEndpoint)} == {"C1-00001", "C3-00001"}


async def test_without_a_referral_the_next_mode_is_asked(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    hub.infos["NOBODY01"] = {"status": "Accepted"}
    central = await start("C2", hub, modes=("peer", "hub"))
    await logs.event("hub_linked")
    assert await (await charger(central)).authorize("NOBODY01") == {"status": "Accepted"}
    assert (await logs.event("authorization"))["decided_by"] == "hub"


async def test_a_home_that_cannot_be_reached_denies(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    c1 = await home(start, hub)
    central = await visited(start, hub)
    await c1.stop()
    cp = await charger(central)
    assert await cp.authorize("C1-00001") == {"status": "Invalid"}
    assert "cannot be reached" in (await logs.event("authorization"))["reason"]
    assert await cp.authorize("C1-00001") == {"status": "Invalid"}
    assert len(hub.messages(LookupEndpoint)) == 2


async def test_a_lost_link_is_dialled_again_with_the_same_ticket(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    c1 = await home(start, hub)
    cp = await charger(await visited(start, hub))
    await cp.authorize("C1-00001")
    (link,) = c1._peer_server._links
    await link.close()
    await logs.event("peer_unlinked")
    assert await cp.authorize("C1-00001") == {"status": "Accepted"}
    assert len(hub.messages(LookupEndpoint)) == 1


async def test_a_link_that_is_lost_while_home_is_asked_is_dialled_again(
    start: Start, hub: Hub, charger: Connect
) -> None:
    c1 = await home(start, hub)
    central = await visited(start, hub)
    cp = await charger(central)
    await cp.authorize("C1-00001")
    (link,) = c1._peer_server._links
    link._connection.transport.abort()  # nobody has noticed yet
    assert await cp.authorize("C1-00001") == {"status": "Accepted"}
    assert len(hub.messages(LookupEndpoint)) == 1


async def test_a_home_that_has_moved_is_looked_up_again(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    c1 = await home(start, hub)
    cp = await charger(await visited(start, hub))
    await cp.authorize("C1-00001")
    before = hub.endpoints.pop("C1")
    await c1.stop()
    await start("C1", hub, peer_port=0, id_tag_prefixes=("C1-",))
    await hub.until(lambda hub: "C1" in hub.endpoints)
    assert hub.endpoints["C1"].url != before.url
    assert await cp.authorize("C1-00001") == {"status": "Accepted"}
    assert len(hub.messages(LookupEndpoint)) == 2
    assert logs.named("referral_forgotten")


async def test_an_ended_ticket_ends_its_link_and_a_new_one_is_got(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    await home(start, hub)
    hub.ticket_lifetime = timedelta(seconds=2)
    cp = await charger(await visited(start, hub))
    assert await cp.authorize("C1-00001") == {"status": "Accepted"}
    assert "the ticket has ended" in (await logs.event("peer_unlinked"))["because"]
    hub.ticket_lifetime = timedelta(minutes=1)
    assert await cp.authorize("C1-00001") == {"status": "Accepted"}
    assert len(hub.messages(LookupEndpoint)) == 2


async def test_with_no_idle_time_each_authorization_is_a_first_contact(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    await home(start, hub)
    cp = await charger(await visited(start, hub, peer_idle_s=0))
    for _ in range(3):
        assert await cp.authorize("C1-00001") == {"status": "Accepted"}
    assert len(hub.messages(LookupEndpoint)) == 3
    await told(logs, "peer_unlinked", 3)
    assert all("dial_ms" in line for line in logs.named("authorization"))


async def test_a_link_that_is_not_used_is_closed(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    await home(start, hub)
    central = await visited(start, hub, peer_idle_s=0.05)
    assert await (await charger(central)).authorize("C1-00001") == {"status": "Accepted"}
    await logs.event("peer_unlinked")
    assert central._peers._homes == {}


# --- the peer server ----------------------------------------------------------------------------------------


async def knock(central: Central, ticket: str, visited: str = "C2") -> Link:
    """Come in as a peer."""
    connection = await dial(
        link_url(f"ws://127.0.0.1:{central.peer_port}/peer", visited),
        subprotocols=(WINDOWED_SUBPROTOCOL, SUBPROTOCOL),
        max_size=2**20,
        authorization=bearer(ticket),
    )
    return Link(connection, peer="C1", handlers={}, limits=LIMITS, trace=FrameTrace(visited))


def ticket(hub: Hub, *, visited: str = "C2", home: str = "C1", lasts: timedelta = timedelta(minutes=1)) -> str:
    now = datetime.now(UTC)
    return tickets.issue(hub.private_key, visited=visited, home=home, now=now, expiry=now + lasts)


@pytest.fixture
async def c1(start: Start, hub: Hub, logs: LogLines) -> Central:
    central = await home(start, hub)
    await logs.event("published")  # by then it has the key
    return central


async def test_who_may_not_come_in(c1: Central, hub: Hub, logs: LogLines) -> None:
    for wrong in (
        "",
        "rubbish",
        ticket(Hub()),
        ticket(hub, visited="C3"),
        ticket(hub, home="C3"),
        ticket(hub, lasts=timedelta(seconds=-1)),
    ):
        with pytest.raises(LinkLostError, match="HTTP 401"):
            await knock(c1, wrong)
    assert len(logs.named("ticket_refused")) == 6


async def test_without_a_key_nobody_comes_in(start: Start, hub: Hub, logs: LogLines) -> None:
    central = await start("C1", peer_port=0)
    with pytest.raises(LinkLostError, match="HTTP 401"):
        await knock(central, ticket(hub))
    assert "no hub has given us a key" in (await logs.event("ticket_refused"))["because"]


async def test_a_peer_may_ask_and_bill_and_no_more(c1: Central, hub: Hub) -> None:
    link = await knock(c1, ticket(hub))
    reading = asyncio.create_task(link.run())
    message_id = link.new_message_id()
    answer = await link.call("Authorize", {"idTag": "C1-00001"}, message_id=message_id)
    assert answer == {"idTagInfo": {"status": "Accepted"}}
    with pytest.raises(PeerError, match="NotSupported"):
        await link.call("Heartbeat", {})
    with pytest.raises(RoamingRefused, match="UnknownMessageId"):
        await ask(link, LookupEndpoint(id_tag="C1-00001"), Referral)
    proven = cdr(id_tag="C1-00001", authorization_reference=message_id)
    receipt = await ask(link, proven, CdrReceipt)
    assert receipt.status is ReceiptStatus.ACCEPTED
    assert await ask(link, proven, CdrReceipt) == receipt
    with pytest.raises(RoamingRefused, match="CdrConflict"):
        await ask(link, proven.model_copy(update={"meter_stop": 8501}), CdrReceipt)
    with pytest.raises(RoamingRefused, match="OperatorMismatch"):
        await ask(link, proven.model_copy(update={"operator_id": "C3"}), CdrReceipt)
    await link.close()
    await reading
    (received,) = await list_received(c1._settings.database)
    assert (received["route"], received["operator"], received["status"]) == ("peer", "C2", "Accepted")


async def test_a_blocked_driver_proves_nothing(c1: Central, hub: Hub) -> None:
    link = await knock(c1, ticket(hub))
    reading = asyncio.create_task(link.run())
    message_id = link.new_message_id()
    await link.call("Authorize", {"idTag": "C1-00002"}, message_id=message_id)
    claimed = cdr(id_tag="C1-00002", authorization_reference=message_id)
    assert (await ask(link, claimed, CdrReceipt)).status is ReceiptStatus.RECEIVED
    await link.close()
    await reading


async def test_what_we_answered_long_ago_is_forgotten(database: Database, logs: LogLines) -> None:
    store, now = Intake(database), datetime.now(UTC)
    moments = [now - KEEP - timedelta(seconds=1), now - KEEP / 2, now]
    answers = [HomeAuthorization("A", None, f"m-{number}", "Accepted", at) for number, at in enumerate(moments)]
    await store.record_authorizations(answers)
    work = asyncio.create_task(Home(TokenStore(database), store).run())
    assert (await logs.event("home_pruned"))["count"] == 1
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    kept = database.reader.execute("SELECT message_id FROM home_authorization ORDER BY id").fetchall()
    assert kept == [("m-1",), ("m-2",)]


async def test_a_home_that_stops_says_so(c1: Central, hub: Hub) -> None:
    link = await knock(c1, ticket(hub))
    reading = asyncio.create_task(link.run())
    await link.call("Authorize", {"idTag": "C1-00001"})
    await c1._peer_server.stop(1)
    assert "1001" in await reading


# --- CDRs over a peer link ----------------------------------------------------------------------------------


async def test_a_session_is_billed_to_its_home_directly(
    start: Start, hub: Hub, logs: LogLines, charger: Connect, c1: Central
) -> None:
    central = await visited(start, hub)
    await (await charger(central)).session("C1-00001")
    delivered = await told(logs, "cdr", 3)
    assert [line["stage"] for line in delivered] == ["queued", "received", "delivered"]
    assert (delivered[2]["route"], delivered[2]["operator"], delivered[2]["status"]) == (
        "peer",
        "C1",
        "Accepted",
    )
    (sent,) = await list_sent(central._settings.database)
    (received,) = await list_received(c1._settings.database)
    assert sent["cdr"] == received["cdr"]
    assert sent["cdr"]["homeOperatorId"] == "C1"
    assert sent["cdr"]["authorization"] == "peer"
    assert (sent["status"], received["status"]) == ("Accepted", "Accepted")
    assert hub.messages(Cdr) == []


async def test_a_cdr_waits_for_its_home(
    start: Start, hub: Hub, logs: LogLines, charger: Connect, c1: Central
) -> None:
    central = await visited(start, hub)
    cp = await charger(central)
    now = datetime.now(UTC).isoformat()
    await cp.authorize("C1-00001")
    transaction_id = (await cp.start("C1-00001", at=now))["transactionId"]
    hub.endpoints.pop("C1")
    await c1.stop()
    await cp.stop(transaction_id, at=now)
    await told(logs, "cdr_waits", 2)
    (sent,) = await list_sent(central._settings.database)
    assert sent["status"] == "Queued"
    assert "NoReferral" in sent["reason"] or "cannot be reached" in sent["reason"]
    again = await start("C1", hub, peer_port=0, id_tag_prefixes=("C1-",))
    await told(logs, "cdr", 3)
    (sent,) = await list_sent(central._settings.database)
    assert (sent["status"], sent["reason"]) == ("Accepted", None)
    assert len(await list_received(again._settings.database)) == 1


async def test_many_cdrs_go_to_their_home_together(start: Start, hub: Hub, logs: LogLines, c1: Central) -> None:
    central = await visited(start, hub)
    ours, not_ours = records(2, id_tag="C1-00001"), records(1, id_tag="C1-99999")
    hub.homes["C1-99999"] = "C1"
    await put(central._database, *ours, *not_ours)
    central._delivery.wake()
    lines = await told(logs, "cdr", 6)
    assert [line["stage"] for line in lines] == ["received"] * 3 + ["delivered"] * 2 + ["parked"]
    assert len({line["ms"] for line in lines[:3]}) == 1, "they were taken together"
    assert [line["cdr_id"] for line in lines[3:]] == [str(record.cdr_id) for record in ours + not_ours]
    assert {record["cdrId"] for record in await list_received(c1._settings.database)} == {
        str(record.cdr_id) for record in ours
    }


async def test_one_token_that_is_still_known_leads_to_the_home_of_all(
    start: Start, hub: Hub, logs: LogLines, c1: Central
) -> None:
    central = await visited(start, hub)
    gone, moved, stayed = (records(1, id_tag=id_tag)[0] for id_tag in ("C1-GONE", "C1-00001", "C1-00002"))
    await home(start, hub, "C3")
    hub.homes["C1-00001"] = "C3"
    await put(central._database, gone, moved, stayed)
    central._delivery.wake()
    lines = {line["cdr_id"]: line for line in await told(logs, "cdr", 6) if line["stage"] != "received"}
    assert "UnknownToken" in lines[str(gone.cdr_id)]["reason"]
    assert {lines[str(record.cdr_id)]["stage"] for record in (moved, stayed)} == {"delivered"}
    assert len(await list_received(c1._settings.database)) == 2


async def test_when_all_tokens_have_moved_each_cdr_is_parked(
    start: Start, hub: Hub, logs: LogLines, c1: Central
) -> None:
    central = await visited(start, hub)
    await home(start, hub, "C3")
    waiting = [*records(2, id_tag="C1-00001"), *records(1, id_tag="C1-00002")]
    hub.homes |= {"C1-00001": "C3", "C1-00002": "C3"}
    await put(central._database, *waiting)
    central._delivery.wake()
    lines = await told(logs, "cdr", 3)
    assert [line["stage"] for line in lines] == ["parked"] * 3
    assert all("HomeChanged" in line["reason"] for line in lines)
    assert await list_received(c1._settings.database) == []


async def test_a_token_that_has_moved_is_not_billed_to_another(
    start: Start, hub: Hub, logs: LogLines, charger: Connect, c1: Central
) -> None:
    central = await visited(start, hub, peer_idle_s=0)
    cp = await charger(central)
    now = datetime.now(UTC).isoformat()
    transaction_id = (await cp.start("C1-00001", at=now))["transactionId"]
    await home(start, hub, "C3")
    hub.homes["C1-00001"] = "C3"
    await cp.stop(transaction_id, at=now)
    parked = (await told(logs, "cdr", 2))[1]
    assert parked["stage"] == "parked"
    assert "HomeChanged" in parked["reason"]
    assert await list_received(c1._settings.database) == []


# --- the peer client on its own -----------------------------------------------------------------------------


class Directory:
    """Refers everybody to one place."""

    def __init__(self, url: str, expiry: datetime) -> None:
        self.referral = Referral(operator_id="C1", url=url, id_tag_prefixes=("C1-",), ticket="t", expiry=expiry)
        self.lookups = 0

    async def lookup(self, id_tag: str) -> Referral:
        assert id_tag
        self.lookups += 1
        return self.referral


async def test_a_home_that_refuses_our_ticket(c1: Central, hub: Hub) -> None:
    assert hub
    directory = Directory(f"ws://127.0.0.1:{c1.peer_port}/peer", datetime.now(UTC) + timedelta(minutes=1))
    client = PeerClient(
        operator_id="C2",
        directory=directory,
        limits=LIMITS,
        trace=FrameTrace("C2"),
        idle_s=1,
        tls=ssl.create_default_context(),
    )
    with pytest.raises(CallFailed, match="HTTP 401"):
        await client.authorize("C1-00001", {})
    assert client._homes == {}
    await client.stop()


async def test_publishing_no_endpoint_means_no_referral(start: Start, hub: Hub, logs: LogLines) -> None:
    await start("C1", hub)
    await logs.event("published")
    (message,) = hub.messages(PublishEndpoint)
    assert message.url is None
