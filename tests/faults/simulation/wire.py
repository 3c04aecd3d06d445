"""A link between the hub, or a peer, and a central system: in order, late, and now and then gone.

What is said on it are the real payloads of the real handlers. It keeps what TCP keeps: order, as long as it
lasts. It may be cut, and then each side learns of it at once; or go silent, and then nobody does.
"""

import asyncio
import itertools
import random
from collections.abc import Mapping
from typing import Any

from cascade.errors import AnswerError, CallTimeoutError, LinkLostError, PeerError
from cascade.frames import Call, Payload
from cascade.link import Handler
from tests.faults.simulation.node import Node

TIMEOUT_S = 10.0
GAP_S = 1e-6
"""Two messages on one way are so far apart at least: none overtakes another."""


class Wire:
    """One connection; `End.call` is what a `Link` offers.

    Args:
        rng: draws how long messages take.
        names: of the messages; two wires that share them share no message id.
    """

    def __init__(self, rng: random.Random, names: "itertools.count[int]") -> None:
        self.rng = rng
        self.names = names
        self.is_cut = False
        self.is_silent = False
        self.open: dict[asyncio.Future[Payload], None] = {}  # a set would have another order in each run
        self._arrived = [0.0, 0.0]

    def cut(self) -> None:
        """End it: every call in flight fails."""
        self.is_cut = True
        for waiter in self.open:
            if not waiter.done():
                waiter.set_exception(LinkLostError("the link is cut"))

    def carry(self, way: int, message: Any) -> None:  # noqa: ANN401 - a function without arguments
        """Have `message` called at the other end, after all that went this way before."""
        if self.is_cut or self.is_silent:
            return
        loop = asyncio.get_running_loop()
        at = max(self._arrived[way] + GAP_S, loop.time() + self.rng.uniform(0.001, 0.08))
        self._arrived[way] = at
        loop.call_at(at, lambda: None if self.is_cut or self.is_silent else message())


class End:
    """One side's end of a wire: calls go to the other side.

    Args:
        wire: the connection.
        way: 0 or 1, another for each end.
        receiver: the node at the other end.
        handlers: what it answers.
    """

    def __init__(self, wire: Wire, way: int, receiver: Node, handlers: Mapping[str, Handler]) -> None:
        self._wire = wire
        self._way = way
        self._receiver = receiver
        self._handlers = handlers

    async def call(self, action: str, payload: Payload, *, timeout_s: float | None = None) -> Payload:
        """As `Link.call`."""
        answer, _ = await self.named_call(action, payload, timeout_s=timeout_s)
        return answer

    async def named_call(
        self, action: str, payload: Payload, *, timeout_s: float | None = None
    ) -> tuple[Payload, str]:
        """Call; returns the answer and the message id that the call had."""
        if self._wire.is_cut:
            raise LinkLostError("the link is cut")
        call = Call(f"m-{next(self._wire.names)}", action, payload)
        waiter: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._wire.open[waiter] = None
        self._wire.carry(self._way, lambda: self._arrive(call, waiter))
        try:
            async with asyncio.timeout(timeout_s or TIMEOUT_S):
                return await waiter, call.message_id
        except TimeoutError:
            raise CallTimeoutError(action, sent=True) from None
        finally:
            self._wire.open.pop(waiter, None)

    def _arrive(self, call: Call, waiter: asyncio.Future[Payload]) -> None:
        if not self._receiver.dead:
            self._receiver.spawn(self._serve(call, waiter))

    async def _serve(self, call: Call, waiter: asyncio.Future[Payload]) -> None:
        try:
            result: Payload | Exception = await self._handlers[call.action](call)
        except AnswerError as error:
            result = PeerError(error.code, error.description, error.details)
        except Exception as error:  # noqa: BLE001 - as a link answers it
            result = PeerError("InternalError", repr(error), {})
        if not self._receiver.dead:
            self._wire.carry(1 - self._way, lambda: _settle(waiter, result))


def _settle(waiter: asyncio.Future[Payload], result: Payload | Exception) -> None:
    if waiter.done():
        return
    if isinstance(result, Exception):
        waiter.set_exception(result)
    else:
        waiter.set_result(result)
