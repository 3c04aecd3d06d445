"""Plays a charge point that can send anything."""

import asyncio
from dataclasses import dataclass
from urllib.parse import quote

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from cascade.client import basic, link_url
from cascade.errors import LinkLostError
from cascade.frames import CALL_ERROR, Payload
from cascade.ocpp16 import SUBPROTOCOL
from chargepoint_model.conformance.answers import Question
from chargepoint_model.conformance.wire import Wire

OPEN_TIMEOUT_S = 10.0
"""Until a connection could not be opened."""


@dataclass(frozen=True, slots=True)
class Target:
    """A central system, and who we are to it."""

    url: str
    """ws:// or wss://; `{id}` in it is replaced by the identity, else it is appended."""
    identity: str
    id_tag: str
    """One that the central system accepts."""
    password: str | None = None
    """HTTP Basic, if given."""
    timeout_s: float = 5.0
    """Until a message has not been answered."""


class PlayedChargePoint:
    """The charge point's end of the connection.

    Args:
        target: where it connects to.
    """

    fence: tuple[str, Payload] = ("Heartbeat", {})

    def __init__(self, target: Target) -> None:
        self._target = target
        self._wire: Wire | None = None
        self._opened: list[tuple[Wire, asyncio.Task[None]]] = []

    async def wire(self) -> Wire:
        """The open connection; a new one if it has ended.

        Raises:
            LinkLostError: there is none to be had.
        """
        if self._wire is None or self._wire.closed is not None:
            self._wire = await self.dial(self._target.identity)
        return self._wire

    async def dial(self, identity: str) -> Wire:
        """Connect.

        Raises:
            LinkLostError: that could not be; the text says why.
        """
        target = self._target
        url = (
            target.url.replace("{id}", quote(identity, safe=""))
            if "{id}" in target.url
            else link_url(target.url, identity)
        )
        password = target.password
        headers = {} if password is None else {"Authorization": basic(identity, password)}
        try:
            connection = await connect(
                url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                additional_headers=headers,
                compression=None,
                max_size=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=1,
            )
        except InvalidStatus as error:
            raise LinkLostError(f"{url} answered HTTP {error.response.status_code}") from None
        except (OSError, TimeoutError, WebSocketException, ValueError) as error:
            raise LinkLostError(f"{url} cannot be reached: {error or 'no answer in time'}") from None
        wire = Wire(connection, _decline)
        self._opened.append((wire, asyncio.create_task(wire.run())))
        return wire

    async def close(self) -> None:
        """End every connection."""
        for wire, reading in self._opened:
            await wire.close()
            await reading


def _decline(question: Question) -> str:
    """What the tool answers while it asks."""
    return orjson.dumps([CALL_ERROR, question.message_id, "NotSupported", "a testing tool", {}]).decode()
