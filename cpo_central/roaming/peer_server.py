"""The server for peers (scenario 3): visited operators that ask us, the home, directly.

A peer shows a ticket that the hub signed for it and for us. Its link ends with the ticket.
"""

import asyncio
import ssl
from datetime import UTC, datetime

import structlog

from cascade.errors import SecurityFaultError
from cascade.exchange import answering
from cascade.link import Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.roaming import tickets
from cascade.roaming.cdrs import Cdr, CdrBatch
from cascade.server import Knock, LinkServer
from cascade.sockets import ServerSocket
from cascade.trace import FrameTrace
from cpo_central.roaming.home import Home
from cpo_central.roaming.hub_client import MAX_SIZE
from cpo_central.roaming.ticket_key import TicketKeyStore

log = structlog.get_logger()

PREFIX = "/peer"

TICKET_ENDED = 1008
"""The close code of a link whose ticket has ended (RFC 6455: policy violation)."""


class PeerServer:
    """Listens for peers.

    Args:
        operator_id: ours.
        ticket_key: verifies tickets.
        home: answers about our drivers.
        limits: time-outs and sizes of links.
        trace: shows frames.
    """

    def __init__(
        self,
        *,
        operator_id: str,
        ticket_key: TicketKeyStore,
        home: Home,
        limits: LinkLimits,
        trace: FrameTrace,
    ) -> None:
        self._operator_id = operator_id
        self._ticket_key = ticket_key
        self._home = home
        self._limits = limits
        self._trace = trace
        self._links: set[Link] = set()
        self._server = LinkServer(
            prefix=PREFIX,
            gate=self._admit,
            reception=self._receive,
            subprotocols=(WINDOWED_SUBPROTOCOL, SUBPROTOCOL),
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
        self._server.drain()
        await asyncio.gather(*(link.close(1001, grace_s=grace_s) for link in self._links))
        await self._server.stop()

    def _verify(self, visited: str, ticket: str) -> datetime:
        key = self._ticket_key.key
        if key is None:
            raise SecurityFaultError("no hub has given us a key to verify tickets with")
        return tickets.verify(ticket, key, visited=visited, home=self._operator_id, now=datetime.now(UTC))

    async def _admit(self, knock: Knock) -> bool:
        try:
            self._verify(knock.identity, knock.bearer or "")
        except SecurityFaultError as fault:
            log.warning("ticket_refused", peer=knock.identity[:64], because=str(fault))
            return False
        return True

    async def _receive(self, visited: str, connection: ServerSocket) -> None:
        assert connection.request is not None, "the handshake is over"
        # the ticket was good a moment ago; here we want to know when it ends
        ticket = connection.request.headers["Authorization"].partition(" ")[2].strip()
        try:
            expiry = self._verify(visited, ticket)
        except SecurityFaultError as fault:
            await connection.close(TICKET_ENDED, str(fault)[:100])
            return
        link = Link(
            connection,
            peer=visited,
            handlers={
                "Authorize": self._home.authorize(visited),
                "DataTransfer": answering(
                    {
                        Cdr: self._home.cdr(visited),
                        CdrBatch: self._home.cdr_batch(visited),
                    }
                ),
            },
            limits=self._limits,
            trace=self._trace,
        )
        self._links.add(link)
        log.info("peer_linked", peer=visited, until=expiry.isoformat())
        try:
            async with asyncio.timeout((expiry - datetime.now(UTC)).total_seconds()):
                await link.run()
        except TimeoutError:
            await link.close(TICKET_ENDED, "the ticket has ended", grace_s=self._limits.send_timeout_s)
        finally:
            self._links.discard(link)
