"""Chargers that hang, while others go on."""

import asyncio
from collections.abc import Awaitable, Callable

from cascade.errors import LinkLostError
from cascade.link import LinkLimits
from cascade.ocpp16 import SUBPROTOCOL
from tests.bare import Bare
from tests.conftest import LogLines
from tests.cpo_central.actors import BOOT, Charger
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]


async def test_a_charger_that_does_not_read_is_cut_off_and_no_other_notices(
    start: Start, charger: Connect, logs: LogLines
) -> None:
    central = await start()
    well = await charger(central, "CP-1")
    central.chargers._limits = LinkLimits(send_timeout_s=0.5, call_timeout_s=60)
    async with Bare(central.port, "CP-2", subprotocol=SUBPROTOCOL) as deaf:
        await deaf.say(2, "1", "BootNotification", BOOT)
        async with asyncio.timeout(10):
            while not (known := central.charge_points.get("CP-2")) or known.boot is None:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        asking = [
            asyncio.create_task(central.chargers.call("CP-2", "GetConfiguration", {"key": ["x" * 50] * 50}))
            for _ in range(50)
        ]
        async with asyncio.timeout(20):
            while not all(asked.done() for asked in asking):
                assert (await well.link.call("Heartbeat", {}))["currentTime"]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LinkLostError}
    assert [line["peer"] for line in logs.named("link_cut")] == ["CP-2"]
    assert central.chargers.connected() == ["CP-1"]


async def test_a_charger_that_links_again_gets_its_answers_on_the_new_link_only(
    start: Start, charger: Connect
) -> None:
    central = await start()
    async with Bare(central.port, "CP-1", subprotocol=SUBPROTOCOL) as old:
        await old.say(2, "1", "BootNotification", BOOT)
        new = await charger(central, "CP-1")
        await old.say(2, "stale", "Heartbeat", {})
        assert b"stale" not in await old.read()
        assert (await new.link.call("Heartbeat", {}))["currentTime"]
