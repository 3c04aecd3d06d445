import asyncio

import pytest

from cascade.errors import InternalFaultError, RoamingRefused
from cascade.roaming.cdrs import Cdr, CdrReceipt, CdrStatus, DeliveryStatus, Noted, ReceiptStatus
from cascade.roaming.model import RoamingModel
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
