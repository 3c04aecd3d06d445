import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from cascade.database import Database
from cascade.errors import (
    BadResultError,
    BadValueError,
    CallTimeoutError,
    LinkLostError,
    PeerError,
    RoamingRefused,
    StoreError,
)
from cascade.handover import BATCH
from cascade.roaming.cdrs import (
    Authorization,
    Cdr,
    CdrBatch,
    CdrOutcomes,
    CdrReceipt,
    CdrStatus,
    CdrStatusBatch,
    DeliveryStatus,
    Noted,
    ReceiptStatus,
)
from cascade.roaming.model import Refusal
from cpo_central.app import Central
from cpo_central.cdrs.delivery import Delivery
from cpo_central.cdrs.outbox import CdrState, Destination, Outbox, Route, Settled, queue
from cpo_central.cdrs.refusals import refused
from cpo_central.commands.records import list_received, list_sent, list_transactions, put_tokens, resend
from cpo_central.drivers.token_csv import read_token
from cpo_central.schema import APPLICATION_ID, MIGRATIONS, open_database
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
    assert [record.transaction_id for record in hub_knows.cdrs()] == started
    (batch,) = hub_knows.messages(CdrBatch)
    assert len(batch.cdrs) == 3
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
    accepted = CdrStatus(cdr_id=record.cdr_id, status=DeliveryStatus.ACCEPTED)
    revision = central._database.revision
    await hub_knows.ask("C2", CdrStatusBatch(statuses=(unknown, accepted)), Noted)
    assert central._database.revision == revision + 1
    assert [line["status"] for line in logs.named("cdr")[-2:]] == ["Delivered", "Accepted"]
    (sent,) = await list_sent(central._settings.database)
    assert (sent["status"], sent["reason"]) == ("Accepted", None)


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


async def test_each_of_a_batch_is_answered_as_if_alone_in_one_commit(
    start: Start, hub: Hub, logs: LogLines
) -> None:
    central = await start("C1", hub)
    await put_tokens(central._settings.database, [read_token({"idTag": "HOME0001"})])
    link = await hub.has_link("C1")
    await link.call("Authorize", {"idTag": "HOME0001"})
    now = datetime.now(UTC)
    proven = through_hub(session_start=now, session_end=now)
    credit, stranger = proven.credited_by(uuid4()), through_hub(id_tag="STRANGER")
    conflict = proven.model_copy(update={"meter_stop": 9000})
    batch = CdrBatch(cdrs=(proven, stranger, credit, proven, conflict))
    answer = await hub.ask("C1", batch, CdrOutcomes)
    told = [one.code if isinstance(one, Refusal) else (one.cdr_id, one.status) for one in answer.outcomes]
    taken, cancelled = (proven.cdr_id, ReceiptStatus.ACCEPTED), (credit.cdr_id, ReceiptStatus.ACCEPTED)
    assert told == [taken, "UnknownToken", cancelled, taken, "CdrConflict"]
    again = await hub.ask("C1", batch, CdrOutcomes)
    assert again == answer, "the same receipts for ever"
    assert len(await list_received(central._settings.database)) == 2
    assert {one.cdr for one in await refused(central._database)} == {stranger, conflict}
    lines = [(line["status"], line["cdr_id"]) for line in logs.named("cdr")[:5]]
    assert [status for status, _ in lines] == ["Accepted", "Refused", "Accepted", "Accepted", "Refused"]
    assert [cdr_id for _, cdr_id in lines] == [str(record.cdr_id) for record in batch.cdrs]


async def test_a_batch_that_cannot_be_taken_as_a_whole_is_not_taken_at_all(start: Start, hub: Hub) -> None:
    central = await start("C1", hub)
    await put_tokens(central._settings.database, [read_token({"idTag": "HOME0001"})])
    good, poison = through_hub(), through_hub(id_tag="home0001")
    fault = (
        "CREATE TRIGGER fault BEFORE INSERT ON received_cdr "
        "WHEN json_extract(new.body, '$.idTag') = 'home0001' BEGIN SELECT raise(ABORT, 'poison'); END"
    )
    await central._database.write(lambda connection: connection.execute(fault))
    with pytest.raises(PeerError, match="InternalError"):
        await hub.ask("C1", CdrBatch(cdrs=(good, poison)), CdrOutcomes)
    assert await list_received(central._settings.database) == []
    assert (await hub.ask("C1", good, CdrReceipt)).cdr_id == good.cdr_id


# --- the worker on its own ----------------------------------------------------------------------------------


class Receiver:
    """Takes CDRs as it is told."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[int] = []
        self.took: list[Cdr] = []

    async def deliver(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
        self.asked.append(len(cdrs))
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.took += cdrs
        return [self.answer(record) for record in cdrs]

    def answer(self, record: Cdr) -> CdrReceipt | Refusal:
        return receipt_for(record)


@asynccontextmanager
async def delivering(
    store: Outbox, *, hub: Receiver | None = None, peers: Receiver | None = None, retry_s: float = 0.01
) -> AsyncIterator[Delivery]:
    """A worker, for a while."""
    delivery = Delivery(
        store=store, hub=hub or Receiver(), peers=peers or Receiver(), retry_s=(retry_s, retry_s)
    )
    work = asyncio.create_task(delivery.run())
    yield delivery
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def put(database: Database, *records: Cdr) -> None:
    def job(connection: sqlite3.Connection) -> None:
        for record in records:
            queue(connection, record, datetime.now(UTC))

    await database.write(job)


async def park(database: Database, *records: Cdr) -> None:
    await Outbox(database).settle(
        [Settled(record.cdr_id, CdrState.PARKED, None, "UnknownToken: not ours") for record in records]
    )


def through_hub(**other: object) -> Cdr:
    return cdr(cdr_id=uuid4(), authorization=Authorization.HUB, home_operator_id=None, **other)


def records(count: int, authorization: Authorization = Authorization.PEER, **other: object) -> list[Cdr]:
    return [cdr(cdr_id=uuid4(), authorization=authorization, **other) for _ in range(count)]


async def test_each_destination_goes_its_own_way(database: Database, logs: LogLines) -> None:
    store = Outbox(database)
    stuck, free = records(1, home_operator_id="C1"), records(1, home_operator_id="C3")
    by_hub = records(1, Authorization.WHITELIST)
    await put(database, *stuck, *free, *by_hub)
    assert set(store.destinations()) == {
        Destination(Route.HUB, None),
        Destination(Route.PEER, "C1"),
        Destination(Route.PEER, "C3"),
    }
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Peers(Receiver):
        async def deliver(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
            if cdrs[0].home_operator_id == "C1":
                await never
            return await super().deliver(cdrs)

    hub, peers = Receiver(), Peers()
    async with delivering(store, hub=hub, peers=peers):
        await told(logs, "cdr", 2)
    assert (peers.took, hub.took) == (free, by_hub)
    assert [sent.state for sent in await store.sent() if sent.cdr in stuck] == [CdrState.QUEUED]


async def test_a_destination_is_tried_until_it_takes(database: Database, logs: LogLines) -> None:
    store = Outbox(database)
    waiting = records(2, home_operator_id="C1")
    await put(database, *waiting)
    peers = Receiver(
        LinkLostError("gone"),
        StoreError("disk full"),
        PeerError("InternalError", "", {}),
        LinkLostError("gone"),
    )
    async with delivering(store, peers=peers):
        await told(logs, "cdr", 2)
    assert (peers.took, peers.asked) == (waiting, [2, 2, 2, 1, 2])
    assert [line["cdr_id"] for line in logs.named("cdr_waits")] == [str(waiting[0].cdr_id)] * 3
    assert {sent.state for sent in await store.sent()} == {CdrState.DELIVERED}
    assert {sent.reason for sent in await store.sent()} == {None}


async def test_the_hub_is_tried_at_once_when_it_is_back(database: Database, logs: LogLines) -> None:
    store = Outbox(database)
    await put(database, *records(1, Authorization.HUB))
    hub = Receiver(LinkLostError("gone"))
    async with delivering(store, hub=hub, retry_s=3600) as delivery:
        await logs.event("cdr_waits")
        delivery.hub_is_back()
        await logs.event("cdr")
    assert len(hub.took) == 1


async def test_a_status_that_was_faster_than_the_receipt_stays(database: Database) -> None:
    store = Outbox(database)
    (record,) = records(1, Authorization.HUB)
    await put(database, record)
    assert await store.note([CdrStatus(cdr_id=record.cdr_id, status=DeliveryStatus.ACCEPTED)]) == [True]
    await store.settle([Settled(record.cdr_id, CdrState.RECEIVED, receipt_for(record), None)])
    assert [sent.state for sent in await store.sent()] == [CdrState.ACCEPTED]
    assert store.destinations() == []


async def test_a_cdr_body_is_never_changed(database: Database) -> None:
    store = Outbox(database)
    (record,) = records(1, session_end=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC))
    await put(database, record)
    ((body, digest),) = database.reader.execute("SELECT body, digest FROM cdr").fetchall()
    (read,) = store.waiting(Destination(Route.PEER, "C1"), 10)
    assert body == record.wire() == read.wire()
    assert digest == read.digest()


async def test_a_credit_never_goes_before_what_it_cancels(database: Database, logs: LogLines) -> None:
    store = Outbox(database)
    (original,) = records(1, home_operator_id="C1")
    credit, (right,) = original.credited_by(uuid4()), records(1, home_operator_id="C1")
    await put(database, original, credit, right)
    fault = PeerError("InternalError", "", {})
    peers = Receiver(fault, fault)
    async with delivering(store, peers=peers):
        await told(logs, "cdr", 3)
    assert (peers.took, peers.asked) == ([right, original, credit], [3, 1, 1, 2])


async def test_a_parked_cdr_goes_again_with_its_credit_in_order(database: Database) -> None:
    store = Outbox(database)
    original, other = records(2, home_operator_id="C1")
    credit = original.credited_by(uuid4())
    await put(database, original, other, credit)
    await park(database, original, other, credit)
    assert await store.resend(str(original.cdr_id)) is CdrState.PARKED
    assert store.waiting(Destination(Route.PEER, "C1"), 10) == [original, credit]


# --- many at once ---------------------------------------------------------------------------------------------


async def states(store: Outbox) -> dict[Cdr, str]:
    return {sent.cdr: sent.state.value for sent in await store.sent()}


async def test_many_go_together_in_their_order(database: Database, logs: LogLines) -> None:
    waiting = records(2 * BATCH + 1, Authorization.WHITELIST)
    await put(database, *waiting)
    hub, revision = Receiver(), database.revision
    async with delivering(Outbox(database), hub=hub):
        lines = await told(logs, "cdr", len(waiting))
    assert (hub.took, hub.asked) == (waiting, [BATCH, BATCH, 1])
    assert database.revision == revision + 3, "a commit for each message"
    assert [line["cdr_id"] for line in lines] == [str(record.cdr_id) for record in waiting]
    assert set((await states(Outbox(database))).values()) == {"Received"}


async def test_of_a_batch_each_gets_its_own_outcome(database: Database, logs: LogLines) -> None:
    store = Outbox(database)
    good, unknown, confused, last = waiting = records(4, home_operator_id="C1")
    await put(database, *waiting)

    class Peers(Receiver):
        def answer(self, record: Cdr) -> CdrReceipt | Refusal:
            if record == unknown:
                return Refusal(code="UnknownToken", detail="not ours")
            return receipt_for(good if record == confused else record, ReceiptStatus.ACCEPTED)

    async with delivering(store, peers=Peers()):
        await told(logs, "cdr", 4)
    assert await states(store) == {good: "Accepted", unknown: "Parked", confused: "Parked", last: "Accepted"}
    assert {sent.cdr: (sent.reason or "").partition(":")[0] for sent in await store.sent()} == {
        good: "",
        unknown: "UnknownToken",
        confused: "WrongReceipt",
        last: "",
    }
    assert store.destinations() == []


@pytest.mark.parametrize(
    "error",
    [
        RoamingRefused("UnknownMessageId", "what is that?"),
        PeerError("InternalError", "", {}),
        BadResultError("1 outcome of 3 CDRs"),
        CallTimeoutError("DataTransfer", sent=True),
    ],
)
async def test_a_batch_without_an_answer_goes_one_by_one_and_the_next_together(
    database: Database, logs: LogLines, error: Exception
) -> None:
    waiting = records(3, home_operator_id="C1")
    await put(database, *waiting)
    peers = Receiver(error)
    async with delivering(Outbox(database), peers=peers) as delivery:
        await told(logs, "cdr", 3)
        more = records(2, home_operator_id="C1")
        await put(database, *more)
        delivery.wake()
        await told(logs, "cdr", 5)
    assert (peers.took, peers.asked) == ([*waiting, *more], [3, 1, 1, 1, 2])
    assert str(error) in (await logs.event("batch_not_taken"))["because"]
    assert logs.named("cdr_waits") == []


async def test_a_poisoned_cdr_holds_up_its_credit_only(database: Database, logs: LogLines) -> None:
    store = Outbox(database)
    (poison,) = records(1, Authorization.HUB)
    credit, behind = poison.credited_by(uuid4()), records(2 * BATCH, Authorization.HUB)
    await put(database, poison, *behind[:BATCH], credit, *behind[BATCH:])
    healed = False

    class Hub(Receiver):
        async def deliver(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
            if poison in cdrs and not healed:
                self.asked.append(len(cdrs))
                raise PeerError("InternalError", "", {})
            return await super().deliver(cdrs)

    hub = Hub()
    async with delivering(store, hub=hub, retry_s=3600) as delivery:
        await told(logs, "cdr", len(behind))
        assert hub.took == behind
        # the batch that it is in fails, and is taken apart; those behind go together again
        assert hub.asked == [BATCH, *[1] * BATCH, BATCH - 1, 2]
        assert {record: state for record, state in (await states(store)).items() if state == "Queued"} == {
            poison: "Queued",
            credit: "Queued",
        }
        healed = True
        delivery.hub_is_back()
        await told(logs, "cdr", len(behind) + 2)
    assert hub.took == [*behind, poison, credit]


async def test_what_was_delivered_and_not_written_down_is_delivered_again(
    database: Database, logs: LogLines
) -> None:
    store, waiting = Outbox(database), records(3, home_operator_id="C1")
    await put(database, *waiting)

    class Peers(Receiver):
        async def deliver(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
            database._writer.execute(f"PRAGMA query_only={'OFF' if self.took else 'ON'}")
            return await super().deliver(cdrs)

    peers = Peers()
    async with delivering(store, peers=peers):
        assert "did not take a write" in (await logs.event("cdr_waits"))["because"]
        await told(logs, "cdr", 3)
    assert peers.took == [*waiting, *waiting]
    assert set((await states(store)).values()) == {"Delivered"}


async def test_a_fault_of_ours_stops_one_destination_and_that_for_a_while_only(
    database: Database, logs: LogLines
) -> None:
    one, other = records(2, home_operator_id="C1"), records(1, Authorization.HUB)
    await put(database, *one, *other)
    peers, hub = Receiver(TypeError("a bug"), TypeError("a bug")), Receiver()
    async with delivering(Outbox(database), hub=hub, peers=peers):
        await told(logs, "cdr", 3)
    assert (peers.took, hub.took) == (one, other)
    assert [line["operator"] for line in logs.named("delivery_failed")] == ["C1", "C1"]
    assert all(line["exc_info"] for line in logs.named("delivery_failed"))


class Moods(Receiver):
    """Answers each message in one of these ways, then well; one CDR it cannot answer for so many times."""

    def __init__(self, moods: list[str], poison: Cdr, faults: int) -> None:
        super().__init__()
        self.moods = moods
        self.poison = poison
        self.faults = faults

    async def deliver(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
        mood = self.moods.pop(0) if self.moods else "well"
        if mood == "lost":
            raise LinkLostError("gone")
        if mood == "unknown" and len(cdrs) > 1:
            raise RoamingRefused("UnknownMessageId", "what is that?")
        if self.faults and self.poison in cdrs:
            self.faults -= 1
            raise PeerError("InternalError", "", {})
        receipts = await super().deliver(cdrs)
        if mood == "mute":
            raise CallTimeoutError("DataTransfer", sent=True)
        return receipts


@limits(max_examples=50)
@given(
    st.lists(st.sampled_from(["well", "lost", "unknown", "mute"]), max_size=12),
    st.integers(0, 5),
    st.integers(0, 4),
    st.sets(st.integers(0, 5)),
)
def test_whatever_the_receiver_does_all_comes_and_credits_come_after(
    moods: list[str], poison: int, faults: int, cancelled: set[int]
) -> None:
    originals = records(6, Authorization.HUB)
    credits_ = [originals[number].credited_by(uuid4()) for number in sorted(cancelled)]

    async def deliver(path: Path) -> tuple[list[Cdr], dict[Cdr, str]]:
        database = open_database(path)
        store, hub = Outbox(database), Moods(moods, originals[poison], faults)
        await put(database, *originals, *credits_)
        async with delivering(store, hub=hub, retry_s=0), asyncio.timeout(10):
            while store.destinations():
                await database.write(lambda connection: connection.total_changes)
        found = await states(store)
        await database.close()
        return hub.took, found

    with tempfile.TemporaryDirectory() as folder:
        took, found = asyncio.run(deliver(Path(folder) / "central.sqlite"))
    assert found == dict.fromkeys([*originals, *credits_], "Received")
    for credit, number in zip(credits_, sorted(cancelled), strict=True):
        assert took.index(originals[number]) < took.index(credit)
    firsts = list(dict.fromkeys(record for record in took if record != originals[poison]))
    expected = [record for record in originals if record != originals[poison]]
    assert [record for record in firsts if record in originals] == expected


async def test_the_outbox_is_never_read_from_end_to_end(database: Database) -> None:
    store, asked = Outbox(database), list[str]()
    await put(database, *records(3, home_operator_id="C1"), *records(3, Authorization.HUB))
    database.reader.set_trace_callback(asked.append)
    assert len(store.destinations()) == 2
    assert len(store.waiting(Destination(Route.PEER, "C1"), 2)) == 2
    database.reader.set_trace_callback(None)
    plans = [row[3] for query in asked for row in database.reader.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert [step for step in plans if step.startswith(("SCAN outbox", "SCAN cdr", "USE TEMP"))] == []


async def test_an_outbox_of_an_older_version_goes_where_it_did(tmp_path: Path) -> None:
    path, kept = tmp_path / "older.sqlite", [*records(1, home_operator_id="C3"), *records(1, Authorization.HUB)]
    older = Database.open(path, application_id=APPLICATION_ID, migrations=MIGRATIONS[:4])
    columns = "cdr_id, body, digest, route, home_operator_id, status, queued_at"
    rows = [
        (str(one.cdr_id), one.wire(), one.digest(), Route.of(one), one.home_operator_id, "Queued", "")
        for one in kept
    ]

    def fill(connection: sqlite3.Connection) -> None:
        connection.executemany(f"INSERT INTO cdr ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO outbox (cdr_id) VALUES (?)", [row[:1] for row in rows])

    await older.write(fill)
    await older.close()
    database = open_database(path)
    store = Outbox(database)
    to_hub, to_peer = Destination(Route.HUB, None), Destination(Route.PEER, "C3")
    assert store.destinations() == [to_hub, to_peer]
    assert [store.waiting(to_peer, 10), store.waiting(to_hub, 10)] == [kept[:1], kept[1:]]
    await database.close()
