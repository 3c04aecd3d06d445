"""The server for chargers: one link each, of which the newest wins."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog

from cascade.errors import SecurityFaultError, StoreError, UnsupportedActionError
from cascade.frames import Call, Payload
from cascade.link import Handler, Link, LinkLimits
from cascade.ocpp16 import FROM_CENTRAL_SYSTEM, SUBPROTOCOL, check_request
from cascade.server import Gate, LinkServer
from cascade.sockets import ServerSocket
from cascade.trace import FrameTrace
from cpo_central.chargers.acceptance import Standing
from cpo_central.chargers.charge_points import ChargePointStore
from cpo_central.chargers.errors import NotAcceptedError, NotConnectedError, UnknownChargePointError
from cpo_central.chargers.events import EventKind, Events

log = structlog.get_logger()

PREFIX = "/ocpp"

MAX_SIZE = 2**16
"""The largest message taken from a charger, in bytes."""

CHARGE_POINT_ID_MAX = 255
"""Characters that a CDR has room for."""


TRIGGERS = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})

Operation = Callable[[str, Payload], Awaitable[Payload]]
"""Answers a request of a charge point, by its id; may raise `AnswerError`."""


class _Seat(NamedTuple):
    link: Link
    standing: Standing


class ChargerServer:
    """Listens for chargers, answers them, and calls them.

    Args:
        gate: says which may connect.
        operations: what chargers are answered, by action.
        charge_points: how they stand with us.
        events: told who links and who is gone.
        limits: time-outs and sizes of links.
        trace: shows frames.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        operations: Mapping[str, Operation],
        charge_points: ChargePointStore,
        events: Events,
        limits: LinkLimits,
        trace: FrameTrace,
    ) -> None:
        self._operations = operations
        self._charge_points = charge_points
        self._events = events
        self._limits = limits
        self._trace = trace
        self._seats: dict[str, _Seat] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._server = LinkServer(
            prefix=PREFIX,
            gate=gate,
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
        self._server.drain()
        await asyncio.gather(*(seat.link.close(1001, grace_s=grace_s) for seat in self._seats.values()))
        await self._server.stop()
        await asyncio.gather(*self._background)

    # --- calls of ours ----------------------------------------------------------------------------------------

    def connected(self) -> list[str]:
        """The ids of the chargers that have a link now, in order."""
        return sorted(self._seats)

    async def call(
        self, charge_point_id: str, action: str, payload: Payload, *, timeout_s: float | None = None
    ) -> Payload:
        """Ask a charger something and wait for its result; calls to one charger go out one after the other.

        Args:
            charge_point_id: whom.
            action: one that a central system may ask (OCPP 1.6, section 5).
            payload: its request.
            timeout_s: seconds until the call fails, its wait for those before it included; the
                `call_timeout_s` of our links if not given.

        Raises:
            AnswerError: the payload is not a request of the action, or the action is not ours to ask.
            UnknownChargePointError: it has never come, and is not registered.
            NotConnectedError: it has no link now.
            NotAcceptedError: it is not accepted, and may not be asked this before it is.
            PeerError: it answered with a CALLERROR.
            CallTimeoutError: no answer in time.
            BadResultError: its result is not one of the action.
            LinkLostError: its link went meanwhile, or another took its place.
        """
        check_request(action, payload)
        if action not in FROM_CENTRAL_SYSTEM:
            raise UnsupportedActionError(f"{action} is asked by charge points only")
        seat = self._seats.get(charge_point_id)
        if seat is None:
            if self._charge_points.get(charge_point_id) is None:
                raise UnknownChargePointError(charge_point_id)
            raise NotConnectedError(charge_point_id)
        refusal = seat.standing.refusal(action)
        if refusal is not None:
            raise NotAcceptedError(charge_point_id, refusal)
        if action in TRIGGERS:
            seat.standing.invite(action, payload["requestedMessage"])
        return await seat.link.call(action, payload, timeout_s=timeout_s)

    # --- calls of chargers ------------------------------------------------------------------------------------

    def _handlers(self, charge_point_id: str, standing: Standing) -> dict[str, Handler]:
        """What one charger's link answers: before it may speak, only what it is invited to say."""

        def answer(call: Call) -> Awaitable[Payload]:
            if not standing.may_speak and call.action not in standing.invited:
                raise SecurityFaultError(
                    f"{call.action} is not answered before a BootNotification has been accepted"
                )
            return self._operations[call.action](charge_point_id, call.payload)

        return dict.fromkeys(self._operations, answer)

    async def _receive(self, charge_point_id: str, connection: ServerSocket) -> None:
        if self._stopping:
            return
        standing = self._charge_points.standing(charge_point_id)
        link = Link(
            connection,
            peer=charge_point_id,
            handlers=self._handlers(charge_point_id, standing),
            limits=self._limits,
            trace=self._trace,
        )
        before = self._seats.get(charge_point_id)
        seat = self._seats[charge_point_id] = _Seat(link, standing)
        log.info("charger_linked", charge_point=charge_point_id, replaces=before is not None)
        self._events.publish(EventKind.CONNECTED, charge_point_id, {})
        if before is not None:
            # a charger that lost its network comes back before we notice; the old socket may never answer
            self._in_background(before.link.close(1008, "this charger has linked again"))
        self._in_background(self._note_seen(charge_point_id))
        try:
            reason = await link.run()
        finally:
            if self._seats.get(charge_point_id) is seat:
                del self._seats[charge_point_id]
        log.info("charger_unlinked", charge_point=charge_point_id, because=reason)
        if charge_point_id not in self._seats:
            self._events.publish(EventKind.DISCONNECTED, charge_point_id, {"reason": reason})
        await self._note_seen(charge_point_id)

    async def _note_seen(self, charge_point_id: str) -> None:
        """Keep it for people to see; a link does not depend on it."""
        try:
            await self._charge_points.record_seen(charge_point_id, datetime.now(UTC))
        except StoreError as error:
            log.warning("link_not_noted", charge_point=charge_point_id, because=str(error))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
