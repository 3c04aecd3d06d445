import asyncio

import pytest

from cascade.errors import LinkLostError
from cascade.frames import Call, Payload
from cascade.roaming.cdrs import Cdr, CdrReceipt
from nap.bus.local import LocalBus
from nap.bus.port import Bus
from tests.nap.actors import World, cdr


async def test_nobody_is_linked_at_first() -> None:
    bus: Bus = LocalBus()
    assert not bus.linked("C1")
    with pytest.raises(LinkLostError, match="C1 is not linked"):
        await bus.call("C1", "Authorize", {"idTag": "AB1"})
    with pytest.raises(LinkLostError, match="C1 is not linked"):
        await bus.ask("C1", cdr(), CdrReceipt)


async def test_a_call_reaches_the_operator_and_nobody_else(world: World) -> None:
    first, second = await world.link("C1"), await world.link("C2")
    bus = world.app._bus
    assert set(bus.links()) == {"C1", "C2"}
    assert await bus.call("C1", "Authorize", {"idTag": "AB1"}) == {"idTagInfo": {"status": "Accepted"}}
    message = cdr()
    assert (await bus.ask("C1", message, CdrReceipt)).cdr_id == message.cdr_id
    assert await first.next(Cdr) == message
    assert [asked.action for asked in first.asked] == ["Authorize", "DataTransfer"]
    await second.settle()
    assert second.asked == []


async def test_a_call_may_be_given_a_time_of_its_own(world: World) -> None:
    partner = await world.link("C1")
    never = asyncio.Event()

    async def be_silent(_: Call) -> Payload:
        await never.wait()
        return {}

    partner.authorize = be_silent
    with pytest.raises(Exception, match="no answer in time"):
        await world.app._bus.call("C1", "Authorize", {"idTag": "AB1"}, timeout_s=0.05)
    never.set()


async def test_the_newest_link_counts_and_the_older_one_goes_unnoticed(world: World) -> None:
    await world.link("C1")
    bus = LocalBus()
    first = world.app._bus.links()["C1"]
    await world.link("C2")
    second = world.app._bus.links()["C2"]
    assert bus.attach("X", first) is None
    assert bus.attach("X", second) is first
    assert not bus.detach("X", first)
    assert bus.linked("X")
    assert bus.detach("X", second)
    assert not bus.linked("X")
    assert not bus.detach("X", second)


async def test_what_links_gives_is_a_copy(world: World) -> None:
    await world.link("C1")
    world.app._bus.links().clear()
    assert world.app._bus.linked("C1")
