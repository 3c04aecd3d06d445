"""One charge point: a WebSocket with one call in flight, as OCPP-J demands (OCPP-J 1.6, section 4.1.1).

Built on picows, and frames are put together from prepared text: what the generator spends on a call is part of
what it measures, and takes a processor from the others.
"""

import itertools
import secrets
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

import orjson
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.load.plan import Drivers

SUBPROTOCOL = "ocpp1.6"
CALL = 2

PATIENCE_S = 10.0
"""How long answers that do not come are waited for: since the last in a closed run, since an open run's end."""

_process = secrets.token_hex(8)
_numbers = itertools.count(1)
"""Message ids are unique among all generators: relays that match on nothing else tell callers apart by them."""


class User(Protocol):
    """Who a charge point works for."""

    def answered(self, message: Sequence[Any], now: float) -> None:
        """The call in flight got its CALLRESULT or CALLERROR, which was read at `now` (`perf_counter`)."""
        ...

    def cut_off(self, *, in_flight: bool) -> None:
        """The socket has gone, and with it the call in flight, if there was one."""
        ...


def call_tail(action: str, payload: Mapping[str, Any]) -> str:
    """All of a CALL that comes after its message id."""
    return f'",{orjson.dumps(action).decode()},{orjson.dumps(payload).decode()}]'


def authorize_tails(drivers: Drivers) -> Mapping[str, str]:
    """The Authorize of each driver, but for its message id."""
    return {tag: call_tail("Authorize", {"idTag": tag}) for tag in (*drivers.tags, *drivers.denied_tags)}


class ChargePoint(WSListener):
    """A charge point; `connect` makes one that is linked."""

    def __init__(self) -> None:
        self.user: User | None = None
        self.linked = False
        self._transport: WSTransport | None = None
        self._in_flight = ""

    @property
    def busy(self) -> bool:
        """Whether a call is in flight."""
        return bool(self._in_flight)

    def ask(self, tail: str) -> None:
        """Send a CALL that ends in `tail`; only when linked and not busy."""
        assert self._transport is not None, "linked"
        self._in_flight = f"{_process}-{next(_numbers)}"
        self._transport.send(WSMsgType.TEXT, f'[{CALL},"{self._in_flight}{tail}'.encode())

    def release(self) -> None:
        """Work for nobody, and wait no more for the call in flight: its answer will be passed over."""
        self.user = None
        self._in_flight = ""

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None and self.linked:
            self._transport.send_close()
            self._transport.disconnect()

    async def closed(self) -> None:
        """Wait until the socket is closed."""
        if self._transport is not None:
            await self._transport.wait_disconnected()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See picows."""
        self._transport = transport
        self.linked = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Only answers to the call in flight are for us; a central system's own calls are refused."""
        now = perf_counter()
        if frame.msg_type is WSMsgType.TEXT:
            message = orjson.loads(frame.get_payload_as_memoryview())
            if message[0] == CALL:
                refusal = [4, message[1], "NotSupported", "", {}]
                transport.send(WSMsgType.TEXT, orjson.dumps(refusal))
            elif message[1] == self._in_flight:
                self._in_flight = ""
                if self.user is not None:
                    self.user.answered(message, now)
        elif frame.msg_type is WSMsgType.CLOSE:
            self.close()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - the interface of picows
        """See picows."""
        in_flight = self.busy
        self.linked = False
        self._in_flight = ""
        if self.user is not None:
            self.user.cut_off(in_flight=in_flight)


async def connect(url: str) -> ChargePoint:
    """Open a charge point; the last part of its URL is its identity.

    Raises:
        OSError: nobody listens there.
        picows.WSError: the handshake failed, or the other side does not speak OCPP 1.6.
    """
    headers = {"Sec-WebSocket-Protocol": SUBPROTOCOL}
    transport, charge_point = await ws_connect(ChargePoint, url, extra_headers=headers, logger_name="load")
    assert isinstance(charge_point, ChargePoint), "made by it"
    if transport.response.headers.get("Sec-WebSocket-Protocol") != SUBPROTOCOL:
        charge_point.close()
        raise WSError(f"{url} does not speak {SUBPROTOCOL}")
    return charge_point
