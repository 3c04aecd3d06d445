import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from cascade.database import Database
from cascade.errors import BadValueError, LinkLostError, PeerError, RoamingRefused, StoreError
from cascade.roaming.cdrs import Authorization, Cdr, CdrReceipt, CdrStatus, DeliveryStatus, Noted, ReceiptStatus
from cpo_central.app import Central
from cpo_central.cdrs.delivery import Delivery
from cpo_central.cdrs.store import CdrState, CdrStore, Destination, Route, queue
from cpo_central.commands.records import list_received, list_sent, list_transactions, put_tokens, resend
from cpo_central.drivers.token_csv import read_token
from tests.conftest import LogLines
from tests.cpo_central.actors import Charger, Hub, receipt_for, told
from tests.cpo_central.cdrs.test_decisions import cdr
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]
ACCEPTED = {"status": "Accepted"}


@pytest.fixture
def hub_knows(hub: Hub) -> Hub:
    hub.infos = {"HOME0001": ACCEPTED, "HOME0002": ACCEPTED, "BLOCKED1": {"status": "Blocked"}}
    return hub


async def linked(start: Start, hub: Hub, logs: LogLines, **given: object) -> Central:
    central = await start("C2", hub, **given)
    await logs.event("published")
    return central


# --- through the hub ----------------------------------------------------------------------------------------


async def test_a_session_is_billed_through_the_hub(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    central = await linked(start, hub_knows, logs)
    transaction_id = await (await charger(central)).session("HOME0001")
    queued, delivered = await told(logs, "cdr", 2)
    assert (queued["stage"], delivered["stage"]) == ("queued", "delivered")
    assert (delivered["route"], delivered["status"]) == ("hub", "Received")
    (record,) = hub_knows.messages(Cdr)
    (authorize,) = hub_knows.calls("Authorize")  # the start uses the answer of the Authorize before it
    (transaction,) = await list_transactions(central._settings.database)
    (sent,) = await list_sent(central._settings.database)
    assert record.transaction_id == transaction_id
    assert record.authorization_reference == authorize.message_id == transaction["authorizationReference"]
    assert record.authorization is Authorization.HUB
    assert (record.operator_id, record.home_operator_id) == ("C2", None)
    assert (record.meter_start, record.meter_stop) == (1000, 8500)
    assert str(record.cdr_id) == transaction["cdrId"] == sent["cdrId"]
    assert sent["status"] == "Received"


async def test_a_start_without_authorize_asks_and_refers_to_that(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    cp = await charger(await linked(start, hub_knows, logs))
    for number in (1, 2):
        transaction = await cp.start("HOME0001", connector=number)
        assert transaction["idTagInfo"] == ACCEPTED
        await cp.stop(transaction["transactionId"])
    await told(logs, "cdr", 4)
    references = [record.authorization_reference for record in hub_knows.messages(Cdr)]
    assert references == [call.message_id for call in hub_knows.calls("Authorize")]
    assert len(set(references)) == 2


async def test_no_cdr_for_our_own_drivers_or_for_those_refused(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    central = await linked(start, hub_knows, logs)
    await put_tokens(central._settings.database, [read_token({"idTag": "OWN00001"})])
    cp = await charger(central)
    for id_tag in ("OWN00001", "BLOCKED1", "STRANGER"):
        await cp.session(id_tag)
    assert await list_sent(central._settings.database) == []


async def test_a_repeated_stop_owes_no_second_cdr(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    central = await linked(start, hub_knows, logs)
    cp = await charger(central)
    transaction_id = (await cp.start("HOME0001"))["transactionId"]
    for _ in range(3):
        await cp.stop(transaction_id)
    await told(logs, "cdr", 2)
    assert len(await list_sent(central._settings.database)) == 1
    assert len(hub_knows.messages(Cdr)) == 1


async def test_cdrs_wait_for_the_hub_and_come_in_order(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    central = await linked(start, hub_knows, logs)
    cp = await charger(central)
    started = [(await cp.start("HOME0001", meter=meter))["transactionId"] for meter in range(3)]
    await hub_knows.stop()
    await logs.event("hub_unlinked")
    for transaction_id in started:
        await cp.stop(transaction_id)
    await told(logs, "cdr_waits", 1)
    assert {sent["status"] for sent in await list_sent(central._settings.database)} == {"Queued"}
    await central.stop()  # the outbox survives
    await hub_knows.start()
    again = await start("C2", hub_knows)
    await told(logs, "cdr", 6)
    assert [record.transaction_id for record in hub_knows.messages(Cdr)] == started
    assert {sent["status"] for sent in await list_sent(again._settings.database)} == {"Received"}


async def test_a_refused_cdr_is_parked_until_it_is_sent_again(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    async def refuse(_: str, __: Cdr) -> CdrReceipt:
        raise RoamingRefused("UnknownToken", "belongs to no operator")

    central = await linked(start, hub_knows, logs)
    database = central._settings.database
    hub_knows.roaming_answers[Cdr] = refuse
    await (await charger(central)).session("HOME0001")
    assert (await told(logs, "cdr", 2))[1]["stage"] == "parked"
    (sent,) = await list_sent(database)
    assert (sent["status"], sent["reason"]) == ("Parked", "UnknownToken: belongs to no operator")
    hub_knows.roaming_answers.clear()
    assert await resend(database, sent["cdrId"]) is CdrState.PARKED
    assert (await told(logs, "cdr", 3))[2]["stage"] == "delivered"
    assert await resend(database, sent["cdrId"]) is CdrState.RECEIVED
    assert await resend(database, str(uuid4())) is None


async def test_a_receipt_for_another_cdr_does_not_count(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    async def confuse(_: str, record: Cdr) -> CdrReceipt:
        return receipt_for(record.model_copy(update={"meter_stop": 1}))

    central = await linked(start, hub_knows, logs)
    hub_knows.roaming_answers[Cdr] = confuse
    await (await charger(central)).session("HOME0001")
    assert "WrongReceipt" in (await told(logs, "cdr", 2))[1]["reason"]


async def test_one_cdr_that_the_receiver_fails_at_does_not_hold_up_the_others(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    central = await linked(start, hub_knows, logs)
    failing = True

    async def fail_at_the_first(_: str, record: Cdr) -> CdrReceipt:
        if failing and record.meter_start == 0:
            raise BadValueError("a fault of mine")
        return receipt_for(record)

    hub_knows.roaming_answers[Cdr] = fail_at_the_first
    cp = await charger(central)
    for meter in (0, 1):
        await cp.stop((await cp.start("HOME0001", meter=meter))["transactionId"])
    delivered = (await told(logs, "cdr", 3))[2]
    assert delivered["stage"] == "delivered"
    waiting = {
        sent["cdr"]["meterStart"]: sent["status"] for sent in await list_sent(central._settings.database)
    }
    assert waiting == {0: "Queued", 1: "Received"}
    failing = False
    await told(logs, "cdr", 4)


async def test_what_the_home_operator_says_is_kept(
    start: Start, hub_knows: Hub, logs: LogLines, charger: Connect
) -> None:
    central = await linked(start, hub_knows, logs)
    await (await charger(central)).session("HOME0001")
    await told(logs, "cdr", 2)
    (record,) = hub_knows.messages(Cdr)
    for status, reason, shown in (
        (DeliveryStatus.DELIVERED, None, "Delivered"),
        (DeliveryStatus.REJECTED, "never heard of it", "Rejected"),
        (DeliveryStatus.DELIVERED, None, "Rejected"),
    ):
        message = CdrStatus(cdr_id=record.cdr_id, status=status, reason=reason)
        assert await hub_knows.ask("C2", message, Noted) == Noted()
        (sent,) = await list_sent(central._settings.database)
        assert sent["status"] == shown
    assert sent["reason"] == "never heard of it"
    unknown = CdrStatus(cdr_id=uuid4(), status=DeliveryStatus.DELIVERED)
    await hub_knows.ask("C2", unknown, Noted)
    assert logs.named("cdr")[-1]["reason"] == "not one of our CDRs"


# --- as home operator ---------------------------------------------------------------------------------------


async def test_what_the_hub_asked_proves_what_it_bills(start: Start, hub: Hub, logs: LogLines) -> None:
    central = await start("C1", hub)
    await put_tokens(central._settings.database, [read_token({"idTag": "HOME0001"})])
    link = await hub.has_link("C1")
    assert await link.call("Authorize", {"idTag": "home0001"}) == {"idTagInfo": ACCEPTED}
    assert await link.call("Authorize", {"idTag": "STRANGER"}) == {"idTagInfo": {"status": "Invalid"}}
    assert [line["asked_by"] for line in await told(logs, "home_authorization", 2)] == ["hub", "hub"]
    now = datetime.now(UTC)
    proven = cdr(session_start=now, session_end=now, authorization=Authorization.HUB, operator_id="C9")
    receipt = await hub.ask("C1", proven, CdrReceipt)
    assert receipt.status is ReceiptStatus.ACCEPTED
    assert await hub.ask("C1", proven, CdrReceipt) == receipt
    listed = cdr(cdr_id=uuid4(), authorization=Authorization.WHITELIST, session_start=now, session_end=now)
    assert (await hub.ask("C1", listed, CdrReceipt)).status is ReceiptStatus.RECEIVED
    with pytest.raises(RoamingRefused, match="UnknownToken"):
        await hub.ask("C1", cdr(cdr_id=uuid4(), id_tag="STRANGER"), CdrReceipt)
    with pytest.raises(RoamingRefused, match="ImplausibleCdr"):
        await hub.ask("C1", cdr(cdr_id=uuid4(), meter_stop=0), CdrReceipt)
    received = await list_received(central._settings.database)
    assert [(record["route"], record["operator"]) for record in received] == [("hub", "C9"), ("hub", "C2")]
    stages = [(line["stage"], line["status"]) for line in logs.named("cdr")]
    assert stages.count(("received", "Refused")) == 2


# --- the worker on its own ----------------------------------------------------------------------------------


class Receiver:
    """Takes CDRs as it is told."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.took: list[Cdr] = []

    async def deliver(self, record: Cdr) -> CdrReceipt:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.took.append(record)
        return receipt_for(record, ReceiptStatus.RECEIVED)


async def put(database: Database, *records: Cdr) -> None:
    def job(connection: sqlite3.Connection) -> None:
        for record in records:
            queue(connection, record, datetime.now(UTC))

    await database.write(job)


def records(count: int, authorization: Authorization = Authorization.PEER, **other: object) -> list[Cdr]:
    return [cdr(cdr_id=uuid4(), authorization=authorization, **other) for _ in range(count)]


async def test_each_destination_goes_its_own_way(database: Database, logs: LogLines) -> None:
    store = CdrStore(database)
    stuck, free = records(1, home_operator_id="C1"), records(1, home_operator_id="C3")
    through_hub = records(1, Authorization.WHITELIST)
    await put(database, *stuck, *free, *through_hub)
    assert set(store.destinations()) == {
        Destination(Route.HUB, None),
        Destination(Route.PEER, "C1"),
        Destination(Route.PEER, "C3"),
    }
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Peers(Receiver):
        async def deliver(self, record: Cdr) -> CdrReceipt:
            if record.home_operator_id == "C1":
                await never
            return await super().deliver(record)

    hub, peers = Receiver(), Peers()
    work = asyncio.create_task(Delivery(store=store, hub=hub, peers=peers, retry_s=(0.01, 0.01)).run())
    await told(logs, "cdr", 2)
    assert (peers.took, hub.took) == (free, through_hub)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert [sent.state for sent in await store.sent() if sent.cdr in stuck] == [CdrState.QUEUED]


async def test_a_destination_is_tried_until_it_takes(database: Database, logs: LogLines) -> None:
    store = CdrStore(database)
    waiting = records(2, home_operator_id="C1")
    await put(database, *waiting)
    peers = Receiver(
        LinkLostError("gone"),
        StoreError("disk full"),
        PeerError("InternalError", "", {}),
        LinkLostError("gone"),
    )
    work = asyncio.create_task(Delivery(store=store, hub=Receiver(), peers=peers, retry_s=(0.01, 0.01)).run())
    await told(logs, "cdr", 2)
    assert peers.took == waiting
    assert len(logs.named("cdr_waits")) == 4
    assert {sent.state for sent in await store.sent()} == {CdrState.DELIVERED}
    assert {sent.reason for sent in await store.sent()} == {None}
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_the_hub_is_tried_at_once_when_it_is_back(database: Database, logs: LogLines) -> None:
    store = CdrStore(database)
    await put(database, *records(1, Authorization.HUB))
    hub = Receiver(LinkLostError("gone"))
    delivery = Delivery(store=store, hub=hub, peers=Receiver(), retry_s=(3600, 3600))
    work = asyncio.create_task(delivery.run())
    await logs.event("cdr_waits")
    delivery.hub_is_back()
    await logs.event("cdr")
    assert len(hub.took) == 1
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_a_status_that_was_faster_than_the_receipt_stays(database: Database) -> None:
    store = CdrStore(database)
    (record,) = records(1, Authorization.HUB)
    await put(database, record)
    assert await store.note(CdrStatus(cdr_id=record.cdr_id, status=DeliveryStatus.ACCEPTED))
    await store.delivered(receipt_for(record), CdrState.RECEIVED)
    assert [sent.state for sent in await store.sent()] == [CdrState.ACCEPTED]
    assert store.destinations() == []


async def test_a_cdr_body_is_never_changed(database: Database) -> None:
    store = CdrStore(database)
    (record,) = records(1, session_end=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC))
    await put(database, record)
    ((body, digest),) = database.reader.execute("SELECT body, digest FROM cdr").fetchall()
    (read,) = store.waiting(Destination(Route.PEER, "C1"), 10)
    assert body == record.wire() == read.wire()
    assert digest == read.digest()


async def test_a_credit_never_goes_before_what_it_cancels(database: Database, logs: LogLines) -> None:
    store = CdrStore(database)
    (original,) = records(1, home_operator_id="C1")
    credit, (right,) = original.credited_by(uuid4()), records(1, home_operator_id="C1")
    await put(database, original, credit, right)
    peers = Receiver(PeerError("InternalError", "", {}))
    work = asyncio.create_task(Delivery(store=store, hub=Receiver(), peers=peers, retry_s=(0.01, 0.01)).run())
    await told(logs, "cdr", 3)
    assert peers.took == [right, original, credit]
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_a_parked_cdr_goes_again_with_its_credit_in_order(database: Database) -> None:
    store = CdrStore(database)
    original, other = records(2, home_operator_id="C1")
    credit = original.credited_by(uuid4())
    await put(database, original, other, credit)
    for record in (original, other, credit):
        await store.park(record, "UnknownToken: not ours")
    assert await store.resend(str(original.cdr_id)) is CdrState.PARKED
    assert store.waiting(Destination(Route.PEER, "C1"), 10) == [original, credit]
