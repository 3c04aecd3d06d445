"""The outer limit: relays as in `bare`, on picows, the fastest WebSocket there is for Python.

It has no back-pressure, so it is no candidate, only a limit. Its `central` without an upstream is the null
server that shows what the load generator itself can do.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_connect, ws_create_server
from picows import WSUpgradeResponse as Response
from picows import WSUpgradeResponseWithListener as Welcome

from benchmarks.baselines.roles import CALL, HOME_PATH, HOST, SUBPROTOCOL, Options, answer, dialled, run, say

HEADERS = {"Sec-WebSocket-Protocol": SUBPROTOCOL}


class Relay:
    """Whoever asks, by message id, and whom to ask."""

    def __init__(self) -> None:
        self.above: WSTransport | None = None
        """Whom calls are passed on to; None to answer them."""
        self.waiting: dict[str, WSTransport] = {}

    def take(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a call or pass it on; pass an answer back."""
        payload = frame.get_payload_as_memoryview()
        message: list[Any] = orjson.loads(payload)
        if message[0] != CALL:
            self.waiting.pop(message[1]).send(WSMsgType.TEXT, payload)
        elif self.above is None or message[2] != "Authorize":
            transport.send(WSMsgType.TEXT, answer(message))
        else:
            self.waiting[message[1]] = transport
            self.above.send(WSMsgType.TEXT, payload)


class Peer(WSListener):
    """One socket of a relay."""

    def __init__(self, relay: Relay, *, home: bool = False) -> None:
        self._relay = relay
        self._home = home

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See picows. A home that dials in is asked from then on."""
        if self._home:
            self._relay.above = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """See picows."""
        if frame.msg_type is WSMsgType.TEXT:
            self._relay.take(transport, frame)
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()


@asynccontextmanager
async def serve(options: Options) -> AsyncIterator[str | None]:
    """See Kind."""
    relay = Relay()
    if options.upstream is not None:
        above, _ = await ws_connect(lambda: Peer(relay), dialled(options), extra_headers=HEADERS)
        if options.role == "home":
            say("linked")
            yield None
            return
        relay.above = above

    def admit(request: WSUpgradeRequest) -> Welcome:
        home = options.ask_home and request.path.decode().endswith(HOME_PATH)
        return Welcome(Response.create_101_response(HEADERS), Peer(relay, home=home))

    server = await ws_create_server(admit, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    yield f"ws://{HOST}:{port}/ocpp"


if __name__ == "__main__":
    run(serve)
