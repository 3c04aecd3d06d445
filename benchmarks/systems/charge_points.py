"""A charge point as a link in the runner, for what is not load: the load generator has lighter ones."""

import asyncio
from types import TracebackType
from typing import Self

from cascade.client import dial, link_url
from cascade.link import Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL
from cascade.trace import FrameTrace

BOOT = {"chargePointVendor": "nap-cascade", "chargePointModel": "charge-point"}
MAX_SIZE = 2**16
LIMITS = LinkLimits(call_timeout_s=60.0)


class LinkedChargePoint:
    """One charge point and its link; an asynchronous context.

    Args:
        url: the central system's.
        identity: its chargePointId.
    """

    def __init__(self, url: str, identity: str) -> None:
        self._url = link_url(url, identity)
        self._identity = identity
        self.link: Link
        self._reading: asyncio.Task[str]

    async def __aenter__(self) -> Self:
        connection = await dial(
            self._url, subprotocols=(SUBPROTOCOL,), max_size=MAX_SIZE, open_timeout_s=LIMITS.call_timeout_s
        )
        self.link = Link(
            connection, peer="central", handlers={}, limits=LIMITS, trace=FrameTrace(self._identity)
        )
        self._reading = asyncio.create_task(self.link.run())
        try:
            await self.link.call("BootNotification", BOOT)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        await self.link.close()
        await self._reading
