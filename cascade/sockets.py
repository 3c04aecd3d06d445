"""Our WebSockets: those of `websockets`, with a short way in and a short way out.

`websockets` queues each message, wakes the task that waits for it, and takes a lock and a timer's worth of
bookkeeping to send one. For a relay that is half of its time. Here a message that has come whole and in its
turn is handed to the receiver at once, and one that the socket takes without waiting is written at once.
Everything else goes the way of the library: fragments, text that is no UTF-8, what comes while messages wait
to be received, what is sent while the peer does not read.

A socket that carries many calls at once may gather: in one turn of the event loop the first message goes out at
once, those after it together, as each write to the kernel costs more than making the message.

A socket closes within a second, whatever the peer does: `websockets` alone would wait for a peer that does not
read until it has taken the close frame, and for one that is gone until it has answered it.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event, State

Receiver = Callable[[str | bytes], None]
"""Takes one message; must not raise."""

READY_BELOW = 16_384
"""Bytes not yet taken by the socket below which a send does not wait (`websockets` waits from 32 KiB)."""

CLOSE_WITHIN_S = 0.9
"""How long a peer may take for the closing handshake before its connection is aborted."""


class Socket(Connection):
    """A WebSocket that may deliver messages without being asked for them."""

    # the dictionary of a connection is full: one more name in it would cost each link a kilobyte
    __slots__ = ("_gathered", "_gathers", "_is_gathering", "_receiver")

    def __init__(self, *options: Any, **more: Any) -> None:  # noqa: ANN401 - those of the library's
        super().__init__(*options, **more)
        self._receiver: Receiver | None = None
        self._gathers = self._is_gathering = False
        self._gathered = 0

    def deliver_to(self, receiver: Receiver | None) -> None:
        """Hand messages to `receiver` from now on; None: keep them for `recv`.

        Whoever sets a receiver must also call `recv` until it raises: what is not handed over comes there, and
        that the socket has closed.
        """
        self._receiver = receiver

    def process_event(self, event: Event) -> None:
        """Hand over a message; called by `websockets` for whatever has come."""
        if (
            self._receiver is not None
            and isinstance(event, Frame)
            and event.opcode is Opcode.TEXT
            and event.fin
            and not self.recv_messages.frames
        ):
            try:
                text = str(event.data, "utf-8")
            except UnicodeDecodeError:
                super().process_event(event)
            else:
                self._receiver(text)
        else:
            super().process_event(event)

    def probe(self, on_sign: Callable[[], None]) -> None:
        """Ping the peer, without waiting even if it does not read; `on_sign` is called when it answers."""
        if self.protocol.state is State.OPEN:
            data = secrets.token_bytes(4)
            pong: asyncio.Future[float] = self.loop.create_future()
            pong.add_done_callback(lambda pong: None if pong.cancelled() or pong.exception() else on_sign())
            self.pending_pings[data] = (pong, self.loop.time())
            self.protocol.send_ping(data)
            self.send_data()

    async def close(self, code: CloseCode | int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close, with the handshake if the peer takes part in it."""
        alarm = self.loop.call_later(CLOSE_WITHIN_S, self.transport.abort)
        try:
            await super().close(code, reason)
        finally:
            alarm.cancel()

    def gather(self) -> None:
        """From now on write what is sent in one turn of the event loop together, apart from the first."""
        self._gathers = True

    def send_at_once(self, text: bytes) -> bool:
        """Send a text message, if that needs no waiting; False: use `send`."""
        if (
            self.protocol.state is not State.OPEN
            or self.transport.get_write_buffer_size() + self._gathered + len(text) >= READY_BELOW
        ):
            return False
        self.protocol.send_text(text)
        if self._is_gathering:
            self._gathered += len(text)
            return True
        self.send_data()
        if self._gathers:
            self._is_gathering = True
            asyncio.get_running_loop().call_soon(self._write_gathered)
        return True

    def _write_gathered(self) -> None:
        self._is_gathering, self._gathered = False, 0
        if self.protocol.state is State.OPEN:
            gathered = b"".join(self.protocol.data_to_send())
            if gathered:
                self.transport.write(gathered)
        else:  # with the end of the stream, which is the library's to write
            self.send_data()


class ServerSocket(Socket, ServerConnection):
    """The end of a WebSocket that was dialled."""


class ClientSocket(Socket, ClientConnection):
    """The end of a WebSocket that dialled."""
