import asyncio
from uuid import uuid4

import pytest

from cascade.errors import InternalFaultError, RoamingRefused
from cascade.roaming.cdrs import (
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
from cascade.roaming.model import Refusal, RoamingModel
from cascade.roaming.tokens import Token
from nap import forwarding
from nap.records import CdrState, StoredCdr
from nap.store.sqlite import SqliteStore
from tests.conftest import LogLines
from tests.nap.actors import NOW, Partner, World, cdr, receipt


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "RETRY_S", 0.01)


@pytest.fixture
async def home(world: World) -> Partner:
    """C1, whose token is AB1."""
    partner = await world.link("C1")
    await partner.publish(Token(id_tag="AB1"))
    return partner


@pytest.fixture
async def visited(world: World) -> Partner:
    return await world.link("C2")


def custody(world: World) -> list[StoredCdr]:
    """The oldest first."""
    return world.app.store.cdrs.find(state=None, operator_id=None, limit=100)[::-1]


async def test_a_cdr_goes_home_as_it_came_and_its_sender_is_told(
    world: World, home: Partner, visited: Partner, logs: LogLines
) -> None:
    message = cdr()
    await visited.send(message)
    delivered = await home.next(Cdr)
    assert delivered == message
    assert delivered.wire() == message.wire()
    assert await visited.next(CdrStatus) == CdrStatus(cdr_id=message.cdr_id, status=DeliveryStatus.ACCEPTED)
    assert custody(world)[0].state is CdrState.ACCEPTED
    stages = [line["stage"] for line in logs.named("cdr")]
    assert stages == ["received", "accepted"]
    assert logs.named("cdr")[-1]["home_ms"] > 0


async def test_a_receipt_without_a_match_is_told_as_delivered(
    world: World, home: Partner, visited: Partner
) -> None:
    async def only_store(message: Cdr) -> CdrReceipt:
        return receipt(message, ReceiptStatus.RECEIVED)

    home.answers[Cdr] = only_store
    await visited.send(cdr())
    assert (await visited.next(CdrStatus)).status is DeliveryStatus.DELIVERED
    assert custody(world)[0].state is CdrState.DELIVERED


async def test_cdrs_wait_for_home_and_come_in_order_at_its_next_link(
    world: World, home: Partner, visited: Partner
) -> None:
    await world.unlink(home)
    sent = [cdr(transaction_id=number) for number in range(5)]
    for message in sent:
        assert (await visited.send(message)).status is ReceiptStatus.RECEIVED
    assert [stored.state for stored in custody(world)] == [CdrState.QUEUED] * 5
    back = Partner("C1")
    await world.relink(back)
    assert [await back.next(Cdr) for _ in sent] == sent
    told = [(await visited.next(CdrStatus)).cdr_id for _ in sent]
    assert told == [message.cdr_id for message in sent]


async def test_a_hub_that_was_restarted_delivers_what_it_had_in_custody(
    world: World, home: Partner, visited: Partner
) -> None:
    await world.unlink(home)
    message = cdr()
    await visited.send(message)
    await world.stop()
    await world.start()
    back, visited_again = Partner("C1"), Partner("C2")
    await world.relink(visited_again)
    await world.relink(back)
    assert await back.next(Cdr) == message
    assert (await visited_again.next(CdrStatus)).cdr_id == message.cdr_id


async def test_a_rejected_cdr_is_parked_with_its_reason_and_can_be_offered_again(
    world: World, home: Partner, visited: Partner
) -> None:
    async def reject(_: Cdr) -> RoamingModel:
        raise RoamingRefused("NoSuchSession", "we know of no such authorization")

    home.answers[Cdr] = reject
    message = cdr()
    await visited.send(message)
    status = await visited.next(CdrStatus)
    reason = "NoSuchSession: we know of no such authorization"
    assert (status.status, status.reason) == (DeliveryStatus.REJECTED, reason)
    (stored,) = custody(world)
    assert (stored.state, stored.reason) == (CdrState.REJECTED, reason)

    async def take(offered: Cdr) -> RoamingModel:
        return receipt(offered)

    home.answers[Cdr] = take
    command_line = await SqliteStore.open(world.settings.database, NOW)
    assert await command_line.cdrs.requeue(message.cdr_id)
    await command_line.close()
    assert (await visited.next(CdrStatus)).status is DeliveryStatus.ACCEPTED
    (stored,) = custody(world)
    assert (stored.state, stored.reason) == (CdrState.ACCEPTED, None)


async def test_a_long_reason_is_kept_whole_and_told_short(
    world: World, home: Partner, visited: Partner
) -> None:
    async def reject(_: Cdr) -> RoamingModel:
        raise RoamingRefused("Long", "x" * 1000)

    home.answers[Cdr] = reject
    await visited.send(cdr())
    assert len((await visited.next(CdrStatus)).reason or "") == 500
    assert custody(world)[0].reason == "Long: " + "x" * 1000


async def test_a_receipt_for_something_else_is_no_receipt(home: Partner, visited: Partner) -> None:
    async def mistake(message: Cdr) -> CdrReceipt:
        return receipt(message).model_copy(update={"digest": "0" * 64})

    home.answers[Cdr] = mistake
    await visited.send(cdr())
    status = await visited.next(CdrStatus)
    assert status.status is DeliveryStatus.REJECTED
    assert (status.reason or "").startswith("BadReceipt")


async def test_one_that_is_rejected_does_not_hold_up_the_next(home: Partner, visited: Partner) -> None:
    async def take_some(message: Cdr) -> CdrReceipt:
        if message.transaction_id == 1:
            raise RoamingRefused("No", "not this one")
        return receipt(message)

    home.answers[Cdr] = take_some
    for number in range(3):
        await visited.send(cdr(transaction_id=number))
    told = [(await visited.next(CdrStatus)).status for _ in range(3)]
    assert told == [DeliveryStatus.ACCEPTED, DeliveryStatus.REJECTED, DeliveryStatus.ACCEPTED]


async def test_a_sender_that_was_away_is_told_at_its_next_link(
    world: World, home: Partner, visited: Partner, logs: LogLines
) -> None:
    may_take = asyncio.Event()

    async def take_later(message: Cdr) -> CdrReceipt:
        await may_take.wait()
        return receipt(message)

    home.answers[Cdr] = take_later
    message = cdr()
    await visited.send(message)
    await home.next(Cdr)
    await world.unlink(visited)
    may_take.set()
    home.answers[Cdr] = _take
    third = await world.link("C3")
    await third.send(cdr("C3"))
    await third.next(CdrStatus)  # home has taken both, in order
    back = Partner("C2")
    await world.relink(back)
    assert (await back.next(CdrStatus)).cdr_id == message.cdr_id
    assert [line["visited"] for line in logs.named("cdr") if line["stage"] == "accepted"] == ["C2", "C3"]


async def _take(message: Cdr) -> CdrReceipt:
    return receipt(message)


async def _note(_: CdrStatus) -> Noted:
    return Noted()


@pytest.mark.usefixtures("soon")
async def test_home_that_fails_gets_it_again_and_nothing_is_lost(
    world: World, home: Partner, visited: Partner, logs: LogLines
) -> None:
    offered = 0

    async def fail_first(message: Cdr) -> CdrReceipt:
        nonlocal offered
        offered += 1
        if offered < 3:
            raise InternalFaultError("not now")
        return receipt(message)

    home.answers[Cdr] = fail_first
    await visited.send(cdr())
    assert (await visited.next(CdrStatus)).status is DeliveryStatus.ACCEPTED
    assert offered == 3
    assert [line["operator"] for line in logs.named("courier_rests")] == ["C1", "C1"]
    assert custody(world)[0].state is CdrState.ACCEPTED


@pytest.mark.usefixtures("soon")
async def test_an_outcome_that_the_store_does_not_take_is_asked_for_again(
    world: World, home: Partner, visited: Partner, logs: LogLines
) -> None:
    async def take_and_break(message: Cdr) -> CdrReceipt:
        world.refuse_writes()
        return receipt(message)

    home.answers[Cdr] = take_and_break
    message = cdr()
    await visited.send(message)
    rests = await logs.event("courier_rests")
    assert "did not take a write" in rests["because"]
    home.answers[Cdr] = _take
    world.take_writes()
    assert (await visited.next(CdrStatus)).status is DeliveryStatus.ACCEPTED
    assert (await home.next(Cdr), await home.next(Cdr)) == (message, message)


async def test_home_that_hangs_up_gets_it_at_its_next_link(
    world: World, home: Partner, visited: Partner, logs: LogLines
) -> None:
    async def hang_up(message: Cdr) -> CdrReceipt:
        await home.link.close()
        return receipt(message)

    home.answers[Cdr] = hang_up
    message = cdr()
    await visited.send(message)
    await logs.event("courier_rests")
    await logs.event("operator_gone")
    assert custody(world)[0].state is CdrState.QUEUED
    back = Partner("C1")
    await world.relink(back)
    assert await back.next(Cdr) == message


async def test_a_sender_that_refuses_the_news_is_not_told_again(
    world: World, home: Partner, visited: Partner, logs: LogLines
) -> None:
    async def refuse(_: CdrStatus) -> Noted:
        raise RoamingRefused("NoSuchCdr", "we never sent it")

    visited.answers[CdrStatus] = refuse
    await visited.send(cdr())
    assert (await logs.event("cdr_status_refused"))["visited"] == "C2"
    await world.app.store.operators.change("C3")  # writes are done in order
    assert world.app.store.cdrs.untold("C2", 10) == []
    assert len(home.asked) == 1


async def test_a_stop_in_the_middle_of_a_delivery_loses_nothing(
    world: World, home: Partner, visited: Partner
) -> None:
    never = asyncio.Event()

    async def be_silent(message: Cdr) -> CdrReceipt:
        await never.wait()
        return receipt(message)

    home.answers[Cdr] = be_silent
    message = cdr()
    await visited.send(message)
    await home.next(Cdr)
    await world.stop()
    never.set()
    await world.start()
    assert custody(world)[0].state is CdrState.QUEUED
    back = Partner("C1")
    await world.relink(back)
    assert await back.next(Cdr) == message


async def test_a_link_that_takes_over_gets_it_at_once(
    world: World, home: Partner, visited: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "RETRY_S", 600.0)
    never = asyncio.Event()

    async def be_silent(message: Cdr) -> CdrReceipt:
        await never.wait()
        return receipt(message)

    home.answers[Cdr] = be_silent
    message = cdr()
    await visited.send(message)
    await home.next(Cdr)
    newer = Partner("C1")
    await world.relink(newer)
    assert await newer.next(Cdr) == message
    assert (await visited.next(CdrStatus)).status is DeliveryStatus.ACCEPTED
    never.set()


async def test_a_hub_stops_while_a_courier_rests(
    world: World, home: Partner, visited: Partner, logs: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "RETRY_S", 600.0)

    async def fail(_: Cdr) -> CdrReceipt:
        raise InternalFaultError("not now")

    home.answers[Cdr] = fail
    await visited.send(cdr())
    await logs.event("courier_rests")
    async with asyncio.timeout(30):
        await world.stop()
    await world.start()
    assert custody(world)[0].state is CdrState.QUEUED


# --- many at once -------------------------------------------------------------------------------------------


async def away(world: World, home: Partner, visited: Partner, *messages: Cdr) -> list[Cdr]:
    """CDRs that have come while home was away."""
    await world.unlink(home)
    for message in messages:
        await visited.send(message)
    return list(messages)


async def test_what_has_waited_goes_home_together_and_is_told_together(
    world: World, home: Partner, logs: LogLines
) -> None:
    visited = await world.link("C2", takes_batches=True)
    sent = await away(world, home, visited, *(cdr(transaction_id=number) for number in range(5)))
    back = Partner("C1", takes_batches=True)
    await world.relink(back)
    assert list((await back.next(CdrBatch)).cdrs) == sent
    told = await visited.next(CdrStatusBatch)
    assert [status.cdr_id for status in told.statuses] == [message.cdr_id for message in sent]
    assert {stored.state for stored in custody(world)} == {CdrState.ACCEPTED}
    assert [line["together"] for line in logs.named("cdr") if line["stage"] == "accepted"] == [5] * 5


async def test_of_many_one_that_is_rejected_is_parked_and_the_others_are_not(
    world: World, home: Partner
) -> None:
    visited = await world.link("C2", takes_batches=True)
    first, second, third = await away(world, home, visited, cdr(), cdr(), cdr())

    async def reject_one(batch: CdrBatch) -> CdrOutcomes:
        wrong = receipt(third).model_copy(update={"digest": "0" * 64})
        assert batch.cdrs == (first, second, third)
        return CdrOutcomes(outcomes=(receipt(first), Refusal(code="No", detail="not this one"), wrong))

    back = Partner("C1", takes_batches=True)
    back.answers[CdrBatch] = reject_one
    await world.relink(back)
    told = await visited.next(CdrStatusBatch)
    assert [status.status.value for status in told.statuses] == ["Accepted", "Rejected", "Rejected"]
    assert [stored.reason for stored in custody(world)][:2] == [None, "No: not this one"]
    assert (custody(world)[2].reason or "").startswith("BadReceipt")


@pytest.mark.parametrize("answer", ["too few", "an error", "a refusal"])
async def test_many_that_are_not_answered_as_many_go_one_by_one(
    world: World, home: Partner, visited: Partner, answer: str
) -> None:
    sent = await away(world, home, visited, cdr(), cdr(), cdr())

    async def fail(_: CdrBatch) -> CdrOutcomes:
        if answer == "an error":
            raise InternalFaultError("one of them is poison")
        if answer == "a refusal":
            raise RoamingRefused("BadRequest", "a field that this version does not know")
        return CdrOutcomes(outcomes=(receipt(sent[0]),))

    back = Partner("C1", takes_batches=True)
    back.answers[CdrBatch] = fail
    await world.relink(back)
    assert [await back.next(Cdr) for _ in sent] == sent
    for _ in sent:
        assert (await visited.next(CdrStatus)).status is DeliveryStatus.ACCEPTED


@pytest.mark.usefixtures("soon")
async def test_a_cdr_that_home_cannot_answer_for_holds_up_its_credit_only(
    world: World, home: Partner, visited: Partner, logs: LogLines
) -> None:
    poison, other = cdr(transaction_id=1), cdr(transaction_id=2)
    credit = poison.credited_by(uuid4())
    await away(world, home, visited, poison, credit, other)
    well = asyncio.Event()

    async def choke(message: Cdr) -> CdrReceipt:
        if message == poison and not well.is_set():
            raise InternalFaultError("cannot read it")
        return receipt(message)

    back = Partner("C1")
    back.answers[Cdr] = choke
    await world.relink(back)
    assert (await visited.next(CdrStatus)).cdr_id == other.cdr_id
    assert (await logs.event("cdr_waits"))["cdr_id"] == str(poison.cdr_id)
    await logs.event("courier_rests")
    well.set()
    told = [(await visited.next(CdrStatus)).cdr_id for _ in range(2)]
    assert told == [poison.cdr_id, credit.cdr_id]


async def test_a_credit_waits_for_what_it_cancels_also_if_others_go_together(
    world: World, home: Partner, visited: Partner, logs: LogLines
) -> None:
    poison, other = cdr(transaction_id=1), cdr(transaction_id=2)
    credit, further = poison.credited_by(uuid4()), cdr(transaction_id=3)
    await away(world, home, visited, poison, other)
    came, may_answer, is_cured = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def choke(message: Cdr) -> CdrReceipt:
        if message == poison and not is_cured.is_set():
            raise InternalFaultError("cannot read it")
        if message == other:
            came.set()
            await may_answer.wait()
        return receipt(message)

    async def choke_together(batch: CdrBatch) -> CdrOutcomes:
        return CdrOutcomes(outcomes=tuple([await choke(message) for message in batch.cdrs]))

    back = Partner("C1", takes_batches=True)
    back.answers |= {Cdr: choke, CdrBatch: choke_together}
    await world.relink(back)
    await came.wait()  # alone, as the poison was not answered for
    await visited.send(credit)
    await visited.send(further)
    may_answer.set()
    await logs.event("courier_rests")
    assert [stored.state for stored in custody(world)] == [
        CdrState.QUEUED,
        CdrState.ACCEPTED,
        CdrState.QUEUED,
        CdrState.ACCEPTED,
    ]


async def test_another_cdr_does_not_disturb_a_courier_that_rests_and_a_new_link_does(
    world: World, home: Partner, visited: Partner, logs: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "RETRY_S", 600.0)

    async def choke(_: Cdr) -> CdrReceipt:
        raise InternalFaultError("not now")

    home.answers[Cdr] = choke
    first, second = cdr(transaction_id=1), cdr(transaction_id=2)
    await visited.send(first)
    await home.next(Cdr)
    await logs.event("courier_rests")
    await visited.send(second)
    await visited.settle()
    await home.settle()
    assert [call.action for call in home.asked] == ["DataTransfer"]
    newer = Partner("C1")
    await world.relink(newer)
    assert [await newer.next(Cdr), await newer.next(Cdr)] == [first, second]


@pytest.mark.usefixtures("soon")
async def test_a_sender_that_cannot_be_told_gets_its_own_cdrs_all_the_same(
    home: Partner, visited: Partner, logs: LogLines
) -> None:
    async def choke(_: CdrStatus) -> Noted:
        raise InternalFaultError("not now")

    visited.answers[CdrStatus] = choke
    await visited.publish(Token(id_tag="CD1"))
    await visited.send(cdr())
    await logs.event("cdr_status_waits")
    await home.send(cdr("C1", "CD1"))
    assert (await visited.next(Cdr)).id_tag == "CD1"
    visited.answers[CdrStatus] = _note
    await logs.event("courier_rests")
    assert (await home.next(CdrStatus)).status is DeliveryStatus.ACCEPTED


@pytest.mark.usefixtures("soon", "home")
async def test_a_courier_survives_a_fault_of_the_hub(
    visited: Partner, logs: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = cdr()
    with monkeypatch.context() as broken:
        broken.setattr(forwarding, "_outcome", None)
        await visited.send(message)
        await logs.event("courier_failed")
    assert (await visited.next(CdrStatus)).cdr_id == message.cdr_id
