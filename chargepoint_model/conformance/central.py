"""Plays a central system for one charge point, and remembers what the charge point said."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import unquote

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from cascade.errors import AnswerError, LinkLostError, SetupError
from cascade.frames import CALL_ERROR, CALL_RESULT, MESSAGE_ID_MAX, Payload
from cascade.ocpp16 import SUBPROTOCOL, check_request
from cascade.roaming.model import utc_text
from chargepoint_model.conformance.answers import Question
from chargepoint_model.conformance.wire import Wire

HEARTBEAT_INTERVAL_S = 300

POLICY = 1008


class Heard(NamedTuple):
    """A CALL of the charge point."""

    number: int
    """The place among all that it said, from 0."""
    action: str
    payload: Payload
    fault: str
    """What is wrong with it; empty if nothing is."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where the tool listens, and for whom."""

    host: str
    port: int
    id_tag: str
    """The one that is accepted; every other is Invalid."""
    identity: str | None = None
    """The charge point that is examined; None: the first that connects."""
    timeout_s: float = 5.0
    """Until a message has not been answered, or an effect has not shown."""
    first_s: float = 120.0
    """How long the charge point is waited for at first."""
    return_s: float = 60.0
    """How long it may take to come back, as after a reset or an update of its firmware."""


class PlayedCentral:
    """The central system's end of the connection.

    Args:
        room: where to listen.
    """

    fence: tuple[str, Payload] = ("GetConfiguration", {"key": ["HeartbeatInterval"]})

    def __init__(self, room: Room) -> None:
        self.room = room
        self.identity = room.identity
        self.heard: list[Heard] = []
        self.open_transactions: dict[int, Payload] = {}
        """The StartTransaction of each transaction that was not stopped, by its id."""
        self._transaction_ids = itertools.count(1)
        self._wire: Wire | None = None
        self._ids: set[str] = set()
        self._news = asyncio.Event()
        self._server: Server | None = None

    async def start(self) -> None:
        """Begin to listen; port 0 takes a free one.

        Raises:
            SetupError: the address cannot be had.
        """
        try:
            self._server = await serve(
                self._receive,
                self.room.host,
                self.room.port,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                max_size=None,
                close_timeout=1,
            )
        except OSError as error:
            raise SetupError(f"{self.room.host}:{self.room.port} cannot be listened on: {error}") from None

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._server is not None, "started"
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close the door and the connection."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _receive(self, connection: ServerConnection) -> None:
        assert connection.request is not None, "the handshake is over"
        identity = unquote(connection.request.path.partition("?")[0].rstrip("/").rpartition("/")[2])
        if self.identity not in {None, identity}:
            await connection.close(POLICY, f"{self.identity} is being examined")
            return
        self.identity = identity
        before, self._wire = self._wire, Wire(connection, self._hear)
        self._ids.clear()
        wire = self._wire
        if before is not None:
            await before.close()
        try:
            await wire.run()
        finally:
            self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Whether something holds in time; it is looked at whenever there are news."""
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    # --- what the charge point says -------------------------------------------------------------------------

    def _hear(self, question: Question) -> str:
        fault = self._fault(question)
        self.heard.append(Heard(len(self.heard), question.action, question.payload, fault[1]))
        self._tell()
        if fault[0]:
            return orjson.dumps([CALL_ERROR, question.message_id, *fault, {}]).decode()
        answer = self._answer(question.action, question.payload)
        return orjson.dumps([CALL_RESULT, question.message_id, answer]).decode()

    def _fault(self, question: Question) -> tuple[str, str]:
        """The code and the description of what is wrong with a CALL; empty if nothing is."""
        try:
            check_request(question.action, question.payload)
        except AnswerError as error:
            return error.code, error.description
        if len(question.message_id) > MESSAGE_ID_MAX:
            return "FormationViolation", f"a message id has at most {MESSAGE_ID_MAX} characters"
        if question.message_id in self._ids:
            return "FormationViolation", "the message id was used before on this connection"
        self._ids.add(question.message_id)
        return "", ""

    def _answer(self, action: str, payload: Payload) -> Payload:
        now = utc_text(datetime.now(UTC))
        if action == "StartTransaction":
            return self._start(payload)
        if action == "StopTransaction":
            self.open_transactions.pop(payload["transactionId"], None)
        if action == "Authorize":
            return self._id_tag_info(payload["idTag"])
        others: dict[str, Payload] = {
            "BootNotification": {"status": "Accepted", "currentTime": now, "interval": HEARTBEAT_INTERVAL_S},
            "Heartbeat": {"currentTime": now},
            "DataTransfer": {"status": "UnknownVendorId"},
            "SignCertificate": {"status": "Accepted"},
        }
        return others.get(action, {})

    def _start(self, payload: Payload) -> Payload:
        transaction_id = next(self._transaction_ids)
        self.open_transactions[transaction_id] = payload
        return {"transactionId": transaction_id, **self._id_tag_info(payload["idTag"])}

    def _id_tag_info(self, id_tag: str) -> Payload:
        known = id_tag.upper() == self.room.id_tag.upper()
        return {"idTagInfo": {"status": "Accepted" if known else "Invalid"}}

    # --- waiting --------------------------------------------------------------------------------------------

    async def wire(self) -> Wire:
        """The open connection, once the charge point has said something on it.

        Raises:
            LinkLostError: it does not come, or not back.
        """
        first = self._wire is None
        limit_s = self.room.first_s if first else self.room.return_s
        if not await self._until(self._speaks, limit_s):
            name = self.identity or "a charge point"
            raise LinkLostError(f"{name} did not {'connect' if first else 'come back'} within {limit_s:g} s")
        assert self._wire is not None, "it speaks"
        return self._wire

    def _speaks(self) -> bool:
        return self._wire is not None and self._wire.closed is None and bool(self._ids)

    async def hears(
        self, action: str, since: int, fits: Callable[[Payload], bool], timeout_s: float | None = None
    ) -> Payload | None:
        """A CALL of the charge point's from place `since` on, once it has come; None if it does not.

        Args:
            action: its action.
            since: the length of `heard` before.
            fits: whether it is the one.
            timeout_s: seconds until it is not coming; the room's if not given.
        """

        def found() -> Payload | None:
            return next(
                (one.payload for one in self.heard[since:] if one.action == action and fits(one.payload)), None
            )

        await self._until(lambda: found() is not None, timeout_s or self.room.timeout_s)
        return found()
