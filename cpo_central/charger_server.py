"""The server for chargers: one link each, of which the newest wins."""

import asyncio
import ssl

import structlog

from cascade.link import Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL
from cascade.server import Knock, LinkServer
from cascade.sockets import ServerSocket
from cascade.trace import FrameTrace
from cpo_central.charger_desk import ChargerDesk

log = structlog.get_logger()

PREFIX = "/ocpp"

MAX_SIZE = 2**16
"""The largest message taken from a charger, in bytes."""

CHARGE_POINT_ID_MAX = 255
"""Characters that a CDR has room for."""


class ChargerServer:
    """Listens for chargers.

    Args:
        desk: answers them.
        limits: time-outs and sizes of links.
        trace: shows frames.
    """

    def __init__(self, *, desk: ChargerDesk, limits: LinkLimits, trace: FrameTrace) -> None:
        self._desk = desk
        self._limits = limits
        self._trace = trace
        self._links: dict[str, Link] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._server = LinkServer(
            prefix=PREFIX,
            gate=self._admit,
            reception=self._receive,
            subprotocols=(SUBPROTOCOL,),
            max_size=MAX_SIZE,
        )

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Begin to listen; port 0 takes a free one.

        Raises:
            OSError: the address cannot be had.
        """
        await self._server.start(host, port, tls)

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._server.port

    async def stop(self, grace_s: float) -> None:
        """Answer what is being asked, for `grace_s` at most, and close."""
        self._stopping = True
        await asyncio.gather(*(link.close(1001, grace_s=grace_s) for link in self._links.values()))
        await self._server.stop()
        await asyncio.gather(*self._closing)

    async def _admit(self, knock: Knock) -> bool:
        """Every charger, for as long as chargers have no credentials."""
        return len(knock.identity) <= CHARGE_POINT_ID_MAX

    async def _receive(self, charge_point_id: str, connection: ServerSocket) -> None:
        if self._stopping:
            return
        link = Link(
            connection,
            peer=charge_point_id,
            handlers=self._desk.handlers(charge_point_id),
            limits=self._limits,
            trace=self._trace,
        )
        before = self._links.get(charge_point_id)
        self._links[charge_point_id] = link
        log.info("charger_linked", charge_point=charge_point_id, replaces=before is not None)
        if before is not None:
            # a charger that lost its network comes back before we notice; the old socket may never answer
            closing = asyncio.create_task(before.close(1008, "this charger has linked again"))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        try:
            reason = await link.run()
        finally:
            if self._links.get(charge_point_id) is link:
                del self._links[charge_point_id]
        log.info("charger_unlinked", charge_point=charge_point_id, because=reason)
