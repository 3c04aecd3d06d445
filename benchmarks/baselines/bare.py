"""The limit for our hops: relays on websockets, as the system uses it, that only match message ids.

They validate nothing, decide nothing, log nothing and keep no deadlines; many calls are in flight on a link.
Messages stay the bytes that they came as: nothing is decoded that is not needed, nothing encoded twice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.baselines.roles import (
    CALL,
    HOME_PATH,
    HOST,
    MAX_IN_FLIGHT,
    SUBPROTOCOL,
    Options,
    answer,
    dialled,
    run,
    say,
)

SETTINGS: dict[str, Any] = {
    "compression": None,
    "ping_interval": None,
    "max_queue": MAX_IN_FLIGHT,
    "subprotocols": [Subprotocol(SUBPROTOCOL)],
}


class Relay:
    """Whoever asks, by message id, and whom to ask."""

    def __init__(self) -> None:
        self.above: Connection | None = None
        """Whom calls are passed on to; None to answer them."""
        self._waiting: dict[str, Connection] = {}

    async def pump(self, connection: Connection) -> None:
        """Take what comes until the connection is closed."""
        try:
            while True:
                await self._take(connection, await connection.recv(decode=False))
        except ConnectionClosed:
            return

    async def _take(self, connection: Connection, data: bytes) -> None:
        message = orjson.loads(data)
        if message[0] != CALL:
            await self._waiting.pop(message[1]).send(data, text=True)
        elif self.above is None or message[2] != "Authorize":
            await connection.send(answer(message), text=True)
        else:
            self._waiting[message[1]] = connection
            await self.above.send(data, text=True)


@asynccontextmanager
async def serve(options: Options) -> AsyncIterator[str | None]:
    """See Kind."""
    relay = Relay()
    if options.upstream is not None:
        above = await connect(dialled(options), proxy=None, **SETTINGS)
        pump = asyncio.create_task(relay.pump(above))
        if options.role == "home":
            say("linked")
            yield None
            pump.cancel()
            return
        relay.above = above

    async def receive(connection: ServerConnection) -> None:
        assert connection.request is not None, "past the handshake"
        if options.ask_home and connection.request.path.endswith(HOME_PATH):
            relay.above = connection
        await relay.pump(connection)

    server = await listen(receive, HOST, 0, **SETTINGS)
    yield f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/ocpp"


if __name__ == "__main__":
    run(serve)
