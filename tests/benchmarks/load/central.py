"""A central system that answers what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.baselines.roles import answer

Call = list[Any]
Reply = Callable[[Call], bytes | None]


class Central:
    """What it was asked, and the sockets that are open.

    Args:
        reply: what it answers to a call of a charge point that has booted; None for silence.
    """

    def __init__(self, reply: Reply = answer) -> None:
        self.reply = reply
        self.url = ""
        self.boots: list[Call] = []
        self.calls: list[Call] = []
        self.other: list[Call] = []
        self.sockets: dict[str, ServerConnection] = {}
        self.called = asyncio.Event()

    async def receive(self, connection: ServerConnection) -> None:
        """Answer one charge point."""
        assert connection.request is not None
        identity = connection.request.path.rpartition("/")[2]
        self.sockets[identity] = connection
        try:
            async for data in connection:
                message = orjson.loads(data)
                if message[0] == 2 and message[2] == "BootNotification":
                    self.boots.append(message)
                    await connection.send(answer(message), text=True)
                    continue
                (self.calls if message[0] == 2 else self.other).append(message)
                self.called.set()
                text = self.reply(message)
                if text is not None:
                    await connection.send(text, text=True)
        except ConnectionClosed:
            pass
        finally:
            del self.sockets[identity]

    def presented(self) -> list[str]:
        """The tags, in the order in which they were asked about."""
        return [call[3]["idTag"] for call in self.calls if call[2] == "Authorize"]


@asynccontextmanager
async def central(reply: Reply = answer, *, subprotocol: str | None = "ocpp1.6") -> AsyncIterator[Central]:
    """Listen at a free port."""
    listening = Central(reply)
    subprotocols = None if subprotocol is None else [Subprotocol(subprotocol)]
    async with serve(listening.receive, "127.0.0.1", 0, subprotocols=subprotocols, compression=None) as server:
        listening.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
        yield listening
