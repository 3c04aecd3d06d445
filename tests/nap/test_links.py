"""Links of operators that are taken over, stop reading, or hang, while others go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from cascade.client import basic
from cascade.frames import Call, Payload
from cascade.link import TAKEN_OVER, Link
from cascade.roaming.cdrs import Cdr, CdrReceipt, CdrStatus, DeliveryStatus, ReceiptStatus
from cascade.roaming.data_transfer import request
from cascade.roaming.tokens import PublishTokens, PullWhitelist, Token
from tests.bare import Bare
from tests.conftest import LogLines
from tests.faults.processes.network import FaultyProxy
from tests.nap.actors import SECRET, Partner, World, cdr, receipt
from tests.nap.conftest import StartHub


def port(world: World) -> int:
    found = urlsplit(world.app.url).port
    assert found is not None
    return found


@pytest.fixture
async def bare() -> AsyncIterator[Callable[[World, str], Awaitable[Bare]]]:
    """Links operators that do nothing by themselves."""
    async with AsyncExitStack() as stack:

        async def link(world: World, operator_id: str) -> Bare:
            await world.enter(operator_id)
            authorization = basic(operator_id, SECRET)
            return await stack.enter_async_context(Bare(port(world), operator_id, authorization=authorization))

        yield link


MakeBare = Callable[[World, str], Awaitable[Bare]]


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[FaultyProxy]:
    """A network to the hub that can be broken."""
    between = FaultyProxy(port(world))
    await between.start()
    yield between
    await between.stop()


class Home:
    """How a home operator answers Authorize and Cdr: when it may, if ever."""

    def __init__(self, partner: Partner, status: str) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self._status = status
        partner.authorize = self._authorize
        partner.answers[Cdr] = self._take

    async def _wait(self) -> None:
        self.asked.set()
        await self.may_answer.wait()

    async def _authorize(self, _: Call) -> Payload:
        await self._wait()
        return {"idTagInfo": {"status": self._status}}

    async def _take(self, message: Cdr) -> CdrReceipt:
        await self._wait()
        return receipt(message, ReceiptStatus(self._status))


# --- taking over --------------------------------------------------------------------------------------------


async def test_what_was_asked_on_the_old_link_of_home_is_not_answered_by_it(world: World) -> None:
    before, visited = await world.link("C1"), await world.link("C2")
    await before.claim("AB")
    old = Home(before, "Accepted")
    asking = asyncio.create_task(visited.status_of("AB1"))
    await old.asked.wait()
    now = await world.link("C1")
    async with asyncio.timeout(5):
        assert await asking == "Invalid"  # at once, and not when the call's time is up
    old.may_answer.set()
    Home(now, "Blocked").may_answer.set()
    assert await visited.status_of("AB1") == "Blocked"
    await before.gone
    assert before.connection.close_code == TAKEN_OVER


async def test_a_link_of_which_the_network_is_gone_is_taken_over_all_the_same(
    world: World, proxy: FaultyProxy
) -> None:
    visited = await world.link("C2")
    await world.enter("C1")
    before = Partner("C1")
    await before.dial(f"ws://127.0.0.1:{proxy.port}/ocpp")
    world.partners.append(before)
    await before.claim("AB")
    proxy.stall()  # no FIN, no RST: to the hub it looks as alive as ever
    asking = asyncio.create_task(visited.status_of("AB1"))
    await visited.settle()
    now = await world.link("C1")
    Home(now, "Blocked").may_answer.set()
    async with asyncio.timeout(5):
        assert await asking == "Invalid"
        assert await visited.status_of("AB1") == "Blocked"
    proxy.flow()  # what the old one has answered meanwhile comes too late
    await visited.settle()
    assert await visited.status_of("AB1") == "Blocked"


async def test_the_old_link_is_closed_soon_though_its_peer_does_not_close(world: World, bare: MakeBare) -> None:
    old = await bare(world, "C1")
    now = await world.link("C1")
    assert TAKEN_OVER.to_bytes(2) in await old.read()
    await now.settle()


async def test_what_comes_on_the_old_link_has_no_effect(world: World, bare: MakeBare) -> None:
    visited = await world.link("C2")
    old = await bare(world, "C1")
    now = await world.link("C1")
    published = await now.publish(Token(id_tag="AB1"))
    stale = PublishTokens(
        full=False, base_version=published.version, tokens=(Token(id_tag="AB1", deleted=True),)
    )
    await old.say(2, "1", "DataTransfer", request(stale))
    await old.say(2, "2", "DataTransfer", request(PullWhitelist(epoch=0, version=0)))
    await old.read()
    assert await visited.status_of("AB1") == "Accepted"
    assert "C1" not in world.app._distribution._replicas


async def test_a_cdr_on_its_way_home_goes_to_the_newest_link(world: World) -> None:
    before, visited = await world.link("C1"), await world.link("C2")
    await before.publish(Token(id_tag="AB1"))
    old = Home(before, "Accepted")
    bill = cdr()
    await visited.send(bill)
    await old.asked.wait()
    now = Partner("C1")
    new = Home(now, "Received")
    await world.relink(now)
    old.may_answer.set()
    async with asyncio.timeout(5):
        await new.asked.wait()
    assert world.app.store.cdrs.queued("C1", 10)[0].cdr.cdr_id == bill.cdr_id
    new.may_answer.set()
    told = await visited.next(CdrStatus)
    assert (told.cdr_id, told.status) == (bill.cdr_id, DeliveryStatus.DELIVERED)


# --- operators that hang ------------------------------------------------------------------------------------


async def authorizations(world: World, _: Bare) -> asyncio.Task[Any]:
    visited = await world.link("C2")
    return asyncio.create_task(visited.status_of("HH1"))


async def whitelist_changes(world: World, deaf: Bare) -> asyncio.Task[Any]:
    home = await world.link("C3")
    await deaf.say(2, "1", "DataTransfer", request(PullWhitelist(epoch=0, version=0)))
    async with asyncio.timeout(10):
        while "HH" not in world.app._distribution._replicas:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)

    async def publish() -> None:
        version = 0
        for _ in range(20):
            tokens = [Token(id_tag=f"CD{version}-{number}", parent_id_tag="x" * 20) for number in range(500)]
            version = (await home.publish(*tokens, base_version=version, more=True)).version

    return asyncio.create_task(publish())


async def cdrs(world: World, _: Bare) -> asyncio.Task[Any]:
    visited = await world.link("C2")
    bills = [cdr(id_tag="HH1", charge_point_id="x" * 200) for _ in range(200)]
    return asyncio.create_task(asyncio.wait([asyncio.create_task(visited.send(bill)) for bill in bills]))


@pytest.mark.parametrize("pressing", [authorizations, whitelist_changes, cdrs])
async def test_an_operator_that_does_not_read_is_cut_off_and_the_others_do_not_notice(
    start_hub: StartHub,
    bare: MakeBare,
    logs: LogLines,
    pressing: Callable[[World, Bare], Awaitable[asyncio.Task[Any]]],
) -> None:
    world = await start_hub(send_timeout_s=0.5, call_timeout_s=60)
    well = [await world.link(name) for name in ("C4", "C5")]
    await well[0].claim("XY")
    deaf = await bare(world, "HH")
    await world.app.store.endpoints.publish("HH", None, ("HH",), lambda *_: ("HH",), lambda granted: granted)
    (link,) = [link for name, link in world.app._bus.links().items() if name == "HH"]
    pressed = await pressing(world, deaf)
    answered = 0
    async with asyncio.timeout(20):
        while not link.lost:
            assert await well[1].status_of("XY1") == "Accepted"
            answered += 1
            assert kept_for(link) < 1_000_000
        await pressed
    assert answered
    assert [line["peer"] for line in logs.named("link_cut")] == ["HH"]
    assert {line["operator"] for line in logs.named("operator_gone")} == {"HH"}


def kept_for(link: Link) -> int:
    """Bytes that wait for a peer in the process."""
    return link._connection.transport.get_write_buffer_size() + len(link._ledger) * 1000
