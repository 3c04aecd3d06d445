"""One WebSocket that can carry anything, and what came back for each message id."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from chargepoint_model.conformance.answers import Question, Reply, read
from chargepoint_model.conformance.model import Answer, Closed, Error, Result

ABNORMAL = 1006
"""The code of a connection that ended without a close frame (RFC 6455, section 7.4.1)."""


@dataclass(slots=True)
class Exchange:
    """What was sent under one message id, and what came."""

    message_id: str
    sent: str
    answers: list[Answer] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    passed_over: bool = False
    """Whether the peer has answered what was sent later: the end of the connection is no answer then."""

    def take(self, answer: Answer) -> None:
        """Note an answer; the first is what counts."""
        self.answers.append(answer)
        self.answered.set()

    async def within(self, timeout_s: float) -> bool:
        """Whether an answer came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.answered.wait()
        except TimeoutError:
            return False
        return True


class Wire:
    """One end of a connection.

    Args:
        connection: an open WebSocket, of either end.
        hear: told of each CALL of the peer, returns the frame that answers it.
    """

    def __init__(self, connection: Connection, hear: Callable[[Question], str]) -> None:
        self._connection = connection
        self._hear = hear
        self._open: dict[str, Exchange] = {}
        self._latest: list[Exchange] = []
        """The case that was sent last, and what was asked since: whose an answer under nobody's id may be."""
        self.closed: Closed | None = None
        """How it ended, once it has."""

    async def run(self) -> None:
        """Read until the connection ends; what is open then has been answered by its end."""
        try:
            while True:
                await self._receive(await self._connection.recv())
        except ConnectionClosed as ended:
            frame = ended.rcvd
            self.closed = Closed(ABNORMAL, "") if frame is None else Closed(frame.code, frame.reason)
        finally:
            self.closed = self.closed or Closed(ABNORMAL, "")
            for exchange in self._open.values():
                if not exchange.answers and not exchange.passed_over:
                    exchange.take(self.closed)

    async def _receive(self, message: str | bytes) -> None:
        match read(message):
            case Question() as question:
                await self._send(self._hear(question))
            case Reply(message_id, answer):
                self._settle(message_id, answer)

    def _settle(self, message_id: object, answer: Answer) -> None:
        exchange = self._open.get(message_id) if isinstance(message_id, str) else None
        if exchange is not None:
            exchange.take(answer)
            return
        for waiting in self._latest:
            if not waiting.answers:
                waiting.take(_astray(answer))
                return

    async def _send(self, message: str | bytes) -> None:
        with contextlib.suppress(ConnectionClosed):  # the reader says so to whoever waits
            await self._connection.send(message)

    async def send(self, exchange: Exchange, messages: Sequence[str | bytes], *, fence: bool = False) -> None:
        """Send messages under the exchange's id; answers are noted as they come.

        Args:
            exchange: where they are noted.
            messages: what is sent.
            fence: whether an answer under nobody's id belongs rather to the case before.
        """
        self._open[exchange.message_id] = exchange
        self._latest = [*self._latest[:1], exchange] if fence else [exchange]
        if self.closed is not None:
            exchange.take(self.closed)
        for message in messages:
            await self._send(message)

    async def close(self) -> None:
        """End the connection, and wait until it has."""
        await self._connection.close()


def _astray(answer: Answer) -> Answer:
    """An answer under an id that nobody has used."""
    match answer:
        case Error(code, description):
            return Error(code, description, astray=True)
        case Result(payload):
            return Result(payload, astray=True)
        case other:
            return other
