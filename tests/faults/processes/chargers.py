"""Chargers that say a thing until it is answered, as real ones do."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime

from cascade.client import dial, link_url
from cascade.errors import CallFailed, LinkLostError
from cascade.frames import Payload
from cascade.link import Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL
from cascade.roaming.model import utc_text
from cascade.trace import FrameTrace

BOOT = {"chargePointVendor": "nap-cascade", "chargePointModel": "fault harness"}
LIMITS = LinkLimits(call_timeout_s=2.0)
AGAIN_S = 0.05


class Charger:
    """One charger, whose drivers come one after the other.

    Args:
        port: of its central system.
        name: its chargePointId.
        rng: draws the drivers, and how long they take.
    """

    def __init__(self, port: int, name: str, rng: random.Random) -> None:
        self._url = link_url(f"ws://127.0.0.1:{port}/ocpp", name)
        self._name = name
        self._rng = rng
        self._link: Link | None = None
        self._reading: asyncio.Task[str] | None = None

    async def serve(self, id_tags: Sequence[str], sessions: int) -> None:
        """Charge so many times, with drivers who are not let in trying again."""
        for number in range(sessions):
            id_tag = self._rng.choice(id_tags)
            await self._be_let_in(id_tag)
            start = {
                "connectorId": 1,
                "idTag": id_tag,
                "meterStart": 1000 * number,
                "timestamp": utc_text(datetime.now(UTC)),
            }
            transaction_id = (await self.insist("StartTransaction", start))["transactionId"]
            await asyncio.sleep(self._rng.uniform(0.0, 0.2))
            stop = {
                "transactionId": transaction_id,
                "idTag": id_tag,
                "meterStop": 1000 * number + 900,
                "timestamp": utc_text(datetime.now(UTC)),
            }
            await self.insist("StopTransaction", stop)
        await self.hang_up()

    async def _be_let_in(self, id_tag: str) -> None:
        while True:
            answer = await self.insist("Authorize", {"idTag": id_tag})
            if answer["idTagInfo"]["status"] == "Accepted":
                return
            await asyncio.sleep(AGAIN_S)

    async def insist(self, action: str, payload: Payload) -> Payload:
        """Say it, on new links if need be, until it is answered with a result."""
        while True:
            try:
                return await self.call(action, payload)
            except CallFailed as error:
                if isinstance(error, LinkLostError):
                    await self.hang_up()
                await asyncio.sleep(AGAIN_S)

    async def call(self, action: str, payload: Payload) -> Payload:
        """Say it once, on a new link if there is none; raises CallFailed."""
        link = self._link or await self._dial()
        return await link.call(action, payload)

    async def _dial(self) -> Link:
        connection = await dial(self._url, subprotocols=[SUBPROTOCOL], max_size=65_536, open_timeout_s=2.0)
        self._link = Link(connection, peer="central", handlers={}, limits=LIMITS, trace=FrameTrace(self._name))
        self._reading = asyncio.create_task(self._link.run())
        try:
            await self._link.call("BootNotification", BOOT)
        except CallFailed:
            await self.hang_up()  # who has not booted is not heard
            raise
        return self._link

    async def hang_up(self) -> None:
        """Close the link, if there is one."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()
        if self._reading is not None:
            await self._reading
