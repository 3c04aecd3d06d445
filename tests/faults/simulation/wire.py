"""A link between the hub, or a peer, and a central system: in order, late, and now and then gone.

What is said on it are the real payloads of the real handlers. It keeps what TCP keeps: order, as long as it
lasts. It may be cut, and then each side learns of it at once; or go silent, and then nobody does.
"""

import asyncio
import itertools
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from cascade.errors import AnswerError, CallTimeoutError, LinkLostError, PeerError
from cascade.frames import Call, Payload
from cascade.link import Handler
from cascade.ocpp16 import WINDOWED_SUBPROTOCOL
from tests.faults.simulation.node import Node

TIMEOUT_S = 10.0
GAP_S = 1e-6
"""Two messages on one way are so far apart at least: none overtakes another."""
LATE_S = (0.001, 0.08)


class Wire:
    """One connection.

    Args:
        rng: draws how long messages take.
        names: of the messages; two wires that share them share no message id.
        ends: the node that has dialled, and the one that has answered.
        authorization: the header that the one who dialled has sent.
        heard: told of each call.
        lasts_s: how long anything may be heard, by the ticket that was shown.
    """

    def __init__(
        self,
        rng: random.Random,
        names: "itertools.count[int]",
        ends: tuple[Node, Node],
        authorization: str,
        heard: "Callable[[Wire, Call], None]",
        lasts_s: float = math.inf,
    ) -> None:
        self.rng = rng
        self.names = names
        self.nodes = ends
        self.heard = heard
        self.until = asyncio.get_running_loop().time() + lasts_s
        self.is_cut = False
        self.is_silent = False
        self.gone = asyncio.Event()
        self.open: dict[asyncio.Future[Payload], None] = {}  # a set would have another order in each run
        self._arrived = [0.0, 0.0]
        self.headers = {"Authorization": authorization}
        self.ends = End(self, 0), End(self, 1)

    def cut(self) -> None:
        """End it: every call in flight fails."""
        self.is_cut = True
        self.gone.set()
        for waiter in self.open:
            if not waiter.done():
                waiter.set_exception(LinkLostError("the link is cut"))

    def carry(self, way: int, message: Callable[[], None]) -> None:
        """Have `message` called at the other end, after all that went this way before."""
        if self.is_cut or self.is_silent:
            return
        loop = asyncio.get_running_loop()
        at = max(self._arrived[way] + GAP_S, loop.time() + self.rng.uniform(*LATE_S))
        self._arrived[way] = at
        loop.call_at(at, lambda: None if self.is_cut or self.is_silent else message())


class End:
    """One side's end of a wire: a connection, and the `Link` on it; calls go to the other side.

    Args:
        wire: the connection.
        way: 0 at the one who has dialled, else 1.
    """

    subprotocol = WINDOWED_SUBPROTOCOL
    close_code = None

    def __init__(self, wire: Wire, way: int) -> None:
        self.handlers: Mapping[str, Handler] = {}
        self._wire = wire
        self._way = way

    @property
    def request(self) -> Wire:
        """What the handshake was asked for with: it has headers."""
        return self._wire

    @property
    def lost(self) -> bool:
        """Whether the link is gone."""
        return self._wire.is_cut

    @property
    def peer(self) -> str:
        """Who is at the other end."""
        return self._wire.nodes[1 - self._way].name

    async def run(self) -> str:
        """Wait until the link is gone; says why."""
        await self._wire.gone.wait()
        return "it was cut"

    async def close(self, *_: object, **__: object) -> None:
        """End the link, without a grace."""
        self._wire.cut()

    def new_message_id(self) -> str:
        """An id that no other message has."""
        return f"m-{next(self._wire.names)}"

    async def call(
        self, action: str, payload: Payload, *, timeout_s: float | None = None, message_id: str | None = None
    ) -> Payload:
        """As `Link.call`."""
        if self._wire.is_cut:
            raise LinkLostError("the link is cut")
        call = Call(message_id or self.new_message_id(), action, payload)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Payload] = loop.create_future()
        self._wire.open[waiter] = None
        self._wire.carry(self._way, lambda: self._arrive(call, waiter))
        late = CallTimeoutError(action, sent=True)
        deadline = loop.call_later(timeout_s or TIMEOUT_S, _settle, waiter, late)
        try:
            return await waiter
        finally:
            deadline.cancel()
            self._wire.open.pop(waiter, None)

    def _arrive(self, call: Call, waiter: asyncio.Future[Payload]) -> None:
        receiver = self._wire.nodes[1 - self._way]
        if not receiver.dead:
            self._wire.heard(self._wire, call)
            receiver.spawn(self._serve(call, waiter))

    async def _serve(self, call: Call, waiter: asyncio.Future[Payload]) -> None:
        other = 1 - self._way
        try:
            result: Any = await self._wire.ends[other].handlers[call.action](call)
        except AnswerError as error:
            result = PeerError(error.code, error.description, error.details)
        except Exception as error:  # noqa: BLE001 - as a link answers it
            result = PeerError("InternalError", repr(error), {})
        if not self._wire.nodes[other].dead:
            self._wire.carry(other, lambda: _settle(waiter, result))


def _settle(waiter: asyncio.Future[Payload], result: Payload | Exception) -> None:
    if waiter.done():
        return
    if isinstance(result, Exception):
        waiter.set_exception(result)
    else:
        waiter.set_result(result)
