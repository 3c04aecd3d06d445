"""A client on a bare socket, which does nothing that it is not told: it does not read, pong, or close."""

import asyncio
import base64
import socket
from types import TracebackType
from typing import Self

import orjson
from websockets.frames import Frame, Opcode

from cascade.ocpp16 import WINDOWED_SUBPROTOCOL


class Bare:
    """One connection; a context that closes it.

    Args:
        port: of a server on this machine.
        identity: the last segment of the path.
        authorization: the header.
        subprotocol: the one that it offers.
    """

    def __init__(
        self,
        port: int,
        identity: str,
        *,
        authorization: str | None = None,
        subprotocol: str = WINDOWED_SUBPROTOCOL,
    ) -> None:
        self._port = port
        self._lines = [
            f"GET /ocpp/{identity} HTTP/1.1",
            "Host: localhost",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
            f"Sec-WebSocket-Protocol: {subprotocol}",
        ]
        if authorization is not None:
            self._lines.append(f"Authorization: {authorization}")
        self._loop = asyncio.get_running_loop()
        self._end = socket.socket()
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._end.setblocking(False)

    async def __aenter__(self) -> Self:
        await self._loop.sock_connect(self._end, ("127.0.0.1", self._port))
        await self._loop.sock_sendall(self._end, "\r\n".join([*self._lines, "", ""]).encode())
        answer = await self._loop.sock_recv(self._end, 12)
        assert answer == b"HTTP/1.1 101"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()

    async def say(self, *parts: object) -> None:
        """Send a frame of OCPP-J."""
        frame = Frame(Opcode.TEXT, orjson.dumps(parts))
        await self._loop.sock_sendall(self._end, frame.serialize(mask=True))

    async def read(self) -> bytes:
        """All that is sent to it, up to the end of the stream, which must come soon."""
        got = b""
        try:
            # half of what `websockets` gives a peer to close its end
            async with asyncio.timeout(5):
                while chunk := await self._loop.sock_recv(self._end, 65_536):
                    got += chunk
        except ConnectionResetError:
            pass
        return got
